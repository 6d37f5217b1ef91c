//! `portcullis check`: everything that is wrong with a policy file, and what it lets through.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::out::Out;
use super::policy_file::PolicyFile;
use super::route_words::on_trial;
use crate::config::{Checked, Config, ConfigError, Diagnostic};
use crate::policy::words::{cors, leads_to, limits, networks, rates};
use crate::policy::{Allow, Rewrite, Route};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to check, in place of the one that would be used
    file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: Args, file: PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let file = args.file.map_or(file, PolicyFile::Named);
    let checked = file.load();
    if args.json {
        json(&file, &checked, out)?;
    } else {
        text(&file, &checked, out)?;
    }
    Ok(if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text(
    file: &PolicyFile,
    checked: &Result<Checked, ConfigError>,
    out: &mut Out,
) -> anyhow::Result<()> {
    let Checked { config, warnings } = match checked {
        Ok(checked) => checked,
        Err(error) => {
            out.note(error);
            return Ok(());
        }
    };
    for warning in warnings {
        out.note(format_args!("warning: {warning}"));
    }
    let routes = by_specificity(config);
    let heads = ["ROUTE", "UPSTREAM", "ALLOW", "LIMITS"];
    out.table(heads, routes.iter().map(|route| row(route)).collect())?;
    out.line("")?;
    let open: Vec<_> = routes.iter().filter(|route| is_open(route)).collect();
    if open.is_empty() {
        out.line("no route is open to anyone")?;
    }
    for route in open {
        out.line(format_args!("open to anyone: {}", route.key))?;
    }
    for expectation in &config.expect {
        // A file with an expectation that fails is no configuration; asked again all the same.
        match expectation.check(&config.routes) {
            Ok(()) => out.line(format_args!("holds: {expectation}"))?,
            Err(failed) => out.line(format_args!("fails: {failed}"))?,
        }
    }
    out.line(format_args!("{file}: good"))?;
    Ok(())
}

/// The routes, each before those that match everything it matches.
fn by_specificity(config: &Config) -> Vec<&Arc<Route>> {
    let mut routes: Vec<_> = config.routes.iter().collect();
    // What contains a route also contains all that the route contains, so counting is enough.
    let wider =
        |route: &Route| config.routes.iter().filter(|other| other.key.contains(&route.key)).count();
    routes.sort_by_cached_key(|route| {
        (std::cmp::Reverse(wider(route)), route.key.pattern.to_string(), route.key.to_string())
    });
    routes
}

const fn is_open(route: &Route) -> bool {
    matches!(route.allow, Allow::Anyone)
}

fn row(route: &Route) -> [String; 4] {
    let limits = limits(route);
    let limits = if limits.is_empty() { "-".to_owned() } else { limits.join(", ") };
    let trial = on_trial(route).map(|rule| format!(" (would allow: {rule})")).unwrap_or_default();
    let from = networks(route).join(", ");
    let from = if from.is_empty() { from } else { format!(" from {from}") };
    let allow = format!("{}{trial}{from}", route.allow);
    [route.key.to_string(), leads_to(route).into_owned(), allow, limits]
}

#[derive(Serialize)]
struct Report {
    file: String,
    ok: bool,
    problems: Vec<Remark>,
    warnings: Vec<Remark>,
    routes: Vec<RouteReport>,
    expect: Vec<ExpectReport>,
}

#[derive(Serialize)]
struct Remark {
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

impl From<&Diagnostic> for Remark {
    fn from(it: &Diagnostic) -> Self {
        Self { line: Some(it.line), column: Some(it.column), message: it.message.clone() }
    }
}

#[derive(Serialize)]
struct RouteReport {
    route: String,
    upstream: String,
    allow: String,
    /// The rule that is on trial.
    would_allow: Option<String>,
    open: bool,
    from: Vec<String>,
    strip: Option<String>,
    prefix: Option<String>,
    rate: Vec<String>,
    /// Origins.
    cors: Vec<String>,
    /// In bytes.
    body: Option<u64>,
    /// In seconds.
    timeout: Option<f64>,
}

impl From<&Arc<Route>> for RouteReport {
    fn from(route: &Arc<Route>) -> Self {
        Self {
            route: route.key.to_string(),
            upstream: route.to.clone(),
            allow: route.allow.to_string(),
            would_allow: on_trial(route),
            open: is_open(route),
            from: networks(route),
            strip: route.rewrite.as_ref().and_then(Rewrite::strip).map(str::to_owned),
            prefix: route.rewrite.as_ref().and_then(Rewrite::prefix).map(str::to_owned),
            rate: rates(route),
            cors: cors(route),
            body: route.body,
            timeout: route.timeout.map(|timeout| timeout.as_secs_f64()),
        }
    }
}

#[derive(Serialize)]
struct ExpectReport {
    line: String,
    holds: bool,
}

fn json(
    file: &PolicyFile,
    checked: &Result<Checked, ConfigError>,
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut report = Report {
        file: file.to_string(),
        ok: checked.is_ok(),
        problems: Vec::new(),
        warnings: Vec::new(),
        routes: Vec::new(),
        expect: Vec::new(),
    };
    match checked {
        Ok(Checked { config, warnings }) => {
            report.warnings = warnings.iter().map(Remark::from).collect();
            report.routes = by_specificity(config).into_iter().map(RouteReport::from).collect();
            let asked = config.expect.iter().map(|expectation| ExpectReport {
                line: expectation.to_string(),
                holds: expectation.check(&config.routes).is_ok(),
            });
            report.expect = asked.collect();
        }
        Err(ConfigError::Invalid(problems)) => {
            report.problems = problems.iter().map(Remark::from).collect();
        }
        Err(error @ ConfigError::Unreadable { .. }) => {
            let message = error.to_string();
            report.problems = vec![Remark { line: None, column: None, message }];
        }
    }
    Ok(out.json(&report)?)
}
