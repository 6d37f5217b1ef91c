//! What a connection is doing, as its deadlines see it.
//!
//! hyper has one read deadline and takes it for the head and for the idle time alike, so the
//! deadlines are kept here: the socket reports the first byte of a head, the service the
//! request, the response its end.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::timed::{Deadlines, Passed};
use crate::server::{ConnectionLimits, Violation};

const FRESH: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
const IDLE: u8 = 3;
const LINGERING: u8 = 4;
const DOZING: u8 = 5;

/// How long a connection keeps its buffers for the next request. To make them again costs about
/// as much as the timer that would be set for each request if it were much shorter; if it were
/// longer, a wave of new clients would find the buffers of those before it still taken.
const DOZE: Duration = Duration::from_millis(150);

/// How long a client that was refused while it sent may go on to do so.
const LINGER: Duration = Duration::from_secs(1);

/// How often the socket of a connection with a running request is asked whether its client is
/// gone, where no read tells it.
const LOOK: Duration = Duration::from_millis(500);

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
    /// Whether bytes are held back until the request under way is over.
    held: AtomicBool,
    /// Whether nobody waits for bytes, so that their end would not be noticed.
    deaf: AtomicBool,
    /// When the socket was asked last whether its client is gone, while nobody did.
    asked: AtomicU64,
    /// Whether it shall be asked now.
    asks: AtomicBool,
    /// Whether the connection has left HTTP.
    taken: AtomicBool,
    /// Whether the connection is being closed.
    leaving: AtomicBool,
    /// Why its next request is none.
    refusal: OnceLock<Violation>,
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
            held: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            asks: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            refusal: OnceLock::new(),
        }
    }

    /// Bytes came in.
    pub(super) fn received(&self) {
        match self.phase.load(Ordering::Relaxed) {
            // The clock of the first head runs from the accept.
            FRESH => self.phase.store(HEAD, Ordering::Relaxed),
            IDLE | DOZING => self.enter(HEAD),
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

    /// The connection waits without its buffers. The time it has for that goes on.
    pub(super) fn doze(&self) {
        self.phase.store(DOZING, Ordering::Relaxed);
    }

    /// The connection is being closed.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether nobody has to remember anything of the last request. Its body, where it has one,
    /// may be under way still.
    fn may_doze(&self) -> bool {
        ![&self.has_body, &self.leaving, &self.taken]
            .into_iter()
            .any(|one| one.load(Ordering::Relaxed))
    }

    /// When the connection began.
    pub(super) const fn accepted(&self) -> Instant {
        self.accepted
    }

    /// Bytes are held back until the request under way is over.
    pub(super) fn hold(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    /// A read gave something, or waits for something. hyper reads nothing while it has bytes that
    /// nobody wants yet, such as the next request.
    pub(super) fn listens(&self, waits: bool) {
        self.deaf.store(!waits, Ordering::Relaxed);
    }

    /// Whether the socket shall be asked now if its client is gone.
    pub(super) fn asks(&self) -> bool {
        self.asks.load(Ordering::Relaxed) && {
            self.asks.store(false, Ordering::Relaxed);
            self.is_busy()
        }
    }

    /// Whether a request runs.
    pub(super) fn is_busy(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == BUSY
    }

    /// From now on its bytes are no HTTP.
    pub(super) fn take_over(&self) {
        self.taken.store(true, Ordering::Relaxed);
    }

    /// Whether they are none.
    pub(super) fn is_taken(&self) -> bool {
        self.taken.load(Ordering::Relaxed)
    }

    /// The next request is none, and the last.
    pub(super) fn refuse(&self, violation: Violation) {
        self.refusal.get_or_init(|| violation);
    }

    /// Why the request that has just been read is none.
    pub(super) fn refusal(&self) -> Option<Violation> {
        self.refusal.get().copied()
    }

    /// All is said, and the client may not have read it yet.
    pub(super) fn linger(&self) {
        self.enter(LINGERING);
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

    fn lets_go(&self) -> bool {
        self.held.load(Ordering::Relaxed) && !self.is_busy() && {
            self.held.store(false, Ordering::Relaxed);
            true
        }
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
            IDLE if limits.idle_timeout > DOZE && self.may_doze() => {
                Some((after(since, DOZE).0, Passed::Doze))
            }
            IDLE | DOZING => Some(after(since, limits.idle_timeout)),
            LINGERING => Some(after(since, LINGER)),
            _ if self.deaf.load(Ordering::Relaxed) => {
                let (next, _) = after(self.asked.load(Ordering::Relaxed), LOOK);
                Some((next, Passed::GoOn))
            }
            _ => None,
        }
    }

    fn farewell(&self) {}

    fn go_on(&self) {
        self.asked.store(self.elapsed(), Ordering::Relaxed);
        self.asks.store(true, Ordering::Relaxed);
    }
}
