//! Second factors.

mod kept;

use async_trait::async_trait;

use kept::put_row;
pub(super) use kept::{back, find, of_users, owners_page, put};

use super::conn::Conn;
use super::failure::Failure;
use super::link::Mode;
use super::rows::number;
use super::{PostgresStore, one_time, passkeys, users};
use crate::identity::UserId;
use crate::store::{
    Answered, FactorChange, FactorProof, FactorStore, Factors, FirstCode, NewPasskey, NewTotp,
    Offered, PasskeyAdded, SecondFactor, StoreError, StoreEvent, TokenRef,
};

#[async_trait]
impl FactorStore for PostgresStore {
    async fn factors(&self, user: UserId) -> Result<Option<Factors>, StoreError> {
        self.call(Mode::Look, user, |conn, user| Box::pin(find(conn, *user))).await
    }

    async fn offer_totp(&self, user: UserId, totp: NewTotp) -> Result<Offered, StoreError> {
        self.call(Mode::Change, (user, totp), |conn, (user, totp)| {
            Box::pin(offer(conn, *user, totp))
        })
        .await
    }

    async fn confirm_totp(&self, user: UserId, first: FirstCode) -> Result<bool, StoreError> {
        self.call(Mode::Change, (user, first), |conn, (user, first)| {
            Box::pin(confirm(conn, *user, first))
        })
        .await
    }

    async fn change_factors(
        &self,
        user: UserId,
        proof: FactorProof,
        change: FactorChange,
    ) -> Result<bool, StoreError> {
        self.call(Mode::Change, (user, proof, change), |conn, (user, proof, change)| {
            Box::pin(alter(conn, *user, proof, change))
        })
        .await
    }

    async fn answer_challenge(
        &self,
        challenge: TokenRef,
        proof: FactorProof,
    ) -> Result<Answered, StoreError> {
        self.call(Mode::Change, (challenge, proof), |conn, (challenge, proof)| {
            Box::pin(answer(conn, *challenge, proof))
        })
        .await
    }

    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<UserId>, StoreError> {
        self.call(Mode::Look, credential, |conn, credential| {
            Box::pin(passkeys::owner(conn, credential))
        })
        .await
    }

    async fn add_passkey(&self, user: UserId, new: NewPasskey) -> Result<PasskeyAdded, StoreError> {
        self.call(Mode::Change, (user, new), |conn, (user, new)| Box::pin(add(conn, *user, new)))
            .await
    }

    async fn rename_passkey(
        &self,
        user: UserId,
        credential: Vec<u8>,
        name: String,
    ) -> Result<bool, StoreError> {
        self.call(Mode::Change, (user, credential, name), |conn, (user, credential, name)| {
            Box::pin(passkeys::rename(conn, *user, credential, name))
        })
        .await
    }

    async fn remove_factors(&self, user: UserId) -> Result<bool, StoreError> {
        self.call(Mode::Change, user, |conn, user| Box::pin(remove_locked(conn, *user))).await
    }
}

async fn offer(conn: &Conn, user: UserId, new: &NewTotp) -> Result<Offered, Failure> {
    if !users::lock(conn, user).await? {
        return Ok(Offered::NoUser);
    }
    let mut factors = find(conn, user).await?.unwrap_or_default();
    if !factors.offer(new) {
        return Ok(Offered::Confirmed);
    }
    put_row(conn, user, &factors).await?;
    Ok(Offered::Kept)
}

async fn add(conn: &Conn, user: UserId, new: &NewPasskey) -> Result<PasskeyAdded, Failure> {
    if !users::lock(conn, user).await? {
        return Ok(PasskeyAdded::Late);
    }
    let Some(whose) = users::stored(conn, user).await? else { return Ok(PasskeyAdded::Late) };
    if passkeys::owner(conn, &new.passkey.credential).await?.is_some() {
        return Ok(PasskeyAdded::Taken);
    }
    let mut factors = find(conn, user).await?.unwrap_or_default();
    let added = factors.add(&whose.user, new);
    if added != PasskeyAdded::Added {
        return Ok(added);
    }
    if !passkeys::use_up(conn, new.challenge).await? {
        return Ok(PasskeyAdded::Late);
    }
    put(conn, user, &factors).await?;
    Ok(PasskeyAdded::Added)
}

/// Uses a proof up, and what a passkey has signed; `false` if it is not good.
async fn spend(
    conn: &Conn,
    user: UserId,
    factors: &mut Factors,
    proof: &FactorProof,
) -> Result<bool, Failure> {
    if !factors.spend(proof) {
        return Ok(false);
    }
    match proof {
        FactorProof::Passkey(assertion) => {
            if !passkeys::use_up(conn, assertion.challenge).await? {
                return Ok(false);
            }
            if let Some(passkey) = factors.passkey(&assertion.credential) {
                passkeys::note_use(conn, passkey).await?;
            }
        }
        FactorProof::Totp { .. } | FactorProof::RecoveryCode(_) => {
            put_row(conn, user, factors).await?;
        }
    }
    Ok(true)
}

async fn confirm(conn: &Conn, user: UserId, first: &FirstCode) -> Result<bool, Failure> {
    if !users::lock(conn, user).await? {
        return Ok(false);
    }
    let Some(whose) = users::stored(conn, user).await? else { return Ok(false) };
    let Some(mut factors) = find(conn, user).await? else { return Ok(false) };
    if !factors.confirm(&whose.user, first) {
        return Ok(false);
    }
    put_row(conn, user, &factors).await?;
    Ok(true)
}

async fn alter(
    conn: &Conn,
    user: UserId,
    proof: &FactorProof,
    what: &FactorChange,
) -> Result<bool, Failure> {
    if !users::lock(conn, user).await? {
        return Ok(false);
    }
    let Some(mut factors) = find(conn, user).await? else { return Ok(false) };
    if !spend(conn, user, &mut factors, proof).await? {
        return Ok(false);
    }
    match what {
        FactorChange::Nothing => {}
        FactorChange::Remove => drop(remove(conn, user).await?),
        FactorChange::Recovery(codes) => {
            factors.recovery.clone_from(codes);
            put_row(conn, user, &factors).await?;
        }
        FactorChange::RemovePasskey(credential) => {
            keep(conn, user, factors.without(credential), &SecondFactor::PASSKEYS).await?;
        }
        FactorChange::RemoveTotp => {
            keep(conn, user, factors.without_totp(), &[SecondFactor::Totp]).await?;
        }
    }
    Ok(true)
}

/// Keeps what is left of the factors of a user, if one was removed; what was shown of those that are
/// gone counts no more.
async fn keep(
    conn: &Conn,
    user: UserId,
    left: Option<Factors>,
    gone: &[SecondFactor],
) -> Result<(), Failure> {
    let Some(left) = left else { return Ok(()) };
    if !left.are_confirmed() {
        return remove(conn, user).await.map(drop);
    }
    put(conn, user, &left).await?;
    let sql = "UPDATE portcullis.sessions SET second_factor = NULL \
               WHERE user_id = $1 AND second_factor = ANY($2)";
    let gone: Vec<_> = gone.iter().map(|second| i64::from(second.code())).collect();
    conn.execute(sql, &[&number(user.0), &gone]).await?;
    conn.tell(StoreEvent::User(user));
    Ok(())
}

async fn answer(
    conn: &Conn,
    challenge: TokenRef,
    proof: &FactorProof,
) -> Result<Answered, Failure> {
    if !users::lock(conn, challenge.user).await? {
        return Ok(Answered::BadChallenge);
    }
    let Some(user) = one_time::user(conn, challenge).await? else {
        return Ok(Answered::BadChallenge);
    };
    let Some(mut factors) = find(conn, user.id).await? else { return Ok(Answered::BadChallenge) };
    if !spend(conn, user.id, &mut factors, proof).await? {
        return Ok(Answered::Wrong);
    }
    one_time::take(conn, challenge).await?;
    Ok(Answered::Right(user))
}

async fn remove_locked(conn: &Conn, user: UserId) -> Result<bool, Failure> {
    if !users::lock(conn, user).await? {
        return Ok(false);
    }
    remove(conn, user).await
}

/// Removes those of a user who is locked.
async fn remove(conn: &Conn, user: UserId) -> Result<bool, Failure> {
    let sql = "DELETE FROM portcullis.factors WHERE user_id = $1";
    if conn.execute(sql, &[&number(user.0)]).await? == 0 {
        return Ok(false);
    }
    passkeys::replace(conn, user, &[]).await?;
    let sql = "UPDATE portcullis.sessions SET second_factor = NULL \
               WHERE user_id = $1 AND second_factor IS NOT NULL";
    conn.execute(sql, &[&number(user.0)]).await?;
    // Who was let in by it is let in no longer, wherever that was.
    conn.tell(StoreEvent::User(user));
    Ok(true)
}
