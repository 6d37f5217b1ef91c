//! What nobody needs any more.

use super::link::Mode;
use super::{PostgresStore, charges, events, keys, one_time, passkeys, sessions, tickets};
use crate::clock::Timestamp;
use crate::store::StoreError;

/// Removes what is over at `now`; how many sessions that were.
pub(super) async fn sweep(store: &PostgresStore, now: Timestamp) -> Result<usize, StoreError> {
    let mut removed: usize = 0;
    loop {
        let step = store
            .call(Mode::Statement, now, |conn, now| Box::pin(sessions::sweep(conn, *now)))
            .await?;
        removed = removed.saturating_add(usize::try_from(step).unwrap_or(usize::MAX));
        if !sessions::is_more(step) {
            break;
        }
    }
    store.call(Mode::Statement, now, |conn, now| Box::pin(one_time::sweep(conn, *now))).await?;
    store.call(Mode::Statement, now, |conn, now| Box::pin(keys::sweep(conn, *now))).await?;
    store.call(Mode::Statement, now, |conn, now| Box::pin(tickets::sweep(conn, *now))).await?;
    store.call(Mode::Statement, now, |conn, now| Box::pin(passkeys::sweep(conn, *now))).await?;
    store.call(Mode::Statement, (), |conn, ()| Box::pin(charges::sweep(conn))).await?;
    while store.call(Mode::Statement, (), |conn, ()| Box::pin(events::sweep(conn))).await? {}
    Ok(removed)
}
