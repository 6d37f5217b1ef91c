//! Sessions that there are: by id, by user, the newest, and with all that is stored about each.

use tokio_postgres::Row;

use crate::identity::{SessionId, UserId};
use crate::store::KeptSession;
use crate::store::postgres::conn::Conn;
use crate::store::postgres::failure::Failure;
use crate::store::postgres::rows::{
    From, Own, is_text, limit, number, session, session_columns, user_columns,
};
use crate::store::record::{Session, Standing};

/// Selects sessions `s`.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", session_columns!(), " FROM portcullis.sessions s ", $rest)
    };
}

/// Selects a user and a session, of which each may be missing.
macro_rules! standing {
    ($on:literal) => {
        concat!(
            "SELECT ",
            user_columns!(),
            ", ",
            session_columns!(),
            " FROM (SELECT 1 AS one) o LEFT JOIN portcullis.users u ON u.id = $1 \
             LEFT JOIN portcullis.sessions s ON ",
            $on
        )
    };
}

/// The name of a session of our own, or the `jti` of a token that was made elsewhere.
#[derive(Debug)]
pub(in crate::store::postgres) enum Named {
    Own(SessionId),
    Foreign(String),
}

pub(in crate::store::postgres) async fn standing(
    conn: &Conn,
    user: UserId,
    named: &Named,
) -> Result<Standing, Failure> {
    let user = number(user.0);
    let row = match named {
        Named::Own(id) => {
            let sql = standing!("s.number = $2 AND s.tag = $3");
            conn.row(sql, &[&user, &number(id.number), &id.tag.cast_signed()]).await?
        }
        Named::Foreign(jti) if is_text(jti) => {
            conn.row(standing!("s.adopted = $2"), &[&user, jti]).await?
        }
        Named::Foreign(_) => conn.row(standing!("false"), &[&user]).await?,
    };
    let Some(row) = row else { return Ok(Standing::default()) };
    let is_there =
        |column| From::new("users", &row).get::<Option<i64>>(column).map(|id| id.is_some());
    let user = is_there("id")?.then(|| Own::read(&row).map(Own::resolved)).transpose()?;
    let session = is_there("number")?.then(|| session(&row)).transpose()?;
    Ok(Standing { user, session })
}

pub(in crate::store::postgres) async fn of_user(
    conn: &Conn,
    user: UserId,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<Session>, Failure> {
    let sql = select!("WHERE s.user_id = $1 AND s.number < $2 ORDER BY s.number DESC LIMIT $3");
    let before = before.map_or(i64::MAX, number);
    let rows = conn.rows(sql, &[&number(user.0), &before, &limit(most)]).await?;
    rows.iter().map(session).collect()
}

pub(in crate::store::postgres) async fn latest(
    conn: &Conn,
    before: Option<u64>,
    most: usize,
) -> Result<Vec<Session>, Failure> {
    let sql = select!("WHERE s.number < $1 ORDER BY s.number DESC LIMIT $2");
    let before = before.map_or(i64::MAX, number);
    let rows = conn.rows(sql, &[&before, &limit(most)]).await?;
    rows.iter().map(session).collect()
}

/// All of them, by number, with what else is stored about each.
pub(in crate::store::postgres) async fn kept(
    conn: &Conn,
    users: &[i64],
) -> Result<Vec<KeptSession>, Failure> {
    let sql = select!("WHERE s.user_id = ANY($1) ORDER BY s.number");
    let rows = conn.rows(sql, &[&users.to_vec()]).await?;
    rows.iter().map(kept_row).collect()
}

/// The same by number alone.
pub(in crate::store::postgres) async fn kept_page(
    conn: &Conn,
    after: u64,
    most: usize,
) -> Result<Vec<KeptSession>, Failure> {
    let sql = select!("WHERE s.number > $1 ORDER BY s.number LIMIT $2");
    let rows = conn.rows(sql, &[&number(after), &limit(most)]).await?;
    rows.iter().map(kept_row).collect()
}

fn kept_row(row: &Row) -> Result<KeptSession, Failure> {
    let adopted = From::new("sessions", row).get("adopted")?;
    Ok(KeptSession { session: session(row)?, adopted })
}

pub(in crate::store::postgres) async fn adopted(
    conn: &Conn,
    jti: &str,
) -> Result<Option<Session>, Failure> {
    let row = conn.row(select!("WHERE s.adopted = $1"), &[&jti]).await?;
    row.as_ref().map(session).transpose()
}

/// The session of that id, which nobody else changes until the transaction is over.
pub(super) async fn locked(conn: &Conn, id: SessionId) -> Result<Option<Session>, Failure> {
    let sql = select!("WHERE s.number = $1 AND s.tag = $2 FOR UPDATE");
    let row = conn.row(sql, &[&number(id.number), &id.tag.cast_signed()]).await?;
    row.as_ref().map(session).transpose()
}
