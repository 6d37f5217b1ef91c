//! What pages ask the auth endpoints, and what they hear.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::header::HeaderValue;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::session::Authenticated;

/// An answer on its way.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Answer> + Send + 'a>>;

/// Where the auth endpoints are asked.
pub trait Desk: Sync {
    /// Asks as the browser at hand: from its address, with its device. Every outcome is an
    /// answer.
    fn ask<'a>(&'a self, question: Question<'a>) -> Asked<'a>;
}

/// A call of an auth endpoint. `Debug` does not show its fields: passwords are among them.
pub struct Question<'a> {
    /// The method.
    pub method: Method,
    /// The endpoint, below the prefix and without slashes at its ends: `token`.
    pub endpoint: &'a str,
    /// The body: an object.
    pub fields: Value,
    /// For whom; `None` is nobody in particular.
    pub caller: Option<Arc<Authenticated>>,
}

/// What an endpoint said. `Debug` does not show the body: tokens are in it.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; `Null` where there is none.
    pub body: Value,
    /// A cookie that the endpoint sets, such as that of a device.
    pub cookie: Option<HeaderValue>,
    /// When it is worth asking again.
    pub retry_after: Option<HeaderValue>,
    /// The stable code of a refusal.
    pub code: Option<&'static str>,
    /// Why it was refused. For the log.
    pub error: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Debug for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, endpoint, .. } = self;
        let mut shown = f.debug_struct("Question");
        shown.field("method", method).field("endpoint", endpoint).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, code, .. } = self;
        f.debug_struct("Answer").field("status", status).field("code", code).finish_non_exhaustive()
    }
}

impl Answer {
    /// The list that the body is; `None` if it is something else, as a refusal's is.
    pub(super) fn list(&mut self) -> Option<Vec<Value>> {
        self.body.as_array_mut().map(std::mem::take)
    }

    /// The texts of a list of the body.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        let list = self.body.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// A text of the body; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.body.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}
