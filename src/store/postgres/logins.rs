//! What a login is checked against. What is asked for together goes to the database together: one round trip.

use super::conn::Conn;
use super::failure::Failure;
use super::rows::From;
use super::{factors, users};
use crate::identity::UserId;
use crate::store::{Factors, User};

/// The user of exactly that name, and the recipes.
pub(super) async fn user_to_check(
    conn: &Conn,
    name: &str,
) -> Result<(Option<User>, Vec<String>), Failure> {
    tokio::try_join!(users::by_name(conn, name), recipes(conn))
}

/// The user of that id with its second factors.
pub(super) async fn user_with_factors(
    conn: &Conn,
    id: UserId,
) -> Result<Option<(User, Option<Factors>)>, Failure> {
    let (user, factors) = tokio::try_join!(users::find(conn, id), factors::find(conn, id))?;
    Ok(user.map(|user| (user, factors)))
}

/// The recipes of password hashes that somebody has: one step through the index for each.
pub(super) async fn recipes(conn: &Conn) -> Result<Vec<String>, Failure> {
    let sql = "WITH RECURSIVE steps AS ( \
                   SELECT min(recipe) AS recipe FROM portcullis.users \
                   UNION ALL \
                   SELECT (SELECT min(u.recipe) FROM portcullis.users u WHERE u.recipe > s.recipe) \
                   FROM steps s WHERE s.recipe IS NOT NULL \
               ) SELECT recipe FROM steps WHERE recipe IS NOT NULL";
    let rows = conn.rows(sql, &[]).await?;
    let found = rows.iter().map(|row| From::new("users", row).get("recipe"));
    let mut found = found.collect::<Result<Vec<String>, _>>()?;
    found.sort_unstable();
    Ok(found)
}
