//! What becomes of records, whichever backend keeps them.

use std::collections::BTreeMap;

use super::SPENT_KEPT;
use super::factor::Factors;
use super::group::{Group, GroupChange};
use super::invitation::Invitation;
use super::key::{NewUserKey, UserKey};
use super::moving::WholeUser;
use super::record::{
    EndReason, Mark, NewSession, NewUser, RefreshGrant, Rotation, RotationRequest, Session,
    SpentGrant, User, UserChange,
};
use crate::identity::{SessionId, UserId};

impl NewUser {
    /// The user under that id.
    pub(super) fn numbered(&self, id: u64) -> User {
        let mut roles = self.roles.clone();
        sort(&mut roles);
        User {
            id: UserId(id),
            username: self.username.clone(),
            email: self.email.clone(),
            email_verified: false,
            password: self.password.clone(),
            active: true,
            roles,
            inherited: Vec::new(),
            groups: Vec::new(),
            claims: BTreeMap::new(),
            created: self.created,
            last_login: None,
            password_mark: None,
            logout_mark: None,
        }
    }
}

impl User {
    /// The user after `what`, where `session` is the highest session number given so far. The
    /// roles have to be its own alone; its groups are no part of this.
    #[must_use]
    pub(super) fn after(mut self, what: &UserChange, session: u64) -> Self {
        match what.clone() {
            UserChange::Password { hash, at } => {
                self.password = Some(hash);
                self.password_mark = Some(Mark { session, at });
            }
            UserChange::Rehash { seen, hash } => {
                if self.password.as_ref() == Some(&seen) {
                    self.password = Some(hash);
                }
            }
            UserChange::Active(active) => self.active = active,
            UserChange::AddRole(role) => add(&mut self.roles, role),
            UserChange::RemoveRole(role) => self.roles.retain(|held| *held != role),
            UserChange::SetClaim { name, value } => {
                self.claims.insert(name, value);
            }
            UserChange::RemoveClaim(name) => {
                self.claims.remove(&name);
            }
            UserChange::Email { email, verified } => {
                self.email = email;
                self.email_verified = verified;
            }
            UserChange::JoinGroup(_) | UserChange::LeaveGroup(_) => {}
            UserChange::LoggedIn(at) => self.last_login = Some(at),
            UserChange::LoggedOutEverywhere(at) => self.logout_mark = Some(Mark { session, at }),
        }
        self
    }

    /// The user with what the groups of those names give; until now the roles are its own alone.
    #[must_use]
    pub(super) fn in_groups(mut self, names: Vec<String>, gives: Vec<String>) -> Self {
        self.inherited = gives.into_iter().filter(|role| !self.roles.contains(role)).collect();
        self.groups = names;
        self.groups.sort_unstable();
        sort(&mut self.inherited);
        self.roles.extend(self.inherited.iter().cloned());
        self.roles.sort_unstable();
        self
    }

    /// What is not the same in the record that comes in, as far as it does not change by itself: a
    /// login leaves its time, and renews the hash.
    pub(super) fn differences(&self, new: &Self) -> Vec<&'static str> {
        let ours = |user: &Self| {
            user.password.as_ref().is_some_and(|hash| hash.expose().starts_with("$argon2id$"))
        };
        let password = self.password != new.password && !(ours(self) && new.password.is_some());
        named([
            ("email", self.email != new.email),
            ("email_verified", new.email_verified && !self.email_verified),
            ("password", password),
            ("active", self.active != new.active),
            ("roles", self.roles != new.roles),
            ("groups", self.groups != new.groups),
            ("claims", self.claims != new.claims),
        ])
    }
}

impl WholeUser {
    /// What is not the same in it as in the user who is there, with those factors.
    pub(super) fn differences(&self, there: &User, factors: Option<&Factors>) -> Vec<&'static str> {
        fn kept(factors: Option<&Factors>) -> (Option<&[u8]>, Vec<&[u8]>) {
            let Some(factors) = factors else { return (None, Vec::new()) };
            let mut credentials: Vec<_> =
                factors.passkeys.iter().map(|passkey| &passkey.credential[..]).collect();
            credentials.sort_unstable();
            (factors.confirmed_totp().map(|totp| &totp.sealed[..]), credentials)
        }
        let mut differs = there.differences(&self.user);
        if self.factors.is_some() && kept(self.factors.as_ref()) != kept(factors) {
            differs.push("factors");
        }
        differs
    }
}

impl Group {
    /// The group after `what`.
    #[must_use]
    pub(super) fn after(mut self, what: &GroupChange) -> Self {
        match what.clone() {
            GroupChange::AddRole(role) => add(&mut self.roles, role),
            GroupChange::RemoveRole(role) => self.roles.retain(|given| *given != role),
        }
        self
    }
}

impl Invitation {
    /// What is not the same in one that comes in. How often it may still be used changes with every
    /// use.
    pub(super) fn differences(&self, new: &Self) -> Vec<&'static str> {
        named([
            ("email", self.email != new.email),
            ("roles", self.roles != new.roles),
            ("created", self.created != new.created),
            ("expires", self.expires != new.expires),
        ])
    }
}

impl NewUserKey {
    /// The key under that number.
    pub(super) fn numbered(&self, id: u64) -> UserKey {
        let mut scopes = self.scopes.clone();
        if let Some(scopes) = &mut scopes {
            sort(scopes);
        }
        UserKey {
            id,
            user: self.user,
            hash: self.hash,
            name: self.name.clone(),
            hint: self.hint.clone(),
            scopes,
            created: self.created,
            expires: self.expires,
            last_used: None,
        }
    }
}

impl NewSession {
    /// The session under that number.
    pub(super) fn numbered(&self, number: u64, is_adopted: bool) -> Session {
        Session {
            id: SessionId { number, tag: self.tag },
            user: self.user,
            started: self.started,
            last_used: self.started,
            expires: self.expires,
            ends: self.ends,
            ended: None,
            refresh: self.refresh.clone(),
            spent: Vec::new(),
            device: self.device.clone(),
            address: self.address.clone(),
            second: self.second,
            is_adopted,
        }
    }
}

impl Session {
    /// Exchanges a refresh token of it. The session is another afterwards where the answer is
    /// [`Rotation::Rotated`] or [`Rotation::Reused`].
    pub(super) fn rotate(&mut self, request: &RotationRequest) -> Rotation {
        if self.ended.is_some() {
            return Rotation::Ended;
        }
        if self.refresh.as_ref().is_some_and(|grant| grant.jti == request.presented) {
            self.advance(request);
            return Rotation::Rotated(request.successor.clone());
        }
        if let Some(successor) = self.repeated(request) {
            return Rotation::Repeated(successor);
        }
        self.ended = Some((request.now, EndReason::Reused));
        Rotation::Reused
    }

    /// Puts the successor in the place of the token that was presented.
    fn advance(&mut self, request: &RotationRequest) {
        self.spent.push(SpentGrant {
            jti: request.presented.clone(),
            at: request.now,
            successor: request.successor.clone(),
        });
        let surplus = self.spent.len().saturating_sub(SPENT_KEPT);
        self.spent.drain(..surplus);
        self.refresh = Some(request.successor.clone());
        self.last_used = request.now;
        self.expires = self.expires.max(request.successor.expires);
    }

    /// The successor that the presented token got, if that was less than the grace ago.
    fn repeated(&self, request: &RotationRequest) -> Option<RefreshGrant> {
        let spent = self.spent.iter().find(|spent| spent.jti == request.presented)?;
        spent.may_come_again(request.now, request.grace).then(|| spent.successor.clone())
    }
}

/// Sorted, without repeats.
pub(super) fn sort(names: &mut Vec<String>) {
    names.sort_unstable();
    names.dedup();
}

fn add(sorted: &mut Vec<String>, name: String) {
    if let Err(place) = sorted.binary_search(&name) {
        sorted.insert(place, name);
    }
}

fn named<const N: usize>(facts: [(&'static str, bool); N]) -> Vec<&'static str> {
    facts.into_iter().filter(|(_, differs)| *differs).map(|(fact, _)| fact).collect()
}
