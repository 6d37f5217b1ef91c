//! The locks and counters that portcullis writes by hand, in every order that threads can meet in them, and
//! with what each order of memory allows and no more: by loom. `tests/loom.sh` runs it.
//!
//! The sources are taken as they stand (`build.rs`); this crate holds what they need around them, and what
//! is asked of them.
#![cfg(test)]

mod asked;
mod instead;

/// What the sources import from elsewhere, as far as they need it.
mod clock {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// What [`awake`] says, in seconds. No order of threads moves it, so it is none of loom's.
    pub(crate) static AWAKE: AtomicU64 = AtomicU64::new(0);

    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Timestamp(u64);

    impl Timestamp {
        pub(crate) const fn from_millis(millis: u64) -> Self {
            Self(millis)
        }

        pub(crate) const fn as_millis(self) -> u64 {
            self.0
        }
    }

    pub(crate) fn awake() -> Duration {
        Duration::from_secs(AWAKE.load(Ordering::Relaxed))
    }
}

mod identity {
    #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
    pub(crate) struct UserId(pub(crate) u64);
}

#[allow(dead_code, reason = "not all of it is checked here")]
mod gate {
    include!(concat!(env!("OUT_DIR"), "/gate.rs"));
}

#[allow(dead_code, reason = "not all of it is checked here")]
mod standing {
    include!(concat!(env!("OUT_DIR"), "/standing.rs"));
}

#[allow(dead_code, reason = "not all of it is checked here")]
mod limit {
    include!(concat!(env!("OUT_DIR"), "/limit.rs"));
}

#[allow(dead_code, unused_imports, reason = "not all of it is checked here")]
mod token {
    pub(crate) use freshness::{FreshnessSettings, WhenStale};
    pub(crate) use journal::Passage;
    pub(crate) use revision::{Bumped, Revisions};

    mod freshness {
        include!(concat!(env!("OUT_DIR"), "/freshness.rs"));
    }

    mod journal {
        include!(concat!(env!("OUT_DIR"), "/journal.rs"));
    }

    mod revision {
        include!(concat!(env!("OUT_DIR"), "/revision.rs"));
    }
}
