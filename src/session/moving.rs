//! What moves in or out: users with everything that is theirs, and what stands beside them.

use std::sync::Arc;

use super::{AccountError, Accounts};
use crate::identity::UserId;
use crate::store::{
    Arrival, CopySink, Group, GroupArrival, InvitationArrival, KeptInvitation, Numbers, StoreError,
    Trial, WholeUser,
};

#[doc(hidden)]
impl Accounts {
    /// Takes users in with everything that is theirs, see [`crate::store::MovingStore::take_users`].
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

    /// Users after that id with everything that is theirs, see [`crate::store::MovingStore::whole_users`].
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

    /// Takes groups in, see [`crate::store::MovingStore::take_groups`]. Nobody who is here is in
    /// one that is new, so nobody has to hear of it.
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn take_groups(
        &self,
        groups: Vec<Group>,
        trial: Trial,
    ) -> Result<Vec<GroupArrival>, AccountError> {
        Ok(self.store.take_groups(groups, trial).await?)
    }

    /// Takes invitations in, see [`crate::store::MovingStore::take_invitations`].
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn take_invitations(
        &self,
        invitations: Vec<KeptInvitation>,
        trial: Trial,
    ) -> Result<Vec<InvitationArrival>, AccountError> {
        Ok(self.store.take_invitations(invitations, trial).await?)
    }

    /// Invitations as they are kept, see [`crate::store::MovingStore::kept_invitations`].
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn kept_invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<KeptInvitation>, AccountError> {
        Ok(self.store.kept_invitations(after, limit).await?)
    }

    /// Notes ids of deleted users, see [`crate::store::MovingStore::take_deleted`].
    ///
    /// # Errors
    ///
    /// [`AccountError`]; nothing was changed, or nothing is known about it.
    pub async fn take_deleted(
        &self,
        ids: Vec<UserId>,
        trial: Trial,
    ) -> Result<Vec<UserId>, AccountError> {
        Ok(self.store.take_deleted(ids, trial).await?)
    }

    /// Ids of deleted users, see [`crate::store::MovingStore::deleted`].
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn deleted(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, AccountError> {
        Ok(self.store.deleted(after, limit).await?)
    }

    /// The last numbers that were given, see [`crate::store::MovingStore::numbers`].
    ///
    /// # Errors
    ///
    /// [`AccountError`].
    pub async fn numbers(&self, at_least: Numbers) -> Result<Numbers, AccountError> {
        Ok(self.store.numbers(at_least).await?)
    }

    /// Hands everything that is stored over, see [`crate::store::Store::copy_out`].
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what was handed over is no copy then.
    pub async fn copy_out(&self, sink: CopySink) -> Result<(), StoreError> {
        self.store.copy_out(sink).await
    }
}
