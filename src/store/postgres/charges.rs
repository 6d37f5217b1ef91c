//! What is owed of the limits that all gateways share.
//!
//! The database's clock counts, which all of them have in common.

use std::time::Duration;

use async_trait::async_trait;

use super::PostgresStore;
use super::conn::Conn;
use super::failure::Failure;
use super::link::Mode;
use super::rows::{From, number};
use crate::store::{Charge, ChargeStore, Charged, StoreError};

/// The database's time, in microseconds since 1970, when the statement began.
macro_rules! now {
    () => {
        "(extract(epoch FROM now()) * 1000000)::bigint"
    };
}

#[async_trait]
impl ChargeStore for PostgresStore {
    async fn charge(&self, charge: Charge) -> Result<Charged, StoreError> {
        self.call(Mode::Statement, charge, |conn, charge| Box::pin(take(conn, *charge))).await
    }

    async fn refund(&self, charge: Charge) -> Result<(), StoreError> {
        self.call(Mode::Statement, charge, |conn, charge| Box::pin(give_back(conn, *charge))).await
    }
}

async fn take(conn: &Conn, charge: Charge) -> Result<Charged, Failure> {
    // `excluded.paid` is one event from now, and with the room behind that event the whole burst. Only a
    // clock that was set back leaves more than that to be owed.
    const TAKE: &str = concat!(
        "INSERT INTO portcullis.charges AS c (key, paid) VALUES ($1, ",
        now!(),
        " + $2) ON CONFLICT (key) DO UPDATE \
         SET paid = LEAST(GREATEST(c.paid + $2, excluded.paid), excluded.paid + $3) \
         WHERE c.paid + $2 <= excluded.paid + $3 OR c.paid > excluded.paid + $3"
    );
    const WAIT: &str = concat!(
        "SELECT c.paid - $2 - ",
        now!(),
        " AS wait FROM portcullis.charges c WHERE c.key = $1"
    );
    let key = &charge.key[..];
    let (cost, room) = (cost(charge), micros(charge.burst.saturating_sub(charge.cost)));
    if conn.execute(TAKE, &[&key, &cost, &room]).await? > 0 {
        return Ok(Charged::Taken);
    }
    // Where it has become free meanwhile, at once.
    let row = conn.row(WAIT, &[&key, &room]).await?;
    let wait: i64 = row.map_or(Ok(0), |row| From::new("charges", &row).get("wait"))?;
    Ok(Charged::Exceeded(Duration::from_micros(u64::try_from(wait).unwrap_or_default())))
}

async fn give_back(conn: &Conn, charge: Charge) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.charges SET paid = paid - $2 WHERE key = $1";
    conn.execute(sql, &[&&charge.key[..], &cost(charge)]).await?;
    Ok(())
}

/// Removes what is paid off.
pub(super) async fn sweep(conn: &Conn) -> Result<(), Failure> {
    const PAID: &str = concat!("DELETE FROM portcullis.charges WHERE paid <= ", now!());
    conn.execute(PAID, &[]).await?;
    Ok(())
}

/// An event that cost nothing would never be the last one.
fn cost(charge: Charge) -> i64 {
    micros(charge.cost).max(1)
}

fn micros(duration: Duration) -> i64 {
    number(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
