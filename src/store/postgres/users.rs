//! Users: found, made, changed and deleted.

use std::collections::BTreeMap;

use tokio_postgres::types::Json;

use super::conn::Conn;
use super::counters::{self, Counter, hold, let_go};
use super::failure::Failure;
use super::rows::{self, From, Own, is_text, limit, mark, millis, number, user_columns};
use super::{groups, invitations, whole_users};
use crate::identity::UserId;
use crate::store::record::{Creation, NewUser, PasswordHash, User, UserChange};
use crate::store::{Admission, Clashes, StoreEvent, Terms, fold_case, looks};

/// Selects users `u`.
macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", user_columns!(), " FROM portcullis.users u ", $rest)
    };
}

pub(super) async fn find(conn: &Conn, id: UserId) -> Result<Option<User>, Failure> {
    Ok(stored(conn, id).await?.map(Own::resolved))
}

/// The user as it is written.
pub(super) async fn stored(conn: &Conn, id: UserId) -> Result<Option<Own>, Failure> {
    let row = conn.row(select!("WHERE u.id = $1"), &[&number(id.0)]).await?;
    row.as_ref().map(Own::read).transpose()
}

/// Keeps everybody else from changing that user, and from starting a session of theirs, until the
/// transaction is over; `false` if there is none.
///
/// What is read has to be read afterwards: this statement may have waited for a change, and would not
/// see all of it.
pub(super) async fn lock(conn: &Conn, id: UserId) -> Result<bool, Failure> {
    let sql = "SELECT id FROM portcullis.users WHERE id = $1 FOR UPDATE";
    Ok(conn.row(sql, &[&number(id.0)]).await?.is_some())
}

pub(super) async fn by_name(conn: &Conn, name: &str) -> Result<Option<User>, Failure> {
    if !is_text(name) {
        return Ok(None);
    }
    let row = conn.row(select!("WHERE u.username = $1"), &[&name]).await?;
    Ok(row.as_ref().map(Own::read).transpose()?.map(Own::resolved))
}

/// Whose name that is.
pub(super) async fn holder(conn: &Conn, name: &str) -> Result<Option<UserId>, Failure> {
    let sql = "SELECT id FROM portcullis.users WHERE username = $1";
    let row = conn.row(sql, &[&name]).await?;
    row.map(|row| From::new("users", &row).number("id").map(UserId)).transpose()
}

pub(super) async fn by_email(conn: &Conn, email: &str) -> Result<Vec<User>, Failure> {
    if email.is_empty() || !is_text(email) {
        return Ok(Vec::new());
    }
    let sql = select!("WHERE u.email_folded = $1 ORDER BY u.id");
    rows::users(&conn.rows(sql, &[&fold_case(email)]).await?)
}

pub(super) async fn page(
    conn: &Conn,
    after: Option<UserId>,
    most: usize,
) -> Result<Vec<User>, Failure> {
    let own = own_page(conn, after, most).await?;
    Ok(own.into_iter().map(Own::resolved).collect())
}

pub(super) async fn own_page(
    conn: &Conn,
    after: Option<UserId>,
    most: usize,
) -> Result<Vec<Own>, Failure> {
    let sql = select!("WHERE u.id > $1 ORDER BY u.id LIMIT $2");
    let after = after.map_or(0, |id| number(id.0));
    let rows = conn.rows(sql, &[&after, &limit(most)]).await?;
    rows.iter().map(Own::read).collect()
}

/// Members of a group with ids above `after`, in order of their ids.
pub(super) async fn members(
    conn: &Conn,
    group: &str,
    after: Option<UserId>,
    most: usize,
) -> Result<Vec<User>, Failure> {
    let sql = select!(
        "JOIN portcullis.members of ON of.user_id = u.id \
         JOIN portcullis.groups this ON this.number = of.group_number \
         WHERE this.group_name = $1 AND u.id > $2 ORDER BY u.id LIMIT $3"
    );
    let after = after.map_or(0, |id| number(id.0));
    rows::users(&conn.rows(sql, &[&group, &after, &limit(most)]).await?)
}

/// What a user of that name and address would have in common with others.
pub(super) async fn clashes(conn: &Conn, name: &str, email: &str) -> Result<Clashes, Failure> {
    if !is_text(name) || !is_text(email) {
        return Ok(Clashes::default());
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM portcullis.users WHERE username = $1) AS name, \
                      EXISTS (SELECT 1 FROM portcullis.looks WHERE look = ANY($2)) AS look, \
                      EXISTS (SELECT 1 FROM portcullis.users \
                              WHERE email_folded = $3 AND email_folded <> '') AS email";
    let row = conn.row(sql, &[&name, &looks(name), &fold_case(email)]).await?;
    let Some(row) = row else { return Ok(Clashes::default()) };
    let from = From::new("users", &row);
    Ok(Clashes { name: from.get("name")?, look: from.get("look")?, email: from.get("email")? })
}

pub(super) async fn create(conn: &Conn, new: &NewUser) -> Result<Creation, Failure> {
    if holder(conn, &new.username).await?.is_some() {
        return Ok(Creation::NameTaken);
    }
    make(conn, new).await.map(Creation::Created)
}

/// What is held while it is found out that nobody else has that address.
pub(super) fn address(email: &str) -> Option<String> {
    (!email.is_empty()).then(|| format!("address {}", fold_case(email)))
}

/// Makes a user whose terms hold, and uses the invitation up.
pub(super) async fn admit(conn: &Conn, new: &NewUser, terms: &Terms) -> Result<Admission, Failure> {
    let mut texts = Vec::new();
    if terms.unique_email {
        texts.extend(address(&new.email));
    }
    if terms.distinct_looks {
        texts.extend(looks(&new.username).into_iter().map(|look| format!("look {look}")));
    }
    let held = hold(conn, texts).await?;
    let admission = admit_alone(conn, new, terms).await?;
    let_go(conn, &held).await?;
    Ok(admission)
}

/// The same, where nobody else is about to take what has to be this user's alone.
async fn admit_alone(conn: &Conn, new: &NewUser, terms: &Terms) -> Result<Admission, Failure> {
    let mut new = new.clone();
    let mut invited = None;
    if let Some(hash) = terms.invitation {
        let found = invitations::locked(conn, hash).await?;
        let good = found.filter(|found| found.admits(&new.email, new.created));
        let Some(invitation) = good else { return Ok(Admission::NotInvited) };
        new.roles.extend(invitation.roles.iter().cloned());
        invited = Some(invitation);
    }
    let clashes = clashes(conn, &new.username, &new.email).await?;
    if clashes.name {
        return Ok(Admission::NameTaken);
    }
    if terms.distinct_looks && clashes.look {
        return Ok(Admission::NameAlike);
    }
    if terms.unique_email && clashes.email {
        return Ok(Admission::EmailTaken);
    }
    if let Some(invitation) = invited {
        invitations::spend(conn, &invitation).await?;
    }
    make(conn, &new).await.map(Admission::Created)
}

/// Writes a user whose name is free, under the next id.
async fn make(conn: &Conn, new: &NewUser) -> Result<User, Failure> {
    let user = new.numbered(counters::next(conn, Counter::Users).await?);
    insert(conn, &user).await?;
    Ok(user)
}

/// Stores a user who is not there yet. Its roles are its own. That the name is nobody else's is for
/// the database to say.
pub(super) async fn insert(conn: &Conn, user: &User) -> Result<(), Failure> {
    let sql = "INSERT INTO portcullis.users (id, username, email, email_folded, email_verified, \
               password, recipe, active, roles, claims, created, last_login, password_mark, \
               password_mark_at, logout_mark, logout_mark_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    write(conn, sql, user, millis(user.created)).await?;
    let sql = "INSERT INTO portcullis.looks (look, user_id) SELECT unnest($1), $2";
    conn.execute(sql, &[&looks(&user.username), &number(user.id.0)]).await?;
    Ok(())
}

async fn save(conn: &Conn, user: &User) -> Result<(), Failure> {
    let sql = "UPDATE portcullis.users SET username = $2, email = $3, email_folded = $4, \
               email_verified = $5, password = $6, recipe = $7, active = $8, roles = $9, \
               claims = $10, created = $11, last_login = $12, password_mark = $13, \
               password_mark_at = $14, logout_mark = $15, logout_mark_at = $16 WHERE id = $1";
    write(conn, sql, user, millis(user.created)).await
}

async fn write(conn: &Conn, sql: &str, user: &User, created: i64) -> Result<(), Failure> {
    let (password_mark, password_mark_at) = mark(user.password_mark);
    let (logout_mark, logout_mark_at) = mark(user.logout_mark);
    let password = user.password.as_ref().map(PasswordHash::expose);
    let recipe = user.password.as_ref().map(PasswordHash::recipe);
    let claims: Json<&BTreeMap<String, String>> = Json(&user.claims);
    let last_login = user.last_login.map(millis);
    conn.execute(
        sql,
        &[
            &number(user.id.0),
            &user.username,
            &user.email,
            &fold_case(&user.email),
            &user.email_verified,
            &password,
            &recipe,
            &user.active,
            &user.roles,
            &claims,
            &created,
            &last_login,
            &password_mark,
            &password_mark_at,
            &logout_mark,
            &logout_mark_at,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn alter(
    conn: &Conn,
    id: UserId,
    what: &UserChange,
) -> Result<Option<User>, Failure> {
    if !lock(conn, id).await? {
        return Ok(None);
    }
    if let UserChange::JoinGroup(name) = what {
        groups::join(conn, name, id).await?;
        conn.tell(StoreEvent::User(id));
    } else if let UserChange::LeaveGroup(name) = what {
        groups::leave(conn, name, id).await?;
        conn.tell(StoreEvent::User(id));
    }
    let Some(before) = stored(conn, id).await? else { return Ok(None) };
    let draws_mark =
        matches!(what, UserChange::Password { .. } | UserChange::LoggedOutEverywhere(_));
    let line = if draws_mark { counters::last_of_all(conn, Counter::Sessions).await? } else { 0 };
    put_after(conn, before, what, line).await.map(Some)
}

/// Writes what becomes of a user who is locked, where `line` is the last session number that was
/// given.
pub(super) async fn put_after(
    conn: &Conn,
    before: Own,
    what: &UserChange,
    line: u64,
) -> Result<User, Failure> {
    let Own { user, groups, given } = before;
    let after = user.clone().after(what, line);
    if after != user {
        save(conn, &after).await?;
        // Nobody is let in, or kept out, by those.
        if !matches!(what, UserChange::LoggedIn(_) | UserChange::Rehash { .. }) {
            conn.tell(StoreEvent::User(after.id));
        }
    }
    Ok(after.in_groups(groups, given))
}

pub(super) async fn delete(conn: &Conn, id: UserId) -> Result<bool, Failure> {
    // With all that refers to it.
    let sql = "DELETE FROM portcullis.users WHERE id = $1";
    if conn.execute(sql, &[&number(id.0)]).await? == 0 {
        return Ok(false);
    }
    whole_users::note_deleted(conn, id).await?;
    conn.tell(StoreEvent::User(id));
    Ok(true)
}
