//! One-time tokens.

use super::conn::Conn;
use super::counters::{self, Counter, hold, let_go};
use super::failure::Failure;
use super::rows::{From, Own, limit, millis, number, user_columns};
use super::users;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::record::{PasswordHash, User, UserChange};
use crate::store::transfer::{KeptToken, KeptTokens};
use crate::store::{Confirmation, NewToken, Redeemed, TOKENS_KEPT, TokenRef, fold_case};

/// Selects the user of a token, and what the token says.
const FIND: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", t.basis AS token_basis, t.address AS token_address \
     FROM portcullis.one_time_tokens t JOIN portcullis.users u ON u.id = t.user_id \
     WHERE t.user_id = $1 AND t.purpose = $2 AND t.hash = $3 AND t.expires > $4 LIMIT 1"
);

pub(super) async fn add(conn: &Conn, new: &NewToken) -> Result<bool, Failure> {
    if !users::lock(conn, new.user).await? {
        return Ok(false);
    }
    let user = users::find(conn, new.user).await?;
    if !user.is_some_and(|user| user.active && user.basis() == new.basis) {
        return Ok(false);
    }
    let (user, purpose) = (number(new.user.0), i16::from(new.purpose.code()));
    let sql = "INSERT INTO portcullis.one_time_tokens \
               (user_id, purpose, place, hash, basis, address, expires) \
               SELECT $1, $2, COALESCE(max(place), 0) + 1, $3, $4, $5, $6 \
               FROM portcullis.one_time_tokens WHERE user_id = $1 AND purpose = $2";
    let (hash, basis) = (&new.hash[..], &new.basis[..]);
    let expires = millis(new.expires);
    conn.execute(sql, &[&user, &purpose, &hash, &basis, &new.address, &expires]).await?;
    let sql = "DELETE FROM portcullis.one_time_tokens WHERE user_id = $1 AND purpose = $2 \
               AND (expires <= $3 OR place NOT IN ( \
                   SELECT place FROM portcullis.one_time_tokens \
                   WHERE user_id = $1 AND purpose = $2 AND expires > $3 \
                   ORDER BY place DESC LIMIT $4))";
    conn.execute(sql, &[&user, &purpose, &millis(new.at), &limit(TOKENS_KEPT)]).await?;
    Ok(true)
}

/// Stores tokens of a user who has none for that purpose.
pub(super) async fn keep(conn: &Conn, kept: &KeptTokens) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.one_time_tokens \
               (user_id, purpose, place, hash, basis, address, expires) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (user, purpose) = (number(kept.user.0), i16::from(kept.purpose));
    for (place, token) in (1_i64..).zip(&kept.tokens) {
        let (hash, basis, expires) = (&token.hash[..], &token.basis[..], millis(token.expires));
        conn.execute(sql, &[&user, &purpose, &place, &hash, &basis, &token.address, &expires])
            .await?;
    }
    Ok(())
}

/// All tokens of so many users with ids above `after`, in order.
pub(super) async fn page(
    conn: &Conn,
    after: UserId,
    users: usize,
) -> Result<Vec<KeptTokens>, Failure> {
    let sql = "SELECT user_id, purpose, hash, basis, address, expires \
               FROM portcullis.one_time_tokens WHERE user_id IN ( \
                   SELECT DISTINCT user_id FROM portcullis.one_time_tokens WHERE user_id > $1 \
                   ORDER BY user_id LIMIT $2) \
               ORDER BY user_id, purpose, place";
    let mut all: Vec<KeptTokens> = Vec::new();
    for row in &conn.rows(sql, &[&number(after.0), &limit(users)]).await? {
        let from = From::new("one_time_tokens", row);
        let user = UserId(from.number("user_id")?);
        let purpose =
            u8::try_from(from.get::<i16>("purpose")?).map_err(|error| from.corrupt(error))?;
        let token = KeptToken {
            hash: from.hash("hash")?,
            basis: from.hash("basis")?,
            address: from.get("address")?,
            expires: from.at("expires")?,
        };
        match all.last_mut().filter(|last| last.user == user && last.purpose == purpose) {
            Some(last) => last.tokens.push(token),
            None => all.push(KeptTokens { user, purpose, tokens: vec![token] }),
        }
    }
    Ok(all)
}

/// The user of a good token, as it is written, and the address that the token was sent to.
async fn find(conn: &Conn, wanted: TokenRef) -> Result<Option<(Own, String)>, Failure> {
    let (user, purpose) = (number(wanted.user.0), i16::from(wanted.purpose.code()));
    // Hashes are compared: how long that takes says nothing about a token.
    let hash = &wanted.hash[..];
    let row = conn.row(FIND, &[&user, &purpose, &hash, &millis(wanted.at)]).await?;
    let Some(row) = row else { return Ok(None) };
    let from = From::new("one_time_tokens", &row);
    let (basis, address) = (from.hash("token_basis")?, from.get("token_address")?);
    let own = Own::read(&row)?;
    let holds = own.user.active && own.user.basis() == basis;
    Ok(holds.then_some((own, address)))
}

pub(super) async fn user(conn: &Conn, wanted: TokenRef) -> Result<Option<User>, Failure> {
    Ok(find(conn, wanted).await?.map(|(own, _address)| own.resolved()))
}

/// Uses a token up for a new password.
pub(super) async fn redeem(
    conn: &Conn,
    wanted: TokenRef,
    hash: &PasswordHash,
) -> Result<Option<Redeemed>, Failure> {
    if !users::lock(conn, wanted.user).await? {
        return Ok(None);
    }
    let Some((before, _address)) = find(conn, wanted).await? else { return Ok(None) };
    let line = counters::last_of_all(conn, Counter::Sessions).await?;
    let what = UserChange::Password { hash: hash.clone(), at: wanted.at };
    spend(conn, before, &what, line).await.map(Some)
}

/// Uses a token up for the address that it was sent to, unless that is to be unique and somebody
/// else has it.
pub(super) async fn confirm(
    conn: &Conn,
    wanted: TokenRef,
    unique: bool,
) -> Result<Confirmation, Failure> {
    // The address before the user, as everywhere: nobody waits for somebody who waits for them.
    let address = if unique { find(conn, wanted).await?.map(|(_, address)| address) } else { None };
    let held =
        hold(conn, address.as_deref().and_then(users::address).into_iter().collect()).await?;
    let confirmation = confirm_alone(conn, wanted, unique).await?;
    let_go(conn, &held).await?;
    Ok(confirmation)
}

/// The same, where nobody else is about to take the address.
async fn confirm_alone(
    conn: &Conn,
    wanted: TokenRef,
    unique: bool,
) -> Result<Confirmation, Failure> {
    if !users::lock(conn, wanted.user).await? {
        return Ok(Confirmation::BadToken);
    }
    let Some((before, email)) = find(conn, wanted).await? else {
        return Ok(Confirmation::BadToken);
    };
    // Who shares an address since before it had to be unique may show that it is theirs.
    let is_new = fold_case(&email) != fold_case(&before.user.email);
    if unique && is_new && !users::by_email(conn, &email).await?.is_empty() {
        return Ok(Confirmation::EmailTaken);
    }
    let what = UserChange::Email { email, verified: true };
    spend(conn, before, &what, 0).await.map(Confirmation::Confirmed)
}

async fn spend(
    conn: &Conn,
    before: Own,
    what: &UserChange,
    line: u64,
) -> Result<Redeemed, Failure> {
    let user = before.user.id;
    let was = before.clone().resolved();
    let after = users::put_after(conn, before, what, line).await?;
    // Where the account is another now, no token's basis holds; and a spent one is spent.
    forget(conn, user).await?;
    Ok(Redeemed { before: was, after })
}

/// Uses up one that changes nothing about the account.
pub(super) async fn take(conn: &Conn, wanted: TokenRef) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.one_time_tokens \
               WHERE user_id = $1 AND purpose = $2 AND hash = $3";
    let (user, purpose) = (number(wanted.user.0), i16::from(wanted.purpose.code()));
    conn.execute(sql, &[&user, &purpose, &&wanted.hash[..]]).await?;
    Ok(())
}

/// Forgets every token of a user.
async fn forget(conn: &Conn, user: UserId) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.one_time_tokens WHERE user_id = $1";
    conn.execute(sql, &[&number(user.0)]).await?;
    Ok(())
}

/// Removes the tokens whose time is over at `now`.
pub(super) async fn sweep(conn: &Conn, now: Timestamp) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.one_time_tokens WHERE expires <= $1";
    conn.execute(sql, &[&millis(now)]).await?;
    Ok(())
}
