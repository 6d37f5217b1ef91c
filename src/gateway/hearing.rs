//! Hearing of what other gateways change, where they live on one store.

use std::error::Error;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::clock::{Clock, awake};
use crate::keys::KeyRing;
use crate::metrics::Counter;
use crate::store::{Heard, Hearing, StoreEvent};
use crate::token::Revisions;

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Tidings {
    pub(super) events: Counter,
    pub(super) gaps: Counter,
    /// Looks that came to nothing.
    pub(super) failed: Counter,
}

/// Hears of what others change, for as long as anything is remembered here: from before the first that is
/// remembered until the last connection is gone, whoever has it hear meanwhile.
#[derive(Debug)]
pub(super) struct Ears {
    revisions: Arc<Revisions>,
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    pub(super) tidings: Tidings,
    /// Where it was interrupted, it goes on.
    heeded: Mutex<Heeded>,
}

#[derive(Debug)]
struct Heeded {
    /// `None` where nobody else changes anything.
    hearing: Option<Box<dyn Hearing>>,
    is_deaf: bool,
    /// Others have put another ring in the place of ours.
    is_old: bool,
}

/// Hears beside all else; dropped, it stops.
#[derive(Debug)]
pub(super) struct Hears(Option<AbortOnDropHandle<()>>);

impl Hears {
    /// Ready if that has ended, which is a defect of ours.
    pub(super) async fn ended(&mut self) {
        let Some(task) = &mut self.0 else { return std::future::pending().await };
        if let Err(error) = task.await {
            tracing::error!(%error, "what hears of others' changes has ended");
        }
    }
}

impl Ears {
    /// `hearing` was made before anything was read that is remembered, the keys among it.
    pub(super) fn new(
        hearing: Option<Box<dyn Hearing>>,
        revisions: &Arc<Revisions>,
        keys: &Arc<KeyRing>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let (revisions, keys, clock) = (Arc::clone(revisions), Arc::clone(keys), Arc::clone(clock));
        let heeded = Mutex::new(Heeded { hearing, is_deaf: false, is_old: false });
        Self { revisions, keys, clock, tidings: Tidings::default(), heeded }
    }

    /// Has what is remembered follow the store, on this runtime, until what is returned is dropped.
    pub(super) fn hear_beside(self: &Arc<Self>) -> Hears {
        let is_shared = self.revisions.is_shared();
        let ears = Arc::clone(self);
        // Where there is nothing to hear, nothing is held on to either.
        Hears(
            is_shared
                .then(|| AbortOnDropHandle::new(tokio::spawn(async move { ears.hear().await }))),
        )
    }

    /// The same, by whoever waits for it. Never ends.
    pub(super) async fn hear(&self) {
        let mut heeded = self.heeded.lock().await;
        let Heeded { hearing: Some(hearing), is_deaf, is_old } = &mut *heeded else {
            return std::future::pending().await;
        };
        loop {
            let begun = awake();
            match hearing.look().await {
                Ok(heard) => {
                    if std::mem::take(is_deaf) {
                        tracing::info!("what others change is heard of again");
                    }
                    mend(&self.revisions, &heard);
                    self.revisions.note_gateways(heard.gateways);
                    self.tidings.note(&heard);
                    *is_old |= heard.gap.is_some() || heard.events.contains(&StoreEvent::Keys);
                    // After that: whoever finds it fresh finds all of it done.
                    if self.follow_keys(is_old).await && !heard.glance {
                        self.revisions.follow(begun);
                    }
                }
                Err(error) => {
                    self.tidings.failed.count();
                    let again = std::mem::replace(is_deaf, true);
                    let error = &error as &dyn Error;
                    if again {
                        tracing::debug!(error, "what others change is still not heard of");
                    } else {
                        tracing::warn!(error, "nothing is heard of what others change");
                    }
                }
            }
            hearing.due().await;
        }
    }

    /// Has the keys be those that all have by now; whether they are.
    async fn follow_keys(&self, is_old: &mut bool) -> bool {
        let now = self.clock.now();
        if *is_old {
            let keys = Arc::clone(&self.keys);
            // It waits for the database.
            match tokio::task::spawn_blocking(move || keys.reload(now)).await {
                Ok(Ok(())) => *is_old = false,
                Ok(Err(error)) => {
                    let error = &error as &dyn Error;
                    tracing::warn!(error, "there are other keys, and they cannot be had");
                }
                Err(error) => tracing::error!(%error, "what reads the keys has panicked"),
            }
        }
        if let Err(error) = self.keys.tend(now) {
            tracing::error!(error = &error as &dyn Error, "a key whose time has come cannot sign");
            return false;
        }
        !*is_old
    }
}

impl Tidings {
    fn note(&self, heard: &Heard) {
        self.events.add(u64::try_from(heard.events.len()).unwrap_or(u64::MAX));
        if heard.gap.is_some() {
            self.gaps.count();
        }
    }
}

/// Has whoever remembers a user that something was heard of ask again.
fn mend(revisions: &Revisions, heard: &Heard) {
    if let Some(reason) = heard.gap {
        tracing::warn!(reason, "changes were missed: all users are read again");
    }
    if heard.gap.is_some() || heard.events.contains(&StoreEvent::Everybody) {
        return revisions.bump_all();
    }
    for event in &heard.events {
        if let StoreEvent::User(user) = event {
            revisions.bump(*user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::UserId;
    use crate::keys::KeySettings;
    use crate::store::StoreError;
    use crate::token::{Bumped, FreshnessSettings};

    #[test]
    fn who_is_heard_of_is_asked_after_again_and_after_a_gap_everybody() {
        let revisions = Revisions::default();
        let mut news = revisions.listen();
        let (ada, bob) = (revisions.of(UserId(1)), revisions.of(UserId(2)));
        let events = vec![StoreEvent::User(UserId(1))];
        mend(&revisions, &Heard { events: events.clone(), gap: None, gateways: 2, glance: false });
        assert!(!revisions.holds(ada) && revisions.holds(bob));
        assert_eq!(news.try_recv(), Ok(Bumped::User(UserId(1))));
        mend(&revisions, &Heard { events, gap: Some("it was away"), gateways: 2, glance: false });
        assert!(!revisions.holds(bob));
        assert_eq!(news.try_recv(), Ok(Bumped::Everybody));
        let all = revisions.of(UserId(3));
        let events = vec![StoreEvent::Everybody];
        mend(&revisions, &Heard { events, gap: None, gateways: 2, glance: false });
        assert!(!revisions.holds(all));
    }

    /// Finds another user each time, and waits for ever in between.
    #[derive(Debug)]
    struct Counts(u64);

    #[async_trait::async_trait]
    impl Hearing for Counts {
        async fn due(&mut self) {
            std::future::pending::<()>().await;
        }

        async fn look(&mut self) -> Result<Heard, StoreError> {
            self.0 += 1;
            Ok(Heard {
                events: vec![StoreEvent::User(UserId(self.0))],
                gap: None,
                gateways: 2,
                glance: false,
            })
        }
    }

    fn ears(hearing: impl Hearing + 'static, revisions: &Arc<Revisions>) -> Arc<Ears> {
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::SystemClock);
        let keys = KeyRing::ephemeral(KeySettings::new("unused".into()), clock.now()).unwrap();
        Arc::new(Ears::new(Some(Box::new(hearing)), revisions, &Arc::new(keys), &clock))
    }

    #[tokio::test]
    async fn it_hears_beside_all_else_and_goes_on_where_it_was_interrupted() {
        let revisions = Arc::new(Revisions::shared(FreshnessSettings::default()));
        let mut news = revisions.listen();
        let ears = ears(Counts(0), &revisions);
        for user in 1..4 {
            let hears = ears.hear_beside();
            assert_eq!(news.recv().await, Ok(Bumped::User(UserId(user))));
            drop(hears);
        }
    }

    /// Finds nothing, at a look or at a glance; says when that was taken note of.
    #[derive(Debug)]
    struct Nothing {
        glance: bool,
        noted: Arc<tokio::sync::Notify>,
    }

    #[async_trait::async_trait]
    impl Hearing for Nothing {
        async fn due(&mut self) {
            self.noted.notify_one();
            std::future::pending::<()>().await;
        }

        async fn look(&mut self) -> Result<Heard, StoreError> {
            Ok(Heard { gateways: 2, glance: self.glance, ..Heard::default() })
        }
    }

    #[tokio::test]
    async fn a_glance_does_not_make_what_is_remembered_any_fresher() {
        const OLD: std::time::Duration = std::time::Duration::from_millis(20);
        for glance in [false, true] {
            let revisions = Arc::new(Revisions::shared(FreshnessSettings::default()));
            while revisions.age().unwrap() < OLD {
                std::thread::yield_now();
            }
            let (noted, before) = (Arc::new(tokio::sync::Notify::new()), awake());
            let hears =
                ears(Nothing { glance, noted: Arc::clone(&noted) }, &revisions).hear_beside();
            noted.notified().await;
            let at_last_look = awake().checked_sub(revisions.age().unwrap()).unwrap();
            assert_eq!(at_last_look + OLD / 2 < before, glance);
            drop(hears);
        }
    }
}
