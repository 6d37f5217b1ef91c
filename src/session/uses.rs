//! When sessions and keys were last used, for the lists of them: to the minute, and without a write
//! for each request.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Authenticated, Sessions};
use crate::clock::Timestamp;
use crate::identity::SessionId;
use crate::store::StoreError;

/// How old the note of a use may get while the session is used.
const FRESH: Duration = Duration::from_secs(60);
/// How often notes are written to the store.
const WRITE: Duration = Duration::from_secs(60);
/// Sessions and keys that are noted between two writes; further ones are not.
const MOST: usize = 65_536;
/// Notes that one commit takes, so that no login waits long for it.
const STEP: usize = 512;

/// Uses that the store has not heard of.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<Used, Timestamp>>);

/// What was used.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Used {
    Session(SessionId),
    /// A key that a user made, by its number.
    Key(u64),
}

/// When a caller's use is to be noted next, in milliseconds: all that a request looks at.
#[derive(Debug, Default)]
pub(super) struct NextNote(AtomicU64);

impl Uses {
    /// Notes that a caller's session or key is used, once a minute.
    pub(super) fn note(&self, caller: &Authenticated, now: Timestamp) {
        if now.as_millis() < caller.note.0.load(Ordering::Relaxed) {
            return;
        }
        caller.note.0.store(now.plus(FRESH).as_millis(), Ordering::Relaxed);
        let session = caller.identity.session.map(Used::Session);
        let Some(used) = session.or_else(|| caller.user_key().map(Used::Key)) else { return };
        let mut held = self.held();
        if held.len() < MOST || held.contains_key(&used) {
            held.insert(used, now);
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Used, Timestamp>> {
        // Nothing that is done under the lock leaves a map half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uses").field("len", &self.held().len()).finish()
    }
}

impl Sessions {
    /// The last use of a session that the store has not heard of.
    pub fn last_use(&self, session: SessionId) -> Option<Timestamp> {
        self.uses.held().get(&Used::Session(session)).copied()
    }

    /// The same of a key that a user made.
    pub fn last_key_use(&self, key: u64) -> Option<Timestamp> {
        self.uses.held().get(&Used::Key(key)).copied()
    }

    /// Writes uses to the store now and then. Never ends.
    pub async fn keep_uses(&self) {
        loop {
            tokio::time::sleep(WRITE).await;
            self.write_uses().await;
        }
    }

    /// Writes what is known of uses to the store. What a store that fails did not take is lost,
    /// and noted anew by the next use.
    pub async fn write_uses(&self) {
        let uses: Vec<_> = self.uses.held().iter().map(|(used, at)| (*used, *at)).collect();
        for step in uses.chunks(STEP) {
            let (mut sessions, mut keys) = (Vec::new(), Vec::new());
            for (used, at) in step {
                match used {
                    Used::Session(id) => sessions.push((*id, *at)),
                    Used::Key(id) => keys.push((*id, *at)),
                }
            }
            if !sessions.is_empty() {
                warn_of(self.store.note_uses(sessions).await);
            }
            if !keys.is_empty() {
                warn_of(self.store.note_key_uses(keys).await);
            }
        }
        let mut held = self.uses.held();
        for (used, written) in uses {
            // One that was used again meanwhile waits for the next time.
            if held.get(&used) == Some(&written) {
                held.remove(&used);
            }
        }
    }
}

fn warn_of(noted: Result<(), StoreError>) {
    if let Err(error) = noted {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "cannot note when sessions and keys were used");
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::somebody;
    use super::*;
    use crate::identity::Identity;

    #[test]
    fn so_many_are_noted_at_once_and_those_are_kept_up_to_date() {
        let id = |number| SessionId { number, tag: 0 };
        let by = |number| somebody(Identity { session: Some(id(number)), ..Identity::nobody() });
        let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(2));
        let uses = Uses::default();
        let others = (1..).take(MOST - 2).map(|number| (Used::Session(id(number)), early));
        uses.held().extend(others);
        let noted = |number| uses.held().get(&Used::Session(id(number))).copied();
        for (number, expected) in
            [(u64::MAX, Some(late)), (0, Some(late)), (u64::MAX - 1, None), (1, Some(late))]
        {
            uses.note(&by(number), late);
            assert_eq!(noted(number), expected, "{number}");
        }
        assert_eq!(uses.held().len(), MOST);
    }
}
