//! Keys that clients show in the place of tokens: the one key of `api-token-auth/` that a user may
//! have, and those that users make for their programs.

use std::fmt;

use async_trait::async_trait;

use super::StoreError;
use super::record::User;
use crate::clock::Timestamp;
use crate::identity::UserId;

/// The opaque key of `api-token-auth/`: found by its hash, shown again from its sealed form.
#[derive(Clone, Eq, PartialEq)]
pub struct ApiKey {
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// The key, encrypted by the key ring.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// A key that a user made. What is shown of it once is kept as a hash alone.
#[derive(Clone, Eq, PartialEq)]
pub struct UserKey {
    /// Never reused.
    pub id: u64,
    /// Whose it is.
    pub user: UserId,
    /// SHA-256 of the key. It has too many random bits for anybody to find it by its hash.
    pub hash: [u8; 32],
    /// What the user calls it.
    pub name: String,
    /// How it begins, so that it is known again.
    pub hint: String,
    /// The roles that it may use, sorted, of those that the user has; `None`: all of them.
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created: Timestamp,
    /// It is good before this moment; `None`: for ever.
    pub expires: Option<Timestamp>,
    /// When it was noted to be used, if it was.
    pub last_used: Option<Timestamp>,
}

impl UserKey {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey")
            .field("id", &self.id)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A key to be kept. The store chooses the number.
#[derive(Clone)]
pub struct NewUserKey {
    /// See [`UserKey::user`].
    pub user: UserId,
    /// See [`UserKey::hash`].
    pub hash: [u8; 32],
    /// See [`UserKey::name`]; already checked.
    pub name: String,
    /// See [`UserKey::hint`].
    pub hint: String,
    /// Checked role names; the store sorts them and drops repeats.
    pub scopes: Option<Vec<String>>,
    /// Now.
    pub created: Timestamp,
    /// See [`UserKey::expires`].
    pub expires: Option<Timestamp>,
}

impl fmt::Debug for NewUserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUserKey").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What became of a [`NewUserKey`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyAdded {
    /// It is stored, durably.
    Added(UserKey),
    /// The user has as many as one may have; nothing was changed.
    TooMany,
    /// The user is gone.
    NoUser,
}

/// A key and its owner, read at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyOwner {
    /// The key. Whether its time is over is for the caller to judge.
    pub key: UserKey,
    /// Whose it is. Whether that user is let in is for the caller to judge.
    pub user: User,
}

/// What a [`super::Store`] does for keys. The rules are the same: every method is atomic, and
/// durable when it returns.
#[async_trait]
pub trait KeyStore: fmt::Debug + Send + Sync + 'static {
    /// The user's API key: the one there is, or `candidate` if there was none. `None` if the
    /// user is gone.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn api_key(&self, user: UserId, candidate: ApiKey) -> Result<Option<ApiKey>, StoreError>;

    /// The user whose API key has that SHA-256.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn user_by_api_key(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError>;

    /// Keeps a key that a user made under the next number, beside `most - 1` others at most. Those
    /// of the user that have expired are dropped before they are counted.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn add_key(&self, key: NewUserKey, most: usize) -> Result<KeyAdded, StoreError>;

    /// The key with that SHA-256, and its owner.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "no such key".
    async fn key_owner(&self, hash: [u8; 32]) -> Result<Option<KeyOwner>, StoreError>;

    /// The key of that number; it may have expired.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn user_key(&self, id: u64) -> Result<Option<UserKey>, StoreError>;

    /// The keys that a user made, by number, the expired ones too.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn keys_of(&self, user: UserId) -> Result<Vec<UserKey>, StoreError>;

    /// At most `limit` keys with numbers above `after`, in order, whoever made them.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn user_keys(&self, after: Option<u64>, limit: usize)
    -> Result<Vec<UserKey>, StoreError>;

    /// Removes a key of that user; `false` if the user has none of that number.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn remove_key(&self, user: UserId, id: u64) -> Result<bool, StoreError>;

    /// Notes when keys were used, each unless a later use is known. One that is gone stays so.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; none of it was noted, or nothing is known about it.
    async fn note_key_uses(&self, uses: Vec<(u64, Timestamp)>) -> Result<(), StoreError>;
}
