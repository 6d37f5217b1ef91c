//! Invitations, and what has to hold for a user to be made.

use std::fmt;
use std::num::NonZeroU32;

use async_trait::async_trait;

use super::record::User;
use super::{StoreError, fold_case};
use crate::clock::Timestamp;

/// Leave to make an account, for whoever holds the text behind the hash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invitation {
    /// Never reused.
    pub id: u64,
    /// The only address that may be registered with it, compared without case; empty for any.
    pub email: String,
    /// Roles that the account gets.
    pub roles: Vec<String>,
    /// How often it may still be used.
    pub left: NonZeroU32,
    /// When it was made.
    pub created: Timestamp,
    /// It is good before this moment.
    pub expires: Timestamp,
}

impl Invitation {
    /// Whether an account with that address may be made with it now.
    pub fn admits(&self, email: &str, now: Timestamp) -> bool {
        let anybody = self.email.is_empty();
        now < self.expires && (anybody || fold_case(&self.email) == fold_case(email))
    }
}

/// An invitation to be kept.
#[derive(Clone)]
pub struct NewInvitation {
    /// SHA-256 of the text that is handed out.
    pub hash: [u8; 32],
    /// See [`Invitation::email`]; already checked.
    pub email: String,
    /// Checked role names.
    pub roles: Vec<String>,
    /// How often it may be used.
    pub uses: NonZeroU32,
    /// Now.
    pub created: Timestamp,
    /// See [`Invitation::expires`].
    pub expires: Timestamp,
}

impl fmt::Debug for NewInvitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewInvitation").field("email", &self.email).finish_non_exhaustive()
    }
}

/// What has to hold for a user to be made, beside a free name.
#[derive(Clone, Default)]
pub struct Terms {
    /// Nobody has the address, in any case; the empty one is nobody's.
    pub unique_email: bool,
    /// Nobody has a name with one of its [`looks`](super::looks).
    pub distinct_looks: bool,
    /// There is an invitation with this SHA-256 for that address, which has not expired at
    /// [`NewUser::created`](super::NewUser::created).
    pub invitation: Option<[u8; 32]>,
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("unique_email", &self.unique_email)
            .field("distinct_looks", &self.distinct_looks)
            .finish_non_exhaustive()
    }
}

/// What became of a [`NewUser`](super::NewUser) under [`Terms`]. Whatever is not `Created`
/// changed nothing, and used no invitation up.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is made and taken apart at once")]
pub enum Admission {
    /// It is stored, durably.
    Created(User),
    /// There is no such invitation, or not for this address, or not any more.
    NotInvited,
    /// Somebody has that name already.
    NameTaken,
    /// Somebody has a name that looks like it.
    NameAlike,
    /// Somebody has that address.
    EmailTaken,
}

/// What a new user would have in common with those there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Clashes {
    /// The name.
    pub name: bool,
    /// A look of the name.
    pub look: bool,
    /// The address.
    pub email: bool,
}

/// What a [`super::Store`] does for invitations. The rules are the same: every method is atomic,
/// and durable when it returns. They are used up by [`super::Store::admit_user`].
#[async_trait]
pub trait InvitationStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps an invitation under the next number, and drops those that have expired.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn add_invitation(&self, invitation: NewInvitation) -> Result<Invitation, StoreError>;

    /// The invitation with that SHA-256; it may have expired, and is gone when it was used up.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]; never treat it as "no such invitation".
    async fn invitation(&self, hash: [u8; 32]) -> Result<Option<Invitation>, StoreError>;

    /// At most `limit` invitations with numbers above `after`, in order.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError>;

    /// Removes an invitation; `false` if there was none.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    async fn remove_invitation(&self, id: u64) -> Result<bool, StoreError>;
}
