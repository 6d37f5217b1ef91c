//! What the admin site has operators' commands carried out by, and what it hears.

use std::pin::Pin;

use http::StatusCode;
use serde_json::Value;

use crate::identity::UserId;

/// A command under way.
pub type Commanded<'a> = Pin<Box<dyn Future<Output = Result<Value, Denied>> + Send + 'a>>;

/// Who carries out what operators ask for.
pub trait Office: Sync {
    /// Carries out a command, written as at the admin socket, for that user and from the browser
    /// at hand. What comes back is a reply of the admin socket.
    fn command(&self, command: Value, user: UserId) -> Commanded<'_>;
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
}
