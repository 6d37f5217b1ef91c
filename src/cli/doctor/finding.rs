//! What was found, and how it is told.

use serde::Serialize;

use crate::cli::out::Out;
use crate::printable::Printable;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Level {
    /// It is as it should be.
    Ok,
    /// It could not be found out from here.
    Untried,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work, or lets somebody in.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// What it is about.
    area: &'static str,
    level: Level,
    found: String,
    /// What to do next, if anything is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn ok(&mut self, area: &'static str, found: impl Into<String>) {
        self.0.push(Finding { area, level: Level::Ok, found: found.into(), next: None });
    }

    pub(super) fn add(
        &mut self,
        level: Level,
        area: &'static str,
        found: impl Into<String>,
        next: impl Into<String>,
    ) {
        self.0.push(Finding { area, level, found: found.into(), next: Some(next.into()) });
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether nothing is broken.
    pub(super) fn are_good(&self) -> bool {
        self.count(Level::Problem) == 0
    }

    pub(super) fn tell(&self, json: bool, out: &mut Out) -> anyhow::Result<()> {
        let (problems, warnings) = (self.count(Level::Problem), self.count(Level::Warning));
        if json {
            let good = self.are_good();
            let told = Report { ok: good, problems, warnings, findings: &self.0 };
            return Ok(out.json(&told)?);
        }
        for finding in &self.0 {
            let level = match finding.level {
                Level::Ok => "ok",
                Level::Untried => "untried",
                Level::Warning => "warning",
                Level::Problem => "PROBLEM",
            };
            let found = Printable(&finding.found);
            out.line(format_args!("{level:8} {:12} {found}", finding.area))?;
            if let Some(next) = &finding.next {
                out.line(format_args!("{:22}{}", "", Printable(next)))?;
            }
        }
        out.line("")?;
        Ok(out.line(format_args!("problems: {problems}, warnings: {warnings}"))?)
    }
}

#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    problems: usize,
    warnings: usize,
    findings: &'a [Finding],
}
