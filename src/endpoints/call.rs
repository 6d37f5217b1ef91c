//! What the endpoints are asked and what they answer, without a connection.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Response};

use crate::session::Authenticated;
use crate::web::{Body, RequestBody};

/// A request to the endpoints.
pub struct Call<'a> {
    /// Its method, known or not.
    pub method: &'a Method,
    /// The host that it is for, as routes name it; empty if it names none.
    pub host: &'a str,
    /// Its canonical path; the query is nobody's business here.
    pub path: &'a str,
    /// Its header.
    pub headers: &'a HeaderMap,
    /// Who sent it, behind trusted proxies.
    pub client: IpAddr,
    /// Who calls, if that is known already: the header is not looked at then.
    pub caller: Option<Arc<Authenticated>>,
    /// Its body, not read yet. It may be refused unread: the connection has to cope.
    pub body: RequestBody,
}

/// An answer, and what the access log wants to know about it.
#[derive(Debug)]
pub struct Reply {
    /// For the client. A `HEAD` has the body of its `GET`: whoever sends it leaves it out.
    pub response: Response<Body>,
    /// The stable code of a refusal.
    pub code: Option<&'static str>,
    /// What the endpoint is called in [`Endpoints::paths`](super::Endpoints::paths); `None` where
    /// there is none.
    pub endpoint: Option<&'static str>,
    /// The id of the user who was let in or made, or who called.
    pub user: Option<String>,
    /// The number of the API key that was shown.
    pub key: Option<u64>,
    /// Why it was refused, with its causes. For the log, never for the client.
    pub error: Option<Box<dyn Error + Send + Sync>>,
}

/// By what it is known who calls.
#[derive(Clone, Copy)]
pub(super) struct Credential<'a> {
    pub(super) caller: Option<&'a Arc<Authenticated>>,
    pub(super) headers: &'a HeaderMap,
}

impl Call<'_> {
    pub(super) const fn credential(&self) -> Credential<'_> {
        Credential { caller: self.caller.as_ref(), headers: self.headers }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}
