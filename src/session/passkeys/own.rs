//! Passkeys that there are: removed, and called otherwise.

use std::sync::Arc;

use crate::audit::{Event, Kind};
use crate::session::authenticate::hash_of_key;
use crate::session::settle::see_through;
use crate::session::start::hex;
use crate::session::{AuthError, Sessions};
use crate::store::{FactorChange, Passkey, User};

/// What a passkey is called where its user speaks of it: its credential may be long, and tells the
/// authenticator's maker.
pub fn passkey_id(passkey: &Passkey) -> String {
    let hash = hash_of_key(&passkey.credential);
    hex(hash.first_chunk::<8>().unwrap_or(&[0; 8]))
}

impl Sessions {
    /// Removes a passkey of a user who shows a factor. `None` if there is no such passkey, `false` if
    /// what was shown is wrong.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn remove_passkey(
        &self,
        user: &User,
        id: &str,
        code: &str,
    ) -> Result<Option<bool>, AuthError> {
        let Some(passkey) = self.passkey_called(user, id).await? else { return Ok(None) };
        let change = FactorChange::RemovePasskey(passkey.credential);
        Ok(Some(self.change_factors(user, code, change).await?.is_some()))
    }

    /// Gives a passkey of a user another name; `false` if there is no such passkey. Nothing depends
    /// on what it is called, so that a login is enough.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; nothing was changed, or nothing is known about it.
    pub async fn rename_passkey(
        &self,
        user: &User,
        id: &str,
        name: String,
    ) -> Result<bool, AuthError> {
        let Some(passkey) = self.passkey_called(user, id).await? else { return Ok(false) };
        let event = Event::new(Kind::FactorRenamed).to_user(user);
        let event = event.with("factor", "passkey").with("passkey", id);
        let (note, store, owner) = (self.audit.note(event), Arc::clone(&self.store), user.id);
        let rename = async move { store.rename_passkey(owner, passkey.credential, name).await };
        Ok(see_through(rename, |done| done.then_some(note)).await?)
    }

    async fn passkey_called(&self, user: &User, id: &str) -> Result<Option<Passkey>, AuthError> {
        let has = self.store.factors(user.id).await?.unwrap_or_default().passkeys;
        Ok(has.into_iter().find(|passkey| passkey_id(passkey) == id))
    }
}
