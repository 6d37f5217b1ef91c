//! Accounts for those who ask for one themselves, and what the operator's rules have against them.

use super::accounts::{AccountError, Accounts, NewAccount, Registered};
use super::authenticate::hash_of_key;
use super::normalize_username;
use super::settings::{AccountRules, Lookalikes};
use crate::audit::Kind;
use crate::store::{Terms, fold_case, looks};

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

impl Accounts {
    /// The same with rules of the operator's about names and addresses.
    #[must_use]
    pub fn with_rules(mut self, rules: AccountRules) -> Self {
        self.reserved.extend(rules.reserved.iter().map(|name| in_one_case(name)));
        if rules.lookalikes == Lookalikes::Refuse {
            let all: Vec<_> = self.reserved.iter().flat_map(|name| looks(name)).collect();
            self.reserved.extend(all);
        }
        self.rules = rules;
        self
    }

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
        let terms = self.rules.terms();
        let username = if clashes.name || self.is_reserved(username) {
            Some(NameObjection::Taken)
        } else {
            (terms.distinct_looks && clashes.look).then_some(NameObjection::Alike)
        };
        Ok(Objections { username, email: terms.unique_email && clashes.email })
    }

    fn is_reserved(&self, username: &str) -> bool {
        let alike = || looks(username).iter().any(|look| self.reserved.contains(look));
        self.reserved.contains(&in_one_case(username))
            || (self.rules.lookalikes == Lookalikes::Refuse && alike())
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
        if self.is_reserved(&account.username) {
            return Ok(Registered::NameTaken);
        }
        let invitation = invitation.map(|text| hash_of_key(text.as_bytes()));
        self.make(account, Terms { invitation, ..self.rules.terms() }, Kind::Registered).await
    }
}

/// What reserved names are compared by.
pub(super) fn in_one_case(name: &str) -> String {
    fold_case(&normalize_username(name))
}
