//! Names and passwords, checked.

use std::sync::Arc;

use super::recorded::Attempt;
use super::{AccountError, Accounts, normalize_username};
use crate::password::{Candidate, Turn};
use crate::secret::Secret;
use crate::store::{Commits, Factors, User, UserChange};

/// Somebody whose name and password were right.
#[derive(Debug)]
pub struct Checked {
    /// The account as it is now.
    pub user: User,
    /// Its second factors, if it has shown one of them once: the password alone is not enough.
    pub factors: Option<Factors>,
    /// To be kept until the login is on disk, see [`Turn`].
    pub turn: Option<Turn>,
}

impl Accounts {
    /// The user whose name and password these are, if the account may log in.
    ///
    /// Unknown name, wrong password and disabled account take the same time and have the same
    /// answer: `None`.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nobody was told anything.
    #[doc(hidden)]
    pub async fn check_login(
        &self,
        username: &str,
        password: Secret,
    ) -> Result<Option<Checked>, AccountError> {
        let (found, recipes) = self.store.user_to_check(&normalize_username(username)).await?;
        let candidate = Candidate {
            stored: found.as_ref().and_then(|user| user.password.clone()),
            entitled: found.as_ref().is_some_and(|user| user.active),
            recipes,
        };
        let attempt = Attempt::new(self.audit(), username, found.as_ref());
        let announced = self.store.commits().map(Commits::announce);
        // While the store writes on a processor of this machine what a login changes.
        let store = Arc::clone(&self.store);
        let rests = move || store.commits().is_some_and(|commits| !commits.gathering());
        let checked = self.passwords().check(password.clone(), candidate, rests).await;
        let (right, turn) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                attempt.did_not_fail();
                return Err(error.into());
            }
        };
        drop(announced);
        match &found {
            None => attempt.failed("unknown"),
            Some(user) if !user.active => attempt.failed("inactive"),
            Some(_) if !right => attempt.failed("password"),
            Some(_) => attempt.did_not_fail(),
        }
        let Some(user) = found.filter(|user| right && user.active) else { return Ok(None) };
        let turn = self.renew_hash(&user, password, turn).await;
        let now = self.store.user_with_factors(user.id).await?;
        // Unless the password was changed while it was checked.
        let now = now.filter(|(now, _)| now.active && now.password_mark == user.password_mark);
        Ok(now.map(|(user, factors)| {
            let factors = factors.filter(Factors::are_confirmed);
            Checked { user, factors, turn }
        }))
    }

    /// Puts a hash as we make them now in the place of one that was imported, or made with other
    /// parameters. Sessions go on. The login counts also where this fails: the next one tries
    /// again. The turn is given back for it: another is wanted.
    async fn renew_hash(&self, user: &User, password: Secret, turn: Option<Turn>) -> Option<Turn> {
        let outdated = user.password.clone().filter(|hash| self.passwords().is_outdated(hash));
        let Some(seen) = outdated else { return turn };
        drop(turn);
        let renewed = match self.passwords().hash(password).await {
            Ok(hash) => {
                let change = UserChange::Rehash { seen, hash };
                self.store.change_user(user.id, change).await.map(drop).map_err(Into::into)
            }
            Err(error) => Err(AccountError::from(error)),
        };
        if let Err(error) = renewed {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(user = %user.id, error, "an outdated password hash stays as it is");
        }
        None
    }

    /// Whether that is the user's password.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; it is neither right nor wrong.
    pub async fn is_password(&self, user: &User, password: Secret) -> Result<bool, AccountError> {
        Ok(self.passwords().verify(password, user.password.clone()).await?)
    }
}
