//! `portcullis why`: a request that is over, and what decided it.

use std::process::ExitCode;
use std::time::Duration;

use super::labelled::Lines;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::reach::another_reply;
use super::route_words::{met_or_not, on_trial_says};
use crate::admin::{
    Client, Command, PastCaller, PastEnd, PastIdentity, PastPolicy, PastRoute, PastView, Reply,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The request, as its answer had it in `X-Request-Id`
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Done whatever became of the request; a failure if nobody remembers it.
pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let socket = file.socket()?;
    let reply = Client::connect(&socket).await?.send(&Command::Why { id: args.id }).await?;
    let Reply::Past { requests } = reply else { return Err(another_reply()) };
    if args.json {
        out.json(&requests)?;
    } else {
        let texts: Vec<_> = requests.iter().map(|past| text(past, file)).collect();
        out.text(&texts.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(past: &PastView, file: &PolicyFile) -> String {
    let mut lines = Lines::default();
    ending(past, &mut lines);
    lines.put("", "");
    lines.put("request", format!("{} {} at {}", past.method, past.path, past.host));
    lines.put("came", format!("{}, from {}", past.at, past.client));
    match &past.canonical {
        Some(path) => lines.put("path", path),
        None => lines.put("path", "not judged: the request was refused before"),
    }
    match &past.caller {
        Some(caller) => about_caller(caller, &mut lines),
        None => lines.put("by", "nobody: no credential, or none that is good"),
    }
    if let Some(route) = &past.route {
        about_route(route, past.policy.as_ref(), file, &mut lines);
    }
    if let Some(endpoint) = &past.endpoint {
        lines.put("endpoint", endpoint);
    }
    if let Some(policy) = &past.policy {
        let now = if policy.in_force { "in force" } else { "no longer in force" };
        lines.put("policy", format!("sha256:{}, {now}", policy.fingerprint));
    }
    lines.text()
}

fn ending(past: &PastView, lines: &mut Lines) {
    let PastEnd { status, code, cause, duration_us, sent, complete } = &past.end;
    match (code, cause) {
        (Some(code), Some(cause)) => lines.put("refused", format!("{status} {code}: {cause}")),
        (Some(code), None) => lines.put("refused", format!("{status} {code}")),
        (None, _) => {
            let by = match (&past.route, &past.endpoint) {
                (Some(route), _) => format!(", by {}", route.to),
                (None, Some(_)) => ", here".to_owned(),
                (None, None) => String::new(),
            };
            lines.put("answered", format!("{status}{by}"));
        }
    }
    let took = humantime::format_duration(Duration::from_micros(*duration_us));
    let whole = if *complete { "" } else { ", and that was not all" };
    lines.put("", format!("{sent} bytes in {took}{whole}"));
}

fn about_caller(caller: &PastCaller, lines: &mut Lines) {
    let PastCaller { user_id, known, key } = caller;
    let Some(known) = known else {
        let key = key.map(|key| format!(", with API key {key}")).unwrap_or_default();
        lines.put("by", format!("user {user_id}{key}"));
        return;
    };
    let PastIdentity { username, roles, credential, session, expires, now } = known;
    let named = if username.is_empty() { String::new() } else { format!(" ({username})") };
    lines.put("by", format!("user {user_id}{named}"));
    let roles = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
    lines.put("roles", roles);
    let session = session.as_ref().map(|id| format!(" of session {id}")).unwrap_or_default();
    lines.put("with", format!("{credential}{session}, which ends {expires}"));
    lines.put(
        "",
        match now {
            None => "still good".to_owned(),
            Some(problem) => format!("good then, and now: {problem}"),
        },
    );
}

fn about_route(
    route: &PastRoute,
    policy: Option<&PastPolicy>,
    file: &PolicyFile,
    lines: &mut Lines,
) {
    // A number of a file that has changed since would lead astray.
    let file = if policy.is_some_and(|policy| policy.in_force) {
        file.to_string()
    } else {
        "the file as it was".to_owned()
    };
    let place = route.line.map(|line| format!("  ({file}:{line})")).unwrap_or_default();
    lines.put("route", format!("{}{place}", route.key));
    lines.list("from", route.from.clone(), "any address");
    lines.put("allow", &route.allow);
    lines.more(route.alternatives.iter().map(|one| met_or_not(&one.rule, &one.missing)));
    if let Some(rule) = &route.would_allow {
        lines.put("on trial", on_trial_says(rule, route.would.as_deref()));
    }
}
