//! What the store keeps, free of any backend.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::factor::SecondFactor;
use crate::clock::{CLOCKS, Timestamp};
use crate::identity::{SessionId, UserId};

/// An encoded password hash (a PHC string, or an imported format). Never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes an encoded hash as it is.
    pub const fn new(encoded: String) -> Self {
        Self(encoded)
    }

    /// The encoded hash, for the verifier and the store only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A line drawn through a user's sessions: what is on or before it is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mark {
    /// Every session up to this number is ended.
    pub session: u64,
    /// Tokens without a session are ended if their `iat` is not after this.
    pub at: Timestamp,
}

/// A user as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct User {
    /// Never reused, not even after deletion.
    pub id: UserId,
    /// NFKC, unique, at most 150 characters.
    pub username: String,
    /// Empty if none was given.
    pub email: String,
    /// Whether somebody showed that the address is theirs.
    pub email_verified: bool,
    /// `None`: nobody can log in by password.
    pub password: Option<PasswordHash>,
    /// A disabled user is refused everywhere, but keeps everything.
    pub active: bool,
    /// Role names, its own and those of its groups, sorted, without repeats.
    pub roles: Vec<String>,
    /// Those of them that it has by its groups alone.
    pub inherited: Vec<String>,
    /// Names of its groups, sorted.
    pub groups: Vec<String>,
    /// Claims set by the operator (`user claim set`).
    pub claims: BTreeMap<String, String>,
    /// When the account was made.
    pub created: Timestamp,
    /// The last login by password, if any.
    pub last_login: Option<Timestamp>,
    /// Drawn by the last password change.
    pub password_mark: Option<Mark>,
    /// Drawn by the last "log out everywhere".
    pub logout_mark: Option<Mark>,
}

/// A user to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Already normalised and checked.
    pub username: String,
    /// Empty if none was given.
    pub email: String,
    /// `None`: no login by password.
    pub password: Option<PasswordHash>,
    /// Checked role names; the store sorts them and drops repeats.
    pub roles: Vec<String>,
    /// Now.
    pub created: Timestamp,
}

/// What became of a [`NewUser`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one is made and taken apart at once")]
pub enum Creation {
    /// It is stored, durably.
    Created(User),
    /// Somebody has that name already; nothing was changed.
    NameTaken,
}

/// One atomic change of one user.
#[derive(Clone, Debug)]
pub enum UserChange {
    /// A new password by the user or an operator: draws the password mark, so every session and
    /// token from before is over.
    Password {
        /// The new hash.
        hash: PasswordHash,
        /// Now.
        at: Timestamp,
    },
    /// The same password under new hashing parameters; sessions go on. Does nothing unless the
    /// stored hash still equals `seen`.
    Rehash {
        /// The hash the password was just verified against.
        seen: PasswordHash,
        /// Its replacement.
        hash: PasswordHash,
    },
    /// Enables or disables the account.
    Active(bool),
    /// Gives a role; no change if it is there.
    AddRole(String),
    /// Takes a role; no change if it is not there. One that a group gives stays.
    RemoveRole(String),
    /// Puts the user into a group; no change if there is no such group.
    JoinGroup(String),
    /// Takes the user out of a group; no change if it is not in it.
    LeaveGroup(String),
    /// Sets a claim.
    SetClaim {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// Removes a claim; no change if it is not there.
    RemoveClaim(String),
    /// Sets the address, whoever else has it; see [`super::MailStore::redeem_email`].
    Email {
        /// The new address; empty for none.
        email: String,
        /// Whether it is known to be the user's.
        verified: bool,
    },
    /// A login by password that started no session: it bought a token without an end.
    LoggedIn(Timestamp),
    /// Draws the logout mark: every session of the user is over.
    LoggedOutEverywhere(Timestamp),
}

/// The claims of a refresh token that decide which token it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefreshGrant {
    /// The token's id.
    pub jti: String,
    /// Issued at.
    pub issued: Timestamp,
    /// Expires at.
    pub expires: Timestamp,
}

/// A refresh token that was exchanged for its successor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpentGrant {
    /// The spent token's id.
    pub jti: String,
    /// When it was exchanged.
    pub at: Timestamp,
    /// What it was exchanged for.
    pub successor: RefreshGrant,
}

impl SpentGrant {
    /// Whether it may still come again: less than `grace` ago. Where the clock was set back since,
    /// nobody knows how long ago it was, and the grace is no day.
    pub(crate) fn may_come_again(&self, now: Timestamp, grace: Duration) -> bool {
        self.at <= now.plus(CLOCKS) && now.since(self.at) < grace
    }
}

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndReason {
    /// The user logged out, or blacklisted its refresh token.
    LoggedOut,
    /// A spent refresh token was used again: somebody else holds a copy.
    Reused,
    /// An operator ended it.
    Operator,
}

/// One login: its refresh tokens are one family.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Session {
    /// Its name, as in the `sid` claim.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When the login was.
    pub started: Timestamp,
    /// When a token of it was last issued, or noted to be used.
    pub last_used: Timestamp,
    /// The latest `exp` of any token issued in it: after that the record may go.
    pub expires: Timestamp,
    /// The absolute end, however often it is refreshed.
    pub ends: Timestamp,
    /// When and why it was ended early.
    pub ended: Option<(Timestamp, EndReason)>,
    /// The refresh token that is good now. A session without one (sliding) has `None`.
    pub refresh: Option<RefreshGrant>,
    /// The latest spent tokens, oldest first, for the grace period.
    pub spent: Vec<SpentGrant>,
    /// What logged in, in its own words (`User-Agent`), cut to 200 characters.
    pub device: String,
    /// The client address at login.
    pub address: String,
    /// What was shown beside the password, if anything was.
    pub second: Option<SecondFactor>,
    /// It began with a token that was made elsewhere with our key: nobody showed a password here.
    pub is_adopted: bool,
}

/// A session to be made. The store chooses the number.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose it will be.
    pub user: UserId,
    /// The user's password mark when the credential was checked. If another has been drawn
    /// since, no session is started: the password it was checked against is no longer good.
    pub password_mark: Option<Mark>,
    /// The user's logout mark likewise, for a token that is adopted: it would otherwise escape
    /// behind the mark. A login by password does not mind.
    pub logout_mark: Option<Mark>,
    /// Random.
    pub tag: u64,
    /// Now.
    pub started: Timestamp,
    /// See [`Session::expires`].
    pub expires: Timestamp,
    /// See [`Session::ends`].
    pub ends: Timestamp,
    /// See [`Session::refresh`].
    pub refresh: Option<RefreshGrant>,
    /// See [`Session::device`].
    pub device: String,
    /// See [`Session::address`].
    pub address: String,
    /// See [`Session::second`].
    pub second: Option<SecondFactor>,
}

/// Which session a token belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SessionRef<'a> {
    /// The `sid` of a token of our making.
    Own(SessionId),
    /// The `jti` of a token without `sid`: one made elsewhere with our key.
    Foreign(&'a str),
}

/// A user and the session of a token, read at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// `None`: no such user.
    pub user: Option<User>,
    /// `None`: no such session (for a foreign token: nobody has adopted or ended it).
    pub session: Option<Session>,
}

/// A request to exchange a refresh token for its successor.
#[derive(Clone, Debug)]
pub struct RotationRequest {
    /// The session the presented token belongs to.
    pub session: SessionId,
    /// The presented token's id.
    pub presented: String,
    /// What it shall be exchanged for, if it is good.
    pub successor: RefreshGrant,
    /// Now.
    pub now: Timestamp,
    /// For how long a spent token is answered with the successor it already has.
    pub grace: Duration,
}

/// What became of a [`RotationRequest`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// The token was current; this successor is now the only good one.
    Rotated(RefreshGrant),
    /// The token was spent less than the grace ago; this is the successor it got then.
    Repeated(RefreshGrant),
    /// The token was spent earlier, or is none of the family's: the session was ended by this
    /// call, for somebody holds a copy (RFC 9700 section 4.14.2).
    Reused,
    /// The session had ended before.
    Ended,
    /// There is no such session.
    Unknown,
}
