//! Tickets.

use async_trait::async_trait;

use super::PostgresStore;
use super::conn::Conn;
use super::failure::Failure;
use super::link::Mode;
use super::rows::{From, limit, millis};
use crate::clock::Timestamp;
use crate::store::{KeptTicket, StoreError, TicketStore};

#[async_trait]
impl TicketStore for PostgresStore {
    async fn keep_ticket(
        &self,
        ticket: KeptTicket,
        now: Timestamp,
        most: usize,
    ) -> Result<(), StoreError> {
        self.call(Mode::Change, (ticket, now, most), |conn, (ticket, now, most)| {
            Box::pin(keep(conn, ticket, *now, *most))
        })
        .await
    }

    async fn take_ticket(&self, hash: [u8; 32]) -> Result<Option<KeptTicket>, StoreError> {
        self.call(Mode::Statement, hash, |conn, hash| Box::pin(take(conn, *hash))).await
    }
}

async fn keep(
    conn: &Conn,
    ticket: &KeptTicket,
    now: Timestamp,
    most: usize,
) -> Result<(), Failure> {
    let KeptTicket { hash, owner, scope, shown, expires } = ticket;
    let sql = "INSERT INTO portcullis.tickets (hash, owner, scope, shown, expires, kept) \
               VALUES ($1, $2, $3, $4, $5, \
                       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)";
    conn.execute(sql, &[&&hash[..], owner, scope, shown, &millis(*expires)]).await?;
    let sql = "DELETE FROM portcullis.tickets WHERE owner = $1 AND (expires <= $2 OR hash NOT IN ( \
                   SELECT hash FROM portcullis.tickets WHERE owner = $1 \
                   ORDER BY kept DESC LIMIT $3)) AND hash <> $4";
    conn.execute(sql, &[owner, &millis(now), &limit(most), &&hash[..]]).await?;
    Ok(())
}

async fn take(conn: &Conn, hash: [u8; 32]) -> Result<Option<KeptTicket>, Failure> {
    let sql = "DELETE FROM portcullis.tickets WHERE hash = $1 \
               RETURNING owner, scope, shown, expires";
    let row = conn.row(sql, &[&&hash[..]]).await?;
    row.map(|row| {
        let from = From::new("tickets", &row);
        let (owner, scope) = (from.get("owner")?, from.get("scope")?);
        let (shown, expires) = (from.get("shown")?, from.at("expires")?);
        Ok(KeptTicket { hash, owner, scope, shown, expires })
    })
    .transpose()
}

/// Removes those whose time is over at `now`.
pub(super) async fn sweep(conn: &Conn, now: Timestamp) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.tickets WHERE expires <= $1";
    conn.execute(sql, &[&millis(now)]).await?;
    Ok(())
}
