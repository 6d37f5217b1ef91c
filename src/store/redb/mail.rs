//! What the file does for mail.

use async_trait::async_trait;

use super::{RedbStore, letters, one_time};
use crate::clock::Timestamp;
use crate::store::record::{PasswordHash, User, UserChange};
use crate::store::{
    Claimed, Confirmation, MailStore, NewLetter, NewToken, Posted, QueueLimits, Redeemed,
    StoreError, TokenRef,
};

#[async_trait]
impl MailStore for RedbStore {
    async fn post(&self, letter: NewLetter, limits: QueueLimits) -> Result<Posted, StoreError> {
        self.write(move |change| letters::post(change, &letter, limits)).await
    }

    async fn post_resets(
        &self,
        email: &str,
        at: Timestamp,
        limits: QueueLimits,
    ) -> Result<Posted, StoreError> {
        let email = email.to_owned();
        self.write(move |change| letters::post_resets(change, &email, at, limits)).await
    }

    async fn claim_letter(&self, now: Timestamp, until: Timestamp) -> Result<Claimed, StoreError> {
        // Asked again and again: where nothing is due, nothing waits for the writer.
        match self.read(letters::first).await? {
            None => return Ok(Claimed::Nothing),
            Some((due, _)) if due > now.as_millis() => {
                return Ok(Claimed::At(Timestamp::from_millis(due)));
            }
            Some(_) => {}
        }
        self.write(move |change| letters::claim(change, now, until)).await
    }

    async fn put_off_letter(&self, number: u64, due: Timestamp) -> Result<bool, StoreError> {
        self.write(move |change| letters::put_off(change, number, due)).await
    }

    async fn remove_letter(&self, number: u64) -> Result<bool, StoreError> {
        self.write(move |change| letters::remove(change, number)).await
    }

    async fn add_token(&self, token: NewToken) -> Result<bool, StoreError> {
        self.write(move |change| one_time::add(change, &token)).await
    }

    async fn token_user(&self, token: TokenRef) -> Result<Option<User>, StoreError> {
        self.read(move |view| Ok(one_time::find(view, token)?.map(|(user, _)| user))).await
    }

    async fn redeem_password(
        &self,
        token: TokenRef,
        hash: PasswordHash,
    ) -> Result<Option<Redeemed>, StoreError> {
        self.write(move |change| {
            let what = UserChange::Password { hash: hash.clone(), at: token.at };
            one_time::redeem(change, token, &what)
        })
        .await
    }

    async fn redeem_email(
        &self,
        token: TokenRef,
        unique: bool,
    ) -> Result<Confirmation, StoreError> {
        self.write(move |change| one_time::confirm(change, token, unique)).await
    }
}
