//! The queue of letters within a transaction.

use minicbor::{Decode, Encode};
use redb::{ReadableTable, ReadableTableMetadata};

use super::tables::{
    Change, Counter, LETTERS, LETTERS_DUE, LETTERS_TO, Source, dangling, decode, failed,
};
use super::users;
use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::store::{
    Claimed, Letter, LetterKind, NewLetter, Posted, QueueLimits, RESETS_AT_ONCE, StoreError,
    fold_case,
};

/// A letter as it is kept; the rules of [`super::codec`] hold.
#[derive(Debug, Decode, Encode)]
#[cbor(map)]
struct LetterRecord {
    #[n(0)]
    kind: u8,
    #[n(1)]
    user: u64,
    #[n(2)]
    to: String,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    basis: [u8; 32],
    #[n(4)]
    posted: u64,
    #[n(5)]
    due: u64,
    #[n(6)]
    #[cbor(default)]
    attempts: u32,
}

impl LetterRecord {
    /// `None` for a letter of a kind that a newer binary knows.
    fn into_letter(self, number: u64) -> Option<Letter> {
        Some(Letter {
            number,
            kind: LetterKind::of_code(self.kind)?,
            user: UserId(self.user),
            to: self.to,
            basis: self.basis,
            posted: Timestamp::from_millis(self.posted),
            due: Timestamp::from_millis(self.due),
            attempts: self.attempts,
        })
    }
}

pub(super) fn post(
    change: &Change<'_>,
    new: &NewLetter,
    limits: QueueLimits,
) -> Result<Posted, StoreError> {
    let to = fold_case(&new.to);
    let waiting = change.open(&LETTERS)?.len().map_err(|error| failed(&LETTERS, error))?;
    let full = usize::try_from(waiting).is_ok_and(|waiting| waiting >= limits.letters);
    if full || waiting_for(change, &to, limits.recipient)? >= limits.recipient {
        return Ok(Posted { queued: 0, refused: 1 });
    }
    let letter = Letter {
        number: change.next(Counter::Letters)?,
        kind: new.kind,
        user: new.user,
        to: new.to.clone(),
        basis: new.basis,
        posted: new.at,
        due: new.at,
        attempts: 0,
    };
    keep(change, &letter)?;
    Ok(Posted { queued: 1, refused: 0 })
}

/// Stores a letter whose number is free.
pub(super) fn keep(change: &Change<'_>, letter: &Letter) -> Result<(), StoreError> {
    let record = LetterRecord {
        kind: letter.kind.code(),
        user: letter.user.0,
        to: letter.to.clone(),
        basis: letter.basis,
        posted: letter.posted.as_millis(),
        due: letter.due.as_millis(),
        attempts: letter.attempts,
    };
    change.put_record(&LETTERS, letter.number, &record)?;
    change.put(&LETTERS_DUE, (record.due, letter.number), ())?;
    change.put(&LETTERS_TO, (fold_case(&letter.to).as_str(), letter.number), ())
}

/// A letter as it is kept; `None` for one of a kind that a newer binary knows.
pub(super) fn kept(number: u64, bytes: &[u8]) -> Result<Option<Letter>, StoreError> {
    let record: LetterRecord = decode(&LETTERS, bytes)?;
    Ok(record.into_letter(number))
}

/// How many letters wait for an address; counted up to `limit`.
fn waiting_for(source: &impl Source, to: &str, limit: usize) -> Result<usize, StoreError> {
    let table = source.open(&LETTERS_TO)?;
    let rows = table.range((to, 0)..=(to, u64::MAX));
    Ok(rows.map_err(|error| failed(&LETTERS_TO, error))?.take(limit).count())
}

pub(super) fn post_resets(
    change: &Change<'_>,
    email: &str,
    at: Timestamp,
    limits: QueueLimits,
) -> Result<Posted, StoreError> {
    // Drawn for every address, so that one that nobody has waits for the disk as well.
    change.next(Counter::Letters)?;
    let mut posted = Posted::default();
    for user in users::by_email(change, email)?.into_iter().take(RESETS_AT_ONCE) {
        if !user.active || user.password.is_none() {
            continue;
        }
        let basis = user.basis();
        let letter =
            NewLetter { kind: LetterKind::Reset, user: user.id, to: user.email, basis, at };
        let one = post(change, &letter, limits)?;
        posted.queued += one.queued;
        posted.refused += one.refused;
    }
    Ok(posted)
}

/// When the first letter is due.
pub(super) fn first(source: &impl Source) -> Result<Option<(u64, u64)>, StoreError> {
    let table = source.open(&LETTERS_DUE)?;
    let first = table.first().map_err(|error| failed(&LETTERS_DUE, error))?;
    Ok(first.map(|(key, _)| key.value()))
}

pub(super) fn claim(
    change: &Change<'_>,
    now: Timestamp,
    until: Timestamp,
) -> Result<Claimed, StoreError> {
    while let Some((due, number)) = first(change)? {
        if due > now.as_millis() {
            return Ok(Claimed::At(Timestamp::from_millis(due)));
        }
        let mut record = stored(change, number)?.ok_or_else(|| dangling(&LETTERS_DUE))?;
        record.attempts = record.attempts.saturating_add(1);
        reschedule(change, number, &mut record, until)?;
        // One of a kind that is not known is left to the binary that knows it.
        if let Some(letter) = record.into_letter(number) {
            return Ok(Claimed::Letter(letter));
        }
    }
    Ok(Claimed::Nothing)
}

fn stored(source: &impl Source, number: u64) -> Result<Option<LetterRecord>, StoreError> {
    source.record(&LETTERS, number)
}

fn reschedule(
    change: &Change<'_>,
    number: u64,
    record: &mut LetterRecord,
    due: Timestamp,
) -> Result<(), StoreError> {
    change.remove(&LETTERS_DUE, (record.due, number))?;
    record.due = due.as_millis();
    change.put(&LETTERS_DUE, (record.due, number), ())?;
    change.put_record(&LETTERS, number, record)
}

pub(super) fn put_off(
    change: &Change<'_>,
    number: u64,
    due: Timestamp,
) -> Result<bool, StoreError> {
    let Some(mut record) = stored(change, number)? else { return Ok(false) };
    reschedule(change, number, &mut record, due)?;
    Ok(true)
}

pub(super) fn remove(change: &Change<'_>, number: u64) -> Result<bool, StoreError> {
    let Some(record) = stored(change, number)? else { return Ok(false) };
    change.remove(&LETTERS_DUE, (record.due, number))?;
    change.remove(&LETTERS_TO, (fold_case(&record.to).as_str(), number))?;
    change.remove(&LETTERS, number)?;
    Ok(true)
}
