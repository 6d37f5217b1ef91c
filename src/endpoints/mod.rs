//! The auth endpoints: register, log in, renew, look at oneself.
//!
//! `TABLE` is the whole of them. A new endpoint is a file with a `handle` and one row here,
//! which has to say who may call it and what limits it.
//!
//! Every call takes the same way, and each step may be its end: path (404), `Accept` (406),
//! credentials (401), permission (403), throttle (429), method (405), media type (415), body
//! (413, 408), fields (400). Statuses, texts and bodies are those of the project that the
//! gateway takes over from, because its clients compare them.

mod api_token;
mod blacklist;
mod call;
mod error;
mod fields;
mod jwks;
mod login;
mod negotiate;
mod number;
mod options;
mod parse;
mod profile;
mod refresh;
mod register;
mod reply;
mod serve;
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

/// One endpoint.
struct Row {
    /// Below the prefix, without slashes at its ends.
    path: &'static str,
    /// As `OPTIONS` tells it.
    name: &'static str,
    methods: Methods,
    caller: Caller,
    served: Served,
    limited: Limited,
    /// The only fields that are looked at, in the order in which faults are told.
    fields: &'static [Field],
    handler: Handler,
}

type Handled<'a> = Pin<Box<dyn Future<Output = Result<Outcome, EndpointError>> + Send + 'a>>;
type Handler = for<'a> fn(&'a Endpoints, Request) -> Handled<'a>;

/// What an endpoint can be asked to do; `OPTIONS` everywhere.
#[derive(Clone, Copy)]
enum Methods {
    Get,
    Post,
}

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
}

/// When an endpoint is there.
#[derive(Clone, Copy)]
enum Served {
    Always,
    WithSlidingTokens,
    WhileRegistrationIsOpen,
}

const USERNAME: Field = Field::new("username", "Username", Rule::Text);
const PASSWORD: Field = Field::new("password", "Password", Rule::Text);
const REFRESH: Field = Field::new("refresh", "Refresh", Rule::Text);
const TICKET: Field = Field::new("ticket", "Ticket", Rule::Answered);
const TOKEN: Field = Field::new("token", "Token", Rule::Text);

static TABLE: [Row; 10] = [
    Row {
        path: "register",
        name: "Register",
        methods: Methods::Post,
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
        methods: Methods::Post,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[USERNAME, PASSWORD],
        handler: |cx, request| Box::pin(token::handle(cx, request)),
    },
    Row {
        path: "token/refresh",
        name: "Token Refresh",
        methods: Methods::Post,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH, Field::new("access", "Access", Rule::Answered)],
        handler: |cx, request| Box::pin(refresh::handle(cx, request)),
    },
    Row {
        path: "token/verify",
        name: "Token Verify",
        methods: Methods::Post,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[TOKEN],
        handler: |cx, request| Box::pin(verify::handle(cx, request)),
    },
    Row {
        path: "token/blacklist",
        name: "Token Blacklist",
        methods: Methods::Post,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH],
        handler: |cx, request| Box::pin(blacklist::handle(cx, request)),
    },
    Row {
        path: "profile",
        name: "User Profile",
        methods: Methods::Get,
        caller: Caller::User,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        handler: |_, request| Box::pin(ready(profile::handle(request))),
    },
    Row {
        path: "ticket",
        name: "Ticket",
        methods: Methods::Post,
        caller: Caller::Known,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[Field::new("path", "Path", Rule::Text), TICKET],
        handler: |cx, request| Box::pin(ready(ticket::handle(cx, request))),
    },
    Row {
        path: "api-token-auth",
        name: "Obtain Auth Token",
        methods: Methods::Post,
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
        methods: Methods::Post,
        caller: Caller::Anybody,
        served: Served::WithSlidingTokens,
        limited: Limited::FailedLogins,
        fields: &[USERNAME, PASSWORD],
        handler: |cx, request| Box::pin(sliding::obtain(cx, request)),
    },
    Row {
        path: "token/sliding/refresh",
        name: "Token Refresh Sliding",
        methods: Methods::Post,
        caller: Caller::Anybody,
        served: Served::WithSlidingTokens,
        limited: Limited::ByNothing,
        fields: &[TOKEN],
        handler: |cx, request| Box::pin(sliding::refresh(cx, request)),
    },
];

impl Methods {
    fn allow(self, method: &Method) -> bool {
        match self {
            Self::Get => [Method::GET, Method::HEAD, Method::OPTIONS].contains(method),
            Self::Post => [Method::POST, Method::OPTIONS].contains(method),
        }
    }

    /// As the `Allow` field has it.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD, OPTIONS",
            Self::Post => "POST, OPTIONS",
        }
    }
}

#[cfg(test)]
mod tests;
