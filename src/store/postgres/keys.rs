//! Keys: the one that `api-token-auth/` shows a user, and those that users make.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::conn::Conn;
use super::counters::{self, Counter};
use super::failure::Failure;
use super::link::Mode;
use super::rows::{From, Own, key_columns, limit, millis, number, user_columns, user_key};
use super::{PostgresStore, users};
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::record::User;
use crate::store::{
    ApiKey, KeyAdded, KeyOwner, KeyStore, NewUserKey, StoreError, StoreEvent, UserKey,
};

#[async_trait]
impl KeyStore for PostgresStore {
    async fn api_key(&self, user: UserId, candidate: ApiKey) -> Result<Option<ApiKey>, StoreError> {
        // Asked at each login of a client that has one: nothing has to be locked then.
        let known =
            self.call(Mode::Look, user, |conn, user| Box::pin(api_key(conn, *user))).await?;
        if known.is_some() {
            return Ok(known);
        }
        self.call(Mode::Change, (user, candidate), |conn, (user, candidate)| {
            Box::pin(first_api_key(conn, *user, candidate))
        })
        .await
    }

    async fn user_by_api_key(&self, hash: [u8; 32]) -> Result<Option<User>, StoreError> {
        self.call(Mode::Look, hash, |conn, hash| Box::pin(by_api_key(conn, *hash))).await
    }

    async fn add_key(&self, key: NewUserKey, most: usize) -> Result<KeyAdded, StoreError> {
        self.call(Mode::Change, (key, most), |conn, (key, most)| Box::pin(add(conn, key, *most)))
            .await
    }

    async fn key_owner(&self, hash: [u8; 32]) -> Result<Option<KeyOwner>, StoreError> {
        self.call(Mode::Look, hash, |conn, hash| Box::pin(owner(conn, *hash))).await
    }

    async fn user_key(&self, id: u64) -> Result<Option<UserKey>, StoreError> {
        self.call(Mode::Look, id, |conn, id| Box::pin(find(conn, *id))).await
    }

    async fn keys_of(&self, user: UserId) -> Result<Vec<UserKey>, StoreError> {
        self.call(Mode::Look, user, |conn, user| Box::pin(of_user(conn, *user))).await
    }

    async fn user_keys(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<UserKey>, StoreError> {
        self.call(Mode::Look, (after, limit), |conn, (after, limit)| {
            Box::pin(page(conn, *after, *limit))
        })
        .await
    }

    async fn remove_key(&self, user: UserId, id: u64) -> Result<bool, StoreError> {
        self.call(Mode::Change, (user, id), |conn, (user, id)| Box::pin(remove(conn, *user, *id)))
            .await
    }

    async fn note_key_uses(&self, uses: Vec<(u64, Timestamp)>) -> Result<(), StoreError> {
        self.call(Mode::Statement, uses, |conn, uses| Box::pin(note_uses(conn, uses))).await
    }
}

/// Selects keys `k` that users made.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", key_columns!(), " FROM portcullis.user_keys k ", $rest)
    };
}

/// The API key of a user, who may have none.
pub(super) async fn api_key(conn: &Conn, user: UserId) -> Result<Option<ApiKey>, Failure> {
    let sql = "SELECT hash, sealed FROM portcullis.api_keys WHERE user_id = $1";
    let row = conn.row(sql, &[&number(user.0)]).await?;
    row.map(|row| {
        let from = From::new("api_keys", &row);
        Ok(ApiKey { hash: from.hash("hash")?, sealed: from.get("sealed")? })
    })
    .transpose()
}

/// Whether some user has that API key.
pub(super) async fn is_api_key(conn: &Conn, hash: [u8; 32]) -> Result<bool, Failure> {
    let sql = "SELECT user_id FROM portcullis.api_keys WHERE hash = $1";
    Ok(conn.row(sql, &[&&hash[..]]).await?.is_some())
}

/// The key there is, or `candidate` in its place; `None` if the user is gone.
pub(super) async fn first_api_key(
    conn: &Conn,
    user: UserId,
    candidate: &ApiKey,
) -> Result<Option<ApiKey>, Failure> {
    if !users::lock(conn, user).await? {
        return Ok(None);
    }
    if let Some(key) = api_key(conn, user).await? {
        return Ok(Some(key));
    }
    // Never hand one user's key over to another; a candidate drawn anew will do.
    if is_api_key(conn, candidate.hash).await? {
        return Err(unavailable("this API key belongs to another user"));
    }
    put_api_key(conn, user, candidate).await?;
    Ok(Some(candidate.clone()))
}

/// Stores the API key of a user who has none; nobody else may have it.
pub(super) async fn put_api_key(conn: &Conn, user: UserId, key: &ApiKey) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.api_keys (user_id, hash, sealed) VALUES ($1, $2, $3)";
    conn.execute(sql, &[&number(user.0), &&key.hash[..], &key.sealed]).await?;
    Ok(())
}

pub(super) async fn by_api_key(conn: &Conn, hash: [u8; 32]) -> Result<Option<User>, Failure> {
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        " FROM portcullis.users u JOIN portcullis.api_keys a ON a.user_id = u.id WHERE a.hash = $1"
    );
    let row = conn.row(sql, &[&&hash[..]]).await?;
    Ok(row.as_ref().map(Own::read).transpose()?.map(Own::resolved))
}

pub(super) async fn add(conn: &Conn, new: &NewUserKey, most: usize) -> Result<KeyAdded, Failure> {
    if !users::lock(conn, new.user).await? {
        return Ok(KeyAdded::NoUser);
    }
    let all = of_user(conn, new.user).await?;
    let (expired, good): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|key| key.is_expired(new.created));
    if good.len() >= most {
        return Ok(KeyAdded::TooMany);
    }
    let expired: Vec<i64> = expired.iter().map(|key| number(key.id)).collect();
    let sql = "DELETE FROM portcullis.user_keys WHERE key_id = ANY($1)";
    conn.execute(sql, &[&expired]).await?;
    // Never hand one user's key over to another; one drawn anew will do.
    if is_known(conn, new.hash).await? {
        return Err(unavailable("this key is there already"));
    }
    let key = new.numbered(counters::next(conn, Counter::UserKeys).await?);
    put(conn, &key).await?;
    Ok(KeyAdded::Added(key))
}

/// Stores a key as it came from elsewhere, under its number if that is free. Nobody may have it.
pub(super) async fn keep(conn: &Conn, user: UserId, mut key: UserKey) -> Result<(), Failure> {
    key.user = user;
    if key.id == 0 || find(conn, key.id).await?.is_some() {
        key.id = counters::next(conn, Counter::UserKeys).await?;
    } else {
        counters::raise(conn, Counter::UserKeys, key.id).await?;
    }
    put(conn, &key).await
}

/// Stores a key that is not there yet, under its own number.
pub(super) async fn put(conn: &Conn, key: &UserKey) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.user_keys (key_id, user_id, hash, key_name, hint, scopes, \
               key_created, key_expires, key_last_used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (created, expires) = (millis(key.created), key.expires.map(millis));
    let last_used = key.last_used.map(millis);
    let (id, user, hash) = (number(key.id), number(key.user.0), &key.hash[..]);
    conn.execute(
        sql,
        &[&id, &user, &hash, &key.name, &key.hint, &key.scopes, &created, &expires, &last_used],
    )
    .await?;
    Ok(())
}

/// Whether somebody made that key.
pub(super) async fn is_known(conn: &Conn, hash: [u8; 32]) -> Result<bool, Failure> {
    let sql = "SELECT key_id FROM portcullis.user_keys WHERE hash = $1";
    Ok(conn.row(sql, &[&&hash[..]]).await?.is_some())
}

pub(super) async fn find(conn: &Conn, id: u64) -> Result<Option<UserKey>, Failure> {
    let row = conn.row(select!("WHERE k.key_id = $1"), &[&number(id)]).await?;
    row.as_ref().map(user_key).transpose()
}

pub(super) async fn owner(conn: &Conn, hash: [u8; 32]) -> Result<Option<KeyOwner>, Failure> {
    let sql = concat!(
        "SELECT ",
        user_columns!(),
        ", ",
        key_columns!(),
        " FROM portcullis.user_keys k JOIN portcullis.users u ON u.id = k.user_id WHERE k.hash = $1"
    );
    let Some(row) = conn.row(sql, &[&&hash[..]]).await? else { return Ok(None) };
    Ok(Some(KeyOwner { key: user_key(&row)?, user: Own::read(&row)?.resolved() }))
}

/// Those of these users, by number.
pub(super) async fn of_users(conn: &Conn, users: &[i64]) -> Result<Vec<UserKey>, Failure> {
    let sql = select!("WHERE k.user_id = ANY($1) ORDER BY k.key_id");
    let rows = conn.rows(sql, &[&users.to_vec()]).await?;
    rows.iter().map(user_key).collect()
}

pub(super) async fn of_user(conn: &Conn, user: UserId) -> Result<Vec<UserKey>, Failure> {
    of_users(conn, &[number(user.0)]).await
}

pub(super) async fn page(
    conn: &Conn,
    after: Option<u64>,
    most: usize,
) -> Result<Vec<UserKey>, Failure> {
    let sql = select!("WHERE k.key_id > $1 ORDER BY k.key_id LIMIT $2");
    let rows = conn.rows(sql, &[&after.map_or(0, number), &limit(most)]).await?;
    rows.iter().map(user_key).collect()
}

pub(super) async fn remove(conn: &Conn, user: UserId, id: u64) -> Result<bool, Failure> {
    let sql = "DELETE FROM portcullis.user_keys WHERE key_id = $1 AND user_id = $2";
    let is_gone = conn.execute(sql, &[&number(id), &number(user.0)]).await? > 0;
    if is_gone {
        conn.tell(StoreEvent::User(user));
    }
    Ok(is_gone)
}

pub(super) async fn note_uses(conn: &Conn, uses: &[(u64, Timestamp)]) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.user_keys k SET key_last_used = noted.at FROM ( \
                   SELECT id, max(at) AS at FROM (SELECT unnest($1) AS id, unnest($2) AS at) each \
                   GROUP BY id \
               ) noted \
               WHERE k.key_id = noted.id \
               AND (k.key_last_used IS NULL OR k.key_last_used < noted.at)";
    let ids: Vec<i64> = uses.iter().map(|(id, _)| number(*id)).collect();
    let at: Vec<i64> = uses.iter().map(|(_, at)| millis(*at)).collect();
    conn.execute(sql, &[&ids, &at]).await?;
    Ok(())
}

/// Removes the keys whose time is over at `now`.
pub(super) async fn sweep(conn: &Conn, now: Timestamp) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.user_keys WHERE key_expires <= $1";
    conn.execute(sql, &[&millis(now)]).await?;
    Ok(())
}

/// The API keys of these users.
pub(super) async fn api_keys_of(
    conn: &Conn,
    users: &[i64],
) -> Result<Vec<(UserId, ApiKey)>, Failure> {
    let sql = "SELECT user_id, hash, sealed FROM portcullis.api_keys WHERE user_id = ANY($1)";
    conn.rows(sql, &[&users.to_vec()]).await?.iter().map(api_key_row).collect()
}

/// API keys of users with ids above `after`, in order of their ids.
pub(super) async fn api_keys_page(
    conn: &Conn,
    after: UserId,
    most: usize,
) -> Result<Vec<(UserId, ApiKey)>, Failure> {
    let sql = "SELECT user_id, hash, sealed FROM portcullis.api_keys WHERE user_id > $1 \
               ORDER BY user_id LIMIT $2";
    let rows = conn.rows(sql, &[&number(after.0), &limit(most)]).await?;
    rows.iter().map(api_key_row).collect()
}

fn api_key_row(row: &Row) -> Result<(UserId, ApiKey), Failure> {
    let from = From::new("api_keys", row);
    let key = ApiKey { hash: from.hash("hash")?, sealed: from.get("sealed")? };
    Ok((UserId(from.number("user_id")?), key))
}

fn unavailable(why: &'static str) -> Failure {
    StoreError::Unavailable(why.into()).into()
}
