//! Second factors.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::conn::Conn;
use super::failure::Failure;
use super::link::Mode;
use super::rows::{From, millis, number};
use super::{PostgresStore, one_time, passkeys, users};
use crate::identity::UserId;
use crate::store::{
    Answered, FactorChange, FactorProof, FactorStore, Factors, FirstCode, NewPasskey, NewTotp,
    Offered, PasskeyAdded, SecondFactor, StoreError, StoreEvent, TokenRef, Totp,
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

    async fn remove_factors(&self, user: UserId) -> Result<bool, StoreError> {
        self.call(Mode::Change, user, |conn, user| Box::pin(remove_locked(conn, *user))).await
    }
}

/// Without passkeys, which have rows of their own.
fn factors(row: &Row) -> Result<Factors, Failure> {
    let from = From::new("factors", row);
    let sealed: Option<Vec<u8>> = from.get("sealed")?;
    let totp = match (sealed, from.at_if_any("created")?) {
        (Some(sealed), Some(created)) => Some(Totp {
            sealed,
            created,
            confirmed: from.at_if_any("confirmed")?,
            step: from.number("last_step")?,
        }),
        (None, _) | (_, None) => None,
    };
    let hashes: Vec<&[u8]> = from.get("recovery")?;
    let hashes = hashes.into_iter().map(<[u8; 32]>::try_from);
    let recovery = hashes.collect::<Result<_, _>>().map_err(|error| from.corrupt(error))?;
    Ok(Factors { totp, recovery, passkeys: Vec::new() })
}

pub(super) async fn find(conn: &Conn, user: UserId) -> Result<Option<Factors>, Failure> {
    Ok(of_users(conn, &[number(user.0)]).await?.pop().map(|(_, factors)| factors))
}

/// Whether a user, who is locked, still has what was shown when a session began.
pub(super) async fn back(conn: &Conn, user: UserId, second: SecondFactor) -> Result<bool, Failure> {
    Ok(find(conn, user).await?.is_some_and(|factors| factors.back(second)))
}

/// Those of these users.
pub(super) async fn of_users(
    conn: &Conn,
    users: &[i64],
) -> Result<Vec<(UserId, Factors)>, Failure> {
    let sql = "SELECT user_id, sealed, created, confirmed, last_step, recovery \
               FROM portcullis.factors WHERE user_id = ANY($1)";
    let rows = conn.rows(sql, &[&users.to_vec()]).await?;
    let read =
        |row: &Row| Ok((UserId(From::new("factors", row).number("user_id")?), factors(row)?));
    let mut all = rows.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
    if all.is_empty() {
        return Ok(all);
    }
    for (user, passkey) in passkeys::of_users(conn, users).await? {
        if let Some((_, factors)) = all.iter_mut().find(|(owner, _)| *owner == user) {
            factors.passkeys.push(passkey);
        }
    }
    Ok(all)
}

/// Stores the factors of a user who is there, and locked or not to be seen by others yet.
pub(super) async fn put(conn: &Conn, user: UserId, factors: &Factors) -> Result<(), Failure> {
    put_row(conn, user, factors).await?;
    passkeys::replace(conn, user, &factors.passkeys).await
}

/// The same where the passkeys are as they were.
async fn put_row(conn: &Conn, user: UserId, factors: &Factors) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.factors \
               (user_id, sealed, created, confirmed, last_step, recovery) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) DO UPDATE SET \
               sealed = EXCLUDED.sealed, created = EXCLUDED.created, \
               confirmed = EXCLUDED.confirmed, last_step = EXCLUDED.last_step, \
               recovery = EXCLUDED.recovery";
    let Factors { totp, recovery, .. } = factors;
    let recovery: Vec<&[u8]> = recovery.iter().map(|hash| &hash[..]).collect();
    let totp = totp.as_ref();
    let sealed = totp.map(|totp| &totp.sealed[..]);
    let created = totp.map(|totp| millis(totp.created));
    let confirmed = totp.and_then(|totp| totp.confirmed).map(millis);
    let (user, step) = (number(user.0), number(totp.map_or(0, |totp| totp.step)));
    conn.execute(sql, &[&user, &sealed, &created, &confirmed, &step, &recovery]).await?;
    Ok(())
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
            remove_passkey(conn, user, &factors, credential).await?;
        }
    }
    Ok(true)
}

/// Removes a passkey, if there is such a one.
async fn remove_passkey(
    conn: &Conn,
    user: UserId,
    factors: &Factors,
    credential: &[u8],
) -> Result<(), Failure> {
    let Some(left) = factors.without(credential) else { return Ok(()) };
    if !left.are_confirmed() {
        return remove(conn, user).await.map(drop);
    }
    put(conn, user, &left).await?;
    let sql = "UPDATE portcullis.sessions SET second_factor = NULL \
               WHERE user_id = $1 AND second_factor = ANY($2)";
    let gone = SecondFactor::PASSKEYS.map(|second| i64::from(second.code()));
    conn.execute(sql, &[&number(user.0), &gone.to_vec()]).await?;
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
