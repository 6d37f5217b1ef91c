//! The key ring that gateways share.

use super::PostgresStore;
use super::conn::Conn;
use super::failure::Failure;
use super::link::Mode;
use super::rows::{From, number};
use crate::store::{RingStore, SealedRing, StoreError, StoreEvent};

impl RingStore for PostgresStore {
    fn ring(&self) -> Result<Option<SealedRing>, StoreError> {
        self.threads.apart().block(Mode::Look, (), |conn, ()| Box::pin(read(conn)))
    }

    fn put_ring(&self, after: u64, sealed: Vec<u8>) -> Result<bool, StoreError> {
        self.threads.calls().block(Mode::Change, (after, sealed), |conn, (after, sealed)| {
            Box::pin(put(conn, *after, sealed))
        })
    }
}

async fn read(conn: &Conn) -> Result<Option<SealedRing>, Failure> {
    let sql = "SELECT version, sealed FROM portcullis.key_ring WHERE one = 1";
    let row = conn.row(sql, &[]).await?;
    row.map(|row| {
        let from = From::new("key_ring", &row);
        Ok(SealedRing { version: from.number("version")?, sealed: from.get("sealed")? })
    })
    .transpose()
}

pub(super) async fn put(conn: &Conn, after: u64, sealed: &[u8]) -> Result<bool, Failure> {
    let sql = if after == 0 {
        "INSERT INTO portcullis.key_ring (one, version, sealed) VALUES (1, $1 + 1, $2) \
         ON CONFLICT DO NOTHING"
    } else {
        "UPDATE portcullis.key_ring SET version = $1 + 1, sealed = $2 \
         WHERE one = 1 AND version = $1"
    };
    let is_put = conn.execute(sql, &[&number(after), &sealed]).await? > 0;
    if is_put {
        conn.tell(StoreEvent::Keys);
    }
    Ok(is_put)
}
