//! What runs, under which policy, with which certificates.

use std::fmt;
use std::path::PathBuf;

use super::Sources;
use super::sheet::Sheet;
use super::traffic::number;
use crate::clock::Timestamp;

impl Sources {
    pub(super) fn state(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        sheet.info("portcullis_build", "Which portcullis this is", &version)?;
        let plan = self.plans.current();
        let fingerprint = [("sha256", plan.fingerprint.as_str())];
        sheet.info("portcullis_policy", "SHA-256 of the policy file in force", &fingerprint)?;
        let reloads = &self.ground.reloads;
        let outcomes = reloads.outcomes.so_far();
        sheet.counter(
            "portcullis_policy_reloads",
            "Policy files that were read again, by what came of it",
            outcomes.iter().map(|(outcome, count)| ([("outcome", *outcome)], *count)),
        )?;
        let good = f64::from(u8::from(reloads.last_was_good()));
        sheet.gauge(
            "portcullis_policy_last_reload_successful",
            "1 unless the policy file was read again last and refused",
            [([], good)],
        )?;
        sheet.gauge(
            "portcullis_policy_in_force_timestamp_seconds",
            "Since when the policy is in force",
            [([], moment(reloads.since()))],
        )?;
        self.memory(sheet)?;
        self.certificates(sheet)
    }

    fn memory(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Some((used, limit)) = self.ground.load.memory() else { return Ok(()) };
        let bytes = |bytes: u64| {
            let kibibytes = usize::try_from(bytes / 1024).unwrap_or(usize::MAX);
            [([], number(kibibytes) * 1024.0)]
        };
        sheet.gauge("portcullis_memory_bytes", "Memory in use, as it is limited", bytes(used))?;
        sheet.gauge("portcullis_memory_limit_bytes", "Most of it", bytes(limit))?;
        let sheds = f64::from(u8::from(self.ground.load.sheds()));
        let help = "1 while requests are sent away because memory is nearly full";
        sheet.gauge("portcullis_memory_is_full", help, [([], sheds)])
    }

    fn certificates(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let Some(tls) = &self.tls else { return Ok(()) };
        let named = |ends: Vec<(PathBuf, Timestamp)>| -> Vec<_> {
            ends.into_iter().map(|(file, end)| (file.display().to_string(), end)).collect()
        };
        let ends = named(tls.ends());
        sheet.gauge(
            "portcullis_certificate_expiry_timestamp_seconds",
            "When a certificate that clients are shown ends",
            ends.iter().map(|(file, end)| ([("file", file.as_str())], moment(*end))),
        )?;
        let ends = named(tls.lists_end());
        sheet.gauge(
            "portcullis_revocation_list_expiry_timestamp_seconds",
            "When a revocation list ends, and whoever needs it is refused",
            ends.iter().map(|(file, end)| ([("file", file.as_str())], moment(*end))),
        )?;
        let Some(acme) = &self.ground.acme else { return Ok(()) };
        let outcomes = acme.outcomes();
        sheet.counter(
            "portcullis_certificate_orders",
            "Certificates that were ordered from an authority, by what came of it",
            outcomes.iter().map(|(outcome, count)| ([("outcome", *outcome)], *count)),
        )?;
        sheet.gauge(
            "portcullis_certificate_order_failure_timestamp_seconds",
            "When an order has failed last, since the start",
            acme.last_failure().map(|at| ([], moment(at))),
        )
    }
}

/// Seconds since 1970, exact to the millisecond for some 280,000 years.
pub(super) fn moment(at: Timestamp) -> f64 {
    std::time::Duration::from_millis(at.as_millis()).as_secs_f64()
}
