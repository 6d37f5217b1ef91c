//! Words about a rule that several commands say.

use crate::policy::Route;

/// The rule that is on trial.
pub(super) fn on_trial(route: &Route) -> Option<String> {
    route.shadow.as_ref().map(|shadow| shadow.allow().to_string())
}

/// One alternative of `allow`, and what the caller lacks for it.
pub(super) fn met_or_not(rule: &str, missing: &[String]) -> String {
    if missing.is_empty() {
        return format!("met:     {rule}");
    }
    format!("not met: {rule}, for lack of {}", missing.join(" and "))
}

/// The rule on trial, and what it would have changed.
pub(super) fn on_trial_says(rule: &str, would: Option<&str>) -> String {
    let would = match would {
        Some("refuse") => "would refuse",
        Some(_) => "would let it through",
        None => "would change nothing",
    };
    format!("{rule}: {would}")
}
