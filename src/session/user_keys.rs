//! Keys that users make for their programs: made, listed, revoked, and what one opens.
//!
//! A key stands for its owner as the owner is now, with those of the owner's roles that it names.
//! It is no login: nothing that wants the person is done for it.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::authenticate::{Learnt, hash_of_key, own_identity};
use super::key_form::is_sound;
use super::lasting::{Basis, Proof};
use super::settle::{see_through, settle};
use super::{AccountError, Accounts, AuthError, Authenticated, KeyPrefix, Sessions, trim};
use crate::audit::{Event, Kind};
use crate::clock::Timestamp;
use crate::identity::{Identity, UserId};
use crate::printable::is_active;
use crate::store::{KeyAdded, KeyOwner, NewUserKey, StoreError, User, UserKey};

/// Most characters of the name of a key.
pub const KEY_NAME_LENGTH: usize = 64;

/// `[auth.keys]`, checked.
#[derive(Clone, Debug)]
pub struct UserKeySettings {
    /// How keys begin.
    pub prefix: KeyPrefix,
    /// How long one lives at most; `None`: as long as its owner.
    pub life: Option<Duration>,
    /// How many a user may have.
    pub per_user: NonZeroUsize,
    /// How long ago the login of who makes one may be; `None`: any time.
    pub fresh: Option<Duration>,
}

impl Default for UserKeySettings {
    fn default() -> Self {
        Self {
            prefix: KeyPrefix::default(),
            life: Some(Duration::from_secs(365 * 24 * 60 * 60)),
            per_user: NonZeroUsize::MIN.saturating_add(19),
            fresh: Some(Duration::from_secs(15 * 60)),
        }
    }
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Checked by [`check_key_name`].
    pub name: String,
    /// The roles that it may use; `None`: all that its owner has at the time.
    pub scopes: Option<Vec<String>>,
    /// How long it lives; `None`: as long as it may.
    pub life: Option<Duration>,
}

/// A key that was just made. `Debug` does not show its text.
#[derive(Clone)]
pub struct ShownKey {
    /// As it is kept.
    pub key: UserKey,
    /// What to hand out: it can be had this once, for only its hash is kept.
    pub text: Zeroizing<String>,
}

impl fmt::Debug for ShownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShownKey").field("id", &self.key.id).finish_non_exhaustive()
    }
}

/// What became of a [`NewKey`]. Whatever is not `Made` changed nothing.
#[derive(Clone, Debug)]
pub enum KeyMade {
    /// It is stored, durably.
    Made(ShownKey),
    /// There are no such keys here.
    Off,
    /// The owner does not have that role.
    NotTheirs(String),
    /// It may live that long at most.
    TooLong(Duration),
    /// The owner may have so many, and has.
    TooMany(usize),
    /// The owner is gone.
    NoUser,
}

/// Why a text is no name of a key. `Display` is told to whoever chose it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyNameFault {
    /// It says nothing.
    #[error("This field may not be blank.")]
    Blank,
    /// It has more than [`KEY_NAME_LENGTH`] characters.
    #[error("Ensure this field has no more than 64 characters.")]
    TooLong,
    /// It could change the look of what is written around it.
    #[error("Control characters are not allowed.")]
    Active,
}

/// The name of a key, without the space around it.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_key_name(raw: &str) -> Result<String, KeyNameFault> {
    let name = trim(raw);
    if name.is_empty() {
        return Err(KeyNameFault::Blank);
    }
    if name.chars().count() > KEY_NAME_LENGTH {
        return Err(KeyNameFault::TooLong);
    }
    if name.chars().any(is_active) {
        return Err(KeyNameFault::Active);
    }
    Ok(name.to_owned())
}

#[doc(hidden)]
impl Accounts {
    /// Makes a key of a user.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; no key was made.
    pub async fn make_key(&self, owner: &User, new: NewKey) -> Result<KeyMade, AccountError> {
        let rules = self.rules();
        let Some(settings) = rules.user_keys() else { return Ok(KeyMade::Off) };
        let NewKey { name, scopes, life } = new;
        let foreign = scopes.iter().flatten().find(|scope| !owner.roles.contains(scope));
        if let Some(foreign) = foreign {
            return Ok(KeyMade::NotTheirs(foreign.clone()));
        }
        if let Some(most) = settings.life.filter(|most| life.is_some_and(|life| life > *most)) {
            return Ok(KeyMade::TooLong(most));
        }
        let drawn = settings.prefix.draw();
        let (text, hint) = drawn.map_err(|error| StoreError::Unavailable(error.into()))?;
        let created = self.clock.now();
        let new = NewUserKey {
            user: owner.id,
            hash: hash_of_key(text.as_bytes()),
            name,
            hint,
            scopes,
            created,
            expires: life.or(settings.life).map(|life| created.plus(life)),
        };
        let note = self.audit().note(Event::new(Kind::UserKeyAdded).to_user(owner));
        let (store, most) = (Arc::clone(&self.store), settings.per_user.get());
        let add = async move { store.add_key(new, most).await };
        let noted = |added: &KeyAdded| match added {
            KeyAdded::Added(key) => {
                Some(note.with("key", &key.id.to_string()).with("name", &key.name).with(
                    "scopes",
                    &key.scopes.as_ref().map_or_else(|| "*".to_owned(), |it| it.join(",")),
                ))
            }
            KeyAdded::TooMany | KeyAdded::NoUser => None,
        };
        Ok(match see_through(add, noted).await? {
            KeyAdded::Added(key) => KeyMade::Made(ShownKey { key, text }),
            KeyAdded::TooMany => KeyMade::TooMany(most),
            KeyAdded::NoUser => KeyMade::NoUser,
        })
    }

    /// The keys of a user, by number, those that have expired too.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn keys_of(&self, user: UserId) -> Result<Vec<UserKey>, AccountError> {
        Ok(self.store.keys_of(user).await?)
    }

    /// At most `limit` keys with numbers above `after`, whoever made them.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn user_keys(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<UserKey>, AccountError> {
        Ok(self.store.user_keys(after, limit).await?)
    }

    /// The key of that number.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn user_key(&self, id: u64) -> Result<Option<UserKey>, AccountError> {
        Ok(self.store.user_key(id).await?)
    }

    /// Revokes a key of a user, from the next request on; `false` if it is none of that user's.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn revoke_key(&self, user: UserId, id: u64) -> Result<bool, AccountError> {
        let event = Event::new(Kind::UserKeyRevoked).to_id(user).with("key", id.to_string());
        let (store, note) = (Arc::clone(&self.store), self.audit().note(event));
        let remove = async move { store.remove_key(user, id).await };
        Ok(settle(&self.revisions, user, remove, |gone| gone.then_some(note)).await?)
    }
}

impl Sessions {
    /// What users may do with keys; `None`: there are none.
    pub const fn user_keys(&self) -> Option<&UserKeySettings> {
        self.settings.user_keys.as_ref()
    }

    /// What is learnt of a credential that begins as a key does.
    pub(super) async fn learn_user_key(
        &self,
        credential: &[u8],
        rest: &[u8],
        now: Timestamp,
    ) -> Result<Learnt, AuthError> {
        if !is_sound(rest) {
            return Err(AuthError::BadUserKey);
        }
        self.may_learn()?;
        let hash = hash_of_key(credential);
        let found = self.store.key_owner(hash).await?.ok_or(AuthError::BadUserKey)?;
        // Read again under the counter: the first look was only to learn whose key it is.
        let revision = self.revisions.of(found.user.id);
        let KeyOwner { key, user } = self.key_owner(hash).await?;
        if key.is_expired(now) {
            return Err(AuthError::UserKeyExpired);
        }
        let until = key.expires.unwrap_or(Timestamp::from_millis(u64::MAX));
        // A key says nothing of a login.
        let proof = Proof::UserKey { hash, id: key.id };
        let basis = Basis { proof, revision, until, login: None };
        let authenticated = self.introduce(key_identity(&user, &key), Some(user.id), until, basis);
        Ok(Learnt { authenticated, revision, until })
    }

    /// A key that is there, and its owner, who is not shut out.
    pub(super) async fn key_owner(&self, hash: [u8; 32]) -> Result<KeyOwner, AuthError> {
        if self.user_keys().is_none() {
            return Err(AuthError::BadUserKey);
        }
        let found = self.store.key_owner(hash).await?.ok_or(AuthError::BadUserKey)?;
        if found.user.active { Ok(found) } else { Err(AuthError::UserInactive) }
    }
}

impl Authenticated {
    /// The number of the key that the caller showed, if it was one that a user made.
    pub const fn user_key(&self) -> Option<u64> {
        match self.basis.proof {
            Proof::UserKey { id, .. } => Some(id),
            Proof::Session(..)
            | Proof::Cookie(..)
            | Proof::Token(..)
            | Proof::Key(_)
            | Proof::Issuer(_) => None,
        }
    }
}

/// The owner as it is now, with no role beyond those that the key names.
pub(super) fn key_identity(user: &User, key: &UserKey) -> Identity {
    own_identity(user, None).narrowed(key.scopes.as_deref())
}
