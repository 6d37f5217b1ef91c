//! What pages ask the operators' door: the admin site has commands carried out, and everybody is
//! told what happened in the own account.

use std::pin::Pin;

use http::StatusCode;
use serde_json::Value;

use super::language::Language;
use crate::identity::UserId;

/// A command under way.
pub type Commanded<'a> = Pin<Box<dyn Future<Output = Result<Value, Denied>> + Send + 'a>>;

/// Who carries out what operators ask for, and knows what the record has.
pub trait Office: Sync {
    /// Carries out a command, written as at the admin socket, for that user and from the browser
    /// at hand. What comes back is a reply of the admin socket.
    fn command(&self, command: Value, user: UserId) -> Commanded<'_>;

    /// What happened lately in the account of that user, as far as the user may know it: a list of
    /// [`OwnLine`](crate::audit::OwnLine)s, the newest first. For whoever is signed in.
    fn lately(&self, user: UserId) -> Commanded<'_>;
}

/// Why a command was not carried out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    /// The status.
    pub status: StatusCode,
    /// Its stable code.
    pub code: &'static str,
    /// What happened and what to do, for the operator.
    pub detail: String,
}

impl Denied {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into() }
    }

    /// The same in the reader's language.
    pub(super) fn told(&self, language: &Language) -> String {
        language.say_all(&self.detail)
    }
}
