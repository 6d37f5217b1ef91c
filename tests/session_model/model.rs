//! What sessions promise, in memory and without time to lose: the model that they are measured by.

use std::collections::BTreeMap;
use std::time::Duration;

use portcullis::clock::Timestamp;
use portcullis::store::SPENT_KEPT;

/// How long tokens and sessions live: short, so that schedules see all of them end.
pub(crate) const ACCESS: Duration = Duration::from_secs(40);
pub(crate) const REFRESH: Duration = Duration::from_secs(90);
pub(crate) const SESSION: Duration = Duration::from_millis(240_500);

/// What is asked. Users, families and the tokens of a family are counted from 0.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Op {
    /// A login, whose tokens are that family.
    LogIn {
        user: usize,
        family: usize,
    },
    Refresh(Token),
    Verify(Token),
    Blacklist(Token),
    LogOutBy(Token),
    EndSession {
        family: usize,
    },
    LogOutEverywhere {
        user: usize,
    },
    SetPassword {
        user: usize,
    },
    /// By the user, who goes on in a new session.
    ChangePassword {
        user: usize,
        family: usize,
    },
    Activate {
        user: usize,
        active: bool,
    },
    Delete {
        user: usize,
    },
}

/// A refresh token: the one that a login gave is 0, its successor 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Token {
    pub family: usize,
    pub place: usize,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// Done, or good.
    Yes,
    /// There was nothing to do it to.
    No,
    /// With an access token and the next token of the family.
    Rotated,
    /// With an access token alone.
    Renewed,
    Refused(&'static str),
    /// The store failed: it is done, or it is not.
    Lost,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Model {
    pub rotation: bool,
    pub grace: Duration,
    pub users: Vec<User>,
    pub families: BTreeMap<usize, Family>,
    /// Families that ended because a spent token came back, as the audit record counts them.
    pub reuses: u64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct User {
    pub active: bool,
    pub deleted: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Family {
    user: usize,
    /// However often it is refreshed.
    ends: Timestamp,
    /// When the last of its tokens dies.
    lasts: Timestamp,
    tokens: Vec<Grant>,
    /// Whether a password was changed since.
    is_outdated: bool,
    has_ended: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Grant {
    expires: Timestamp,
    spent: Option<Timestamp>,
}

/// What a refresh token is worth to a family that lives.
enum Worth {
    Current,
    /// Spent, but so short ago that its successor is given again.
    Forgiven,
    Spent,
}

impl Model {
    pub(crate) fn answer(&mut self, op: &Op, now: Timestamp) -> Answer {
        match *op {
            Op::LogIn { user, family } => self.log_in(user, family, now),
            Op::Refresh(token) => self.refresh(token, now),
            Op::Verify(token) => match self.worth(token, now) {
                Err(code) => Answer::Refused(code),
                Ok(Worth::Spent) => Answer::Refused("session_ended"),
                Ok(Worth::Current | Worth::Forgiven) => Answer::Yes,
            },
            Op::Blacklist(token) => {
                self.end_by(token, now, Answer::Refused("refresh_token_reused"))
            }
            Op::LogOutBy(token) => self.end_by(token, now, Answer::Yes),
            Op::EndSession { family } => {
                let was_there = self.lives(family, now);
                let family = self.families.get_mut(&family);
                family.filter(|_| was_there).map_or(Answer::No, |family| {
                    family.has_ended = true;
                    Answer::Yes
                })
            }
            Op::LogOutEverywhere { user } => self.all(user, |family| family.has_ended = true),
            Op::SetPassword { user } => self.all(user, |family| family.is_outdated = true),
            Op::ChangePassword { user, family } => {
                self.all(user, |family| family.is_outdated = true);
                self.log_in(user, family, now)
            }
            Op::Activate { user, active } => {
                self.users[user].active = active;
                self.all(user, |_| ())
            }
            Op::Delete { user } => {
                let answer = self.all(user, |_| ());
                self.users[user].deleted = true;
                answer
            }
        }
    }

    /// What is said of an access token of that family.
    pub(crate) fn access(&self, family: usize, expires: Timestamp, now: Timestamp) -> &'static str {
        let refused = if expires <= now { Some("token_expired") } else { self.refused(family) };
        refused.unwrap_or("good")
    }

    /// Whether a family is in the list of the user's sessions.
    pub(crate) fn lives(&self, family: usize, now: Timestamp) -> bool {
        self.families.get(&family).is_some_and(|family| {
            let deleted = self.users[family.user].deleted;
            !deleted && !family.is_outdated && !family.has_ended && now < family.lasts
        })
    }

    fn log_in(&mut self, user: usize, number: usize, now: Timestamp) -> Answer {
        if self.users[user].deleted {
            return Answer::Refused("user_not_found");
        }
        let ends = now.plus(SESSION);
        let expires = whole(now).plus(REFRESH).min(ends);
        let family = Family {
            user,
            ends,
            lasts: expires.plus(ACCESS),
            tokens: vec![Grant { expires, spent: None }],
            is_outdated: false,
            has_ended: false,
        };
        self.families.insert(number, family);
        Answer::Yes
    }

    fn refresh(&mut self, token: Token, now: Timestamp) -> Answer {
        let rotation = self.rotation;
        let worth = self.worth(token, now);
        let family = self.families.get_mut(&token.family).unwrap();
        match worth {
            Err(code) => Answer::Refused(code),
            Ok(Worth::Current) if rotation => {
                family.rotate(now);
                Answer::Rotated
            }
            Ok(Worth::Current) => Answer::Renewed,
            Ok(Worth::Forgiven) => Answer::Rotated,
            Ok(Worth::Spent) => {
                family.has_ended = true;
                self.reuses += 1;
                Answer::Refused("refresh_token_reused")
            }
        }
    }

    /// The end of a session by a refresh token of it, be it spent.
    fn end_by(&mut self, token: Token, now: Timestamp, spent: Answer) -> Answer {
        let worth = self.worth(token, now);
        let family = self.families.get_mut(&token.family).unwrap();
        match worth {
            Err(code) => Answer::Refused(code),
            Ok(Worth::Current | Worth::Forgiven) => {
                family.has_ended = true;
                Answer::Yes
            }
            Ok(Worth::Spent) => {
                family.has_ended = true;
                self.reuses += 1;
                spent
            }
        }
    }

    /// Its own end first, then the user's, then its family's.
    fn worth(&self, token: Token, now: Timestamp) -> Result<Worth, &'static str> {
        let family = &self.families[&token.family];
        let grant = &family.tokens[token.place];
        if whole(grant.expires) <= now {
            return Err("token_expired");
        }
        if let Some(code) = self.refused(token.family) {
            return Err(code);
        }
        let Some(spent) = grant.spent else { return Ok(Worth::Current) };
        let is_remembered = family.tokens.len() - 1 - token.place <= SPENT_KEPT;
        let is_forgiven = is_remembered && now.since(spent) < self.grace;
        Ok(if is_forgiven { Worth::Forgiven } else { Worth::Spent })
    }

    fn refused(&self, family: usize) -> Option<&'static str> {
        let family = &self.families[&family];
        let user = &self.users[family.user];
        let rules = [
            (user.deleted, "user_not_found"),
            (!user.active, "user_inactive"),
            (family.is_outdated, "password_changed"),
            (family.has_ended, "session_ended"),
        ];
        rules.into_iter().find(|(holds, _)| *holds).map(|(_, code)| code)
    }

    fn all(&mut self, user: usize, change: impl Fn(&mut Family)) -> Answer {
        if self.users[user].deleted {
            return Answer::No;
        }
        self.families.values_mut().filter(|family| family.user == user).for_each(change);
        Answer::Yes
    }
}

impl Family {
    fn rotate(&mut self, now: Timestamp) {
        let expires = whole(now).plus(REFRESH).min(self.ends);
        if let Some(current) = self.tokens.last_mut() {
            current.spent = Some(now);
        }
        self.tokens.push(Grant { expires, spent: None });
        self.lasts = self.lasts.max(expires);
    }
}

/// Tokens count in seconds.
pub(crate) fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_secs(moment.as_secs())
}
