//! What a handler makes of a request.

use std::error::Error;

use http::StatusCode;
use http::header::HeaderValue;
use serde_json::Value;

use super::Answer;

/// What is shown, or where the browser goes.
pub(super) enum Outcome {
    /// A page.
    Page(Box<View>),
    /// Another page (303): what was sent is not sent again by going back.
    Go {
        /// A path of this origin, with a query as need be.
        to: String,
        /// What becomes of the session.
        session: Session,
        /// A cookie that an endpoint sets.
        cookie: Option<HeaderValue>,
    },
}

/// What becomes of the session that the browser holds.
#[derive(Default)]
pub(super) enum Session {
    /// It goes on.
    #[default]
    Unchanged,
    /// This cookie is another.
    Set(HeaderValue),
    /// It is over.
    Clear,
}

/// A page before it is rendered.
pub(super) struct View {
    pub(super) status: StatusCode,
    /// Which template.
    pub(super) template: &'static str,
    /// In English.
    pub(super) title: &'static str,
    /// What the template is filled with.
    pub(super) data: Value,
    /// The frame of the site that it is a page of, filled.
    pub(super) within: Option<Value>,
    pub(super) retry_after: Option<HeaderValue>,
    /// Where the browser goes from there by itself.
    pub(super) refresh: Option<HeaderValue>,
    /// What becomes of the session.
    pub(super) session: Session,
    /// A cookie that an endpoint sets.
    pub(super) cookie: Option<HeaderValue>,
    pub(super) code: Option<&'static str>,
    pub(super) error: Option<Box<dyn Error + Send + Sync>>,
}

impl Outcome {
    /// The browser goes there, and nothing else changes.
    pub(super) const fn go(to: String) -> Self {
        Self::Go { to, session: Session::Unchanged, cookie: None }
    }
}

impl From<View> for Outcome {
    fn from(view: View) -> Self {
        Self::Page(Box::new(view))
    }
}

impl View {
    /// A page as it should be.
    pub(super) const fn good(template: &'static str, title: &'static str, data: Value) -> Self {
        let status = StatusCode::OK;
        Self {
            status,
            template,
            title,
            data,
            within: None,
            retry_after: None,
            refresh: None,
            session: Session::Unchanged,
            cookie: None,
            code: None,
            error: None,
        }
    }

    /// The same, of an endpoint that refused.
    pub(super) fn refused(self, answer: Answer) -> Self {
        let Answer { status, retry_after, code, error, .. } = answer;
        // Who fills in a form has no credential to add: a 401 would ask the browser for one.
        let is_asking = status == StatusCode::UNAUTHORIZED;
        let status = if is_asking { StatusCode::BAD_REQUEST } else { status };
        Self { status, retry_after, code, error, ..self }
    }
}
