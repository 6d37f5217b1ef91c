//! Hearing of what other gateways change.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::sleep;

use super::events::{self, Found, GLANCE, Mark, WINDOW};
use super::link::{Mode, random_part};
use super::threads::Threads;
use super::waker::Waker;
use crate::store::{Heard, Hearing, StoreError, StoreEvent};

/// How long after a look the next one is due at the latest.
const LOOK: Duration = Duration::from_secs(1);

/// How long before it at the least: changes that come all the time do not make looks come all the time.
const REST: Duration = Duration::from_millis(50);

/// How often a gateway says that it lives. The database bounds the work on events, but not the commit
/// itself, which may wait for a standby. A beat is a commit as well: it waits with the others, and the
/// look that it belongs to fails. So it has to be far more frequent than [`events::WINDOW`] is long.
const BEAT: Duration = Duration::from_secs(5);

/// How far those who are woken together are spread, for each of them and at most.
const APART: Duration = Duration::from_millis(1);
const FAR_APART: Duration = Duration::from_millis(100);

pub(super) struct PostgresHearing {
    threads: Arc<Threads>,
    /// From the first look on.
    waker: Option<Waker>,
    /// What the last look found, with the glances since then, and when it was begun.
    last: Option<(Found, Instant)>,
    /// Up to where the last look or glance has read, and when it was begun.
    read: Option<(i64, Instant)>,
    /// Something has changed since then.
    woken: bool,
    /// The last look or glance came to nothing.
    failed: bool,
    /// Since when whatever changes has to be heard of.
    made: Instant,
    heart: Option<Heart>,
    gateways: usize,
}

/// What tells others that this gateway lives, and tells it whether the database is the one that it was.
#[derive(Clone, Copy)]
struct Heart {
    gateway: i64,
    beats: i64,
    at: Instant,
}

impl PostgresHearing {
    pub(super) fn new(threads: Arc<Threads>) -> Self {
        let made = Instant::now();
        let (waker, last, read, heart) = (None, None, None, None);
        Self { threads, waker, last, read, woken: false, failed: false, made, heart, gateways: 1 }
    }

    /// Reads what was written since that mark, and in the window before it.
    async fn read(&self, mark: Mark, window: Duration) -> Result<Found, StoreError> {
        let since =
            self.threads.apart().call(Mode::Look, (mark, window), |conn, (mark, window)| {
                Box::pin(events::since(conn, *mark, *window))
            });
        since.await
    }

    /// Looks at what is newest; `None` where that would be no help, as it is time for a look.
    async fn glance(&mut self) -> Result<Option<Vec<StoreEvent>>, StoreError> {
        let (woken, begun) = (std::mem::take(&mut self.woken), Instant::now());
        let is_due = self.last.as_ref().is_none_or(|(_, at)| at.elapsed() >= LOOK);
        let Some((at, read)) = self.read.filter(|_| woken && !is_due) else { return Ok(None) };
        let found = self.read(Mark { at, ago: read.elapsed() }, GLANCE).await?;
        let Some((last, _)) = &mut self.last else { return Ok(None) };
        self.read = Some((found.at, begun));
        let news = found.news(Some(last));
        last.note(found);
        Ok(Some(news))
    }

    async fn beat(&mut self) -> Result<Option<&'static str>, StoreError> {
        let at = Instant::now();
        let heart = match self.heart {
            Some(heart) => heart,
            None => Heart { gateway: events::draw()?, beats: 0, at },
        };
        let beats = self.threads.apart().call(Mode::Statement, heart.gateway, |conn, gateway| {
            Box::pin(events::beat(conn, *gateway))
        });
        let beats = beats.await?;
        let alive =
            self.threads.apart().call(Mode::Look, (), |conn, ()| Box::pin(events::alive(conn)));
        self.gateways = usize::try_from(alive.await?).unwrap_or(usize::MAX).max(1);
        let is_earlier = beats <= heart.beats;
        self.heart = Some(Heart { beats, at, ..heart });
        Ok(is_earlier.then_some("the database has forgotten this gateway: it is an earlier one"))
    }

    async fn look_or_glance(&mut self) -> Result<Heard, StoreError> {
        if let Some(events) = self.glance().await? {
            return Ok(Heard { events, gap: None, gateways: self.gateways, glance: true });
        }
        let begun = Instant::now();
        let mark = match &self.last {
            Some((found, at)) => Mark { at: found.at, ago: at.elapsed() },
            None => Mark::ago(self.made.elapsed()),
        };
        let found = self.read(mark, WINDOW).await?;
        let earlier = self.last.as_ref();
        let mut gap = match earlier {
            Some((earlier, at)) => found.gap(earlier, begun.duration_since(*at)),
            None => events::too_long(begun.duration_since(self.made)),
        };
        let events = found.news(earlier.map(|(earlier, _)| earlier));
        if self.heart.is_none_or(|heart| heart.at.elapsed() >= BEAT) {
            // Before this look is over: an earlier database must not pass for this one.
            gap = self.beat().await?.or(gap);
        }
        self.read = Some((found.at, begun));
        self.last = Some((found, begun));
        Ok(Heard { events, gap, gateways: self.gateways, glance: false })
    }
}

#[async_trait]
impl Hearing for PostgresHearing {
    async fn due(&mut self) {
        // Not all at once, neither those who were woken by one change nor those who have waited for one
        // database.
        let apart = APART.saturating_mul(u32::try_from(self.gateways).unwrap_or(u32::MAX) - 1);
        let rest = LOOK.mul_f64(random_part().mul_add(-0.1, 1.0));
        // A database that does not answer is asked no more often than one that does.
        let last = self.last.as_ref().filter(|_| !self.failed);
        let rest = rest.saturating_sub(last.map_or(Duration::ZERO, |(_, at)| at.elapsed()));
        let Some(waker) = &self.waker else { return sleep(rest).await };
        self.woken = tokio::time::timeout(rest, waker.woken()).await.is_ok();
        if self.woken {
            let since = self.read.map_or(REST, |(_, at)| at.elapsed());
            let apart = apart.min(FAR_APART).mul_f64(random_part());
            sleep(apart.max(REST.saturating_sub(since))).await;
        }
    }

    async fn look(&mut self) -> Result<Heard, StoreError> {
        if self.waker.is_none() {
            self.waker = Some(Waker::start(&self.threads)?);
        }
        self.failed = true;
        let heard = self.look_or_glance().await?;
        self.failed = false;
        Ok(heard)
    }
}

impl fmt::Debug for PostgresHearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresHearing").finish_non_exhaustive()
    }
}
