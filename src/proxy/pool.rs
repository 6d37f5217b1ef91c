//! Connections to upstreams that wait for their next request. Each worker has its own pool, so
//! a connection never changes threads.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::http1;
use super::resolver::Peer;
use super::upstream::Upstream;
use crate::clock::Alarm;

/// The idle connections of one worker, by upstream and server.
pub(super) struct Pool {
    /// One shelf a server, upstream by upstream.
    upstreams: Vec<Arc<[Shelf]>>,
}

/// The idle connections to one server, the latest used on top: the others may run out.
pub(super) struct Shelf {
    idle: Mutex<Vec<Idle>>,
    most: usize,
    patience: Duration,
}

/// A connection to a server.
pub(super) struct Connection {
    pub(super) http: http1::Connection,
    /// Where it leads, if by TCP: the name of the server may come to mean something else.
    pub(super) peer: Option<Peer>,
    /// For the response heads of all its requests.
    pub(super) alarm: Alarm,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Shelves for these; `known` has those that are there already.
    pub(super) fn new(
        upstreams: &[Arc<Upstream>],
        known: impl Fn(&Arc<Upstream>) -> Option<Arc<[Shelf]>>,
    ) -> Self {
        let shelves = |upstream: &Arc<Upstream>| {
            let (most, patience) = (upstream.settings.keep_alive, upstream.settings.idle);
            let shelf = |_| Shelf { idle: Mutex::default(), most, patience };
            known(upstream).unwrap_or_else(|| upstream.servers.iter().map(shelf).collect())
        };
        Self { upstreams: upstreams.iter().map(shelves).collect() }
    }

    /// The shelves of an upstream.
    pub(super) fn shelves(&self, upstream: usize) -> Option<Arc<[Shelf]>> {
        self.upstreams.get(upstream).cloned()
    }

    pub(super) fn shelf(&self, upstream: usize, server: usize) -> Option<&Shelf> {
        self.upstreams.get(upstream)?.get(server)
    }

    /// Closes what waited too long.
    pub(super) fn sweep(&self) {
        self.upstreams.iter().flat_map(|shelves| shelves.iter()).for_each(Shelf::sweep);
    }
}

impl Shelf {
    /// The connection that was used last and is still open.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        for at in (0..idle.len()).rev() {
            let Some(Idle { connection, .. }) = idle.get_mut(at) else { continue };
            let is_ready = connection.http.is_ready();
            let Idle { connection, since } = idle.remove(at);
            if is_ready && since.elapsed() < self.patience {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose response has been read to its end.
    pub(super) fn put(&self, connection: Connection) {
        if self.patience.is_zero() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.most {
            idle.push(Idle { connection, since: Instant::now() });
        }
    }

    fn sweep(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain_mut(|idle| {
            idle.since.elapsed() < self.patience && idle.connection.http.is_ready()
        });
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
