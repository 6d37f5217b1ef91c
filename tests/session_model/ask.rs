//! What is asked, as the gateway is asked it.

use portcullis::AccountError;
use portcullis::clock::Timestamp;
use portcullis::identity::{SessionId, UserId};
use portcullis::rooms::session::{AuthError, Client, Opened, Pair};
use portcullis::store::{EndReason, PasswordHash, UserChange};

use crate::model::{Answer, Op};
use crate::world::Gateway;

/// What the gateway calls that by which the model counts.
#[derive(Clone)]
pub(crate) enum Name {
    User(UserId),
    Session(UserId, SessionId),
    Token(String),
}

/// What somebody got.
pub(crate) struct Got {
    pub answer: Answer,
    pub access: Option<String>,
    pub refresh: Option<String>,
}

impl Gateway {
    pub(crate) async fn ask(&self, op: &Op, name: Name, now: Timestamp) -> Got {
        match name {
            Name::User(user) => self.ask_of_user(op, user, now).await,
            Name::Session(user, session) => {
                let ended = self.accounts.end_session(user, session, EndReason::LoggedOut).await;
                changed(ended)
            }
            Name::Token(token) => self.ask_by_token(op, &token).await,
        }
    }

    async fn ask_by_token(&self, op: &Op, token: &str) -> Got {
        let sessions = &self.sessions;
        if let Op::Verify(_) = op {
            return done(sessions.check(token).await);
        }
        if let Op::Blacklist(_) = op {
            return done(sessions.blacklist(token).await);
        }
        if let Op::LogOutBy(_) = op {
            return done(sessions.log_out_by(token).await);
        }
        match sessions.refresh(token).await {
            Err(error) => refused(&error),
            Ok(renewed) => {
                let is_rotated = renewed.refresh.is_some();
                let answer = if is_rotated { Answer::Rotated } else { Answer::Renewed };
                Got { answer, access: Some(renewed.access), refresh: renewed.refresh }
            }
        }
    }

    async fn ask_of_user(&self, op: &Op, user: UserId, now: Timestamp) -> Got {
        let hash = || PasswordHash::new("$argon2id$nobody-knows".to_owned());
        let change = if let Op::LogOutEverywhere { .. } = op {
            UserChange::LoggedOutEverywhere(now)
        } else if let Op::SetPassword { .. } = op {
            UserChange::Password { hash: hash(), at: now }
        } else if let Op::Activate { active, .. } = op {
            UserChange::Active(*active)
        } else if let Op::Delete { .. } = op {
            return changed(self.accounts.delete(user).await);
        } else {
            return self.log_in(op, user, hash()).await;
        };
        changed(self.accounts.change(user, change).await.map(|found| found.is_some()))
    }

    async fn log_in(&self, op: &Op, user: UserId, hash: PasswordHash) -> Got {
        let Some(user) = self.accounts.get(user).await.unwrap() else {
            return refused(&AuthError::UserNotFound);
        };
        let client = Client::default();
        let pair = if matches!(op, Op::ChangePassword { .. }) {
            let opened = self.sessions.change_password(&user, hash, client, None, None).await;
            opened.map(|opened| match opened {
                Opened::Pair(pair) => pair,
                Opened::Sliding(_) => unreachable!("sliding tokens are off"),
            })
        } else {
            self.sessions.log_in(&user, client, None).await
        };
        match pair {
            Err(error) => refused(&error),
            Ok(Pair { access, refresh }) => {
                Got { answer: Answer::Yes, access: Some(access), refresh: Some(refresh) }
            }
        }
    }
}

fn done<T>(outcome: Result<T, AuthError>) -> Got {
    outcome.map_or_else(|error| refused(&error), |_| plain(Answer::Yes))
}

fn changed(outcome: Result<bool, AccountError>) -> Got {
    plain(outcome.map_or(Answer::Lost, |changed| if changed { Answer::Yes } else { Answer::No }))
}

fn refused(error: &AuthError) -> Got {
    match error.code() {
        "store_unavailable" => plain(Answer::Lost),
        code => plain(Answer::Refused(code)),
    }
}

const fn plain(answer: Answer) -> Got {
    Got { answer, access: None, refresh: None }
}
