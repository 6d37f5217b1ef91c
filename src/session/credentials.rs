//! Names and passwords, checked.

use super::recorded::Attempt;
use super::{AccountError, Accounts};
use crate::password::{Candidate, Turn};
use crate::secret::Secret;
use crate::store::{Commits, User, UserChange};

/// Somebody whose name and password were right.
#[derive(Debug)]
pub struct Checked {
    /// The account as it is now.
    pub user: User,
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
        let found = self.find(username).await?;
        let candidate = Candidate {
            stored: found.as_ref().and_then(|user| user.password.clone()),
            entitled: found.as_ref().is_some_and(|user| user.active),
            recipes: self.store.password_recipes().await?,
        };
        let attempt = Attempt::new(self.audit(), username, found.as_ref());
        let announced = self.store.commits().map(Commits::announce);
        let (right, turn) = match self.passwords().check(password.clone(), candidate).await {
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
        let turn = self.renew_hash(&user, password, turn).await.filter(|_| self.commits_at_once());
        let now = self.store.user(user.id).await?;
        // Unless the password was changed while it was checked.
        let now = now.filter(|now| now.active && now.password_mark == user.password_mark);
        Ok(now.map(|user| Checked { user, turn }))
    }

    /// Whether the store would write now what a login changes, on a processor of this machine.
    fn commits_at_once(&self) -> bool {
        self.store.commits().is_some_and(|commits| !commits.gathering())
    }

    /// Puts a hash as we make them now in the place of one that was imported, or made with other
    /// parameters. Sessions go on. The login counts also where this fails: the next one tries
    /// again. The turn is given back for it: another is wanted.
    async fn renew_hash(&self, user: &User, password: Secret, turn: Turn) -> Option<Turn> {
        let outdated = user.password.clone().filter(|hash| self.passwords().is_outdated(hash));
        let Some(seen) = outdated else { return Some(turn) };
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
