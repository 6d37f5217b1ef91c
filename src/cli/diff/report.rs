//! What came of a comparison: told to people, or as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::compare::End;
use super::line::Request;
use crate::cli::out::Out;

/// Counts of a whole log.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    old: String,
    new: String,
    log: String,
    /// Lines that are requests.
    pub(super) requests: u64,
    /// Those that would end otherwise.
    pub(super) differing: u64,
    /// Of all, those whose sender is not known, so that they were judged as any user.
    pub(super) any_user: u64,
    /// Those that were refused for their form, whatever the policy.
    pub(super) malformed: u64,
    /// Those that a rule with a certificate decides.
    pub(super) certificate: u64,
    /// Preflights, which nobody judges.
    pub(super) preflights: u64,
    /// Those whose route in the log is another than that of the old policy.
    pub(super) other_policy: u64,
    /// Lines that are none of an access log.
    pub(super) foreign: u64,
    /// Whether callers could be looked up.
    pub(super) callers_known: bool,
    differences: Vec<Group>,
    #[serde(skip)]
    groups: BTreeMap<Kind, Found>,
}

/// What differs in the same way.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Kind {
    method: String,
    old: End,
    new: End,
}

#[derive(Debug)]
struct Found {
    requests: u64,
    any_user: u64,
    example: Example,
}

#[derive(Clone, Debug, Serialize)]
struct Example {
    /// Its line in the log.
    line: u64,
    request_id: Option<String>,
    host: String,
    path: String,
    user: Option<String>,
}

#[derive(Debug, Serialize)]
struct Group {
    requests: u64,
    /// Of those, how many were judged as any user.
    any_user: u64,
    method: String,
    old_route: String,
    new_route: String,
    old_outcome: String,
    new_outcome: String,
    /// The first of them.
    example: Example,
}

impl Report {
    pub(super) fn new(old: String, new: String, log: String) -> Self {
        Self { old, new, log, ..Self::default() }
    }

    /// Notes a request that would end otherwise.
    pub(super) fn differs(&mut self, line: u64, request: Request, ends: (End, End), any: bool) {
        self.differing += 1;
        let Request { method, host, path, line: fields } = request;
        let kind = Kind { method, old: ends.0, new: ends.1 };
        let example = || {
            let (request_id, user) = (fields.request_id, fields.user);
            Example { line, request_id, host, path, user }
        };
        let found = self.groups.entry(kind);
        let found = found.or_insert_with(|| Found { requests: 0, any_user: 0, example: example() });
        found.requests += 1;
        found.any_user += u64::from(any);
    }

    /// Tells everything.
    pub(super) fn tell(mut self, json: bool, out: &mut Out) -> anyhow::Result<()> {
        let groups = std::mem::take(&mut self.groups).into_iter().map(|(kind, found)| Group {
            requests: found.requests,
            any_user: found.any_user,
            method: kind.method,
            old_route: kind.old.route,
            new_route: kind.new.route,
            old_outcome: kind.old.outcome,
            new_outcome: kind.new.outcome,
            example: found.example,
        });
        self.differences = groups.collect();
        self.differences.sort_by_key(|group| std::cmp::Reverse(group.requests));
        if json {
            return Ok(out.json(&self)?);
        }
        if !self.differences.is_empty() {
            let heads = ["REQUESTS", "METHOD", "ROUTE", "OUTCOME", "EXAMPLE"];
            out.table(heads, self.differences.iter().map(row).collect())?;
            out.line("")?;
        }
        for line in self.sums() {
            out.line(line)?;
        }
        Ok(())
    }

    /// What there is to know beside the groups.
    fn sums(&self) -> Vec<String> {
        let Self { requests, differing, .. } = self;
        let mut lines = vec![format!("{differing} of {requests} requests would end otherwise")];
        let mut told = |count: u64, what: &str| {
            if count > 0 {
                lines.push(format!("{count} {what}"));
            }
        };
        let unknown = if self.callers_known {
            "with an unknown identity were judged as any user"
        } else {
            "with an unknown identity were judged as any user: no gateway and no store to ask for \
             roles"
        };
        told(self.any_user, unknown);
        told(self.certificate, "were not judged: a rule asks for a certificate, which no log has");
        told(self.preflights, "were preflights, which no rule judges");
        told(self.malformed, "were refused for their form, whatever the policy");
        told(self.other_policy, "had another route in the log than the old policy gives them");
        told(self.foreign, "lines were none of an access log in JSON");
        lines.push("callers were judged by the roles that they have now, and without a second factor; `rate`, `fresh` and `body` were not judged".to_owned());
        lines
    }
}

fn row(group: &Group) -> [String; 5] {
    let route = |key: &str| if key.is_empty() { "-".to_owned() } else { key.to_owned() };
    let (old, new) = (route(&group.old_route), route(&group.new_route));
    let routes = if old == new { old } else { format!("{old} -> {new}") };
    let example = &group.example;
    let user = example.user.as_ref().map(|user| format!(" by {user}")).unwrap_or_default();
    [
        group.requests.to_string(),
        group.method.clone(),
        routes,
        format!("{} -> {}", group.old_outcome, group.new_outcome),
        format!("{}{}{user} (line {})", example.host, example.path, example.line),
    ]
}
