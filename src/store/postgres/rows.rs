//! Rows, and the records that they stand for.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Json};

use super::failure::Failure;
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::record::{
    EndReason, Mark, PasswordHash, RefreshGrant, Session, SpentGrant, User,
};
use crate::store::{Invitation, SecondFactor, StoreError, UserKey};

/// What is read of a user `u`. Of whatever its groups give it is found out in the same statement.
macro_rules! user_columns {
    () => {
        "u.id, u.username, u.email, u.email_verified, u.password, u.active, u.roles, u.claims, \
         u.created, u.last_login, u.password_mark, u.password_mark_at, u.logout_mark, \
         u.logout_mark_at, \
         ARRAY(SELECT g.group_name FROM portcullis.members m JOIN portcullis.groups g \
               ON g.number = m.group_number WHERE m.user_id = u.id) AS group_names, \
         ARRAY(SELECT unnest(g.gives) FROM portcullis.members m JOIN portcullis.groups g \
               ON g.number = m.group_number WHERE m.user_id = u.id) AS given"
    };
}

/// What is read of a session `s`.
macro_rules! session_columns {
    () => {
        "s.number, s.tag, s.user_id, s.started, s.last_used, s.expires, s.ends, s.ended, \
         s.end_reason, s.refresh_jti, s.refresh_issued, s.refresh_expires, s.spent_jti, s.spent_at, \
         s.successor_jti, s.successor_issued, s.successor_expires, s.device, s.address, \
         s.adopted, s.second_factor"
    };
}

/// What is read of a key `k` that a user made.
macro_rules! key_columns {
    () => {
        "k.key_id, k.user_id, k.hash, k.key_name, k.hint, k.scopes, k.key_created, k.key_expires, \
         k.key_last_used"
    };
}

pub(super) use {key_columns, session_columns, user_columns};

/// A number as the database keeps it. What is larger than it can have is in no row.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

pub(super) fn millis(at: Timestamp) -> i64 {
    number(at.as_millis())
}

/// A mark as the two columns that it is.
pub(super) fn mark(mark: Option<Mark>) -> (Option<i64>, Option<i64>) {
    mark.map(|mark| (number(mark.session), millis(mark.at))).unzip()
}

/// The database keeps no NUL, so nothing has that name.
pub(super) fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

/// A row of a table, whose name errors speak of.
pub(super) struct From<'r> {
    pub(super) table: &'static str,
    pub(super) row: &'r Row,
}

impl<'r> From<'r> {
    pub(super) const fn new(table: &'static str, row: &'r Row) -> Self {
        Self { table, row }
    }

    pub(super) fn get<T: FromSql<'r>>(&self, column: &str) -> Result<T, Failure> {
        self.row.try_get(column).map_err(|error| self.corrupt(error))
    }

    pub(super) fn number(&self, column: &str) -> Result<u64, Failure> {
        u64::try_from(self.get::<i64>(column)?).map_err(|error| self.corrupt(error))
    }

    fn number_if_any(&self, column: &str) -> Result<Option<u64>, Failure> {
        let found: Option<i64> = self.get(column)?;
        found.map(u64::try_from).transpose().map_err(|error| self.corrupt(error))
    }

    pub(super) fn at(&self, column: &str) -> Result<Timestamp, Failure> {
        self.number(column).map(Timestamp::from_millis)
    }

    pub(super) fn at_if_any(&self, column: &str) -> Result<Option<Timestamp>, Failure> {
        Ok(self.number_if_any(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn hash(&self, column: &str) -> Result<[u8; 32], Failure> {
        self.get::<&[u8]>(column)?.try_into().map_err(|error| self.corrupt(error))
    }

    pub(super) fn corrupt(
        &self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Failure {
        StoreError::Corrupt { table: self.table, source: source.into() }.into()
    }

    fn mark(&self, session: &str, at: &str) -> Result<Option<Mark>, Failure> {
        let (session, at) = (self.number_if_any(session)?, self.at_if_any(at)?);
        Ok(session.zip(at).map(|(session, at)| Mark { session, at }))
    }
}

/// A user with the roles of its own alone, and what its groups are called and give.
#[derive(Clone)]
pub(super) struct Own {
    pub(super) user: User,
    pub(super) groups: Vec<String>,
    pub(super) given: Vec<String>,
}

impl Own {
    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let from = From::new("users", row);
        let Json(claims): Json<BTreeMap<String, String>> = from.get("claims")?;
        let user = User {
            id: UserId(from.number("id")?),
            username: from.get("username")?,
            email: from.get("email")?,
            email_verified: from.get("email_verified")?,
            password: from.get::<Option<String>>("password")?.map(PasswordHash::new),
            active: from.get("active")?,
            roles: from.get("roles")?,
            inherited: Vec::new(),
            groups: Vec::new(),
            claims,
            created: from.at("created")?,
            last_login: from.at_if_any("last_login")?,
            password_mark: from.mark("password_mark", "password_mark_at")?,
            logout_mark: from.mark("logout_mark", "logout_mark_at")?,
        };
        Ok(Self { user, groups: from.get("group_names")?, given: from.get("given")? })
    }

    /// The user with what its groups give.
    pub(super) fn resolved(self) -> User {
        self.user.in_groups(self.groups, self.given)
    }

    /// The user with the names of its groups, and without what they give.
    pub(super) fn named(mut self) -> User {
        self.groups.sort_unstable();
        User { groups: self.groups, ..self.user }
    }
}

pub(super) fn users(rows: &[Row]) -> Result<Vec<User>, Failure> {
    rows.iter().map(|row| Own::read(row).map(Own::resolved)).collect()
}

pub(super) fn session(row: &Row) -> Result<Session, Failure> {
    let from = From::new("sessions", row);
    let reason = |code: Option<i16>| code.and_then(|code| u8::try_from(code).ok()).unwrap_or(0);
    let ended = from.at_if_any("ended")?;
    let reason = EndReason::of_code(reason(from.get("end_reason")?));
    let refresh = match from.get::<Option<String>>("refresh_jti")? {
        None => None,
        Some(jti) => {
            let (issued, expires) = (from.at("refresh_issued")?, from.at("refresh_expires")?);
            Some(RefreshGrant { jti, issued, expires })
        }
    };
    let second: Option<i16> = from.get("second_factor")?;
    let second = second.and_then(|code| u8::try_from(code).ok());
    Ok(Session {
        second: second.and_then(SecondFactor::of_code),
        is_adopted: from.get::<Option<&str>>("adopted")?.is_some(),
        id: SessionId {
            number: from.number("number")?,
            tag: from.get::<i64>("tag")?.cast_unsigned(),
        },
        user: UserId(from.number("user_id")?),
        started: from.at("started")?,
        last_used: from.at("last_used")?,
        expires: from.at("expires")?,
        ends: from.at("ends")?,
        ended: ended.map(|at| (at, reason)),
        refresh,
        spent: spent(&from)?,
        device: from.get("device")?,
        address: from.get("address")?,
    })
}

fn spent(from: &From<'_>) -> Result<Vec<SpentGrant>, Failure> {
    let moments = |column| -> Result<Vec<Timestamp>, Failure> {
        let found: Vec<i64> = from.get(column)?;
        let moment = |millis| u64::try_from(millis).map(Timestamp::from_millis);
        found.into_iter().map(moment).collect::<Result<_, _>>().map_err(|it| from.corrupt(it))
    };
    let (jtis, successors): (Vec<String>, Vec<String>) =
        (from.get("spent_jti")?, from.get("successor_jti")?);
    let (at, issued, expires) =
        (moments("spent_at")?, moments("successor_issued")?, moments("successor_expires")?);
    let count = jtis.len();
    if [successors.len(), at.len(), issued.len(), expires.len()] != [count; 4] {
        return Err(from.corrupt("the lists of spent tokens have different lengths"));
    }
    let moments = at.into_iter().zip(issued).zip(expires);
    Ok(jtis
        .into_iter()
        .zip(successors)
        .zip(moments)
        .map(|((jti, successor), ((at, issued), expires))| SpentGrant {
            jti,
            at,
            successor: RefreshGrant { jti: successor, issued, expires },
        })
        .collect())
}

pub(super) fn user_key(row: &Row) -> Result<UserKey, Failure> {
    let from = From::new("user_keys", row);
    Ok(UserKey {
        id: from.number("key_id")?,
        user: UserId(from.number("user_id")?),
        hash: from.hash("hash")?,
        name: from.get("key_name")?,
        hint: from.get("hint")?,
        scopes: from.get("scopes")?,
        created: from.at("key_created")?,
        expires: from.at_if_any("key_expires")?,
        last_used: from.at_if_any("key_last_used")?,
    })
}

pub(super) fn invitation(row: &Row) -> Result<Invitation, Failure> {
    let from = From::new("invitations", row);
    let left = u32::try_from(from.number("uses_left")?).map_err(|error| from.corrupt(error))?;
    Ok(Invitation {
        id: from.number("id")?,
        email: from.get("email")?,
        roles: from.get("roles")?,
        left: left.try_into().map_err(|error| from.corrupt(error))?,
        created: from.at("created")?,
        expires: from.at("expires")?,
    })
}
