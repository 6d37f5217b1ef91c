//! What a copy does with each table.

use crate::store::postgres::conn::Conn;
use crate::store::postgres::failure::Failure;
use crate::store::postgres::rows::From;

/// Tables whose rows are records, or what records are found by. A copy is made where they are empty.
pub(super) const COPIED: [&str; 14] = [
    "users",
    "looks",
    "deleted_users",
    "groups",
    "members",
    "sessions",
    "api_keys",
    "user_keys",
    "invitations",
    "letters",
    "one_time_tokens",
    "factors",
    "passkeys",
    "signed_challenges",
];

/// The table of numbers, which always has its rows; and the keys that gateways share, which a copy
/// has sealed anew if at all.
pub(super) const NUMBERS: &str = "counters";
pub(super) const KEYS: &str = "key_ring";

/// Tables that say something of this database alone, or of the last seconds: what gateways tell one
/// another, which of them live, what a transaction holds, tickets, which are good for seconds, and what
/// is owed of limits.
#[cfg(test)]
const LEFT: [&str; 6] = ["layout", "events", "gateways", "holds", "tickets", "charges"];

/// Whether there is anything in it, or has been.
pub(super) async fn is_occupied(conn: &Conn) -> Result<bool, Failure> {
    let some = |table: &str| format!("EXISTS (SELECT 1 FROM portcullis.{table})");
    let tables: Vec<String> = COPIED.into_iter().chain([KEYS]).map(some).collect();
    let sql = format!(
        "SELECT {} OR EXISTS (SELECT 1 FROM portcullis.{NUMBERS} WHERE last > 0) AS is_occupied",
        tables.join(" OR ")
    );
    let row = conn.row(&sql, &[]).await?;
    row.map_or(Ok(true), |row| From::new(NUMBERS, &row).get("is_occupied"))
}

/// Empties it.
pub(super) async fn clear(conn: &Conn) -> Result<(), Failure> {
    let tables = COPIED.map(|table| format!("portcullis.{table}"));
    conn.commands(&format!("TRUNCATE {}", tables.join(", "))).await?;
    conn.execute("UPDATE portcullis.counters SET last = 0", &[]).await?;
    Ok(())
}

/// About how many records there are.
pub(super) async fn count(conn: &Conn) -> Result<u64, Failure> {
    let count = |table: &str| format!("(SELECT count(*) FROM portcullis.{table})");
    let of = |table: &&str| !matches!(*table, "looks" | "members" | "passkeys");
    let tables: Vec<String> = COPIED.into_iter().filter(|it| of(it)).map(count).collect();
    let row = conn.row(&format!("SELECT {} AS count", tables.join(" + ")), &[]).await?;
    row.map_or(Ok(0), |row| From::new(NUMBERS, &row).number("count"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::postgres::migrate;

    /// A table that is added is copied, or it is decided here that it need not be.
    #[test]
    fn every_table_is_copied_or_left() {
        let steps = migrate::behind(0);
        let text = steps.iter().map(|step| step.sql).collect::<String>() + migrate::LAYOUT;
        let text = text.replace("CREATE UNLOGGED TABLE", "CREATE TABLE");
        let made = text.split("CREATE TABLE IF NOT EXISTS portcullis.").skip(1);
        let mut made: Vec<_> =
            made.map(|rest| rest.split([' ', '(']).next().unwrap_or_default()).collect();
        let mut decided = [&COPIED[..], &LEFT, &[NUMBERS, KEYS]].concat();
        made.sort_unstable();
        decided.sort_unstable();
        assert_eq!(made, decided);
        // A table by any other statement would not be seen above.
        assert_eq!(text.matches("CREATE TABLE").count(), made.len());
    }
}
