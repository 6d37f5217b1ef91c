//! How records look in the file: CBOR maps with small integers as keys.
//!
//! A key that is missing takes its default and one that is unknown is skipped, so a field can be
//! added without rewriting a file. The numbers are for ever: never reuse one, never change what
//! it means, and give each new field a default.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::record::{
    EndReason, Mark, PasswordHash, RefreshGrant, Session, SpentGrant, User,
};
use crate::store::{Group, SecondFactor};

// Nothing prints it: a hash is in it.
#[derive(Decode, Encode)]
#[cbor(map)]
pub(super) struct UserRecord {
    #[n(0)]
    username: String,
    #[n(1)]
    #[cbor(default)]
    email: String,
    #[n(2)]
    #[cbor(default)]
    email_verified: bool,
    #[n(3)]
    password: Option<String>,
    #[n(4)]
    active: bool,
    #[n(5)]
    #[cbor(default)]
    roles: Vec<String>,
    #[n(6)]
    #[cbor(default)]
    claims: BTreeMap<String, String>,
    #[n(7)]
    created: u64,
    #[n(8)]
    last_login: Option<u64>,
    #[n(9)]
    password_mark: Option<MarkRecord>,
    #[n(10)]
    logout_mark: Option<MarkRecord>,
    /// Numbers of groups, also of those that were deleted since.
    #[n(11)]
    #[cbor(default)]
    groups: Vec<u64>,
}

#[derive(Debug, Decode, Encode)]
#[cbor(map)]
pub(super) struct GroupRecord {
    #[n(0)]
    name: String,
    #[n(1)]
    #[cbor(default)]
    roles: Vec<String>,
}

#[derive(Debug, Decode, Encode)]
#[cbor(map)]
struct MarkRecord {
    #[n(0)]
    session: u64,
    #[n(1)]
    at: u64,
}

#[derive(Debug, Decode, Encode)]
#[cbor(map)]
pub(super) struct SessionRecord {
    #[n(0)]
    tag: u64,
    #[n(1)]
    user: u64,
    #[n(2)]
    started: u64,
    #[n(3)]
    last_used: u64,
    #[n(4)]
    expires: u64,
    #[n(5)]
    ends: u64,
    #[n(6)]
    ended: Option<EndRecord>,
    #[n(7)]
    refresh: Option<GrantRecord>,
    #[n(8)]
    #[cbor(default)]
    spent: Vec<SpentRecord>,
    #[n(9)]
    #[cbor(default)]
    device: String,
    #[n(10)]
    #[cbor(default)]
    address: String,
    /// The `jti` under which the session was adopted, so that its row goes when the session does.
    #[n(11)]
    adopted: Option<String>,
    #[n(12)]
    second: Option<u8>,
}

#[derive(Debug, Decode, Encode)]
#[cbor(map)]
struct EndRecord {
    #[n(0)]
    at: u64,
    /// A plain number, not an enum: an optional enum of an unknown variant decodes as `None`,
    /// and a session that a newer binary ended would live again in an older one.
    #[n(1)]
    #[cbor(default)]
    reason: u8,
}

#[derive(Debug, Decode, Encode)]
#[cbor(map)]
struct GrantRecord {
    #[n(0)]
    jti: String,
    #[n(1)]
    issued: u64,
    #[n(2)]
    expires: u64,
}

#[derive(Debug, Decode, Encode)]
#[cbor(map)]
struct SpentRecord {
    #[n(0)]
    jti: String,
    #[n(1)]
    at: u64,
    #[n(2)]
    successor: GrantRecord,
}

impl UserRecord {
    pub(super) fn new(user: &User, groups: &[u64]) -> Self {
        Self { groups: groups.to_owned(), ..Self::from(user) }
    }

    /// The user with the roles of its own, and the numbers of its groups.
    pub(super) fn into_user(self, id: UserId) -> (User, Vec<u64>) {
        let user = User {
            id,
            username: self.username,
            email: self.email,
            email_verified: self.email_verified,
            password: self.password.map(PasswordHash::new),
            active: self.active,
            roles: self.roles,
            inherited: Vec::new(),
            groups: Vec::new(),
            claims: self.claims,
            created: Timestamp::from_millis(self.created),
            last_login: self.last_login.map(Timestamp::from_millis),
            password_mark: self.password_mark.map(Into::into),
            logout_mark: self.logout_mark.map(Into::into),
        };
        (user, self.groups)
    }
}

impl From<GroupRecord> for Group {
    fn from(record: GroupRecord) -> Self {
        Self { name: record.name, roles: record.roles }
    }
}

impl From<&Group> for GroupRecord {
    fn from(group: &Group) -> Self {
        Self { name: group.name.clone(), roles: group.roles.clone() }
    }
}

/// The roles have to be its own alone.
impl From<&User> for UserRecord {
    fn from(user: &User) -> Self {
        Self {
            username: user.username.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            password: user.password.as_ref().map(|hash| hash.expose().to_owned()),
            active: user.active,
            roles: user.roles.clone(),
            claims: user.claims.clone(),
            created: user.created.as_millis(),
            last_login: user.last_login.map(Timestamp::as_millis),
            password_mark: user.password_mark.map(Into::into),
            logout_mark: user.logout_mark.map(Into::into),
            groups: Vec::new(),
        }
    }
}

impl From<MarkRecord> for Mark {
    fn from(record: MarkRecord) -> Self {
        Self { session: record.session, at: Timestamp::from_millis(record.at) }
    }
}

impl From<Mark> for MarkRecord {
    fn from(mark: Mark) -> Self {
        Self { session: mark.session, at: mark.at.as_millis() }
    }
}

impl SessionRecord {
    pub(super) fn new(session: &Session, adopted: Option<String>) -> Self {
        Self {
            tag: session.id.tag,
            user: session.user.0,
            started: session.started.as_millis(),
            last_used: session.last_used.as_millis(),
            expires: session.expires.as_millis(),
            ends: session.ends.as_millis(),
            ended: session
                .ended
                .map(|(at, reason)| EndRecord { at: at.as_millis(), reason: reason.code() }),
            refresh: session.refresh.as_ref().map(Into::into),
            spent: session.spent.iter().map(Into::into).collect(),
            device: session.device.clone(),
            address: session.address.clone(),
            adopted,
            second: session.second.map(SecondFactor::code),
        }
    }

    /// The session under that number, and the `jti` it was adopted for.
    pub(super) fn into_session(self, number: u64) -> (Session, Option<String>) {
        let session = Session {
            id: SessionId { number, tag: self.tag },
            user: UserId(self.user),
            started: Timestamp::from_millis(self.started),
            last_used: Timestamp::from_millis(self.last_used),
            expires: Timestamp::from_millis(self.expires),
            ends: Timestamp::from_millis(self.ends),
            ended: self
                .ended
                .map(|end| (Timestamp::from_millis(end.at), EndReason::of_code(end.reason))),
            refresh: self.refresh.map(Into::into),
            spent: self.spent.into_iter().map(Into::into).collect(),
            device: self.device,
            address: self.address,
            second: self.second.and_then(SecondFactor::of_code),
            is_adopted: self.adopted.is_some(),
        };
        (session, self.adopted)
    }
}

impl From<GrantRecord> for RefreshGrant {
    fn from(record: GrantRecord) -> Self {
        Self {
            jti: record.jti,
            issued: Timestamp::from_millis(record.issued),
            expires: Timestamp::from_millis(record.expires),
        }
    }
}

impl From<&RefreshGrant> for GrantRecord {
    fn from(grant: &RefreshGrant) -> Self {
        Self {
            jti: grant.jti.clone(),
            issued: grant.issued.as_millis(),
            expires: grant.expires.as_millis(),
        }
    }
}

impl From<SpentRecord> for SpentGrant {
    fn from(record: SpentRecord) -> Self {
        Self {
            jti: record.jti,
            at: Timestamp::from_millis(record.at),
            successor: record.successor.into(),
        }
    }
}

impl From<&SpentGrant> for SpentRecord {
    fn from(spent: &SpentGrant) -> Self {
        Self {
            jti: spent.jti.clone(),
            at: spent.at.as_millis(),
            successor: (&spent.successor).into(),
        }
    }
}

/// A record of the users, the sessions or the groups, read and written again; `None` if it is none.
#[cfg(feature = "fuzz")]
pub fn rewritten(kind: u8, record: &[u8]) -> Option<Vec<u8>> {
    let written = match kind {
        0 => {
            let record: UserRecord = minicbor::decode(record).ok()?;
            let (user, groups) = record.into_user(UserId(1));
            minicbor::to_vec(UserRecord::new(&user, &groups))
        }
        1 => {
            let record: SessionRecord = minicbor::decode(record).ok()?;
            let (session, adopted) = record.into_session(1);
            minicbor::to_vec(SessionRecord::new(&session, adopted))
        }
        _ => {
            let record: GroupRecord = minicbor::decode(record).ok()?;
            minicbor::to_vec(GroupRecord::from(&Group::from(record)))
        }
    };
    written.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn user() -> User {
        User {
            id: UserId(7),
            username: "ada".to_owned(),
            email: "ada@example.com".to_owned(),
            email_verified: true,
            password: Some(PasswordHash::new("$x$".to_owned())),
            active: true,
            roles: vec!["a".to_owned(), "b".to_owned()],
            inherited: Vec::new(),
            groups: Vec::new(),
            claims: BTreeMap::from([("tenant".to_owned(), "acme".to_owned())]),
            created: at(1),
            last_login: Some(at(2)),
            password_mark: Some(Mark { session: 3, at: at(4) }),
            logout_mark: Some(Mark { session: 5, at: at(6) }),
        }
    }

    fn session(ended: Option<(Timestamp, EndReason)>) -> Session {
        let grant = |jti: &str| RefreshGrant { jti: jti.to_owned(), issued: at(1), expires: at(2) };
        Session {
            id: SessionId { number: 9, tag: u64::MAX },
            user: UserId(7),
            started: at(1),
            last_used: at(2),
            expires: at(3),
            ends: at(4),
            ended,
            refresh: Some(grant("now")),
            spent: vec![SpentGrant { jti: "old".to_owned(), at: at(5), successor: grant("now") }],
            device: "browser".to_owned(),
            address: "192.0.2.1".to_owned(),
            second: Some(SecondFactor::RecoveryCode),
            is_adopted: false,
        }
    }

    /// The CBOR map of those entries, each already encoded.
    fn map(entries: &[(u8, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0xA0 | u8::try_from(entries.len()).unwrap()];
        for (key, value) in entries {
            bytes.push(*key);
            bytes.extend_from_slice(value);
        }
        bytes
    }

    #[test]
    fn a_user_comes_back_as_it_was() {
        let bare = User {
            email: String::new(),
            email_verified: false,
            password: None,
            active: false,
            roles: Vec::new(),
            claims: BTreeMap::new(),
            last_login: None,
            password_mark: None,
            logout_mark: None,
            ..user()
        };
        for user in [user(), bare] {
            let bytes = minicbor::to_vec(UserRecord::new(&user, &[3, 9])).unwrap();
            let record: UserRecord = minicbor::decode(&bytes).unwrap();
            assert_eq!(record.into_user(user.id), (user, vec![3, 9]));
        }
    }

    #[test]
    fn a_session_comes_back_as_it_was() {
        let reasons = [EndReason::LoggedOut, EndReason::Reused, EndReason::Operator];
        let ends = reasons.map(|reason| Some((at(8), reason)));
        for ended in ends.into_iter().chain([None]) {
            for adopted in [None, Some("jti".to_owned())] {
                let session = Session { is_adopted: adopted.is_some(), ..session(ended) };
                let record = SessionRecord::new(&session, adopted.clone());
                let bytes = minicbor::to_vec(record).unwrap();
                let record: SessionRecord = minicbor::decode(&bytes).unwrap();
                assert_eq!(record.into_session(9), (session, adopted));
            }
        }
    }

    #[test]
    fn a_record_from_before_a_field_was_added_takes_its_default() {
        let bytes = map(&[(0, b"\x63ada"), (4, b"\xF5"), (7, b"\x05")]);
        let record: UserRecord = minicbor::decode(&bytes).unwrap();
        let expected = User {
            email: String::new(),
            email_verified: false,
            password: None,
            roles: Vec::new(),
            claims: BTreeMap::new(),
            created: at(5),
            last_login: None,
            password_mark: None,
            logout_mark: None,
            ..user()
        };
        assert_eq!(record.into_user(UserId(7)), (expected, Vec::new()));

        let numbers: Vec<_> = (0..6).map(|key| (key, &b"\x01"[..])).collect();
        let record: SessionRecord = minicbor::decode(&map(&numbers)).unwrap();
        let (session, adopted) = record.into_session(9);
        assert_eq!((session.refresh, session.ended, adopted), (None, None, None));
        assert_eq!(session.second, None);
        assert!(session.spent.is_empty() && session.device.is_empty());
    }

    #[test]
    fn a_field_that_came_later_is_skipped() {
        let later: &[u8] = b"\x82\x01\x61x";
        let bytes = map(&[(0, b"\x63ada"), (4, b"\xF5"), (7, b"\x05"), (23, later)]);
        let record: UserRecord = minicbor::decode(&bytes).unwrap();
        assert_eq!(record.into_user(UserId(7)).0.username, "ada");
    }

    #[test]
    fn a_user_whose_state_is_missing_is_no_user() {
        let bytes = map(&[(0, b"\x63ada"), (7, b"\x05")]);
        assert!(minicbor::decode::<UserRecord>(&bytes).is_err());
    }

    #[test]
    fn an_end_for_a_reason_of_a_newer_version_is_an_end() {
        let mut entries: Vec<_> = (0..6).map(|key| (key, &b"\x01"[..])).collect();
        entries.push((6, b"\xA2\x00\x08\x01\x17"));
        let record: SessionRecord = minicbor::decode(&map(&entries)).unwrap();
        assert_eq!(record.into_session(9).0.ended, Some((at(8), EndReason::Operator)));
    }
}
