//! A request for a page, and what its handler knows of it.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response};
use serde_json::{Value, json};

use super::form::Form;
use super::language::Language;
use super::outcome::Session;
use super::settings::PagesSettings;
use super::{Answer, Desk, Office, Question};
use crate::session::{Authenticated, Sessions};
use crate::web::{Body, RequestBody};

/// A request for a page. `Debug` shows neither its query nor its cookies.
pub struct Visited<'a> {
    /// Its head.
    pub parts: &'a Parts,
    /// Its canonical path.
    pub path: &'a str,
    /// The address of the client.
    pub client: IpAddr,
    /// Its body, not read yet.
    pub body: RequestBody,
}

/// A page, and what the access log wants to know about it. `Debug` does not show the page.
pub struct Shown {
    /// For the browser.
    pub response: Response<Body>,
    /// What the page is called in [`Pages::names`](super::Pages::names); `None` where there is
    /// none.
    pub page: Option<&'static str>,
    /// Who looks.
    pub caller: Option<Arc<Authenticated>>,
    /// The stable code of a refusal.
    pub code: Option<&'static str>,
    /// Why it was refused. For the log.
    pub error: Option<Box<dyn Error + Send + Sync>>,
}

/// What a handler has at hand.
pub(super) struct Context<'a> {
    pub(super) settings: &'a PagesSettings,
    pub(super) sessions: &'a Sessions,
    pub(super) desk: &'a dyn Desk,
    pub(super) office: &'a dyn Office,
    /// The query.
    pub(super) query: Form,
    /// Who looks, if somebody is signed in.
    pub(super) caller: Option<Arc<Authenticated>>,
    pub(super) language: &'a Language,
}

impl fmt::Debug for Visited<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Visited").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { page, code, .. } = self;
        f.debug_struct("Shown").field("page", page).field("code", code).finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// Asks an endpoint for whoever looks.
    pub(super) async fn ask(&self, method: Method, endpoint: &str, fields: Value) -> Answer {
        let caller = self.caller.clone();
        self.desk.ask(Question { method, endpoint, fields, caller }).await
    }

    /// Asks an endpoint for nobody in particular.
    pub(super) async fn ask_as_nobody(&self, endpoint: &str, fields: Value) -> Answer {
        let method = Method::POST;
        self.desk.ask(Question { method, endpoint, fields, caller: None }).await
    }

    /// Has the browser hold the session of a refresh token. The one that it held before is over:
    /// whoever planted it is left with nothing.
    pub(super) async fn sign_in(&self, answer: &Answer) -> Session {
        let held = self.hold(answer);
        if matches!(held, Session::Set(_)) {
            self.leave().await;
        }
        held
    }

    /// The same where the endpoint ended the session before.
    pub(super) fn hold(&self, answer: &Answer) -> Session {
        let cookie = self.sessions.hold(self.settings.cookie, answer.text("refresh"));
        cookie.map_or(Session::Unchanged, Session::Set)
    }

    /// Ends the session that the browser held, if it did.
    pub(super) async fn leave(&self) {
        if self.caller.is_none() {
            return;
        }
        let ended = self.ask(Method::POST, "logout", json!({})).await;
        if !ended.status.is_success() {
            // It had ended; or it ends by itself, and is not this browser's any more.
            tracing::debug!(status = %ended.status, "an earlier session was not ended");
        }
    }

    /// The path of a page of ours.
    pub(super) fn page(&self, below: &str) -> String {
        let prefix = &self.settings.prefix;
        if below.is_empty() { format!("{prefix}/") } else { format!("{prefix}/{below}/") }
    }
}
