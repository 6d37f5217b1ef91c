//! Users that move in or out, with everything that is theirs.

use std::sync::Arc;

use super::{AccountError, Accounts};
use crate::identity::UserId;
use crate::store::{Arrival, Numbers, StoreError, Trial, WholeUser};

impl Accounts {
    /// Takes users in with everything that is theirs, see [`crate::store::Store::take_users`].
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn take(
        &self,
        users: Vec<WholeUser>,
        trial: Trial,
    ) -> Result<Vec<Arrival>, AccountError> {
        let (store, revisions) = (Arc::clone(&self.store), Arc::clone(&self.revisions));
        let known: Vec<_> = users.iter().map(|whole| whole.user.id).collect();
        // In a task of its own, as any change: see `settle`.
        let taken = tokio::spawn(async move {
            let taken = store.take_users(users, trial).await;
            // Tokens of theirs that ended elsewhere have ended here as well.
            for id in known {
                revisions.bump(id);
            }
            taken
        });
        let taken = taken.await.unwrap_or_else(|died| Err(StoreError::Unavailable(died.into())));
        Ok(taken?)
    }

    /// Users after that id with everything that is theirs, see [`crate::store::Store::whole_users`].
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn whole(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<WholeUser>, AccountError> {
        Ok(self.store.whole_users(after, limit).await?)
    }

    /// The last numbers that were given, see [`crate::store::Store::numbers`].
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn numbers(&self, at_least: Numbers) -> Result<Numbers, AccountError> {
        Ok(self.store.numbers(at_least).await?)
    }
}
