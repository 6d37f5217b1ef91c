//! Series of numbers, each given once, and texts that a transaction has to itself.

use super::conn::Conn;
use super::failure::Failure;
use super::rows::{From, number};
use crate::store::StoreError;

/// A series of numbers, each given once, whatever is deleted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Counter {
    Users,
    Sessions,
    Invitations,
    Groups,
    Letters,
    UserKeys,
}

impl Counter {
    const fn series(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Sessions => "sessions",
            Self::Invitations => "invitations",
            Self::Groups => "groups",
            Self::Letters => "letters",
            Self::UserKeys => "user_keys",
        }
    }
}

/// The next number, the first being 1. Others wait for theirs until the transaction is over, so it
/// is drawn as late as can be.
pub(super) async fn next(conn: &Conn, counter: Counter) -> Result<u64, Failure> {
    let sql = "UPDATE portcullis.counters SET last = last + 1 WHERE series = $1 RETURNING last";
    given(conn, sql, counter).await
}

/// The last number that was given, for whoever draws a line behind it: nobody is given another
/// before the transaction is over.
pub(super) async fn last_of_all(conn: &Conn, counter: Counter) -> Result<u64, Failure> {
    let sql = "SELECT last FROM portcullis.counters WHERE series = $1 FOR UPDATE";
    given(conn, sql, counter).await
}

/// The last number that was given so far; 0 if none.
pub(super) async fn last(conn: &Conn, counter: Counter) -> Result<u64, Failure> {
    given(conn, "SELECT last FROM portcullis.counters WHERE series = $1", counter).await
}

/// Lets the series go on from that number at least.
pub(super) async fn raise(conn: &Conn, counter: Counter, to: u64) -> Result<(), Failure> {
    if to > number(to).cast_unsigned() {
        let error = "a number is larger than the database can keep";
        return Err(StoreError::Unavailable(error.into()).into());
    }
    let sql = "UPDATE portcullis.counters SET last = $2 WHERE series = $1 AND last < $2";
    conn.execute(sql, &[&counter.series(), &number(to)]).await?;
    Ok(())
}

async fn given(conn: &Conn, sql: &str, counter: Counter) -> Result<u64, Failure> {
    let row = conn.row(sql, &[&counter.series()]).await?;
    let row = row.ok_or_else(|| {
        let source = "a series of numbers is not there".into();
        StoreError::Corrupt { table: "counters", source }
    })?;
    From::new("counters", &row).number("last")
}

/// Waits until nobody else has one of those texts, and has them until the transaction is over;
/// [`let_go`] has to come before.
///
/// What is then looked at is as those have left it who had them before.
pub(super) async fn hold(conn: &Conn, mut texts: Vec<String>) -> Result<Vec<String>, Failure> {
    // In one order, so that no two wait for each other.
    texts.sort_unstable();
    texts.dedup();
    if !texts.is_empty() {
        let sql = "INSERT INTO portcullis.holds (what) SELECT unnest($1)";
        conn.execute(sql, &[&texts]).await?;
    }
    Ok(texts)
}

/// Leaves no trace of them.
pub(super) async fn let_go(conn: &Conn, texts: &[String]) -> Result<(), Failure> {
    if !texts.is_empty() {
        conn.execute("DELETE FROM portcullis.holds WHERE what = ANY($1)", &[&texts]).await?;
    }
    Ok(())
}
