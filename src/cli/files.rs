//! How many files and sockets the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside the clients' connections: the store, listeners, the log, a few upstreams.
const BESIDE: u64 = 100;

/// Takes all that the system grants. Most start a process with a soft limit of 1,024, for the
/// sake of `select`, which nobody here uses: a thousand idle clients would then be enough to leave
/// none for upstreams. Says so where even the hard limit has no room for `connections`.
pub(super) fn take_all_there_are(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, wanted) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
    let needed = needed(connections);
    // None is no limit.
    if let Some(granted) = getrlimit(Resource::Nofile).current.filter(|granted| *granted < needed) {
        tracing::warn!(
            granted,
            connections,
            "the system grants fewer open files than [limits] connections needs; raise its limit"
        );
    }
}

/// How many it takes for so many connections.
pub(super) fn needed(connections: usize) -> u64 {
    u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDE)
}
