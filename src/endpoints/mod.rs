//! The auth endpoints: register, log in, renew, look at oneself.
//!
//! `TABLE` is the whole of them. A new endpoint is a file with a `handle` and one row here for
//! each method, which has to say who may call it and what limits it.
//!
//! Every call takes the same way, and each step may be its end: path (404), `Accept` (406),
//! credentials (401), permission (403), throttle (429), method (405), media type (415), body
//! (413, 408), fields (400). Statuses, texts and bodies are those of the project that the
//! gateway takes over from, because its clients compare them.

mod api_token;
mod blacklist;
mod call;
mod device;
mod error;
mod fields;
mod jwks;
mod login;
mod logout;
mod negotiate;
mod number;
mod options;
mod parse;
mod password_change;
mod profile;
mod refresh;
mod register;
mod reply;
mod resource;
mod serve;
mod sessions;
mod settings;
mod sliding;
mod throttle;
mod ticket;
mod token;
mod verify;

use std::future::ready;
use std::pin::Pin;

use http::Method;

use error::EndpointError;
use fields::{Field, Rule};
use reply::Outcome;
use serve::Request;
use throttle::Limited;

pub use call::{Call, Reply};
pub use serve::Endpoints;
pub use settings::{EndpointSettings, LoginFailure, Registration};

/// One method of one endpoint.
struct Row {
    /// Below the prefix, without slashes at its ends; `{id}` at its end is any one segment. The
    /// rows of a path stand together, and the first of them receives who asks for no method of
    /// it.
    path: &'static str,
    /// As `OPTIONS` tells it.
    name: &'static str,
    /// `GET` is `HEAD` as well; `OPTIONS` is answered everywhere.
    method: Method,
    caller: Caller,
    served: Served,
    limited: Limited,
    /// The only fields that are looked at, in the order in which faults are told.
    fields: &'static [Field],
    handler: Handler,
}

type Handled<'a> = Pin<Box<dyn Future<Output = Result<Outcome, EndpointError>> + Send + 'a>>;
type Handler = for<'a> fn(&'a Endpoints, Request) -> Handled<'a>;

/// Whose call is answered.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Caller {
    /// Anybody's. `Authorization` is not looked at: a stale one may not shut the door at which
    /// a new one is had.
    Anybody,
    /// That of a user of our own store.
    User,
    /// That of whoever shows a good credential.
    Known,
    /// That of a user of our own store who shows a good credential, in the header or in the body:
    /// which one counts is for the handler to say.
    Either,
}

/// When an endpoint is there.
#[derive(Clone, Copy)]
enum Served {
    Always,
    WithSlidingTokens,
    WhileRegistrationIsOpen,
}

const ACCESS: Field = Field::new("access", "Access", Rule::Answered);
const USERNAME: Field = Field::new("username", "Username", Rule::Text);
const PASSWORD: Field = Field::new("password", "Password", Rule::Text);
const REFRESH: Field = Field::new("refresh", "Refresh", Rule::Text);
const TICKET: Field = Field::new("ticket", "Ticket", Rule::Answered);
const TOKEN: Field = Field::new("token", "Token", Rule::Text);

static TABLE: [Row; 15] = [
    Row {
        path: "register",
        name: "Register",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WhileRegistrationIsOpen,
        limited: Limited::Registrations,
        fields: &[
            Field::new("username", "Username", Rule::Username),
            Field::new("password", "Password", Rule::NewPassword),
            Field::new("email", "Email address", Rule::Email).optional(),
        ],
        handler: |cx, request| Box::pin(register::handle(cx, request)),
    },
    Row {
        path: "token",
        name: "Token Obtain Pair",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[USERNAME, PASSWORD],
        handler: |cx, request| Box::pin(token::handle(cx, request)),
    },
    Row {
        path: "token/refresh",
        name: "Token Refresh",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH, ACCESS],
        handler: |cx, request| Box::pin(refresh::handle(cx, request)),
    },
    Row {
        path: "token/verify",
        name: "Token Verify",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[TOKEN],
        handler: |cx, request| Box::pin(verify::handle(cx, request)),
    },
    Row {
        path: "token/blacklist",
        name: "Token Blacklist",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH],
        handler: |cx, request| Box::pin(blacklist::handle(cx, request)),
    },
    Row {
        path: "logout",
        name: "Logout",
        method: Method::POST,
        caller: Caller::Either,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH.optional()],
        handler: |cx, request| Box::pin(logout::handle(cx, request)),
    },
    Row {
        path: "logout/all",
        name: "Logout All",
        method: Method::POST,
        caller: Caller::User,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        handler: |cx, request| Box::pin(logout::everywhere(cx, request)),
    },
    Row {
        path: "sessions",
        name: "Session List",
        method: Method::GET,
        caller: Caller::User,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        handler: |cx, request| Box::pin(sessions::list(cx, request)),
    },
    Row {
        path: "sessions/{id}",
        name: "Session",
        method: Method::DELETE,
        caller: Caller::User,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        handler: |cx, request| Box::pin(sessions::end(cx, request)),
    },
    Row {
        path: "password/change",
        name: "Password Change",
        method: Method::POST,
        caller: Caller::User,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[
            Field::new("old_password", "Old password", Rule::Text),
            Field::new("new_password", "New password", Rule::NewPassword),
            ACCESS,
            Field::new("refresh", "Refresh", Rule::Answered),
        ],
        handler: |cx, request| Box::pin(password_change::handle(cx, request)),
    },
    Row {
        path: "profile",
        name: "User Profile",
        method: Method::GET,
        caller: Caller::User,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        handler: |_, request| Box::pin(ready(profile::handle(request))),
    },
    Row {
        path: "ticket",
        name: "Ticket",
        method: Method::POST,
        caller: Caller::Known,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[Field::new("path", "Path", Rule::Text), TICKET],
        handler: |cx, request| Box::pin(ready(ticket::handle(cx, request))),
    },
    Row {
        path: "api-token-auth",
        name: "Obtain Auth Token",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[
            USERNAME,
            Field::new("password", "Password", Rule::Untrimmed),
            Field::new("token", "Token", Rule::Answered),
        ],
        handler: |cx, request| Box::pin(api_token::handle(cx, request)),
    },
    Row {
        path: "token/sliding",
        name: "Token Obtain Sliding",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithSlidingTokens,
        limited: Limited::FailedLogins,
        fields: &[USERNAME, PASSWORD],
        handler: |cx, request| Box::pin(sliding::obtain(cx, request)),
    },
    Row {
        path: "token/sliding/refresh",
        name: "Token Refresh Sliding",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithSlidingTokens,
        limited: Limited::ByNothing,
        fields: &[TOKEN],
        handler: |cx, request| Box::pin(sliding::refresh(cx, request)),
    },
];

#[cfg(test)]
mod tests;
