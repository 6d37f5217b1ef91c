//! The auth endpoints: register, log in, renew, look at oneself.
//!
//! [`TABLE`] is the whole of them. A new endpoint is a file with a `handle` and one row here,
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
mod settings;
mod sliding;
mod throttle;
mod token;
mod verify;

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use http::Method;

use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::session::{Accounts, Authenticated, Client, Sessions};
use crate::web::MessageLimits;
use error::EndpointError;
use fields::{Field, Form, Rule, Values};
use reply::Outcome;
use throttle::{Limited, Throttles};

pub use call::{Call, Reply};
pub use settings::{EndpointSettings, LoginFailure, Registration};

/// Where the public keys are, whatever the prefix (RFC 8615).
const JWKS_PATH: &str = "/.well-known/jwks.json";

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
const TOKEN: Field = Field::new("token", "Token", Rule::Text);

static TABLE: [Row; 9] = [
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

/// The auth endpoints, ready to answer.
#[derive(Debug)]
pub struct Endpoints {
    settings: EndpointSettings,
    sessions: Arc<Sessions>,
    accounts: Arc<Accounts>,
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    messages: MessageLimits,
    throttles: Throttles,
}

/// A call that has come as far as its handler.
struct Request {
    client: Client,
    sent: parse::Sent,
    row: &'static Row,
    caller: Option<Arc<Authenticated>>,
}

impl Endpoints {
    /// Endpoints on these foundations. The limiters begin empty.
    pub fn new(
        settings: EndpointSettings,
        sessions: Arc<Sessions>,
        accounts: Arc<Accounts>,
        keys: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        messages: MessageLimits,
    ) -> Self {
        let throttles = Throttles::new(&settings);
        Self { settings, sessions, accounts, keys, clock, messages, throttles }
    }

    /// Whether a canonical path is answered here: the prefix, all below it, and the key set.
    /// What is ours and unknown is 404, and never an upstream's.
    pub fn owns(&self, path: &str) -> bool {
        path == JWKS_PATH || self.below(path).is_some()
    }

    /// Answers a call whose path is [owned](Self::owns). Every outcome is a reply.
    ///
    /// A call that is dropped may have had its effect: an account made, a token rotated.
    pub async fn answer(&self, call: Call<'_>) -> Reply {
        if call.path == JWKS_PATH {
            return jwks::answer(self, call.method);
        }
        let Some(row) = self.row(call.path) else {
            return reply::refused(EndpointError::NotFound, None);
        };
        match self.serve(row, call).await {
            Ok(outcome) => reply::done(outcome, row.methods),
            Err(error) => reply::refused(error, Some(row.methods)),
        }
    }

    /// The steps before the method; what they took of a limit is given back where it did not
    /// count after all.
    async fn serve(&self, row: &'static Row, call: Call<'_>) -> Result<Outcome, EndpointError> {
        negotiate::accepts_json(call.headers)?;
        let caller = match row.caller {
            Caller::Anybody => None,
            Caller::User => Some(profile::caller(&self.sessions, call.headers).await?),
        };
        if matches!(row.served, Served::WhileRegistrationIsOpen)
            && self.settings.register == Registration::Closed
        {
            return Err(EndpointError::Closed);
        }
        let client = call.client;
        let counted = *call.method == Method::POST;
        if counted {
            self.throttles.take_by_address(row.limited, client, self.clock.now())?;
        }
        let result = self.run(row, call, caller).await;
        if counted && !row.limited.counts(&result) {
            self.throttles.give_back_by_address(row.limited, client);
        }
        result
    }

    async fn run(
        &self,
        row: &'static Row,
        call: Call<'_>,
        caller: Option<Arc<Authenticated>>,
    ) -> Result<Outcome, EndpointError> {
        let Call { method, headers, client, body, .. } = call;
        if !row.methods.allow(method) {
            return Err(EndpointError::Method(method.clone()));
        }
        if *method == Method::OPTIONS {
            return Ok(options::describe(row, self.accounts.passwords().longest()));
        }
        let sent = match row.methods {
            Methods::Get => parse::Sent::default(),
            Methods::Post => {
                parse::read(headers, body, self.messages.auth_body, row.fields).await?
            }
        };
        let device = headers.get(http::header::USER_AGENT);
        let device = device.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
        let client = Client {
            device: device.unwrap_or_default(),
            address: client.to_canonical().to_string(),
        };
        (row.handler)(self, Request { client, sent, row, caller }).await
    }

    /// The endpoint of a path, with or without one slash at its end.
    fn row(&self, path: &str) -> Option<&'static Row> {
        let below = self.below(path)?.strip_prefix('/')?;
        let below = below.strip_suffix('/').unwrap_or(below);
        TABLE.iter().find(|row| row.path == below).filter(|row| match row.served {
            Served::WithSlidingTokens => self.sessions.sliding(),
            Served::Always | Served::WhileRegistrationIsOpen => true,
        })
    }

    /// What follows the prefix, if the path is below it at a segment boundary.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(self.settings.prefix.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

impl Request {
    /// Each field, checked on its own.
    fn into_form(self, cx: &Endpoints) -> Form {
        Form::read(self.row, self.sent, cx.accounts.passwords().longest())
    }

    /// All fields, and who sent them.
    fn into_values(self, cx: &Endpoints) -> Result<(Values, Client), EndpointError> {
        let client = self.client.clone();
        Ok((self.into_form(cx).finish()?, client))
    }
}

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
