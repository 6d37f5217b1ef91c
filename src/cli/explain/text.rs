//! The answer for people: what happens first, then why.

use std::fmt::Write;

use super::told::{Decision, RouteTold, Told, UpstreamTold};
use crate::printable::Printable;

/// As wide as the longest label, and two spaces.
const LABEL: usize = 13;

/// Lines of a label and what it says.
#[derive(Debug, Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, label: &str, text: impl AsRef<str>) {
        let text = Printable(text.as_ref());
        // Writing to a String cannot fail.
        writeln!(self.0, "{label:LABEL$}{text}").ok();
    }

    /// Further lines of the label before.
    fn more(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.put("", text);
        }
    }

    /// The first text beside the label, the others below it; a word for none.
    fn list(&mut self, label: &str, texts: Vec<String>, none: &str) {
        let mut texts = texts.into_iter();
        self.put(label, texts.next().unwrap_or_else(|| none.to_owned()));
        self.more(texts);
    }
}

/// The whole answer, with its line ends.
pub(super) fn text(told: &Told) -> String {
    let mut lines = Lines::default();
    match &told.decision {
        Decision::Forwarded { upstream, why } => {
            lines.put("forwarded", format!("to {upstream}: {why}"));
        }
        Decision::Answered { why } => lines.put("answered", format!("here: {why}")),
        Decision::Refused { status, code, why } => {
            lines.put("refused", format!("{status} {code}: {why}"));
        }
    }
    lines.put("", "");
    let request = &told.request;
    let host = request.host.as_deref().unwrap_or("any host");
    lines.put("request", format!("{} {} at {host}", request.method, request.path));
    let from = request.from.as_deref().unwrap_or("an address that every route takes");
    lines.put("by", format!("{}, from {from}", request.who));
    if let Some(path) = &told.path {
        lines.put("path", path);
    }
    readings(told, &mut lines);
    if let Some(route) = &told.route {
        about_route(route, &told.file, &mut lines);
    }
    if let Some(upstream) = &told.upstream {
        about_upstream(upstream, &mut lines);
    }
    if let Some(endpoint) = &told.endpoint {
        lines.put("endpoint", endpoint.does);
        lines.put("called by", endpoint.caller);
        lines.put("limited by", endpoint.limited);
    }
    let trimmed = lines.0.lines().map(|line| format!("{}\n", line.trim_end()));
    trimmed.collect()
}

fn readings(told: &Told, lines: &mut Lines) {
    let (agree, differ): (Vec<_>, Vec<_>) = told.readings.iter().partition(|one| one.agrees);
    let differ = differ.into_iter().map(|one| format!("{} leads to {}", one.path, one.leads_to));
    let mut texts: Vec<_> = differ.collect();
    if !agree.is_empty() {
        let paths: Vec<_> = agree.iter().map(|one| one.path.as_str()).collect();
        texts.push(format!("{} leads to the same", paths.join(" or ")));
    }
    if told.path.is_some() {
        lines.list("also read as", texts, "nothing else");
    }
}

fn about_route(route: &RouteTold, file: &str, lines: &mut Lines) {
    let place = route.line.map(|line| format!("  ({file}:{line})")).unwrap_or_default();
    lines.put("route", format!("{}{place}", route.key));
    lines.list("from", route.from.clone(), "any address");
    lines.put("allow", &route.allow);
    lines.more(route.alternatives.iter().map(|one| {
        if one.met {
            return format!("met:     {}", one.rule);
        }
        format!("not met: {}, for lack of {}", one.rule, one.missing.join(" and "))
    }));
    if let Some(trial) = &route.would_allow {
        let would = match trial.would {
            Some("refuse") => "would refuse",
            Some(_) => "would let it through",
            None => "would change nothing",
        };
        lines.put("on trial", format!("{}: {would}", trial.rule));
    }
    lines.list("limits", route.limits.clone(), "none");
}

fn about_upstream(upstream: &UpstreamTold, lines: &mut Lines) {
    lines.put("upstream", format!("{}: {}", upstream.name, upstream.servers.join(", ")));
    lines.put("asked for", &upstream.path);
    let headers = upstream.headers.iter().map(|header| match &header.value {
        Some(value) => format!("{}: {value}", header.name),
        None => format!("{}: ({})", header.name, header.claim),
    });
    lines.list("headers", headers.collect(), "none: nobody is known");
}
