//! What the database does for mail.

use async_trait::async_trait;

use super::link::Mode;
use super::{PostgresStore, letters, one_time};
use crate::clock::Timestamp;
use crate::store::record::{PasswordHash, User};
use crate::store::{
    Claimed, Confirmation, MailStore, NewLetter, NewToken, Posted, QueueLimits, Redeemed,
    StoreError, TokenRef,
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
