//! Accounts for those who ask for one themselves, and what the operator's rules have against them.

use super::accounts::{AccountError, Accounts, NewAccount, Registered};
use super::authenticate::hash_of_key;
use crate::audit::Kind;
use crate::store::Terms;

/// What keeps an account from being registered, as far as it is known before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Objections {
    /// About the name: [`Registered::NameTaken`] or [`Registered::NameAlike`].
    pub username: Option<NameObjection>,
    /// Somebody has the address.
    pub email: bool,
}

/// What is wrong with a name that is in order by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameObjection {
    /// Somebody has it, or nobody but an operator may take it.
    Taken,
    /// Somebody has one that looks like it.
    Alike,
}

#[doc(hidden)]
impl Accounts {
    /// What keeps an account of that name and address from being registered now. Either may be
    /// left empty.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing is known.
    pub async fn objections(
        &self,
        username: &str,
        email: &str,
    ) -> Result<Objections, AccountError> {
        let clashes = self.store.clashes(username, email).await?;
        let rules = self.rules();
        let terms = rules.terms();
        let username = if clashes.name || rules.reserve(username) {
            Some(NameObjection::Taken)
        } else {
            (terms.distinct_looks && clashes.look).then_some(NameObjection::Alike)
        };
        Ok(Objections { username, email: terms.unique_email && clashes.email })
    }

    /// Makes an account for somebody who asked for it, with what an invitation grants.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed.
    pub async fn register(
        &self,
        account: NewAccount,
        invitation: Option<&str>,
    ) -> Result<Registered, AccountError> {
        let rules = self.rules();
        if rules.reserve(&account.username) {
            return Ok(Registered::NameTaken);
        }
        let invitation = invitation.map(|text| hash_of_key(text.as_bytes()));
        self.make(account, Terms { invitation, ..rules.terms() }, Kind::Registered).await
    }
}
