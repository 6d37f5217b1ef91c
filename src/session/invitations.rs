//! Invitations: made for operators, looked at before an account is made with one.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::accounts::{AccountError, Accounts};
use super::authenticate::hash_of_key;
use super::settle::see_through;
use crate::audit::{Event, Kind};
use crate::store::{Invitation, NewInvitation, StoreError};

/// Random bytes of an invitation: nobody guesses 192 bits, so its hash needs no salt.
const RANDOM: usize = 24;

/// What an invitation shall grant, checked.
#[derive(Clone, Debug)]
pub struct Leave {
    /// The only address that may be registered with it; empty for any.
    pub email: String,
    /// Roles that the account gets.
    pub roles: Vec<String>,
    /// How many accounts may be made with it.
    pub uses: NonZeroU32,
    /// How long it is good.
    pub life: Duration,
}

/// An invitation that was just made. `Debug` does not show its text.
#[derive(Clone)]
pub struct Invited {
    /// As it is kept.
    pub invitation: Invitation,
    /// What to hand out: it can be had this once, for only its hash is kept.
    pub text: Zeroizing<String>,
}

impl fmt::Debug for Invited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invited").field("id", &self.invitation.id).finish_non_exhaustive()
    }
}

#[doc(hidden)]
impl Accounts {
    /// Makes an invitation.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nobody was invited.
    pub async fn invite(&self, leave: Leave) -> Result<Invited, AccountError> {
        let mut bits = Zeroizing::new([0; RANDOM]);
        getrandom::fill(bits.as_mut_slice()).map_err(|e| StoreError::Unavailable(e.into()))?;
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(bits.as_slice()));
        let Leave { email, roles, uses, life } = leave;
        let created = self.clock.now();
        let expires = created.plus(life);
        let hash = hash_of_key(text.as_bytes());
        let new = NewInvitation { hash, email, roles, uses, created, expires };
        let invitation = self.store.add_invitation(new).await?;
        Ok(Invited { invitation, text })
    }

    /// Whether an account with that address may be made with that invitation now.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn is_invited(&self, text: &str, email: &str) -> Result<bool, AccountError> {
        let found = self.store.invitation(hash_of_key(text.as_bytes())).await?;
        Ok(found.is_some_and(|found| found.admits(email, self.clock.now())))
    }

    /// At most `limit` invitations with numbers above `after`, the expired ones too.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Invitation>, AccountError> {
        Ok(self.store.invitations(after, limit).await?)
    }

    /// Takes an invitation back; `false` if there is none. Accounts that were made with it stay.
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn revoke_invitation(&self, id: u64) -> Result<bool, AccountError> {
        let event = Event::new(Kind::InvitationRevoked).with("invitation", id.to_string());
        let (store, note) = (Arc::clone(&self.store), self.audit().note(event));
        let remove = async move { store.remove_invitation(id).await };
        Ok(see_through(remove, |gone| gone.then_some(note)).await?)
    }
}
