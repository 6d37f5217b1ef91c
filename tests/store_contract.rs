//! What every store must do, case by case, and what each backend must do besides.
//!
//! A new backend adds one line to `backends!` below, or takes what [`whole`] lists where a case has
//! to share something with the others.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what is not as it must be fails the test"
)]

#[macro_use]
#[path = "store_contract/whole.rs"]
mod whole;
#[path = "store_contract/admission.rs"]
mod admission;
#[path = "store_contract/build.rs"]
mod build;
#[cfg(feature = "postgres")]
#[path = "store_contract/copying.rs"]
mod copying;
#[path = "store_contract/disk.rs"]
mod disk;
#[path = "store_contract/factors.rs"]
mod factors;
#[path = "store_contract/formats.rs"]
mod formats;
#[path = "store_contract/groups.rs"]
mod groups;
#[path = "store_contract/keys.rs"]
mod keys;
#[path = "store_contract/mail.rs"]
mod mail;
#[path = "store_contract/moving.rs"]
mod moving;
#[path = "store_contract/passkeys.rs"]
mod passkeys;
#[cfg(feature = "postgres")]
#[path = "common/postgres.rs"]
mod postgres;
#[cfg(feature = "postgres")]
#[path = "store_contract/postgres_charges.rs"]
mod postgres_charges;
#[cfg(feature = "postgres")]
#[path = "store_contract/postgres_cli.rs"]
mod postgres_cli;
#[cfg(feature = "postgres")]
#[path = "store_contract/postgres_contract.rs"]
mod postgres_contract;
#[cfg(feature = "postgres")]
#[path = "store_contract/postgres_events.rs"]
mod postgres_events;
#[cfg(feature = "postgres")]
#[path = "store_contract/postgres_glances.rs"]
mod postgres_glances;
#[cfg(feature = "postgres")]
#[path = "store_contract/postgres_only.rs"]
mod postgres_only;
#[path = "store_contract/redb_copy.rs"]
mod redb_copy;
#[path = "store_contract/redb_crash.rs"]
mod redb_crash;
#[path = "store_contract/redb_faults.rs"]
mod redb_faults;
#[path = "store_contract/redb_model.rs"]
mod redb_model;
#[path = "store_contract/redb_open.rs"]
mod redb_open;
#[path = "store_contract/rotation.rs"]
mod rotation;
#[path = "store_contract/sessions.rs"]
mod sessions;
#[path = "store_contract/users.rs"]
mod users;

use std::any::Any;
use std::sync::Arc;

use portcullis::store::{OpenMode, RedbStore, Store};

/// An empty store, and what must outlive it.
type Subject = (Arc<dyn Store>, Box<dyn Any>);

fn redb_in_memory() -> Subject {
    (Arc::new(RedbStore::in_memory().unwrap()), Box::new(()))
}

fn redb_in_a_file() -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("test.redb");
    let store = RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap();
    (Arc::new(store), Box::new(dir))
}

/// A test of its own for each case, against one backend.
macro_rules! contract {
    ($make:path; $($room:ident: $($case:ident)+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let (store, _kept) = $make();
                crate::$room::$case(&store).await;
            }
        )+)+
    };
}

macro_rules! backends {
    ($($backend:ident)+) => {
        $(mod $backend {
            whole! { contract! { crate::$backend } }
        })+
    };
}

backends! {
    redb_in_memory
    redb_in_a_file
}
