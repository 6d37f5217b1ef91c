//! Sessions: started, rotated, ended and swept.

mod found;

use tokio_postgres::Row;

use found::locked;
pub(super) use found::{Named, adopted, kept, kept_page, latest, of_user, standing};

use super::conn::{Arg, Conn};
use super::counters::{self, Counter};
use super::failure::Failure;
use super::rows::{From, mark, millis, number};
use super::{factors, users};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::record::{
    EndReason, NewSession, PasswordHash, Rotation, RotationRequest, Session, UserChange,
};
use crate::store::{SecondFactor, StoreEvent};

/// Rows that one statement of a sweep removes at most, so that nobody waits long for it.
const SWEEP_STEP: i64 = 512;

/// Starts a session of a user who is as it was when the credential was checked. A login by
/// password (nothing is adopted) is also the user's last.
///
/// The user is locked before the number is drawn, in the one statement: a mark is drawn under the same
/// lock, so it is either seen here, or covers the number.
pub(super) async fn start(
    conn: &Conn,
    new: &NewSession,
    adopted: Option<&str>,
) -> Result<Option<Session>, Failure> {
    let sql = "WITH owner AS ( \
                   UPDATE portcullis.users \
                   SET last_login = CASE WHEN $24 THEN $16 ELSE last_login END WHERE id = $15 \
                   AND password_mark IS NOT DISTINCT FROM $22 \
                   AND password_mark_at IS NOT DISTINCT FROM $23 \
                   AND ($24 OR (logout_mark IS NOT DISTINCT FROM $25 \
                                AND logout_mark_at IS NOT DISTINCT FROM $26)) \
                   RETURNING id \
               ), drawn AS ( \
                   UPDATE portcullis.counters SET last = last + 1 \
                   WHERE series = 'sessions' AND EXISTS (SELECT 1 FROM owner) RETURNING last \
               ) \
               INSERT INTO portcullis.sessions (number, tag, last_used, expires, ended, \
               end_reason, refresh_jti, refresh_issued, refresh_expires, spent_jti, spent_at, \
               successor_jti, successor_issued, successor_expires, user_id, started, ends, \
               device, address, adopted, second_factor) SELECT drawn.last, $2, $3, $4, $5, $6, $7, \
               $8, $9, $10, $11, $12, $13, $14, owner.id, $16, $17, $18, $19, $20, $21 FROM owner, drawn \
               RETURNING number";
    // The number is not known yet.
    let mut session = new.numbered(0, adopted.is_some());
    if session.second.is_some() {
        session.second = still_shown(conn, new).await?;
    }
    let (password_mark, password_mark_at) = mark(new.password_mark);
    let (logout_mark, logout_mark_at) = mark(new.logout_mark);
    // A login by password does not mind that mark.
    let marks: &[&dyn Arg] =
        &[&password_mark, &password_mark_at, &adopted.is_none(), &logout_mark, &logout_mark_at];
    let Some(row) = write_new(conn, sql, &session, adopted, marks).await? else { return Ok(None) };
    session.id.number = From::new("sessions", &row).number("number")?;
    Ok(Some(session))
}

/// The second factor of a session, unless it was removed since it was shown. The user is locked
/// from there on.
async fn still_shown(conn: &Conn, new: &NewSession) -> Result<Option<SecondFactor>, Failure> {
    let Some(second) = new.second else { return Ok(None) };
    let is_there =
        users::lock(conn, new.user).await? && factors::back(conn, new.user, second).await?;
    Ok(is_there.then_some(second))
}

/// A new password, and the one session that is not behind its mark.
pub(super) async fn start_with_password(
    conn: &Conn,
    hash: &PasswordHash,
    new: &NewSession,
) -> Result<Option<Session>, Failure> {
    if !users::lock(conn, new.user).await? {
        return Ok(None);
    }
    let Some(before) = users::stored(conn, new.user).await? else { return Ok(None) };
    if before.user.password_mark != new.password_mark {
        return Ok(None);
    }
    let mut session = new.numbered(counters::next(conn, Counter::Sessions).await?, false);
    session.second = still_shown(conn, new).await?;
    let password = UserChange::Password { hash: hash.clone(), at: new.started };
    users::put_after(conn, before, &password, session.id.number - 1).await?;
    insert(conn, &session, None).await?;
    Ok(Some(session))
}

pub(super) async fn adopt(
    conn: &Conn,
    jti: &str,
    new: &NewSession,
) -> Result<Option<Session>, Failure> {
    match adopted(conn, jti).await? {
        Some(session) => Ok(Some(session)),
        // Of two who find none, the database lets one store it; the other looks again.
        None => start(conn, new, Some(jti)).await,
    }
}

/// Stores a session that is not there yet.
pub(super) async fn insert(
    conn: &Conn,
    session: &Session,
    adopted: Option<&str>,
) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.sessions (number, tag, last_used, expires, ended, \
               end_reason, refresh_jti, refresh_issued, refresh_expires, spent_jti, spent_at, \
               successor_jti, successor_issued, successor_expires, user_id, started, ends, \
               device, address, adopted, second_factor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, \
               $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
    write_new(conn, sql, session, adopted, &[]).await.map(drop)
}

/// All of a session that is not there yet, and then `rest`.
async fn write_new(
    conn: &Conn,
    sql: &str,
    session: &Session,
    adopted: Option<&str>,
    rest: &[&dyn Arg],
) -> Result<Option<Row>, Failure> {
    let (user, started, ends) =
        (number(session.user.0), millis(session.started), millis(session.ends));
    let second = session.second.map(|second| i16::from(second.code()));
    let mut fixed: Vec<&dyn Arg> =
        vec![&user, &started, &ends, &session.device, &session.address, &adopted, &second];
    fixed.extend(rest);
    write(conn, sql, session, &fixed).await
}

async fn save(conn: &Conn, session: &Session) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.sessions SET last_used = $3, expires = $4, ended = $5, \
               end_reason = $6, refresh_jti = $7, refresh_issued = $8, refresh_expires = $9, \
               spent_jti = $10, spent_at = $11, successor_jti = $12, successor_issued = $13, \
               successor_expires = $14 WHERE number = $1 AND tag = $2";
    write(conn, sql, session, &[]).await.map(drop)
}

/// What may change of a session, and then `rest`.
async fn write(
    conn: &Conn,
    sql: &str,
    session: &Session,
    rest: &[&dyn Arg],
) -> Result<Option<Row>, Failure> {
    let (ended, reason) =
        session.ended.map(|(at, why)| (millis(at), i16::from(why.code()))).unzip();
    let refresh = session.refresh.as_ref();
    let spent = session.spent.iter();
    let jtis: Vec<String> = spent.clone().map(|it| it.jti.clone()).collect();
    let at: Vec<i64> = spent.clone().map(|it| millis(it.at)).collect();
    let successors: Vec<String> = spent.clone().map(|it| it.successor.jti.clone()).collect();
    let issued: Vec<i64> = spent.clone().map(|it| millis(it.successor.issued)).collect();
    let expires: Vec<i64> = spent.map(|it| millis(it.successor.expires)).collect();
    let mut args: Vec<&dyn Arg> = Vec::with_capacity(20);
    let (number, tag) = (number(session.id.number), session.id.tag.cast_signed());
    let (last_used, ends) = (millis(session.last_used), millis(session.expires));
    let jti = refresh.map(|grant| grant.jti.as_str());
    let refresh_issued = refresh.map(|grant| millis(grant.issued));
    let refresh_expires = refresh.map(|grant| millis(grant.expires));
    args.extend([&number as &dyn Arg, &tag, &last_used, &ends, &ended, &reason]);
    args.extend([&jti as &dyn Arg, &refresh_issued, &refresh_expires]);
    args.extend([&jtis as &dyn Arg, &at, &successors, &issued, &expires]);
    args.extend(rest);
    conn.row(sql, &args).await
}

pub(super) async fn rotate(conn: &Conn, request: &RotationRequest) -> Result<Rotation, Failure> {
    let Some(mut session) = locked(conn, request.session).await? else {
        return Ok(Rotation::Unknown);
    };
    let rotation = session.rotate(request);
    match rotation {
        // Who was let in by it goes on as before, wherever that was.
        Rotation::Rotated(_) => save(conn, &session).await?,
        Rotation::Reused => {
            save(conn, &session).await?;
            conn.tell(StoreEvent::User(session.user));
        }
        Rotation::Repeated(_) | Rotation::Ended | Rotation::Unknown => {}
    }
    Ok(rotation)
}

pub(super) async fn touch(
    conn: &Conn,
    id: SessionId,
    now: Timestamp,
    expires: Timestamp,
) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.sessions SET last_used = $3, expires = GREATEST(expires, $4) \
               WHERE number = $1 AND tag = $2 AND ended IS NULL";
    let (number, tag) = (number(id.number), id.tag.cast_signed());
    conn.execute(sql, &[&number, &tag, &millis(now), &millis(expires)]).await?;
    Ok(())
}

pub(super) async fn end(
    conn: &Conn,
    id: SessionId,
    now: Timestamp,
    reason: EndReason,
) -> Result<bool, Failure> {
    let sql = "UPDATE portcullis.sessions SET ended = $3, end_reason = $4 \
               WHERE number = $1 AND tag = $2 AND ended IS NULL RETURNING user_id";
    let (number, tag) = (number(id.number), id.tag.cast_signed());
    let args: &[&dyn Arg] = &[&number, &tag, &millis(now), &i16::from(reason.code())];
    let Some(row) = conn.row(sql, args).await? else { return Ok(false) };
    conn.tell(StoreEvent::User(UserId(From::new("sessions", &row).number("user_id")?)));
    Ok(true)
}

pub(super) async fn note_uses(conn: &Conn, uses: &[(SessionId, Timestamp)]) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.sessions s SET last_used = noted.at FROM ( \
                   SELECT number, tag, max(at) AS at FROM ( \
                       SELECT unnest($1) AS number, unnest($2) AS tag, unnest($3) AS at \
                   ) each GROUP BY number, tag \
               ) noted \
               WHERE s.number = noted.number AND s.tag = noted.tag AND s.ended IS NULL \
               AND s.last_used < noted.at";
    let numbers: Vec<i64> = uses.iter().map(|(id, _)| number(id.number)).collect();
    let tags: Vec<i64> = uses.iter().map(|(id, _)| id.tag.cast_signed()).collect();
    let at: Vec<i64> = uses.iter().map(|(_, at)| millis(*at)).collect();
    conn.execute(sql, &[&numbers, &tags, &at]).await?;
    Ok(())
}

/// Removes some of the sessions whose every token is dead at `now`, and returns how many. Fewer
/// than [`is_more`] wants: there are no others.
pub(super) async fn sweep(conn: &Conn, now: Timestamp) -> Result<u64, Failure> {
    // Asked of each once more: a token may be issued meanwhile.
    let sql = "DELETE FROM portcullis.sessions WHERE expires < $1 AND number IN ( \
                   SELECT number FROM portcullis.sessions WHERE expires < $1 \
                   ORDER BY expires LIMIT $2)";
    conn.execute(sql, &[&millis(now), &SWEEP_STEP]).await
}

/// Whether a sweep that removed so many may have left others.
pub(super) const fn is_more(removed: u64) -> bool {
    removed >= SWEEP_STEP.cast_unsigned()
}

/// Whether a session may be stored under that number.
pub(super) async fn is_there(conn: &Conn, session: u64) -> Result<bool, Failure> {
    let sql = "SELECT number FROM portcullis.sessions WHERE number = $1";
    Ok(conn.row(sql, &[&number(session)]).await?.is_some())
}
