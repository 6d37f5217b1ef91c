//! What the streams of a connection are doing, as its deadlines see it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::timed::{Deadlines, Passed};
use super::stream::Stream;
use super::tunnel::Line;
use crate::server::ConnectionLimits;

/// Shared by the socket, the streams' tasks and the timer of one connection. Times are
/// milliseconds after `accepted`; 0 is never.
#[derive(Debug)]
pub(in crate::server::connection) struct Streams {
    accepted: Instant,
    open: AtomicU32,
    /// Whether a frame has ever come.
    heard: AtomicBool,
    /// Whether a request has ever come.
    asked: AtomicBool,
    /// When the last stream was opened or ended, or was found to go on.
    since: AtomicU64,
    /// Since when a request's head has been under way.
    head: AtomicU64,
    /// Since when a write has been stuck.
    stuck: AtomicU64,
    /// When the last bytes went out.
    wrote: AtomicU64,
    /// Since when the client has been asked to leave.
    farewell: AtomicU64,
    /// Cancelled when the connection is over, for tunnels that wait for that.
    finished: OnceLock<CancellationToken>,
}

/// What the next task that hyper spawns is for.
pub(super) enum Next {
    /// A request.
    Request(Arc<Stream>),
    /// What a tunnel sends to the client.
    Tunnel(Line),
}

thread_local! {
    /// hyper calls the service, or takes its response, and spawns the task for it in one go,
    /// without another task between: what is left here is found by that task. Without a lock,
    /// and whatever other threads do on the same connection.
    static NEXT: Cell<Option<Next>> = const { Cell::new(None) };
}

impl Streams {
    /// Begins where the connection could first have asked for something.
    pub(in crate::server::connection) const fn start(accepted: Instant) -> Self {
        Self {
            accepted,
            open: AtomicU32::new(0),
            heard: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            since: AtomicU64::new(0),
            head: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            wrote: AtomicU64::new(0),
            farewell: AtomicU64::new(0),
            finished: OnceLock::new(),
        }
    }

    /// A request came, and its task will be spawned next.
    pub(super) fn open(&self) -> Arc<Stream> {
        let stream = Arc::new(Stream::default());
        self.open.fetch_add(1, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
        self.since.store(self.now(), Ordering::Relaxed);
        NEXT.set(Some(Next::Request(Arc::clone(&stream))));
        stream
    }

    /// A tunnel begins, and the task that sends its bytes will be spawned next.
    pub(super) fn tunnel(line: Line) {
        NEXT.set(Some(Next::Tunnel(line)));
    }

    /// What the task is for that is spawned now.
    pub(super) fn spawned() -> Option<Next> {
        NEXT.take()
    }

    /// A stream lives that is no request any more.
    pub(super) fn keep(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection is over.
    pub(super) fn finish(&self) {
        if let Some(finished) = self.finished.get() {
            finished.cancel();
        }
    }

    /// Cancelled when the connection is over.
    pub(super) fn finished(&self) -> CancellationToken {
        self.finished.get_or_init(CancellationToken::new).clone()
    }

    /// A stream is over.
    pub(super) fn closed(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether the head of a request has begun and is not over.
    pub(super) fn head(&self, under_way: bool) {
        let before = self.head.load(Ordering::Relaxed);
        if under_way && before == 0 {
            self.head.store(self.now(), Ordering::Relaxed);
        } else if !under_way && before != 0 {
            self.head.store(0, Ordering::Relaxed);
        }
    }

    /// A write found no room, or found some.
    pub(super) fn writable(&self, room: bool) {
        let before = self.stuck.load(Ordering::Relaxed);
        if room {
            if before != 0 {
                self.stuck.store(0, Ordering::Relaxed);
            }
            if self.farewell.load(Ordering::Relaxed) != 0 {
                self.wrote.store(self.now(), Ordering::Relaxed);
            }
        } else if before == 0 {
            self.stuck.store(self.now(), Ordering::Relaxed);
        }
    }

    /// A frame came.
    pub(super) fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// The deadline of a connection that may have nothing to do.
    fn waiting(&self, limits: &ConnectionLimits) -> (Instant, Passed) {
        let since = self.since.load(Ordering::Relaxed);
        if self.open.load(Ordering::Relaxed) > 0 {
            // The last stream may end in another thread, which does not wake this task.
            return (self.after(since, limits.idle_timeout), Passed::GoOn);
        }
        let farewell = self.farewell.load(Ordering::Relaxed);
        if farewell != 0 {
            // The end of a last response may still go out, but not for ever.
            let begun = farewell.max(since);
            let last = begun.max(self.wrote.load(Ordering::Relaxed));
            let patient = self.after(begun, limits.idle_timeout);
            return (self.after(last, limits.head_timeout).min(patient), Passed::Close);
        }
        if self.asked.load(Ordering::Relaxed) {
            (self.after(since, limits.idle_timeout), Passed::TellClient)
        } else {
            (self.after(since, limits.head_timeout), Passed::Close)
        }
    }

    /// Now, as all times here.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// The moment so long after a time of ours.
    pub(super) fn after(&self, millis: u64, wait: Duration) -> Instant {
        self.accepted + Duration::from_millis(millis) + wait
    }
}

impl Deadlines for Streams {
    fn is_fresh(&self) -> bool {
        !self.heard.load(Ordering::Relaxed)
    }

    fn deadline(&self, limits: &ConnectionLimits) -> Option<(Instant, Passed)> {
        let started = |time: &AtomicU64, wait| match time.load(Ordering::Relaxed) {
            0 => None,
            millis => Some((self.after(millis, wait), Passed::Close)),
        };
        let waits = [
            Some(self.waiting(limits)),
            started(&self.stuck, limits.idle_timeout),
            started(&self.head, limits.head_timeout),
        ];
        waits.into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
    }

    fn farewell(&self) {
        if self.farewell.load(Ordering::Relaxed) == 0 {
            self.farewell.store(self.now(), Ordering::Relaxed);
        }
    }

    fn go_on(&self) {
        self.since.store(self.now(), Ordering::Relaxed);
    }
}
