//! What a route says, in words for operators.

use std::borrow::Cow;

use super::{Rates, Route};
use crate::web::Cors;

/// Its limits, one a text.
pub(crate) fn limits(route: &Route) -> Vec<String> {
    let body = route.body.map(|body| format!("body {}", size(body)));
    let timeout = route.timeout.map(humantime::format_duration);
    let timeout = timeout.map(|timeout| format!("timeout {timeout}"));
    let fresh = route.fresh.map(|within| format!("fresh {}", humantime::format_duration(within)));
    let rates = rates(route);
    let rates = (!rates.is_empty()).then(|| format!("rate {}", rates.join(", ")));
    let cors = cors(route);
    let cors = (!cors.is_empty()).then(|| format!("cors {}", cors.join(" ")));
    let websocket = route.websocket.map(humantime::format_duration);
    let websocket = websocket.map(|idle| format!("websocket idle {idle}"));
    let tickets = (route.tickets && route.websocket.is_none()).then(|| "tickets".to_owned());
    let browser = route.browser.then(|| "browser".to_owned());
    let outlive = route.outlive.map(humantime::format_duration);
    let live = tickets.into_iter().chain(browser);
    let live = live.chain(outlive.map(|outlive| format!("outlive {outlive}")));
    let limits = fresh.into_iter().chain(rates).chain(body).chain(timeout).chain(websocket);
    limits.chain(live).chain(cors).collect()
}

/// Where it leads, and what becomes of the path.
pub(crate) fn leads_to(route: &Route) -> Cow<'_, str> {
    match &route.rewrite {
        Some(rewrite) => format!("{} ({rewrite})", route.to).into(),
        None => route.to.as_str().into(),
    }
}

pub(crate) fn rates(route: &Route) -> Vec<String> {
    route.rates.iter().flat_map(Rates::iter).map(ToString::to_string).collect()
}

pub(crate) fn cors(route: &Route) -> Vec<String> {
    route.cors.iter().flat_map(Cors::origins).map(str::to_owned).collect()
}

pub(crate) fn networks(route: &Route) -> Vec<String> {
    route.from.iter().map(ToString::to_string).collect()
}

/// Bytes as somebody may have written them.
pub(crate) fn size(bytes: u64) -> String {
    let units = [
        (1 << 30, "GiB"),
        (1_000_000_000, "GB"),
        (1 << 20, "MiB"),
        (1_000_000, "MB"),
        (1024, "KiB"),
    ];
    let fits = units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{bytes}B"), |(unit, name)| format!("{}{name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_as_they_are_written() {
        for (bytes, shown) in [
            (2_000_000, "2MB"),
            (10 << 20, "10MiB"),
            (10 << 30, "10GiB"),
            (1500, "1500B"),
            (0, "0B"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
