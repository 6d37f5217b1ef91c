//! The store in a database that speaks PostgreSQL's wire: any number of gateways share it.
//!
//! Records are rows with a column for each field, not blobs as in a file: the database itself keeps names
//! unique and references whole, one statement notes a use or ends a session, indexes find what is to be
//! swept, and operators can ask it questions. The statements are those that PostgreSQL, `CockroachDB` and
//! `YugabyteDB` take alike. Whatever is decided by is locked by its row first, so that nothing hangs on a
//! level of isolation that they name alike and mean differently.

mod charges;
mod conn;
mod counters;
mod events;
mod factors;
mod failure;
mod groups;
mod hearing;
mod invitations;
mod keys;
mod letters;
mod link;
mod logins;
mod mail;
mod migrate;
mod moving;
mod one_time;
mod open;
mod passkeys;
mod ring;
mod rows;
mod sessions;
mod settings;
mod sweeping;
mod threads;
mod tickets;
mod transfer;
mod users;
mod waker;
mod whole_users;

use std::sync::Arc;

use async_trait::async_trait;

use self::hearing::PostgresHearing;
use self::link::{Mode, Work};
use self::sessions::Named;
use self::threads::Threads;
use super::record::{
    Creation, EndReason, NewSession, NewUser, PasswordHash, Rotation, RotationRequest, Session,
    SessionRef, Standing, User, UserChange,
};
use super::{
    Admission, ChargeStore, Clashes, Factors, Hearing, RingStore, Store, StoreError, Terms,
    TicketStore,
};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};

pub use migrate::Migration;
pub use open::Layout;
pub use settings::{PostgresSettings, UrlFault};
pub use transfer::DatabaseCopy;

/// The store in a database.
///
/// It may be used within any runtime: it speaks with the database on threads of its own. A call that is
/// dropped comes to its end there. Where the database cannot be reached, or is too slow, calls are
/// [`StoreError::Unavailable`]; the next one tries again.
///
/// ```
/// use portcullis::Secret;
/// use portcullis::store::{OpenError, OpenMode, PostgresSettings, PostgresStore, UrlFault};
///
/// fn open(settings: &PostgresSettings) -> Result<PostgresStore, OpenError> {
///     PostgresStore::open(settings, OpenMode::CreateIfMissing)
/// }
/// # let _ = open;
///
/// let url = |text: &str| PostgresSettings::of_url(&Secret::from(text.to_owned()));
/// assert!(url("postgres://gate:x@db.example.com/gate").is_ok());
/// // What is not encrypted can be read by whoever is between.
/// let clear = url("postgres://gate:x@db.example.com/gate?sslmode=prefer");
/// assert!(matches!(clear, Err(UrlFault::Clear)));
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    threads: Arc<Threads>,
}

impl PostgresStore {
    async fn call<A, T>(&self, mode: Mode, asked: A, work: Work<A, T>) -> Result<T, StoreError>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.threads.calls().call(mode, asked, work).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn is_shared(&self) -> bool {
        true
    }

    fn tickets(&self) -> Option<&dyn TicketStore> {
        Some(self)
    }

    fn charges(&self) -> Option<&dyn ChargeStore> {
        Some(self)
    }

    fn rings(&self) -> Option<&dyn RingStore> {
        Some(self)
    }

    fn hearing(&self) -> Option<Box<dyn Hearing>> {
        Some(Box::new(PostgresHearing::new(Arc::clone(&self.threads))))
    }

    async fn create_user(&self, user: NewUser) -> Result<Creation, StoreError> {
        self.call(Mode::Change, user, |conn, user| Box::pin(users::create(conn, user))).await
    }

    async fn admit_user(&self, user: NewUser, terms: Terms) -> Result<Admission, StoreError> {
        self.call(Mode::Change, (user, terms), |conn, (user, terms)| {
            Box::pin(users::admit(conn, user, terms))
        })
        .await
    }

    async fn clashes(&self, username: &str, email: &str) -> Result<Clashes, StoreError> {
        let asked = (username.to_owned(), email.to_owned());
        self.call(Mode::Look, asked, |conn, (username, email)| {
            Box::pin(users::clashes(conn, username, email))
        })
        .await
    }

    async fn users_by_email(&self, email: &str) -> Result<Vec<User>, StoreError> {
        let email = email.to_owned();
        self.call(Mode::Look, email, |conn, email| Box::pin(users::by_email(conn, email))).await
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.call(Mode::Look, id, |conn, id| Box::pin(users::find(conn, *id))).await
    }

    async fn user_by_name(&self, name: &str) -> Result<Option<User>, StoreError> {
        let name = name.to_owned();
        self.call(Mode::Look, name, |conn, name| Box::pin(users::by_name(conn, name))).await
    }

    async fn user_to_check(&self, name: &str) -> Result<(Option<User>, Vec<String>), StoreError> {
        let name = name.to_owned();
        self.call(Mode::Look, name, |conn, name| Box::pin(logins::user_to_check(conn, name))).await
    }

    async fn user_with_factors(
        &self,
        id: UserId,
    ) -> Result<Option<(User, Option<Factors>)>, StoreError> {
        self.call(Mode::Look, id, |conn, id| Box::pin(logins::user_with_factors(conn, *id))).await
    }

    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<User>, StoreError> {
        self.call(Mode::Look, (after, limit), |conn, (after, limit)| {
            Box::pin(users::page(conn, *after, *limit))
        })
        .await
    }

    async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
    ) -> Result<Option<User>, StoreError> {
        self.call(Mode::Change, (id, change), |conn, (id, change)| {
            Box::pin(users::alter(conn, *id, change))
        })
        .await
    }

    async fn delete_user(&self, id: UserId) -> Result<bool, StoreError> {
        self.call(Mode::Change, id, |conn, id| Box::pin(users::delete(conn, *id))).await
    }

    async fn start_session(&self, session: NewSession) -> Result<Option<Session>, StoreError> {
        // Whether the second factor is still there is looked at in another statement.
        let mode = if session.second.is_some() { Mode::Change } else { Mode::Statement };
        self.call(mode, session, |conn, session| Box::pin(sessions::start(conn, session, None)))
            .await
    }

    async fn change_password(
        &self,
        hash: PasswordHash,
        session: NewSession,
    ) -> Result<Option<Session>, StoreError> {
        self.call(Mode::Change, (hash, session), |conn, (hash, session)| {
            Box::pin(sessions::start_with_password(conn, hash, session))
        })
        .await
    }

    async fn adopt_session(
        &self,
        jti: &str,
        session: NewSession,
    ) -> Result<Option<Session>, StoreError> {
        self.call(Mode::Change, (jti.to_owned(), session), |conn, (jti, session)| {
            Box::pin(sessions::adopt(conn, jti, session))
        })
        .await
    }

    async fn standing(
        &self,
        user: UserId,
        session: SessionRef<'_>,
    ) -> Result<Standing, StoreError> {
        let named = match session {
            SessionRef::Own(id) => Named::Own(id),
            SessionRef::Foreign(jti) => Named::Foreign(jti.to_owned()),
        };
        self.call(Mode::Look, (user, named), |conn, (user, named)| {
            Box::pin(sessions::standing(conn, *user, named))
        })
        .await
    }

    async fn rotate(&self, request: RotationRequest) -> Result<Rotation, StoreError> {
        self.call(Mode::Change, request, |conn, request| Box::pin(sessions::rotate(conn, request)))
            .await
    }

    async fn touch_session(
        &self,
        id: SessionId,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(Mode::Statement, (id, now, expires), |conn, (id, now, expires)| {
            Box::pin(sessions::touch(conn, *id, *now, *expires))
        })
        .await
    }

    async fn end_session(
        &self,
        id: SessionId,
        now: Timestamp,
        reason: EndReason,
    ) -> Result<bool, StoreError> {
        self.call(Mode::Change, (id, now, reason), |conn, (id, now, reason)| {
            Box::pin(sessions::end(conn, *id, *now, *reason))
        })
        .await
    }

    async fn sessions(
        &self,
        user: UserId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError> {
        self.call(Mode::Look, (user, before, limit), |conn, (user, before, limit)| {
            Box::pin(sessions::of_user(conn, *user, *before, *limit))
        })
        .await
    }

    async fn latest_sessions(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Session>, StoreError> {
        self.call(Mode::Look, (before, limit), |conn, (before, limit)| {
            Box::pin(sessions::latest(conn, *before, *limit))
        })
        .await
    }

    async fn note_uses(&self, uses: Vec<(SessionId, Timestamp)>) -> Result<(), StoreError> {
        self.call(Mode::Statement, uses, |conn, uses| Box::pin(sessions::note_uses(conn, uses)))
            .await
    }

    async fn password_recipes(&self) -> Result<Vec<String>, StoreError> {
        self.call(Mode::Look, (), |conn, ()| Box::pin(logins::recipes(conn))).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<usize, StoreError> {
        sweeping::sweep(self, now).await
    }
}
