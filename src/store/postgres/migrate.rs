//! The tables, and how they come to be as this version wants them.
//!
//! Each step is done once, in order, and never taken back. The row of `portcullis.layout` is the lock:
//! of gateways that start together one does the steps, and the others find them done.

use super::conn::Conn;
use super::failure::Failure;
use super::rows::{From, number};

/// One step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Migration {
    /// The version that it leads to; the first is 1.
    pub version: u64,
    /// What it is for.
    pub title: &'static str,
    /// What is done, in SQL.
    pub sql: &'static str,
}

/// All of them. Those that were shipped stay as they are for ever.
const STEPS: &[Migration] = &[
    Migration {
        version: 1,
        title: "users, groups, sessions, keys, invitations and letters",
        sql: include_str!("migrations/0001_begin.sql"),
    },
    Migration {
        version: 2,
        title: "events, by which gateways hear of one another's changes",
        sql: include_str!("migrations/0002_events.sql"),
    },
    Migration {
        version: 3,
        title: "tickets, which any gateway takes",
        sql: include_str!("migrations/0003_tickets.sql"),
    },
    Migration {
        version: 4,
        title: "the keys that sign tokens, where gateways share them",
        sql: include_str!("migrations/0004_ring.sql"),
    },
    Migration {
        version: 5,
        title: "second factors",
        sql: include_str!("migrations/0005_factors.sql"),
    },
    Migration { version: 6, title: "passkeys", sql: include_str!("migrations/0006_passkeys.sql") },
    Migration {
        version: 7,
        title: "what is owed of limits that all gateways share",
        sql: include_str!("migrations/0007_charges.sql"),
    },
];

/// The version that this program works with.
pub(super) const VERSION: u64 = STEPS.len() as u64;

/// Where the version is kept.
pub(super) const LAYOUT: &str = "CREATE TABLE IF NOT EXISTS portcullis.layout ( \
                          one smallint PRIMARY KEY CHECK (one = 1), \
                          version bigint NOT NULL \
                      ); \
                      INSERT INTO portcullis.layout (one, version) VALUES (1, 0) \
                      ON CONFLICT DO NOTHING";

/// The steps behind a version.
pub(super) fn behind(version: u64) -> Vec<Migration> {
    STEPS.iter().copied().filter(|step| step.version > version).collect()
}

/// The version of the tables; 0 where there are none.
pub(super) async fn version(conn: &Conn) -> Result<u64, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM information_schema.tables \
               WHERE table_schema = 'portcullis' AND table_name = 'layout') AS is_there";
    let row = conn.row(sql, &[]).await?;
    let is_there = row.map(|row| From::new("layout", &row).get("is_there")).transpose()?;
    if is_there != Some(true) {
        return Ok(0);
    }
    read(conn, "SELECT version FROM portcullis.layout WHERE one = 1").await
}

async fn read(conn: &Conn, sql: &str) -> Result<u64, Failure> {
    let row = conn.row(sql, &[]).await?;
    row.map_or(Ok(0), |row| From::new("layout", &row).number("version"))
}

/// The tables that our account may not read and write. The version it need not write.
pub(super) async fn lacking(conn: &Conn) -> Result<Vec<String>, Failure> {
    // By number: a name would also be looked up of tables that are elsewhere.
    const LACKING: &str = "SELECT 'portcullis.' || c.relname::text AS name \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = 'portcullis' AND c.relkind = 'r' AND c.relname <> 'layout' \
         AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT') \
         AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')) \
         ORDER BY c.relname";
    let rows = conn.rows(LACKING, &[]).await?;
    rows.iter().map(|row| From::new("layout", row).get("name")).collect()
}

/// Makes the place where the version is kept. It does nothing where there is one, so an account that
/// may not make schemas can be given one.
pub(super) async fn prepare(conn: &Conn) -> Result<(), Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM information_schema.schemata \
               WHERE schema_name = 'portcullis') AS is_there";
    let row = conn.row(sql, &[]).await?;
    let is_there = row.map(|row| From::new("layout", &row).get("is_there")).transpose()?;
    if is_there != Some(true) {
        conn.commands("CREATE SCHEMA IF NOT EXISTS portcullis").await?;
    }
    conn.commands(LAYOUT).await?;
    Ok(())
}

/// Does every step that was not done yet, and says which.
pub(super) async fn run(conn: &Conn) -> Result<Vec<Migration>, Failure> {
    // An index of millions of rows takes its time, and so do others who are at it.
    conn.commands("SET LOCAL statement_timeout = 0").await?;
    let sql = "SELECT version FROM portcullis.layout WHERE one = 1 FOR UPDATE";
    let steps = behind(read(conn, sql).await?);
    for step in &steps {
        conn.commands(step.sql).await?;
        let sql = "UPDATE portcullis.layout SET version = $1 WHERE one = 1";
        conn.execute(sql, &[&number(step.version)]).await?;
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_in_order_from_one() {
        let numbers: Vec<u64> = STEPS.iter().map(|step| step.version).collect();
        assert_eq!(numbers, (1..=VERSION).collect::<Vec<_>>());
    }
}
