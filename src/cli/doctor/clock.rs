//! The clock: tokens live by it.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::finding::{Findings, Level};
use crate::audit::last_lines;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;

/// What a clock may be off without anybody noticing.
const SLACK: Duration = Duration::from_secs(5);

/// What those who keep clocks in step leave behind while they do: timesyncd a file that is there
/// once it has been in step, chrony and ntpd their process ids.
const IN_STEP: [&str; 4] = [
    "/run/systemd/timesync/synchronized",
    "/run/chrony/chronyd.pid",
    "/run/ntpd.pid",
    "/run/openntpd.pid",
];

pub(super) fn look(config: &Config, findings: &mut Findings) {
    let now = SystemClock.now();
    match latest(config) {
        Some((when, what)) if when > now.plus(SLACK) => {
            let ahead = Duration::from_secs(when.since(now).as_secs());
            findings.add(
                Level::Problem,
                "clock",
                format!(
                    "it is {now}, and {what} is from {when}: the clock was turned back by {}",
                    humantime::format_duration(ahead)
                ),
                "set the clock; until it has caught up, tokens live longer than they should",
            );
        }
        Some((when, what)) => {
            findings.ok("clock", format!("it is {now}; {what} is from {when}"));
        }
        None => findings.ok("clock", format!("it is {now}")),
    }
    match IN_STEP.iter().find(|path| Path::new(path).exists()) {
        Some(path) => findings.ok("clock", format!("it is kept in step ({path})")),
        None => findings.add(
            Level::Untried,
            "clock",
            "whether it is kept in step cannot be seen from here",
            "`timedatectl` tells on most machines",
        ),
    }
}

/// The last moment that the gateway is known to have seen, and what tells.
fn latest(config: &Config) -> Option<(Timestamp, String)> {
    let store = config.store.file().and_then(|store| fs::metadata(store).ok());
    let store = store.and_then(|found| found.modified().ok());
    let store = store.map(|when| (when.into(), "the last change of the store".to_owned()));
    let audit = config.audit.enabled.then(|| last_entry(&config.audit.path)).flatten();
    let audit = audit.map(|when| (when, "the last line of the audit record".to_owned()));
    store.into_iter().chain(audit).max_by_key(|(when, _)| *when)
}

fn last_entry(path: &Path) -> Option<Timestamp> {
    let (lines, _) = last_lines(path, 1).ok()?;
    let line: serde_json::Value = serde_json::from_str(lines.last()?).ok()?;
    moment(line.get("at")?.as_str()?)
}

fn moment(text: &str) -> Option<Timestamp> {
    humantime::parse_rfc3339(text).ok().map(Timestamp::from)
}

/// What the `Date` of a server says of both clocks.
pub(super) fn compare(server: &str, date: SystemTime, findings: &mut Findings) {
    let (theirs, ours) = (Timestamp::from(date), SystemClock.now());
    let apart = theirs.since(ours).max(ours.since(theirs));
    if apart <= SLACK {
        return;
    }
    let apart = humantime::format_duration(Duration::from_secs(apart.as_secs()));
    findings.add(
        Level::Warning,
        "clock",
        format!("the clock of {server} is {apart} away from this one"),
        "keep both in step, above all where the server looks at tokens itself",
    );
}
