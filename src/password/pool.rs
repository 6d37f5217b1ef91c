//! Hashing on its own few threads: a flood of logins costs a queue, not the gateway.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{PasswordError, PasswordSettings};
use crate::metrics::{Counter, Durations, Spread};

type Job = Box<dyn FnOnce() + Send>;

/// A bounded number of threads behind a bounded queue.
#[derive(Debug)]
pub(super) struct Pool {
    queue: SyncSender<Job>,
    wait: Duration,
    load: Arc<Load>,
}

/// What the hashing threads have to do, and have done.
#[derive(Debug, Default)]
pub struct Load {
    waiting: AtomicUsize,
    hashes: Durations,
    refused: Counter,
}

impl Load {
    /// How many wait for their turn, or have just gone away from it.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How long each took, from its turn on.
    pub fn hashes(&self) -> Spread {
        self.hashes.so_far()
    }

    /// How many were turned away because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused.total()
    }
}

/// The turn of a caller whose work is done. While it is kept, the thread that did the work leaves
/// its processor alone, so that what follows (the commit of a login) does not take another from
/// the requests that are proxied; but for as long as the work took at most: a slow disk does not
/// stop the others for good.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "to be dropped")] Sender<Nothing>);

/// Never made, so that waiting for one is waiting for the end of its sender.
#[derive(Debug)]
enum Nothing {}

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const ABANDONED: u8 = 2;

impl Pool {
    /// Starts the threads. They end when the pool is dropped and the queue is empty.
    pub(super) fn start(settings: &PasswordSettings) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel(settings.queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..settings.at_once.get() {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name(format!("hashing-{number}")).spawn(move || work(&jobs))?;
        }
        Ok(Self { queue, wait: settings.queue_wait, load: Arc::default() })
    }

    pub(super) const fn load(&self) -> &Arc<Load> {
        &self.load
    }

    /// Runs `work` on a hashing thread, which is free again when its result is there.
    ///
    /// # Errors
    ///
    /// See [`Pool::run_and_keep`].
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        self.run_and_keep(work, || false).await.map(|(result, _turn)| result)
    }

    /// Runs `work` on a hashing thread, and keeps that where it then `rests`.
    ///
    /// A caller that goes away before its turn costs nothing; one that has waited for
    /// `queue_wait` is turned away. What has begun is finished, so that the time of an answer
    /// does not tell whether it was right.
    ///
    /// # Errors
    ///
    /// [`PasswordError::Busy`] or [`PasswordError::Failed`]; the work was not done.
    pub(super) async fn run_and_keep<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        rests: impl FnOnce() -> bool + Send + 'static,
    ) -> Result<(T, Option<Turn>), PasswordError> {
        let state = Arc::new(AtomicU8::new(WAITING));
        let (ticket, load) = (Arc::clone(&state), Arc::clone(&self.load));
        let (answer, mut answered) = oneshot::channel();
        let job = Box::new(move || {
            load.waiting.fetch_sub(1, Ordering::Relaxed);
            let mine =
                ticket.compare_exchange(WAITING, STARTED, Ordering::AcqRel, Ordering::Acquire);
            if mine.is_ok() && !answer.is_closed() {
                let begun = Instant::now();
                let result = work();
                let took = begun.elapsed();
                load.hashes.note(took);
                let (turn, over) = channel();
                let turn = rests().then_some(Turn(turn));
                // The caller may be gone by now; then nobody wants the result.
                drop(answer.send((result, turn)));
                // For no time where the turn is nobody's.
                drop(over.recv_timeout(took));
            }
        });
        // Before it can be done.
        self.load.waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.queue.try_send(job) {
            self.load.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(match error {
                TrySendError::Full(_) => self.busy(),
                TrySendError::Disconnected(_) => PasswordError::Failed,
            });
        }
        match tokio::time::timeout(self.wait, &mut answered).await {
            Ok(result) => result.map_err(|_| PasswordError::Failed),
            Err(_late) => {
                let gone =
                    state.compare_exchange(WAITING, ABANDONED, Ordering::AcqRel, Ordering::Acquire);
                if gone.is_ok() {
                    return Err(self.busy());
                }
                answered.await.map_err(|_| PasswordError::Failed)
            }
        }
    }

    fn busy(&self) -> PasswordError {
        self.load.refused.count();
        PasswordError::Busy(self.wait)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting for a job, never while doing one.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // A panic is a defect of ours and costs this one login, not the thread: its caller
            // hears that the channel is gone.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(_queue_gone) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn pool(queue: usize, wait: Duration) -> Pool {
        let settings = PasswordSettings {
            at_once: NonZeroUsize::MIN,
            queue,
            queue_wait: wait,
            ..PasswordSettings::default()
        };
        Pool::start(&settings).unwrap()
    }

    #[tokio::test]
    async fn what_does_not_fit_the_queue_is_turned_away_at_once() {
        let pool = Arc::new(pool(1, Duration::from_secs(60)));
        let (begun, has_begun) = channel();
        let (release, released) = channel::<()>();
        let first = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move {
                pool.run(move || {
                    begun.send(()).unwrap();
                    released.recv().unwrap();
                })
                .await
            }
        });
        tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
        let mut second = Box::pin(pool.run(|| 2));
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        for refused in 1..3 {
            assert!(matches!(pool.run(|| 3).await, Err(PasswordError::Busy(_))));
            assert_eq!((pool.load.waiting(), pool.load.refused()), (1, refused));
        }
        release.send(()).unwrap();
        assert_eq!(second.await.unwrap(), 2);
        first.await.unwrap().unwrap();
        assert_eq!((pool.load.waiting(), pool.load.refused()), (0, 2));
    }

    #[tokio::test]
    async fn who_goes_away_before_its_turn_costs_nothing() {
        let pool = pool(4, Duration::from_secs(60));
        let (release, released) = channel::<()>();
        let mut first = Box::pin(pool.run(move || released.recv().unwrap()));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let (ran, has_run) = channel();
        let mut gone = Box::pin(pool.run(move || ran.send(()).unwrap()));
        assert!(futures_util::poll!(gone.as_mut()).is_pending());
        drop(gone);
        release.send(()).unwrap();
        first.await.unwrap();
        pool.run(|| ()).await.unwrap();
        assert!(has_run.try_recv().is_err(), "it was run for nobody");
    }

    /// The time of an answer would tell how far the work had come.
    #[tokio::test]
    async fn what_has_begun_is_finished_however_late() {
        let wait = Duration::from_millis(20);
        let pool = pool(4, wait);
        let (begun, has_begun) = channel();
        let (release, released) = channel::<()>();
        let mut slow = Box::pin(pool.run(move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            7
        }));
        assert!(futures_util::poll!(slow.as_mut()).is_pending());
        // Nobody looks at the clock meanwhile.
        has_begun.recv().unwrap();
        tokio::time::sleep(2 * wait).await;
        assert!(futures_util::poll!(slow.as_mut()).is_pending());
        release.send(()).unwrap();
        assert_eq!(slow.await.unwrap(), 7);
        assert_eq!(pool.load.refused(), 0);
    }

    #[tokio::test]
    async fn while_a_turn_is_kept_the_thread_rests() {
        let pool = pool(4, Duration::from_secs(60));
        let work = || thread::sleep(Duration::from_millis(80));
        let ((), turn) = pool.run_and_keep(work, || true).await.unwrap();
        let done = Instant::now();
        let next = pool.run(Instant::now).await.unwrap();
        // The thread begins to rest before its result is seen here.
        assert!(turn.is_some(), "there is nothing to keep");
        assert!(next.duration_since(done) >= Duration::from_millis(10), "it did not rest");
        // It is asked, and where it does not rest there is no turn.
        assert!(pool.run_and_keep(|| (), || false).await.unwrap().1.is_none());
    }

    #[tokio::test]
    async fn a_panic_costs_one_login_and_no_thread() {
        let pool = pool(4, Duration::from_secs(60));
        let failed: Result<(), _> = pool.run(|| panic!("a test of panics")).await;
        assert!(matches!(failed, Err(PasswordError::Failed)));
        assert_eq!(pool.run(|| 5).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn who_waits_too_long_is_turned_away_and_never_hashed() {
        let pool = Arc::new(pool(4, Duration::from_millis(20)));
        let (release, released) = channel::<()>();
        let blocker = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run(move || released.recv().unwrap()).await }
        });
        tokio::task::yield_now().await;
        let (ran, has_run) = channel();
        let late = pool.run(move || ran.send(()).unwrap()).await;
        assert!(matches!(late, Err(PasswordError::Busy(_))));
        release.send(()).unwrap();
        blocker.await.unwrap().unwrap();
        pool.run(|| ()).await.unwrap();
        assert!(has_run.try_recv().is_err(), "an abandoned job was run");
    }
}
