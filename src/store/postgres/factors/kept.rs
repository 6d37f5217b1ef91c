//! Factors in their rows.

use tokio_postgres::Row;

use crate::identity::UserId;
use crate::store::postgres::conn::Conn;
use crate::store::postgres::failure::Failure;
use crate::store::postgres::passkeys;
use crate::store::postgres::rows::{From, limit, millis, number};
use crate::store::{Factors, SecondFactor, Totp};

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

pub(in crate::store::postgres) async fn find(
    conn: &Conn,
    user: UserId,
) -> Result<Option<Factors>, Failure> {
    Ok(of_users(conn, &[number(user.0)]).await?.pop().map(|(_, factors)| factors))
}

/// Whether a user, who is locked, still has what was shown when a session began.
pub(in crate::store::postgres) async fn back(
    conn: &Conn,
    user: UserId,
    second: SecondFactor,
) -> Result<bool, Failure> {
    Ok(find(conn, user).await?.is_some_and(|factors| factors.back(second)))
}

/// Those of these users.
pub(in crate::store::postgres) async fn of_users(
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

/// Users with ids above `after` who have factors, in order of their ids.
pub(in crate::store::postgres) async fn owners_page(
    conn: &Conn,
    after: UserId,
    most: usize,
) -> Result<Vec<i64>, Failure> {
    let sql = "SELECT user_id FROM portcullis.factors WHERE user_id > $1 ORDER BY user_id LIMIT $2";
    let rows = conn.rows(sql, &[&number(after.0), &limit(most)]).await?;
    rows.iter().map(|row| From::new("factors", row).get("user_id")).collect()
}

/// Stores the factors of a user who is there, and locked or not to be seen by others yet.
pub(in crate::store::postgres) async fn put(
    conn: &Conn,
    user: UserId,
    factors: &Factors,
) -> Result<(), Failure> {
    put_row(conn, user, factors).await?;
    passkeys::replace(conn, user, &factors.passkeys).await
}

/// The same where the passkeys are as they were.
pub(super) async fn put_row(conn: &Conn, user: UserId, factors: &Factors) -> Result<(), Failure> {
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
