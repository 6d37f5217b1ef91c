//! The gateway itself: what it does, and how it went lately.

use serde_json::{Value, json};

use super::{items, joined, text, texts_of, with};
use crate::pages::moment;
use crate::pages::outcome::Outcome;
use crate::pages::portion::Portion;
use crate::pages::visit::Context;

const TITLE: &str = "Gateway";

/// Routes on one page.
const MOST: usize = 50;

/// What is drawn: what it is called, where it is in a span, and whether it is a duration.
const PLOTS: [(&str, &str, bool); 4] = [
    ("Requests in ten seconds", "requests", false),
    ("Of those, with 401 or 403", "denied", false),
    ("Of those, with 5xx", "failed", false),
    ("99 % took", "p99", true),
];

/// Width of a bar of a plot with the gap beside it, and the height of all.
const STEP: usize = 4;
const HEIGHT: u64 = 48;

/// What it says beside its template.
#[cfg(test)]
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    PLOTS.into_iter().map(|(text, ..)| text).chain([TITLE])
}

/// What it is filled with, of a gateway made up.
pub(super) fn sample() -> Value {
    let moment = "2026-01-02T03:04:05Z";
    json!({
        "explain": "/manage/explain/",
        "version": "1.2.3",
        "up": "3 d 2 h",
        "listeners": "0.0.0.0:8080",
        "ready": true,
        "policy": {
            "fingerprint": "ab12",
            "since": moment,
            "since_text": "2026-01-02 03:04 UTC",
            "last_was_good": false,
            "said": ["policy.toml:3:1: no such key"],
        },
        "load": { "requests": 1, "most_requests": 10, "connections": 2, "most_connections": 20 },
        "plots": [plot(PLOTS[3], &[json!({ "p99": 2500 })])],
        "upstreams": [{
            "name": "app",
            "servers": [{ "address": "127.0.0.1:8000", "up": false, "requests": 1 }],
            "waiting": 1,
            "failures": 1,
        }],
        "certificates": [{ "file": "a.pem", "ends": moment, "ends_text": "2026-01-02 03:04 UTC", "days": 9 }],
        "routes": [route(json!({
            "key": "/*",
            "line": 7,
            "to": "app",
            "allow": "role:admin",
            "from": ["10.0.0.0/8"],
            "limits": ["body 1MB"],
            "requests": 3,
            "refused": 2,
            "failed": 1,
            "p50": 250,
            "p99": 2_500_000,
        }))],
        "next": "/manage/state/?from=50",
    })
}

pub(super) async fn get(cx: &Context<'_>) -> Outcome {
    let health = match cx.command(json!({ "command": "health" })).await {
        Ok(health) => health,
        Err(denied) => return cx.denied("state", &denied),
    };
    let mut state = match cx.command(json!({ "command": "state" })).await {
        Ok(state) => state,
        Err(denied) => return cx.denied("state", &denied),
    };
    let spans = items(&mut state, "lately");
    let Portion { shown, next } =
        Portion::of(items(&mut state, "routes"), cx.query.text("from"), MOST);
    let routes: Vec<_> = shown.into_iter().map(route).collect();
    let certificates = items(&mut state, "certificates").into_iter();
    let certificates: Vec<_> = certificates.map(|one| moment::readable(one, &["ends"])).collect();
    let policy = state.get_mut("policy").map(Value::take).unwrap_or_default();
    let seconds = health.get("uptime").and_then(Value::as_u64).unwrap_or_default();
    let plots = PLOTS.into_iter().map(|what| plot(what, &spans));
    let more = [
        ("explain", cx.site("explain", &[]).into()),
        ("version", text(&health, "version").into()),
        ("ready", health.get("ready").cloned().unwrap_or_default()),
        ("listeners", joined(&health, "listeners").into()),
        ("up", ran(seconds).into()),
        ("policy", moment::readable(policy, &["since"])),
        ("plots", plots.collect::<Vec<_>>().into()),
        ("routes", routes.into()),
        ("next", cx.next_part("state", "", next).into()),
        ("certificates", certificates.into()),
    ];
    cx.site_page("state", "state.html", TITLE, with(state, more)).into()
}

/// A route as the template has it.
fn route(route: Value) -> Value {
    let took = |name| route.get(name).and_then(Value::as_u64).map(took);
    let limits: Vec<_> = texts_of(&route, "from").map(|one| format!("from {one}")).collect();
    let limits: Vec<_> =
        limits.into_iter().chain(texts_of(&route, "limits").map(str::to_owned)).collect();
    let more = [
        ("limits", limits.join(", ").into()),
        ("p50_text", took("p50").into()),
        ("p99_text", took("p99").into()),
    ];
    with(route, more)
}

/// The bars of a plot, each as high as it is of the highest.
fn plot((label, name, is_duration): (&str, &str, bool), spans: &[Value]) -> Value {
    let numbers = spans.iter().map(|span| span.get(name).and_then(Value::as_u64).unwrap_or(0));
    let numbers: Vec<_> = numbers.collect();
    let most = numbers.iter().copied().max().unwrap_or(0);
    let last = numbers.last().copied().unwrap_or(0);
    let words = |number: u64| if is_duration { took(number) } else { number.to_string() };
    let bar = |(at, number): (usize, &u64)| {
        let height = (number * HEIGHT).checked_div(most).unwrap_or(0).max(u64::from(*number > 0));
        json!({ "x": at * STEP, "y": HEIGHT - height, "height": height })
    };
    let bars: Vec<_> = numbers.iter().enumerate().map(bar).collect();
    json!({
        "label": label,
        "most": words(most),
        "last": words(last),
        "width": STEP * numbers.len().max(1),
        "bars": bars,
    })
}

/// Between a number and its unit: no line ends there.
const GAP: char = '\u{a0}';

/// Seconds in the two largest units, whose signs are the same in every language.
fn ran(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}{GAP}s"),
        60..3_600 => format!("{minutes}{GAP}min {}{GAP}s", seconds % 60),
        3_600..86_400 => format!("{hours}{GAP}h {}{GAP}min", minutes % 60),
        _ => format!("{days}{GAP}d {}{GAP}h", hours % 24),
    }
}

/// Microseconds as people say them.
fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}{GAP}µs"),
        1_000..1_000_000 => tenths(micros / 100, "ms"),
        _ => tenths(micros / 100_000, "s"),
    }
}

fn tenths(tenths: u64, unit: &str) -> String {
    match tenths % 10 {
        0 => format!("{}{GAP}{unit}", tenths / 10),
        rest => format!("{}.{rest}{GAP}{unit}", tenths / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_unit_that_fits() {
        for (micros, said) in [
            (250, "250 µs"),
            (1_000, "1 ms"),
            (2_500, "2.5 ms"),
            (250_000, "250 ms"),
            (2_500_000, "2.5 s"),
        ] {
            assert_eq!(took(micros).replace(GAP, " "), said);
        }
    }

    #[test]
    fn how_long_it_ran_is_said_in_two_units() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (63, "1 min 3 s"),
            (3_599, "59 min 59 s"),
            (7_260, "2 h 1 min"),
            (86_399, "23 h 59 min"),
            (266_400, "3 d 2 h"),
        ] {
            assert_eq!(ran(seconds).replace(GAP, " "), said);
        }
    }

    #[test]
    fn the_highest_bar_is_as_high_as_the_plot_and_the_lowest_can_be_seen() {
        let spans: Vec<_> =
            [0, 1, 1000].iter().map(|number| json!({ "requests": number })).collect();
        let plot = plot(PLOTS[0], &spans);
        let heights: Vec<_> =
            plot["bars"].as_array().unwrap().iter().map(|bar| bar["height"].clone()).collect();
        assert_eq!(heights, [0, 1, 48]);
        assert_eq!(
            (&plot["most"], &plot["last"], &plot["width"]),
            (&"1000".into(), &"1000".into(), &12.into())
        );
    }
}
