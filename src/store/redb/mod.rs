//! The embedded store: one redb file, one writing thread, any number of readers.

mod all_sessions;
mod all_tables;
mod codec;
mod copying;
mod deleted;
mod draft;
mod factors;
mod finished;
mod groups;
mod indexes;
mod invitations;
mod keys;
mod lasting;
mod letters;
mod live;
mod mail;
mod moving;
mod one_time;
mod open;
mod passkeys;
mod probe;
mod recipes;
mod refusal;
mod rest;
mod sessions;
mod tables;
mod transfer;
mod user_keys;
mod users;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use self::live::Live;
use self::tables::{Change, View};
use self::writer::Writer;
use super::record::{
    Creation, EndReason, NewSession, NewUser, PasswordHash, Rotation, RotationRequest, Session,
    SessionRef, Standing, User, UserChange,
};
use super::{Admission, Clashes, Commits, CopySink, Factors, Store, StoreError, Terms};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};

#[cfg(feature = "fuzz")]
pub use codec::rewritten;
pub use draft::{Finish, StoreDraft};
pub use finished::FinishedDraft;
pub use open::OpenMode;
pub use rest::{Compacted, HeldStore};
pub use transfer::{FileCopy, RowReader};

/// Sessions that one commit of a sweep removes at most, so that no login waits long for it.
const SWEEP_STEP: usize = 512;

/// The store in one redb file.
///
/// It must be used within a tokio runtime, whose blocking threads do the reading. Changes are
/// queued to a thread of the store's own, and those that arrive together share one commit.
/// Dropping the store blocks until what is queued is on disk, then frees the file.
///
/// While the disk takes no writes (it is full, or broken), changes are
/// [`StoreError::Unavailable`] and what is stored can be read. It is asked again at the first
/// change a second later: nothing has to be started anew.
#[derive(Debug)]
pub struct RedbStore {
    // First, so that it is dropped first: the thread ends before the file is closed.
    writer: Writer,
    live: Arc<Live>,
}

impl RedbStore {
    /// Reads the store as it is at one moment, off the async threads: the disk may be slow.
    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let live = Arc::clone(&self.live);
        let (answer, answered) = oneshot::channel();
        // Boxed, so that what tokio does for a task is compiled once and not for each read.
        let read: Box<dyn FnOnce() + Send> = Box::new(move || {
            let outcome = live.read(work);
            // First, so that whoever has the answer and drops the store has closed the file.
            drop(live);
            drop(answer.send(outcome));
        });
        tokio::task::spawn_blocking(read);
        answered.await.map_err(|panicked| StoreError::Unavailable(panicked.into()))?
    }

    /// Changes the store; see [`Writer::call`].
    async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&Change<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.call(work).await
    }
}

#[async_trait]
impl Store for RedbStore {
    fn commits(&self) -> Option<&Commits> {
        Some(self.writer.commits())
    }

    async fn hand_over(&self) -> Result<(), StoreError> {
        let live = Arc::clone(&self.live);
        tokio::task::spawn_blocking(move || live.hand_over())
            .await
            .map_err(|panicked| StoreError::Unavailable(panicked.into()))
    }

    async fn create_user(&self, user: NewUser) -> Result<Creation, StoreError> {
        self.write(move |change| users::create(change, &user)).await
    }

    async fn admit_user(&self, user: NewUser, terms: Terms) -> Result<Admission, StoreError> {
        self.write(move |change| users::admit(change, &user, &terms)).await
    }

    async fn clashes(&self, username: &str, email: &str) -> Result<Clashes, StoreError> {
        let (username, email) = (username.to_owned(), email.to_owned());
        self.read(move |view| users::clashes(view, &username, &email)).await
    }

    async fn users_by_email(&self, email: &str) -> Result<Vec<User>, StoreError> {
        let email = email.to_owned();
        self.read(move |view| users::by_email(view, &email)).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.read(move |view| users::find(view, id)).await
    }

    async fn user_by_name(&self, name: &str) -> Result<Option<User>, StoreError> {
        let name = name.to_owned();
        self.read(move |view| users::by_name(view, &name)).await
    }

    async fn user_to_check(&self, name: &str) -> Result<(Option<User>, Vec<String>), StoreError> {
        let name = name.to_owned();
        self.read(move |view| Ok((users::by_name(view, &name)?, recipes::all(view)?))).await
    }

    async fn user_with_factors(
        &self,
        id: UserId,
    ) -> Result<Option<(User, Option<Factors>)>, StoreError> {
        self.read(move |view| {
            let Some(user) = users::find(view, id)? else { return Ok(None) };
            Ok(Some((user, factors::find(view, id)?)))
        })
        .await
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, StoreError> {
        self.read(move |view| users::page(view, after, limit)).await
    }

    async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
    ) -> Result<Option<User>, StoreError> {
        self.write(move |txn| users::alter(txn, id, &change)).await
    }

    async fn delete_user(&self, id: UserId) -> Result<bool, StoreError> {
        self.write(move |change| users::delete(change, id)).await
    }

    async fn start_session(&self, session: NewSession) -> Result<Option<Session>, StoreError> {
        self.writer.call_soon(move |change| sessions::start(change, &session)).await
    }

    async fn change_password(
        &self,
        hash: PasswordHash,
        session: NewSession,
    ) -> Result<Option<Session>, StoreError> {
        self.write(move |change| sessions::start_with_password(change, &hash, &session)).await
    }

    async fn adopt_session(
        &self,
        jti: &str,
        session: NewSession,
    ) -> Result<Option<Session>, StoreError> {
        let jti = jti.to_owned();
        self.write(move |change| sessions::adopt(change, &jti, &session)).await
    }

    async fn standing(
        &self,
        user: UserId,
        session: SessionRef<'_>,
    ) -> Result<Standing, StoreError> {
        match session {
            SessionRef::Own(id) => {
                self.read(move |view| sessions::standing(view, user, SessionRef::Own(id))).await
            }
            SessionRef::Foreign(jti) => {
                let jti = jti.to_owned();
                self.read(move |view| sessions::standing(view, user, SessionRef::Foreign(&jti)))
                    .await
            }
        }
    }

    async fn rotate(&self, request: RotationRequest) -> Result<Rotation, StoreError> {
        self.write(move |change| sessions::rotate(change, &request)).await
    }

    async fn touch_session(
        &self,
        id: SessionId,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |change| sessions::touch(change, id, now, expires)).await
    }

    async fn end_session(
        &self,
        id: SessionId,
        now: Timestamp,
        reason: EndReason,
    ) -> Result<bool, StoreError> {
        self.write(move |change| sessions::end(change, id, now, reason)).await
    }

    async fn sessions(
        &self,
        user: UserId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError> {
        self.read(move |view| sessions::of_user(view, user, before, limit)).await
    }

    async fn latest_sessions(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError> {
        self.read(move |view| all_sessions::latest(view, before, limit)).await
    }

    async fn note_uses(&self, uses: Vec<(SessionId, Timestamp)>) -> Result<(), StoreError> {
        self.write(move |change| sessions::note_uses(change, &uses)).await
    }

    async fn password_recipes(&self) -> Result<Vec<String>, StoreError> {
        self.read(recipes::all).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<usize, StoreError> {
        let dead = self.read(move |view| all_sessions::dead(view, now)).await?;
        let mut removed = 0;
        for step in dead.chunks(SWEEP_STEP) {
            let step = step.to_vec();
            removed += self.write(move |change| sessions::bury(change, &step, now)).await?;
        }
        let dead = self.read(move |view| one_time::dead(view, now)).await?;
        for step in dead.chunks(SWEEP_STEP) {
            let step = step.to_vec();
            self.write(move |change| one_time::bury(change, &step, now)).await?;
        }
        let dead = self.read(move |view| user_keys::dead(view, now)).await?;
        for step in dead.chunks(SWEEP_STEP) {
            let step = step.to_vec();
            self.write(move |change| user_keys::bury(change, &step)).await?;
        }
        let dead = self.read(move |view| passkeys::dead(view, now)).await?;
        for step in dead.chunks(SWEEP_STEP) {
            let step = step.to_vec();
            self.write(move |change| passkeys::bury(change, &step)).await?;
        }
        Ok(removed)
    }

    async fn copy_out(&self, mut sink: CopySink) -> Result<(), StoreError> {
        let live = Arc::clone(&self.live);
        // Not begun anew where the disk fails: half of it is told by then.
        let copied = tokio::task::spawn_blocking(move || {
            let (_age, view) = live.view();
            copying::copy_out(&view?, &mut sink)
        });
        copied.await.map_err(|panicked| StoreError::Unavailable(panicked.into()))?
    }
}

#[cfg(test)]
mod tests;
