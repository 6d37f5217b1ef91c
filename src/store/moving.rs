//! Users on their way in or out, with everything that is theirs.

use super::key::{ApiKey, UserKey};
use super::record::{Session, User};
use crate::identity::UserId;

/// A user with everything that is its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WholeUser {
    /// As it shall be stored. An id of 0 is none: it gets the next.
    pub user: User,
    /// The key of `api-token-auth/`.
    pub key: Option<ApiKey>,
    /// The keys that it made, by number; a number of 0 is none, and one that is taken gives way.
    pub keys: Vec<UserKey>,
    /// By number; a number of 0 is none, and the next is given.
    pub sessions: Vec<KeptSession>,
}

/// A session with what else is stored about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptSession {
    /// The session; its user is the one it is kept with.
    pub session: Session,
    /// The `jti` of the token made elsewhere that it stands for.
    pub adopted: Option<String>,
}

/// Whether what comes in is stored, or only judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trial {
    /// Nothing is written.
    Dry,
    /// It is stored, as far as it can be.
    Real,
}

/// What became of a [`WholeUser`] that came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// It is new and stored.
    Stored(UserId),
    /// It was there. What its record lacked of keys and of ended tokens was added.
    Present {
        /// Its id.
        id: UserId,
        /// Whether something was added.
        completed: bool,
        /// What is otherwise than in the record that came in, and stays as it is.
        differs: Vec<&'static str>,
    },
    /// Another user has the name; nothing was changed.
    NameTaken(UserId),
    /// A user of that name has the id; nothing was changed.
    IdTaken(String),
    /// The id belonged to a user who was deleted here; nothing was changed.
    IdGone,
    /// A key of its is another user's; nothing was changed.
    KeyTaken,
    /// Another session has that number; nothing was changed.
    SessionTaken(u64),
}

/// The last numbers that were given.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Numbers {
    /// To a user.
    pub users: u64,
    /// To a session.
    pub sessions: u64,
}
