//! Users on their way in or out.

use std::collections::HashMap;

use super::conn::Conn;
use super::counters::{self, Counter};
use super::failure::Failure;
use super::rows::{From, Own, limit, number};
use super::{factors, groups, keys, passkeys, sessions, users};
use crate::identity::UserId;
use crate::store::moving::{Arrival, KeptSession, Numbers, Trial, WholeUser};
use crate::store::record::User;
use crate::store::{ApiKey, StoreEvent, changing};

/// What there is of the users after that id.
pub(super) async fn page(
    conn: &Conn,
    after: Option<UserId>,
    most: usize,
) -> Result<Vec<WholeUser>, Failure> {
    let own = users::own_page(conn, after, most).await?;
    let ids: Vec<i64> = own.iter().map(|own| number(own.user.id.0)).collect();
    let api_keys = keys::api_keys_of(conn, &ids).await?;
    let mut api_keys: HashMap<UserId, ApiKey> = api_keys.into_iter().collect();
    let mut made: HashMap<UserId, Vec<_>> = HashMap::new();
    for key in keys::of_users(conn, &ids).await? {
        made.entry(key.user).or_default().push(key);
    }
    let mut second: HashMap<UserId, _> = factors::of_users(conn, &ids).await?.into_iter().collect();
    let mut kept: HashMap<UserId, Vec<_>> = HashMap::new();
    for session in sessions::kept(conn, &ids).await? {
        kept.entry(session.session.user).or_default().push(session);
    }
    let whole = own.into_iter().map(|own| {
        let id = own.user.id;
        WholeUser {
            user: own.named(),
            key: api_keys.remove(&id),
            keys: made.remove(&id).unwrap_or_default(),
            factors: second.remove(&id),
            sessions: kept.remove(&id).unwrap_or_default(),
        }
    });
    Ok(whole.collect())
}

pub(super) async fn numbers(conn: &Conn) -> Result<Numbers, Failure> {
    Ok(Numbers {
        users: counters::last(conn, Counter::Users).await?,
        sessions: counters::last(conn, Counter::Sessions).await?,
        invitations: counters::last(conn, Counter::Invitations).await?,
        keys: counters::last(conn, Counter::UserKeys).await?,
    })
}

/// The last numbers, after lifting each to these.
pub(super) async fn raise(conn: &Conn, to: Numbers) -> Result<Numbers, Failure> {
    counters::raise(conn, Counter::Users, to.users).await?;
    counters::raise(conn, Counter::Sessions, to.sessions).await?;
    counters::raise(conn, Counter::Invitations, to.invitations).await?;
    counters::raise(conn, Counter::UserKeys, to.keys).await?;
    numbers(conn).await
}

/// What becomes of each, in their order.
pub(super) async fn take_all(
    conn: &Conn,
    users: &[WholeUser],
    trial: Trial,
) -> Result<Vec<Arrival>, Failure> {
    let mut arrivals = Vec::with_capacity(users.len());
    for user in users {
        arrivals.push(match trial {
            Trial::Dry => judge(conn, user).await?,
            Trial::Real => take(conn, user).await?,
        });
    }
    Ok(arrivals)
}

/// Stores a user, or says why not. All of it or nothing.
async fn take(conn: &Conn, whole: &WholeUser) -> Result<Arrival, Failure> {
    match judge(conn, whole).await? {
        Arrival::Stored(_) => settle_in(conn, whole).await.map(Arrival::Stored),
        Arrival::Present { id, completed, differs } => {
            complete(conn, id, whole).await?;
            Ok(Arrival::Present { id, completed, differs })
        }
        refused @ (Arrival::NameTaken(_)
        | Arrival::IdTaken(_)
        | Arrival::IdGone
        | Arrival::KeyTaken
        | Arrival::SessionTaken(_)) => Ok(refused),
    }
}

/// What would become of a user.
async fn judge(conn: &Conn, whole: &WholeUser) -> Result<Arrival, Failure> {
    let new = &whole.user;
    let holder = users::holder(conn, &new.username).await?;
    let wanted = match holder {
        Some(id) if new.id.0 == 0 => id,
        _ => new.id,
    };
    let there = users::stored(conn, wanted).await?.map(Own::named);
    match (there, holder) {
        (Some(there), _) if there.username == new.username => present(conn, &there, whole).await,
        (Some(there), _) => Ok(Arrival::IdTaken(there.username)),
        (None, Some(id)) => Ok(Arrival::NameTaken(id)),
        (None, None) if is_deleted(conn, new.id).await? => Ok(Arrival::IdGone),
        (None, None) => newcomer(conn, whole).await,
    }
}

async fn newcomer(conn: &Conn, whole: &WholeUser) -> Result<Arrival, Failure> {
    if let Some(key) = &whole.key
        && keys::is_api_key(conn, key.hash).await?
    {
        return Ok(Arrival::KeyTaken);
    }
    for (at, key) in whole.keys.iter().enumerate() {
        let twice = whole.keys.iter().take(at).any(|other| other.hash == key.hash);
        if twice || keys::is_known(conn, key.hash).await? {
            return Ok(Arrival::KeyTaken);
        }
    }
    let brought = whole.factors.as_ref().map_or(&[][..], |factors| &factors.passkeys);
    for (at, passkey) in brought.iter().enumerate() {
        let twice = brought.iter().take(at).any(|other| other.credential == passkey.credential);
        if twice || passkeys::owner(conn, &passkey.credential).await?.is_some() {
            return Ok(Arrival::KeyTaken);
        }
    }
    for kept in &whole.sessions {
        let number = kept.session.id.number;
        if number != 0 && sessions::is_there(conn, number).await? {
            return Ok(Arrival::SessionTaken(number));
        }
    }
    Ok(Arrival::Stored(whole.user.id))
}

async fn present(conn: &Conn, there: &User, whole: &WholeUser) -> Result<Arrival, Failure> {
    let completed = missing_key(conn, there.id, whole).await?.is_some()
        || !missing_ends(conn, whole).await?.is_empty();
    let factors = factors::find(conn, there.id).await?;
    Ok(Arrival::Present {
        id: there.id,
        completed,
        differs: whole.differences(there, factors.as_ref()),
    })
}

/// The key that came along, where there is none yet and nobody else has it.
async fn missing_key<'w>(
    conn: &Conn,
    id: UserId,
    whole: &'w WholeUser,
) -> Result<Option<&'w ApiKey>, Failure> {
    let Some(key) = &whole.key else { return Ok(None) };
    let free =
        keys::api_key(conn, id).await?.is_none() && !keys::is_api_key(conn, key.hash).await?;
    Ok(free.then_some(key))
}

/// The tokens made elsewhere that have ended, and are not known to have.
async fn missing_ends<'w>(
    conn: &Conn,
    whole: &'w WholeUser,
) -> Result<Vec<&'w KeptSession>, Failure> {
    let mut missing = Vec::new();
    for kept in whole.sessions.iter().filter(|kept| kept.session.ended.is_some()) {
        if let Some(jti) = &kept.adopted
            && sessions::adopted(conn, jti).await?.is_none()
        {
            missing.push(kept);
        }
    }
    Ok(missing)
}

async fn complete(conn: &Conn, id: UserId, whole: &WholeUser) -> Result<(), Failure> {
    users::lock(conn, id).await?;
    if let Some(key) = missing_key(conn, id, whole).await? {
        keys::put_api_key(conn, id, key).await?;
    }
    for kept in missing_ends(conn, whole).await? {
        let mut kept = kept.clone();
        kept.session.id.number = 0;
        keep(conn, id, kept).await?;
        conn.tell(StoreEvent::User(id));
    }
    Ok(())
}

async fn settle_in(conn: &Conn, whole: &WholeUser) -> Result<UserId, Failure> {
    let mut user = whole.user.clone();
    if user.id.0 == 0 {
        user.id = UserId(counters::next(conn, Counter::Users).await?);
    } else {
        counters::raise(conn, Counter::Users, user.id.0).await?;
    }
    changing::sort(&mut user.roles);
    users::insert(conn, &user).await?;
    groups::settle_in(conn, &user.groups, user.id).await?;
    if let Some(key) = &whole.key {
        keys::put_api_key(conn, user.id, key).await?;
    }
    for key in &whole.keys {
        keys::keep(conn, user.id, key.clone()).await?;
    }
    if let Some(factors) = &whole.factors {
        factors::put(conn, user.id, factors).await?;
    }
    for kept in &whole.sessions {
        keep(conn, user.id, kept.clone()).await?;
    }
    Ok(user.id)
}

/// Stores a session of that user. A token that another session stands for stays that one's.
async fn keep(conn: &Conn, user: UserId, mut kept: KeptSession) -> Result<(), Failure> {
    kept.session.user = user;
    let number = &mut kept.session.id.number;
    if *number == 0 {
        *number = counters::next(conn, Counter::Sessions).await?;
    } else {
        counters::raise(conn, Counter::Sessions, *number).await?;
    }
    if let Some(jti) = &kept.adopted
        && sessions::adopted(conn, jti).await?.is_some()
    {
        return Ok(());
    }
    sessions::insert(conn, &kept.session, kept.adopted.as_deref()).await
}

async fn is_deleted(conn: &Conn, id: UserId) -> Result<bool, Failure> {
    let sql = "SELECT id FROM portcullis.deleted_users WHERE id = $1";
    Ok(conn.row(sql, &[&number(id.0)]).await?.is_some())
}

/// Those of the ids that are users.
async fn alive(conn: &Conn, ids: &[UserId]) -> Result<Vec<UserId>, Failure> {
    let sql = "SELECT id FROM portcullis.users WHERE id = ANY($1)";
    let wanted: Vec<i64> = ids.iter().map(|id| number(id.0)).collect();
    let rows = conn.rows(sql, &[&wanted]).await?;
    let found: Result<Vec<u64>, _> =
        rows.iter().map(|row| From::new("users", row).number("id")).collect();
    let found = found?;
    Ok(ids.iter().copied().filter(|id| found.contains(&id.0)).collect())
}

/// Notes those that are no users, and returns those that are.
pub(super) async fn take_deleted(
    conn: &Conn,
    ids: &[UserId],
    trial: Trial,
) -> Result<Vec<UserId>, Failure> {
    if trial == Trial::Dry {
        return alive(conn, ids).await;
    }
    // In this order: whoever is about to be made has drawn its id by then, or draws a later one.
    let highest = ids.iter().map(|id| id.0).max().unwrap_or(0);
    counters::last_of_all(conn, Counter::Users).await?;
    let alive = alive(conn, ids).await?;
    let gone: Vec<i64> =
        ids.iter().filter(|id| !alive.contains(id)).map(|id| number(id.0)).collect();
    let last = gone.iter().max().copied().unwrap_or(0).cast_unsigned();
    counters::raise(conn, Counter::Users, last.min(highest)).await?;
    let sql = "INSERT INTO portcullis.deleted_users (id) SELECT unnest($1) ON CONFLICT DO NOTHING";
    conn.execute(sql, &[&gone]).await?;
    Ok(alive)
}

/// Notes the id of a user who was deleted.
pub(super) async fn note_deleted(conn: &Conn, id: UserId) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.deleted_users (id) VALUES ($1) ON CONFLICT DO NOTHING";
    conn.execute(sql, &[&number(id.0)]).await?;
    Ok(())
}

pub(super) async fn deleted(
    conn: &Conn,
    after: Option<UserId>,
    most: usize,
) -> Result<Vec<UserId>, Failure> {
    let sql = "SELECT id FROM portcullis.deleted_users WHERE id > $1 ORDER BY id LIMIT $2";
    let after = after.map_or(0, |id| number(id.0));
    let rows = conn.rows(sql, &[&after, &limit(most)]).await?;
    rows.iter().map(|row| From::new("deleted_users", row).number("id").map(UserId)).collect()
}
