//! The queue of letters.

use tokio_postgres::Row;

use super::conn::Conn;
use super::counters::{self, Counter};
use super::failure::Failure;
use super::rows::{From, limit, millis, number};
use super::users;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::{
    Claimed, Letter, LetterKind, NewLetter, Posted, QueueLimits, RESETS_AT_ONCE, StoreError,
    fold_case,
};

pub(super) async fn post(
    conn: &Conn,
    new: &NewLetter,
    limits: QueueLimits,
) -> Result<Posted, Failure> {
    // First: whoever has the next number is the one who may look how many wait.
    let drawn = counters::next(conn, Counter::Letters).await?;
    put(conn, drawn, new, limits).await
}

async fn put(
    conn: &Conn,
    drawn: u64,
    new: &NewLetter,
    limits: QueueLimits,
) -> Result<Posted, Failure> {
    let to = fold_case(&new.to);
    let sql = "SELECT (SELECT count(*) FROM (SELECT 1 FROM portcullis.letters LIMIT $1) a) AS all_of_them, \
                      (SELECT count(*) FROM (SELECT 1 FROM portcullis.letters \
                                             WHERE recipient_folded = $2 LIMIT $3) b) AS theirs";
    let (most, most_theirs) = (limit(limits.letters), limit(limits.recipient));
    let waiting = conn.row(sql, &[&most, &to, &most_theirs]).await?;
    let full = waiting.is_none_or(|row| {
        let from = From::new("letters", &row);
        let count = |column| from.get::<i64>(column).unwrap_or(i64::MAX);
        count("all_of_them") >= most || count("theirs") >= most_theirs
    });
    if full {
        return Ok(Posted { queued: 0, refused: 1 });
    }
    let NewLetter { kind, user, to, basis, at } = new.clone();
    let letter = Letter { number: drawn, kind, user, to, basis, posted: at, due: at, attempts: 0 };
    keep(conn, &letter).await?;
    Ok(Posted { queued: 1, refused: 0 })
}

/// Stores a letter whose number is free.
pub(super) async fn keep(conn: &Conn, letter: &Letter) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.letters (number, kind, user_id, recipient, \
               recipient_folded, basis, posted, due, attempts) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let Letter { number: drawn, kind, user, to, basis, posted, due, attempts } = letter;
    let (kind, attempts) = (i16::from(kind.code()), i64::from(*attempts));
    let (user, basis, folded) = (number(user.0), &basis[..], fold_case(to));
    let (drawn, posted, due) = (number(*drawn), millis(*posted), millis(*due));
    conn.execute(sql, &[&drawn, &kind, &user, to, &folded, &basis, &posted, &due, &attempts])
        .await?;
    Ok(())
}

/// Letters with numbers above `after`, in order. One of a kind that is not known is an error.
pub(super) async fn page(conn: &Conn, after: u64, most: usize) -> Result<Vec<Letter>, Failure> {
    let sql = "SELECT number, kind, user_id, recipient, basis, posted, due, attempts \
               FROM portcullis.letters WHERE number > $1 ORDER BY number LIMIT $2";
    let rows = conn.rows(sql, &[&number(after), &limit(most)]).await?;
    let newer = || StoreError::Unavailable("a letter waits that a newer portcullis wrote".into());
    rows.iter().map(|row| read(row)?.ok_or_else(|| newer().into())).collect()
}

/// A letter; `None` for one of a kind that is not known.
fn read(row: &Row) -> Result<Option<Letter>, Failure> {
    let from = From::new("letters", row);
    let kind = u8::try_from(from.get::<i16>("kind")?).ok().and_then(LetterKind::of_code);
    let Some(kind) = kind else { return Ok(None) };
    Ok(Some(Letter {
        number: from.number("number")?,
        kind,
        user: UserId(from.number("user_id")?),
        to: from.get("recipient")?,
        basis: from.hash("basis")?,
        posted: from.at("posted")?,
        due: from.at("due")?,
        attempts: u32::try_from(from.number("attempts")?).unwrap_or(u32::MAX),
    }))
}

pub(super) async fn post_resets(
    conn: &Conn,
    email: &str,
    at: Timestamp,
    limits: QueueLimits,
) -> Result<Posted, Failure> {
    // Drawn for every address, so that one that nobody has waits for the disk as well.
    let mut drawn = Some(counters::next(conn, Counter::Letters).await?);
    let mut posted = Posted::default();
    for user in users::by_email(conn, email).await?.into_iter().take(RESETS_AT_ONCE) {
        if !user.active || user.password.is_none() {
            continue;
        }
        let basis = user.basis();
        let letter =
            NewLetter { kind: LetterKind::Reset, user: user.id, to: user.email, basis, at };
        let next = match drawn.take() {
            Some(drawn) => drawn,
            None => counters::next(conn, Counter::Letters).await?,
        };
        let one = put(conn, next, &letter, limits).await?;
        posted.queued += one.queued;
        posted.refused += one.refused;
    }
    Ok(posted)
}

/// Takes the first letter that is due. Each try that fails is one that somebody else has taken.
pub(super) async fn claim(
    conn: &Conn,
    now: Timestamp,
    until: Timestamp,
) -> Result<Claimed, Failure> {
    let first = "SELECT number, due FROM portcullis.letters ORDER BY due, number LIMIT 1";
    let take = "UPDATE portcullis.letters SET due = $3, attempts = attempts + 1 \
                WHERE number = $1 AND due = $2 \
                RETURNING number, kind, user_id, recipient, basis, posted, due, attempts";
    loop {
        let Some(row) = conn.row(first, &[]).await? else { return Ok(Claimed::Nothing) };
        let from = From::new("letters", &row);
        let (found, due) = (from.number("number")?, from.at("due")?);
        if due > now {
            return Ok(Claimed::At(due));
        }
        let taken = conn.row(take, &[&number(found), &millis(due), &millis(until)]).await?;
        let Some(row) = taken else { continue };
        // One of a kind that is not known is left to the binary that knows it.
        let Some(letter) = read(&row)? else { continue };
        return Ok(Claimed::Letter(letter));
    }
}

pub(super) async fn put_off(conn: &Conn, letter: u64, due: Timestamp) -> Result<bool, Failure> {
    let sql = "UPDATE portcullis.letters SET due = $2 WHERE number = $1";
    Ok(conn.execute(sql, &[&number(letter), &millis(due)]).await? > 0)
}

pub(super) async fn remove(conn: &Conn, letter: u64) -> Result<bool, Failure> {
    let sql = "DELETE FROM portcullis.letters WHERE number = $1";
    Ok(conn.execute(sql, &[&number(letter)]).await? > 0)
}
