//! Sessions of whomever: the newest ones, and those that are dead.

use redb::ReadableTable;

use super::codec::SessionRecord;
use super::tables::{SESSIONS, Source, View, decode, failed};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::record::Session;

pub(super) fn latest(
    source: &impl Source,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Session>, StoreError> {
    let table = source.open(&SESSIONS)?;
    let rows = table.range(..before.unwrap_or(u64::MAX));
    let rows = rows.map_err(|error| failed(&SESSIONS, error))?.rev();
    rows.take(limit)
        .map(|row| {
            let (number, bytes) = row.map_err(|error| failed(&SESSIONS, error))?;
            let record: SessionRecord = decode(&SESSIONS, bytes.value())?;
            Ok(record.into_session(number.value()).0)
        })
        .collect()
}

/// The sessions whose every token is dead at `now`. Read beside the writer, for it may be long.
pub(super) fn dead(view: &View, now: Timestamp) -> Result<Vec<u64>, StoreError> {
    let table = view.open(&SESSIONS)?;
    let mut dead = Vec::new();
    for row in table.iter().map_err(|error| failed(&SESSIONS, error))? {
        let (number, bytes) = row.map_err(|error| failed(&SESSIONS, error))?;
        let record: SessionRecord = decode(&SESSIONS, bytes.value())?;
        let (session, _) = record.into_session(number.value());
        if session.expires < now {
            dead.push(number.value());
        }
    }
    Ok(dead)
}
