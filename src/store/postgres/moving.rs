//! What the database does for those who move.

use async_trait::async_trait;

use super::link::Mode;
use super::{PostgresStore, groups, invitations, whole_users};
use crate::identity::UserId;
use crate::store::moving::{
    Arrival, GroupArrival, InvitationArrival, KeptInvitation, MovingStore, Numbers, Trial,
    WholeUser,
};
use crate::store::{Group, StoreError};

#[async_trait]
impl MovingStore for PostgresStore {
    async fn take_users(
        &self,
        users: Vec<WholeUser>,
        trial: Trial,
    ) -> Result<Vec<Arrival>, StoreError> {
        self.call(trial.mode(), (users, trial), |conn, (users, trial)| {
            Box::pin(whole_users::take_all(conn, users, *trial))
        })
        .await
    }

    async fn whole_users(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<WholeUser>, StoreError> {
        self.call(Mode::Snapshot, (after, limit), |conn, (after, limit)| {
            Box::pin(whole_users::page(conn, *after, *limit))
        })
        .await
    }

    async fn take_groups(
        &self,
        groups: Vec<Group>,
        trial: Trial,
    ) -> Result<Vec<GroupArrival>, StoreError> {
        self.call(trial.mode(), (groups, trial), |conn, (groups, trial)| {
            Box::pin(groups::take_all(conn, groups, *trial))
        })
        .await
    }

    async fn take_invitations(
        &self,
        invitations: Vec<KeptInvitation>,
        trial: Trial,
    ) -> Result<Vec<InvitationArrival>, StoreError> {
        self.call(trial.mode(), (invitations, trial), |conn, (invitations, trial)| {
            Box::pin(invitations::take_all(conn, invitations, *trial))
        })
        .await
    }

    async fn kept_invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<KeptInvitation>, StoreError> {
        self.call(Mode::Look, (after, limit), |conn, (after, limit)| {
            Box::pin(invitations::kept_page(conn, *after, *limit))
        })
        .await
    }

    async fn take_deleted(
        &self,
        ids: Vec<UserId>,
        trial: Trial,
    ) -> Result<Vec<UserId>, StoreError> {
        self.call(trial.mode(), (ids, trial), |conn, (ids, trial)| {
            Box::pin(whole_users::take_deleted(conn, ids, *trial))
        })
        .await
    }

    async fn deleted(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        self.call(Mode::Look, (after, limit), |conn, (after, limit)| {
            Box::pin(whole_users::deleted(conn, *after, *limit))
        })
        .await
    }

    async fn numbers(&self, at_least: Numbers) -> Result<Numbers, StoreError> {
        self.call(Mode::Change, at_least, |conn, at_least| {
            Box::pin(whole_users::raise(conn, *at_least))
        })
        .await
    }
}

impl Trial {
    const fn mode(self) -> Mode {
        match self {
            Self::Dry => Mode::Snapshot,
            Self::Real => Mode::Long,
        }
    }
}
