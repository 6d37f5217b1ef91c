//! The auth endpoints: register, log in, renew, look at oneself.
//!
//! `table.rs` is the whole of them. A new endpoint is a file with a `handle` and one row there for
//! each method, which has to say who may call it, what limits it and what it gives.
//!
//! Every call takes the same way, and each step may be its end: path (404), `Accept` (406),
//! credentials (401), permission (403), throttle (429), method (405), media type (415), body
//! (413, 408), fields (400). Statuses, texts and bodies are those of the project that the
//! gateway takes over from, because its clients compare them.

mod about;
mod api_token;
mod blacklist;
mod call;
mod device;
mod email;
mod error;
mod factor_error;
mod factors;
mod fields;
mod given;
mod jwks;
mod keys;
mod login;
mod logout;
mod negotiate;
mod number;
mod openapi;
mod options;
mod parse;
mod passkeys;
mod password_change;
mod profile;
mod refresh;
mod register;
mod reply;
mod reset;
mod resource;
mod serve;
mod sessions;
mod settings;
mod sliding;
mod table;
mod throttle;
mod ticket;
mod token;
mod verify;

use std::pin::Pin;

use http::Method;

use error::EndpointError;
use fields::Field;
use given::Given;
use reply::Outcome;
use serve::Request;
use table::TABLE;
use throttle::Limited;

pub use about::{About, Switched};
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
    /// What it gives, for `openapi.json`.
    gives: Given,
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
    /// That of a user of our own store who has logged in: no key that a user made speaks for that.
    Person,
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
    WithUserKeys,
    WhileUsersEnrol,
    /// Where the policy has no name that browsers have passkeys for the answer says so (501).
    WithPasskeys,
    /// The same, while users may enrol.
    WhileUsersAddPasskeys,
    WhileRegistrationIsOpen,
    /// Where there is no mail the answer says so (501).
    WithMail,
}

#[cfg(test)]
mod tests;
