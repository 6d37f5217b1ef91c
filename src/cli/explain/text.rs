//! The answer for people: what happens first, then why.

use crate::admin::{Decision, RouteTold, Told, UpstreamTold};
use crate::cli::labelled::Lines;
use crate::cli::route_words::{met_or_not, on_trial_says};

/// The whole answer, with its line ends.
pub(super) fn text(told: &Told, file: &str) -> String {
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
        about_route(route, file, &mut lines);
    }
    if let Some(upstream) = &told.upstream {
        about_upstream(upstream, &mut lines);
    }
    if let Some(endpoint) = &told.endpoint {
        lines.put("endpoint", &endpoint.does);
        lines.put("called by", &endpoint.caller);
        lines.put("limited by", &endpoint.limited);
    }
    lines.text()
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
    lines.more(route.alternatives.iter().map(|one| met_or_not(&one.rule, &one.missing)));
    if let Some(trial) = &route.would_allow {
        lines.put("on trial", on_trial_says(&trial.rule, trial.would.as_deref()));
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
