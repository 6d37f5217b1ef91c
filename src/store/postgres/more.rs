//! What the database does for mail, groups, invitations, keys, and those who move.

use async_trait::async_trait;

use super::link::Mode;
use super::{PostgresStore, groups, invitations, keys, letters, moving, one_time, users};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::moving::{
    Arrival, GroupArrival, InvitationArrival, KeptInvitation, MovingStore, Numbers, Trial,
    WholeUser,
};
use crate::store::record::{PasswordHash, User};
use crate::store::{
    ApiKey, Claimed, Confirmation, Group, GroupChange, GroupStore, Invitation, InvitationStore,
    KeyAdded, KeyOwner, KeyStore, MailStore, NewInvitation, NewLetter, NewToken, NewUserKey,
    Posted, QueueLimits, Redeemed, StoreError, TokenRef, UserKey,
};

#[async_trait]
impl MailStore for PostgresStore {
    async fn post(&self, letter: NewLetter, limits: QueueLimits) -> Result<Posted, StoreError> {
        self.call(Mode::Change, (letter, limits), |conn, (letter, limits)| {
            Box::pin(letters::post(conn, letter, *limits))
        })
        .await
    }

    async fn post_resets(
        &self,
        email: &str,
        at: Timestamp,
        limits: QueueLimits,
    ) -> Result<Posted, StoreError> {
        self.call(Mode::Change, (email.to_owned(), at, limits), |conn, (email, at, limits)| {
            Box::pin(letters::post_resets(conn, email, *at, *limits))
        })
        .await
    }

    async fn claim_letter(&self, now: Timestamp, until: Timestamp) -> Result<Claimed, StoreError> {
        self.call(Mode::Statement, (now, until), |conn, (now, until)| {
            Box::pin(letters::claim(conn, *now, *until))
        })
        .await
    }

    async fn put_off_letter(&self, number: u64, due: Timestamp) -> Result<bool, StoreError> {
        self.call(Mode::Statement, (number, due), |conn, (number, due)| {
            Box::pin(letters::put_off(conn, *number, *due))
        })
        .await
    }

    async fn remove_letter(&self, number: u64) -> Result<bool, StoreError> {
        self.call(Mode::Statement, number, |conn, number| Box::pin(letters::remove(conn, *number)))
            .await
    }

    async fn add_token(&self, token: NewToken) -> Result<bool, StoreError> {
        self.call(Mode::Change, token, |conn, token| Box::pin(one_time::add(conn, token))).await
    }

    async fn token_user(&self, token: TokenRef) -> Result<Option<User>, StoreError> {
        self.call(Mode::Look, token, |conn, token| Box::pin(one_time::user(conn, *token))).await
    }

    async fn redeem_password(
        &self,
        token: TokenRef,
        hash: PasswordHash,
    ) -> Result<Option<Redeemed>, StoreError> {
        self.call(Mode::Change, (token, hash), |conn, (token, hash)| {
            Box::pin(one_time::redeem(conn, *token, hash))
        })
        .await
    }

    async fn redeem_email(
        &self,
        token: TokenRef,
        unique: bool,
    ) -> Result<Confirmation, StoreError> {
        self.call(Mode::Change, (token, unique), |conn, (token, unique)| {
            Box::pin(one_time::confirm(conn, *token, *unique))
        })
        .await
    }
}

#[async_trait]
impl GroupStore for PostgresStore {
    async fn create_group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let name = name.to_owned();
        self.call(Mode::Change, name, |conn, name| Box::pin(groups::create(conn, name))).await
    }

    async fn group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let name = name.to_owned();
        self.call(Mode::Look, name, |conn, name| Box::pin(groups::by_name(conn, name))).await
    }

    async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.call(Mode::Look, (), |conn, ()| Box::pin(groups::all(conn))).await
    }

    async fn group_members(
        &self,
        name: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, StoreError> {
        self.call(Mode::Look, (name.to_owned(), after, limit), |conn, (name, after, limit)| {
            Box::pin(users::members(conn, name, *after, *limit))
        })
        .await
    }

    async fn change_group(
        &self,
        name: &str,
        change: GroupChange,
    ) -> Result<Option<Group>, StoreError> {
        self.call(Mode::Change, (name.to_owned(), change), |conn, (name, change)| {
            Box::pin(groups::alter(conn, name, change))
        })
        .await
    }

    async fn delete_group(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.call(Mode::Statement, name, |conn, name| Box::pin(groups::delete(conn, name))).await
    }
}

#[async_trait]
impl InvitationStore for PostgresStore {
    async fn add_invitation(&self, invitation: NewInvitation) -> Result<Invitation, StoreError> {
        self.call(Mode::Change, invitation, |conn, new| Box::pin(invitations::add(conn, new))).await
    }

    async fn invitation(&self, hash: [u8; 32]) -> Result<Option<Invitation>, StoreError> {
        self.call(Mode::Look, hash, |conn, hash| Box::pin(invitations::by_hash(conn, *hash))).await
    }

    async fn invitations(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        let kept = self.kept_invitations(after, limit).await?;
        Ok(kept.into_iter().map(|kept| kept.invitation).collect())
    }

    async fn remove_invitation(&self, id: u64) -> Result<bool, StoreError> {
        self.call(Mode::Statement, id, |conn, id| Box::pin(invitations::remove(conn, *id))).await
    }
}

#[async_trait]
impl KeyStore for PostgresStore {
    async fn api_key(&self, user: UserId, candidate: ApiKey) -> Result<Option<ApiKey>, StoreError> {
        // Asked at each login of a client that has one: nothing has to be locked then.
        let known =
            self.call(Mode::Look, user, |conn, user| Box::pin(keys::api_key(conn, *user))).await?;
        if known.is_some() {
            return Ok(known);
        }
        self.call(Mode::Change, (user, candidate), |conn, (user, candidate)| {
            Box::pin(keys::first_api_key(conn, *user, candidate))
        })
        .await
    }

    async fn user_by_api_key(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
        self.call(Mode::Look, hash, |conn, hash| Box::pin(keys::by_api_key(conn, *hash))).await
    }

    async fn add_key(&self, key: NewUserKey, most: usize) -> Result<KeyAdded, StoreError> {
        self.call(Mode::Change, (key, most), |conn, (key, most)| {
            Box::pin(keys::add(conn, key, *most))
        })
        .await
    }

    async fn key_owner(&self, hash: [u8; 32]) -> Result<Option<KeyOwner>, StoreError> {
        self.call(Mode::Look, hash, |conn, hash| Box::pin(keys::owner(conn, *hash))).await
    }

    async fn user_key(&self, id: u64) -> Result<Option<UserKey>, StoreError> {
        self.call(Mode::Look, id, |conn, id| Box::pin(keys::find(conn, *id))).await
    }

    async fn keys_of(&self, user: UserId) -> Result<Vec<UserKey>, StoreError> {
        self.call(Mode::Look, user, |conn, user| Box::pin(keys::of_user(conn, *user))).await
    }

    async fn user_keys(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<UserKey>, StoreError> {
        self.call(Mode::Look, (after, limit), |conn, (after, limit)| {
            Box::pin(keys::page(conn, *after, *limit))
        })
        .await
    }

    async fn remove_key(&self, user: UserId, id: u64) -> Result<bool, StoreError> {
        self.call(Mode::Statement, (user, id), |conn, (user, id)| {
            Box::pin(keys::remove(conn, *user, *id))
        })
        .await
    }

    async fn note_key_uses(&self, uses: Vec<(u64, Timestamp)>) -> Result<(), StoreError> {
        self.call(Mode::Statement, uses, |conn, uses| Box::pin(keys::note_uses(conn, uses))).await
    }
}

#[async_trait]
impl MovingStore for PostgresStore {
    async fn take_users(
        &self,
        users: Vec<WholeUser>,
        trial: Trial,
    ) -> Result<Vec<Arrival>, StoreError> {
        self.call(trial.mode(), (users, trial), |conn, (users, trial)| {
            Box::pin(moving::take_all(conn, users, *trial))
        })
        .await
    }

    async fn whole_users(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<WholeUser>, StoreError> {
        self.call(Mode::Snapshot, (after, limit), |conn, (after, limit)| {
            Box::pin(moving::page(conn, *after, *limit))
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
            Box::pin(moving::take_deleted(conn, ids, *trial))
        })
        .await
    }

    async fn deleted(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        self.call(Mode::Look, (after, limit), |conn, (after, limit)| {
            Box::pin(moving::deleted(conn, *after, *limit))
        })
        .await
    }

    async fn numbers(&self, at_least: Numbers) -> Result<Numbers, StoreError> {
        self.call(Mode::Change, at_least, |conn, at_least| Box::pin(moving::raise(conn, *at_least)))
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
