//! The real binary, as an operator and a script meet it.
#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test that cannot run the binary has to fail")]

#[path = "cli/api_keys.rs"]
mod api_keys;
#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/backup.rs"]
mod backup;
#[path = "cli/broken_off.rs"]
mod broken_off;
#[path = "cli/check.rs"]
mod check;
#[path = "cli/compact.rs"]
mod compact;
#[path = "cli/completions.rs"]
mod completions;
#[path = "cli/diff.rs"]
mod diff;
#[path = "cli/disk.rs"]
mod disk;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/explain_page.rs"]
mod explain_page;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/factors.rs"]
mod factors;
#[path = "cli/handed.rs"]
mod handed;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/invite.rs"]
mod invite;
#[path = "cli/links.rs"]
mod links;
#[path = "cli/offline.rs"]
mod offline;
#[path = "cli/operators.rs"]
mod operators;
#[cfg(feature = "postgres")]
#[path = "common/postgres.rs"]
#[expect(
    dead_code,
    clippy::panic,
    reason = "of a cluster only what the binary needs; without one, no test"
)]
mod postgres;
#[path = "cli/reload.rs"]
mod reload;
#[path = "cli/restore.rs"]
mod restore;
#[path = "cli/restore_keys.rs"]
mod restore_keys;
#[path = "cli/restore_told.rs"]
mod restore_told;
#[path = "cli/running.rs"]
mod running;
#[path = "cli/sessions.rs"]
mod sessions;
#[path = "cli/shadow.rs"]
mod shadow;
#[path = "cli/state.rs"]
mod state;
#[cfg(feature = "postgres")]
#[path = "cli/store_copy.rs"]
mod store_copy;
#[path = "cli/take_over.rs"]
mod take_over;
#[path = "cli/why.rs"]
mod why;
