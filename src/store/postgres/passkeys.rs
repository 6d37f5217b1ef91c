//! Passkeys, and what they have signed.

use tokio_postgres::Row;

use super::conn::Conn;
use super::failure::Failure;
use super::rows::{From, limit, millis, number};
use super::users;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::{Passkey, SignedChallenge};

fn passkey(row: &Row) -> Result<(UserId, Passkey), Failure> {
    let from = From::new("passkeys", row);
    let count = u32::try_from(from.number("sign_count")?).map_err(|error| from.corrupt(error))?;
    let passkey = Passkey {
        credential: from.get("credential")?,
        key: from.get("public_key")?,
        handle: from.get("handle")?,
        count,
        may_be_copied: from.get("may_be_copied")?,
        is_copied: from.get("is_copied")?,
        name: from.get("passkey_name")?,
        created: from.at("created")?,
        used: from.at_if_any("used")?,
    };
    Ok((UserId(from.number("user_id")?), passkey))
}

/// Those of these users, each in the order in which they were added.
pub(super) async fn of_users(
    conn: &Conn,
    users: &[i64],
) -> Result<Vec<(UserId, Passkey)>, Failure> {
    let sql = "SELECT credential, user_id, public_key, handle, sign_count, may_be_copied, \
               is_copied, passkey_name, created, used FROM portcullis.passkeys \
               WHERE user_id = ANY($1) ORDER BY user_id, place";
    let rows = conn.rows(sql, &[&users.to_vec()]).await?;
    rows.iter().map(passkey).collect()
}

/// Whose passkey has that credential.
pub(super) async fn owner(conn: &Conn, credential: &[u8]) -> Result<Option<UserId>, Failure> {
    let sql = "SELECT user_id FROM portcullis.passkeys WHERE credential = $1";
    let row = conn.row(sql, &[&credential]).await?;
    row.map(|row| From::new("passkeys", &row).number("user_id").map(UserId)).transpose()
}

/// Puts those in the place of all that a user had, who is locked.
pub(super) async fn replace(
    conn: &Conn,
    user: UserId,
    passkeys: &[Passkey],
) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.passkeys WHERE user_id = $1";
    conn.execute(sql, &[&number(user.0)]).await?;
    for (place, passkey) in (0_i64..).zip(passkeys) {
        // Another user's credential ends the transaction.
        put(conn, user, place, passkey).await?;
    }
    Ok(())
}

async fn put(conn: &Conn, user: UserId, place: i64, passkey: &Passkey) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.passkeys (credential, user_id, place, public_key, handle, \
               sign_count, may_be_copied, is_copied, passkey_name, created, used) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let Passkey { credential, key, handle, name, may_be_copied, is_copied, .. } = passkey;
    let (owner, count) = (number(user.0), i64::from(passkey.count));
    let (created, last_used) = (millis(passkey.created), passkey.used.map(millis));
    conn.execute(
        sql,
        &[
            credential,
            &owner,
            &place,
            key,
            handle,
            &count,
            may_be_copied,
            is_copied,
            name,
            &created,
            &last_used,
        ],
    )
    .await?;
    Ok(())
}

/// Takes note of what a use has changed about one.
pub(super) async fn note_use(conn: &Conn, passkey: &Passkey) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.passkeys SET sign_count = $2, is_copied = $3, used = $4 \
               WHERE credential = $1";
    let Passkey { credential, is_copied, .. } = passkey;
    let (count, used) = (i64::from(passkey.count), passkey.used.map(millis));
    conn.execute(sql, &[credential, &count, is_copied, &used]).await?;
    Ok(())
}

/// Gives one of a user another name; `false` if there is no such passkey.
pub(super) async fn rename(
    conn: &Conn,
    user: UserId,
    credential: &[u8],
    name: &str,
) -> Result<bool, Failure> {
    if !users::lock(conn, user).await? {
        return Ok(false);
    }
    let sql = "UPDATE portcullis.passkeys SET passkey_name = $3 \
               WHERE credential = $1 AND user_id = $2";
    Ok(conn.execute(sql, &[&credential, &number(user.0), &name]).await? == 1)
}

/// Uses a challenge up; `false` if it was, or is just being used up elsewhere.
pub(super) async fn use_up(conn: &Conn, signed: SignedChallenge) -> Result<bool, Failure> {
    let sql = "INSERT INTO portcullis.signed_challenges (hash, expires) VALUES ($1, $2) \
               ON CONFLICT DO NOTHING";
    let (hash, expires) = (&signed.hash[..], millis(signed.expires));
    Ok(conn.execute(sql, &[&hash, &expires]).await? == 1)
}

/// Used challenges with hashes behind `after`, in order.
pub(super) async fn signed_page(
    conn: &Conn,
    after: &[u8],
    most: usize,
) -> Result<Vec<SignedChallenge>, Failure> {
    let sql = "SELECT hash, expires FROM portcullis.signed_challenges WHERE hash > $1 \
               ORDER BY hash LIMIT $2";
    let read = |row: &Row| {
        let from = From::new("signed_challenges", row);
        Ok(SignedChallenge { hash: from.hash("hash")?, expires: from.at("expires")? })
    };
    conn.rows(sql, &[&after, &limit(most)]).await?.iter().map(read).collect()
}

/// Forgets the challenges that have ended by `now`.
pub(super) async fn sweep(conn: &Conn, now: Timestamp) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.signed_challenges WHERE expires <= $1";
    conn.execute(sql, &[&millis(now)]).await?;
    Ok(())
}
