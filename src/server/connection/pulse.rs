//! What a connection is doing, as its deadlines see it.
//!
//! hyper has one read deadline and takes it for the head and for the idle time alike, so the
//! deadlines are kept here: the socket reports the first byte of a head, the service the
//! request, the response its end.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::timed::{Deadlines, Passed};
use crate::server::ConnectionLimits;

const FRESH: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const IDLE: u8 = 3;

/// Shared by the socket, the service and the timer of one connection. All of them run in one
/// task, so the order of the stores does not matter; they are atomic to be `Send`.
#[derive(Debug)]
pub(super) struct Pulse {
    accepted: Instant,
    phase: AtomicU8,
    /// When the phase began, in milliseconds after `accepted`.
    since: AtomicU64,
    /// Since when a write has been stuck, likewise; 0 if none is.
    stuck: AtomicU64,
    /// Whether the request under way has a body.
    has_body: AtomicBool,
    /// Whether bytes came while a request was under way.
    ahead: AtomicBool,
}

impl Pulse {
    pub(super) fn start() -> Self {
        Self {
            accepted: Instant::now(),
            phase: AtomicU8::new(FRESH),
            since: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            has_body: AtomicBool::new(false),
            ahead: AtomicBool::new(false),
        }
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        match self.phase.load(Ordering::Relaxed) {
            // The clock of the first head runs from the accept.
            FRESH => self.phase.store(HEAD, Ordering::Relaxed),
            IDLE => self.enter(HEAD),
            BUSY => self.ahead.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// A request is complete up to its body.
    pub(super) fn request(&self, has_body: bool) {
        self.ahead.store(false, Ordering::Relaxed);
        self.has_body.store(has_body, Ordering::Relaxed);
        self.phase.store(BUSY, Ordering::Relaxed);
    }

    /// Its response is over. Bytes that came meanwhile are the next head, unless they may have
    /// been this request's body.
    pub(super) fn finished(&self) {
        let ahead = self.ahead.load(Ordering::Relaxed) && !self.has_body.load(Ordering::Relaxed);
        self.enter(if ahead { HEAD } else { IDLE });
    }

    /// A write found no room, or found some.
    pub(super) fn writable(&self, room: bool) {
        if room {
            if self.stuck.load(Ordering::Relaxed) != 0 {
                self.stuck.store(0, Ordering::Relaxed);
            }
        } else if self.stuck.load(Ordering::Relaxed) == 0 {
            self.stuck.store(self.elapsed().max(1), Ordering::Relaxed);
        }
    }

    /// When the connection began.
    pub(super) const fn accepted(&self) -> Instant {
        self.accepted
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.elapsed(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Deadlines for Pulse {
    fn is_fresh(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == FRESH
    }

    fn deadline(&self, limits: &ConnectionLimits) -> Option<(Instant, Passed)> {
        let after = |millis: u64, wait: Duration| {
            (self.accepted + Duration::from_millis(millis) + wait, Passed::Close)
        };
        let stuck = self.stuck.load(Ordering::Relaxed);
        if stuck != 0 {
            return Some(after(stuck, limits.idle_timeout));
        }
        let since = self.since.load(Ordering::Relaxed);
        match self.phase.load(Ordering::Relaxed) {
            FRESH | HEAD => Some(after(since, limits.head_timeout)),
            IDLE => Some(after(since, limits.idle_timeout)),
            _ => None,
        }
    }

    fn farewell(&self) {}

    fn go_on(&self) {}
}
