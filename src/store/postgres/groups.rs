//! Groups: roles that are given to many at once.

use async_trait::async_trait;
use tokio_postgres::Row;

use super::conn::Conn;
use super::counters::{self, Counter};
use super::failure::Failure;
use super::link::Mode;
use super::rows::{From, number};
use super::{PostgresStore, users};
use crate::identity::UserId;
use crate::store::record::User;
use crate::store::{Group, GroupArrival, GroupChange, GroupStore, StoreError, StoreEvent, Trial};

#[async_trait]
impl GroupStore for PostgresStore {
    async fn create_group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let name = name.to_owned();
        self.call(Mode::Change, name, |conn, name| Box::pin(create(conn, name))).await
    }

    async fn group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        let name = name.to_owned();
        self.call(Mode::Look, name, |conn, name| Box::pin(by_name(conn, name))).await
    }

    async fn groups(&self) -> Result<Vec<Group>, StoreError> {
        self.call(Mode::Look, (), |conn, ()| Box::pin(all(conn))).await
    }

    async fn group_members(
        &self,
        name: &str,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Vec<User>, StoreError> {
        self.call(Mode::Look, (name.to_owned(), after, limit), |conn, (name, after, limit)| {
            Box::pin(users::members(conn, name, *after, *limit))
        })
        .await
    }

    async fn change_group(
        &self,
        name: &str,
        change: GroupChange,
    ) -> Result<Option<Group>, StoreError> {
        self.call(Mode::Change, (name.to_owned(), change), |conn, (name, change)| {
            Box::pin(alter(conn, name, change))
        })
        .await
    }

    async fn delete_group(&self, name: &str) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.call(Mode::Change, name, |conn, name| Box::pin(delete(conn, name))).await
    }
}

fn group(row: &Row) -> Result<Group, Failure> {
    let from = From::new("groups", row);
    Ok(Group { name: from.get("group_name")?, roles: from.get("gives")? })
}

/// All groups with their numbers, in order.
pub(super) async fn numbered(conn: &Conn) -> Result<Vec<(u64, Group)>, Failure> {
    let sql = "SELECT number, group_name, gives FROM portcullis.groups ORDER BY number";
    let read = |row: &Row| Ok((From::new("groups", row).number("number")?, group(row)?));
    conn.rows(sql, &[]).await?.iter().map(read).collect()
}

pub(super) async fn by_name(conn: &Conn, name: &str) -> Result<Option<Group>, Failure> {
    let sql = "SELECT group_name, gives FROM portcullis.groups WHERE group_name = $1";
    conn.row(sql, &[&name]).await?.as_ref().map(group).transpose()
}

/// All groups, by name.
pub(super) async fn all(conn: &Conn) -> Result<Vec<Group>, Failure> {
    let rows = conn.rows("SELECT group_name, gives FROM portcullis.groups", &[]).await?;
    let mut groups = rows.iter().map(group).collect::<Result<Vec<_>, _>>()?;
    // The database may sort as some language does.
    groups.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(groups)
}

/// `None` if there is one of that name.
pub(super) async fn create(conn: &Conn, name: &str) -> Result<Option<Group>, Failure> {
    if by_name(conn, name).await?.is_some() {
        return Ok(None);
    }
    let group = Group { name: name.to_owned(), roles: Vec::new() };
    insert(conn, &group).await?;
    Ok(Some(group))
}

/// Stores a group whose name is free.
async fn insert(conn: &Conn, group: &Group) -> Result<(), Failure> {
    let drawn = counters::next(conn, Counter::Groups).await?;
    keep(conn, drawn, group).await
}

/// Stores a group whose name and number are free.
pub(super) async fn keep(conn: &Conn, drawn: u64, group: &Group) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.groups (number, group_name, gives) VALUES ($1, $2, $3)";
    conn.execute(sql, &[&number(drawn), &group.name, &group.roles]).await?;
    Ok(())
}

pub(super) async fn alter(
    conn: &Conn,
    name: &str,
    what: &GroupChange,
) -> Result<Option<Group>, Failure> {
    let sql = "SELECT group_name, gives FROM portcullis.groups WHERE group_name = $1 FOR UPDATE";
    let Some(row) = conn.row(sql, &[&name]).await? else { return Ok(None) };
    let before = group(&row)?;
    let after = before.clone().after(what);
    if after != before {
        let sql = "UPDATE portcullis.groups SET gives = $2 WHERE group_name = $1";
        conn.execute(sql, &[&name, &after.roles]).await?;
        conn.tell(StoreEvent::Everybody);
    }
    Ok(Some(after))
}

pub(super) async fn delete(conn: &Conn, name: &str) -> Result<bool, Failure> {
    // With its members.
    let sql = "DELETE FROM portcullis.groups WHERE group_name = $1";
    let is_gone = conn.execute(sql, &[&name]).await? > 0;
    if is_gone {
        conn.tell(StoreEvent::Everybody);
    }
    Ok(is_gone)
}

/// Puts a user into a group, if there is one of that name.
pub(super) async fn join(conn: &Conn, name: &str, user: UserId) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.members (group_number, user_id) \
               SELECT number, $2 FROM portcullis.groups WHERE group_name = $1 \
               ON CONFLICT DO NOTHING";
    conn.execute(sql, &[&name, &number(user.0)]).await?;
    Ok(())
}

pub(super) async fn leave(conn: &Conn, name: &str, user: UserId) -> Result<(), Failure> {
    let sql = "DELETE FROM portcullis.members WHERE user_id = $2 AND group_number IN ( \
               SELECT number FROM portcullis.groups WHERE group_name = $1)";
    conn.execute(sql, &[&name, &number(user.0)]).await?;
    Ok(())
}

/// Puts a user into those groups. One that is not there is made, without roles: it gives nothing
/// until somebody says what.
pub(super) async fn settle_in(conn: &Conn, names: &[String], user: UserId) -> Result<(), Failure> {
    for name in names {
        create(conn, name).await?;
        join(conn, name, user).await?;
    }
    Ok(())
}

/// What becomes of each, in their order.
pub(super) async fn take_all(
    conn: &Conn,
    all: &[Group],
    trial: Trial,
) -> Result<Vec<GroupArrival>, Failure> {
    let mut arrivals = Vec::with_capacity(all.len());
    for one in all {
        arrivals.push(match trial {
            Trial::Dry => judge(conn, one).await?,
            Trial::Real => take(conn, one).await?,
        });
    }
    Ok(arrivals)
}

/// What would become of a group that comes in.
async fn judge(conn: &Conn, new: &Group) -> Result<GroupArrival, Failure> {
    Ok(match by_name(conn, &new.name).await? {
        None => GroupArrival::Stored,
        Some(there) => GroupArrival::Present { differs: there.roles != new.roles },
    })
}

/// Stores a group that comes in, unless there is one of its name.
async fn take(conn: &Conn, new: &Group) -> Result<GroupArrival, Failure> {
    let arrival = judge(conn, new).await?;
    if arrival == GroupArrival::Stored {
        insert(conn, new).await?;
    }
    Ok(arrival)
}
