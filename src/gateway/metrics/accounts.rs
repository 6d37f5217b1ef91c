//! Logins and what they cost, credentials, and the store.

use std::fmt;

use super::Sources;
use super::sheet::Sheet;
use super::traffic::number;

impl Sources {
    pub(super) fn accounts(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let accounts = &self.ground.accounts;
        let events = accounts.audit().counts();
        sheet.counter(
            "portcullis_events",
            "What happened to accounts and to the gateway, by the name that the audit record has",
            events.iter().map(|(event, count)| ([("event", *event)], *count)),
        )?;
        sheet.counter(
            "portcullis_audit_lost",
            "Events that could not be recorded",
            [([], accounts.audit().lost())],
        )?;
        let plan = self.plans.current();
        let lookups = plan.shared.sessions.lookups();
        let (hits, misses) = (lookups.known.total(), lookups.learnt.total());
        sheet.counter(
            "portcullis_credentials_accepted",
            "Good credentials, by whether they were in the cache",
            [([("cache", "hit")], hits), ([("cache", "miss")], misses)],
        )?;
        let load = accounts.passwords().load();
        sheet.gauge(
            "portcullis_hashing_waiting",
            "Passwords that wait to be hashed",
            [([], number(load.waiting()))],
        )?;
        sheet.durations(
            "portcullis_hashing_duration_seconds",
            "How long passwords took to be hashed, from their turn on",
            [([], load.hashes())],
        )?;
        sheet.counter(
            "portcullis_hashing_refused",
            "Passwords that were not hashed because too many waited, or waited too long",
            [([], load.refused())],
        )?;
        self.shared(sheet)?;
        let Some(commits) = self.ground.store.commits() else { return Ok(()) };
        sheet.durations(
            "portcullis_store_commit_duration_seconds",
            "How long commits took to be on disk",
            [([], commits.durations.so_far())],
        )?;
        sheet.counter(
            "portcullis_store_changes",
            "Changes that the store was asked for; several may share a commit",
            [([], commits.changes.total())],
        )?;
        sheet.counter(
            "portcullis_store_commits_failed",
            "Commits that failed",
            [([], commits.failed.total())],
        )
    }

    /// What is known of others who change the same store.
    fn shared(&self, sheet: &mut Sheet<'_>) -> fmt::Result {
        let (revisions, tidings) = (&self.ground.revisions, &self.ground.ears.tidings);
        let Some(age) = revisions.age() else { return Ok(()) };
        sheet.gauge(
            "portcullis_store_age_seconds",
            "How long ago everything was known that other gateways had changed",
            [([], age.as_secs_f64())],
        )?;
        sheet.gauge(
            "portcullis_store_stale",
            "1 while that is longer ago than `[store] staleness`",
            [([], f64::from(u8::from(revisions.stale().is_some())))],
        )?;
        sheet.gauge(
            "portcullis_store_gateways",
            "Gateways that live on the store, this one included",
            [([], f64::from(revisions.gateways().get()))],
        )?;
        sheet.counter(
            "portcullis_store_heard",
            "Changes that were heard of, those of this gateway included",
            [([], tidings.events.total())],
        )?;
        sheet.counter(
            "portcullis_store_looks_failed",
            "Looks at what others have changed that came to nothing",
            [([], tidings.failed.total())],
        )?;
        sheet.counter(
            "portcullis_store_gaps",
            "How often changes were missed, so that all users were read again",
            [([], tidings.gaps.total())],
        )
    }
}
