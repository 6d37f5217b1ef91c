//! Requests that end at the gateway, and what their clients are told.

mod answer;

use std::error::Error;
use std::io;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderValue;

use crate::policy::{Ambiguous, TooMany};
use crate::server::Violation;
use crate::session::{AuthError, Presented};
use crate::web::{BodyFault, HostError, PathError};

/// A request that goes no further.
///
/// `Display` and `source()` are for the log. The client gets a status, a fixed text and a
/// stable code, and nothing of the cause.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// No `Host`, several, or one that is none.
    #[error("unusable host")]
    BadHost(#[source] Option<HostError>),
    /// The host of the request target and the `Host` field differ.
    #[error("request target and host field disagree")]
    HostMismatch,
    /// Who asks for a second opinion is no trusted peer.
    #[error("asked by a peer that is not in `trust`")]
    UntrustedProxy,
    /// Nobody can tell what a proxy asks about.
    #[error("question of a proxy not understood")]
    BadQuestion(#[source] Box<dyn Error + Send + Sync>),
    /// A host that this gateway does not serve.
    #[error("host not served here")]
    Misdirected,
    /// A credential at a listener that only redirects.
    #[error("credential sent in clear")]
    InClear,
    /// A message whose length has two readings, or a transfer coding we do not speak.
    #[error("ambiguous framing")]
    BadFraming,
    /// Bytes that are no request.
    #[error(transparent)]
    Malformed(#[from] Violation),
    /// A header field that reads differently in another version of HTTP.
    #[error("unusable header field")]
    BadField,
    /// More header fields than the limit.
    #[error("too many header fields")]
    TooManyFields,
    /// A request target in a form that is not for us.
    #[error("request target in an unusable form")]
    BadTarget,
    /// A longer target than the limit.
    #[error("request target too long")]
    TargetTooLong,
    /// A path that no server should be sent.
    #[error("unusable path")]
    BadPath(#[from] PathError),
    /// A path that leads elsewhere when it is read otherwise.
    #[error("ambiguous path")]
    AmbiguousPath(#[from] Ambiguous),
    /// `CONNECT`: this is no tunnel.
    #[error("CONNECT")]
    Connect,
    /// `TRACE` would send the credentials back.
    #[error("TRACE")]
    Trace,
    /// An expectation other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// No route.
    #[error("no route")]
    NoRoute,
    /// A route, but not for this method.
    #[error("no route for this method")]
    MethodNotAllowed(HeaderValue),
    /// The route takes no requests from the client's address.
    #[error("address may not use this route")]
    AddressForbidden,
    /// The route needs a caller and the request names none.
    #[error("no credentials")]
    NoCredentials,
    /// The credential is no good.
    #[error(transparent)]
    Refused(#[from] RefusedCredential),
    /// The certificate that the connection has shown is good no more.
    #[error("client certificate ended, or no longer believed")]
    Certificate,
    /// Several tickets, or one beside an `Authorization`.
    #[error("more than one credential")]
    AmbiguousTicket,
    /// Several cookies of ours, or one beside an `Authorization`.
    #[error("session cookie beside another credential")]
    AmbiguousCookie,
    /// A page of somebody else's has a browser act for whoever uses it.
    #[error("browser sent here by a page of another origin")]
    CrossSite,
    /// The caller is known and may not.
    #[error("caller may not use this route")]
    Forbidden,
    /// The route asks for a login no longer ago than this.
    #[error("login longer than {0:?} ago, or nobody knows when")]
    StaleLogin(Duration),
    /// The caller is known, and would be let through had it shown a second factor.
    #[error("no second factor shown")]
    NeedsFactor,
    /// A `WebSocket` handshake in a version other than 13.
    #[error("WebSocket version other than 13")]
    WebSocketVersion,
    /// The route was used too often.
    #[error(transparent)]
    Throttled(Box<TooMany>),
    /// The request body ended early.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// The upstream is a folder and has no such file. With a cause, there may be one that the
    /// gateway may not read.
    #[error("no such file")]
    NoFile(#[source] Option<io::Error>),
    /// More is under way than the gateway takes at once, or memory is nearly full.
    #[error("gateway at its limit of requests, or of memory")]
    Overloaded,
    /// The machine gives the gateway no file, or no memory, for a connection to a server.
    #[error("no file descriptor or memory for a connection to the upstream")]
    OutOfFiles(#[source] Box<dyn Error + Send + Sync>),
    /// As many requests as the upstream may have are under way, and as many as may wait do.
    #[error("upstream at its limit of requests")]
    UpstreamFull,
    /// No server of the upstream is well.
    #[error("every server of the upstream fails its health checks")]
    UpstreamDown,
    /// No server of the upstream could be connected to.
    #[error("no server of the upstream reachable")]
    UpstreamUnreachable(#[source] Option<Box<dyn Error + Send + Sync>>),
    /// The upstream broke off, or answered something that is no HTTP.
    #[error("upstream failed before its response")]
    UpstreamFailed(#[source] Box<dyn Error + Send + Sync>),
    /// The upstream wants to speak another protocol, which nobody asked for, or opens a
    /// `WebSocket` without proof that it understood the handshake.
    #[error("upstream switched protocols unasked")]
    UpstreamSwitched,
    /// No connection, or no response head, in time.
    #[error("upstream silent for {0:?}")]
    UpstreamTimeout(Duration),
}

/// A refused credential, with how its refusal reads.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RefusedCredential {
    /// Why.
    #[source]
    pub error: AuthError,
    /// Where it was presented.
    pub presented: Presented,
}

const NO_CREDENTIALS: &str = "Authentication credentials were not provided.";
const HOST: &str = "The Host header is missing or unusable.";
const TWO_HOSTS: &str = "Request target and Host disagree.";
const QUESTION: &str = "The question is not understood.";
const LENGTH: &str = "The length of the request is ambiguous.";
const FIELDS: &str = "Too many header fields.";
const BUSY: &str = "The service is busy, try again later.";
const VERSION: &str = "Only version 13 of the WebSocket protocol is spoken here.";
const CLEAR: &str = "Credentials are taken over TLS only; this one was sent in clear.";
const TRACE: &str = "Method \"TRACE\" not allowed.";
const STEP_UP: &str = "A more recent login is required.";
const FACTOR: &str = "A second factor is required.";
const ONE_TICKET: &str = "There must be one ticket, and no Authorization header beside it.";
const ONE_COOKIE: &str = "There must be one session cookie, and no Authorization header beside it.";
const CROSS_SITE: &str = "The request comes from a page of another site.";
const CERTIFICATE: &str =
    "The certificate of this connection is not valid any more; connect again.";
const FORBIDDEN: &str = "You do not have permission to perform this action.";

impl Rejection {
    /// Status, code and text of each rejection. No `_` arm: a new variant does not compile until
    /// somebody decides what the client learns.
    pub fn class(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadHost(_) => (S::BAD_REQUEST, "bad_host", HOST),
            Self::HostMismatch => (S::BAD_REQUEST, "host_mismatch", TWO_HOSTS),
            Self::UntrustedProxy => (S::FORBIDDEN, "untrusted_proxy", FORBIDDEN),
            Self::BadQuestion(_) => (S::BAD_REQUEST, "bad_question", QUESTION),
            Self::Misdirected => {
                (S::MISDIRECTED_REQUEST, "misdirected", "This host is not served here.")
            }
            Self::InClear => (S::FORBIDDEN, "in_clear", CLEAR),
            Self::BadFraming => (S::BAD_REQUEST, "bad_framing", LENGTH),
            Self::Malformed(violation) => malformed(*violation),
            Self::BadField => (S::BAD_REQUEST, "bad_field", "A header field is unusable."),
            Self::TooManyFields => (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_many_fields", FIELDS),
            Self::BadTarget => (S::BAD_REQUEST, "bad_target", "The request target is unusable."),
            Self::TargetTooLong => {
                (S::URI_TOO_LONG, "target_too_long", "The request target is too long.")
            }
            Self::BadPath(_) => (S::BAD_REQUEST, "bad_path", "The path is unusable."),
            Self::AmbiguousPath(_) => (S::BAD_REQUEST, "ambiguous_path", "The path is ambiguous."),
            Self::Connect => (S::NOT_IMPLEMENTED, "connect", "CONNECT is not supported."),
            Self::Trace => (S::METHOD_NOT_ALLOWED, "method_not_allowed", TRACE),
            Self::Expectation => (S::EXPECTATION_FAILED, "expectation", "Unknown expectation."),
            Self::NoRoute => (S::NOT_FOUND, "no_route", "Not found."),
            Self::MethodNotAllowed(_) => {
                (S::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed.")
            }
            Self::NoCredentials => (S::UNAUTHORIZED, "no_credentials", NO_CREDENTIALS),
            Self::Refused(refused) => {
                (refused.error.status(), refused.error.code(), "Credential refused.")
            }
            Self::Certificate => (S::UNAUTHORIZED, "certificate_not_valid", CERTIFICATE),
            Self::AmbiguousTicket => (S::BAD_REQUEST, "ambiguous_ticket", ONE_TICKET),
            Self::AmbiguousCookie => (S::BAD_REQUEST, "ambiguous_cookie", ONE_COOKIE),
            Self::CrossSite => (S::FORBIDDEN, "cross_site", CROSS_SITE),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", FORBIDDEN),
            Self::AddressForbidden => (S::FORBIDDEN, "forbidden_address", FORBIDDEN),
            Self::StaleLogin(_) => (S::UNAUTHORIZED, "insufficient_user_authentication", STEP_UP),
            Self::NeedsFactor => (S::UNAUTHORIZED, "insufficient_user_authentication", FACTOR),
            Self::WebSocketVersion => (S::UPGRADE_REQUIRED, "websocket_version", VERSION),
            Self::Throttled(_) => {
                (S::TOO_MANY_REQUESTS, "throttled", "Too many requests, try again later.")
            }
            Self::Body(fault) => broken_off(*fault),
            Self::NoFile(_) => (S::NOT_FOUND, "no_file", "Not found."),
            Self::Overloaded | Self::OutOfFiles(_) => (S::SERVICE_UNAVAILABLE, "overloaded", BUSY),
            Self::UpstreamFull => (S::SERVICE_UNAVAILABLE, "upstream_full", BUSY),
            Self::UpstreamDown => {
                (S::SERVICE_UNAVAILABLE, "upstream_down", "The service is down, try again later.")
            }
            Self::UpstreamUnreachable(_) => {
                (S::BAD_GATEWAY, "upstream_unreachable", "The service is unreachable.")
            }
            Self::UpstreamFailed(_) | Self::UpstreamSwitched => {
                (S::BAD_GATEWAY, "upstream_failed", "The service failed.")
            }
            Self::UpstreamTimeout(_) => {
                (S::GATEWAY_TIMEOUT, "upstream_timeout", "The service did not answer in time.")
            }
        }
    }

    /// The stable code, for logs and metrics.
    pub fn code(&self) -> &'static str {
        self.class().1
    }
}

/// [`Rejection::class`] of bytes that are no request.
const fn malformed(violation: Violation) -> (StatusCode, &'static str, &'static str) {
    use {StatusCode as S, Violation as V};
    match violation {
        V::ContentLength | V::TransferEncoding | V::TwoLengths => {
            (S::BAD_REQUEST, "bad_framing", LENGTH)
        }
        V::TargetTooLong => (S::URI_TOO_LONG, "target_too_long", "The request target is too long."),
        V::Target => (S::BAD_REQUEST, "bad_target", "The request target is unusable."),
        V::HeadTooLarge => {
            (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", "The request head is too large.")
        }
        V::TooManyFields => {
            (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_many_fields", "Too many header fields.")
        }
        V::LineEnd
        | V::Control
        | V::RequestLine
        | V::Version
        | V::FieldName
        | V::Folded
        | V::ChunkSize
        | V::ChunkEnd
        | V::ChunkOverhead => (S::BAD_REQUEST, "malformed", "The request is malformed."),
    }
}

/// [`Rejection::class`] of a body that ended early.
const fn broken_off(fault: BodyFault) -> (StatusCode, &'static str, &'static str) {
    use StatusCode as S;
    match fault {
        BodyFault::TooLarge => {
            (S::PAYLOAD_TOO_LARGE, "body_too_large", "The request body is too large.")
        }
        BodyFault::TooSlow => {
            (S::REQUEST_TIMEOUT, "body_too_slow", "The request body came too slowly.")
        }
        BodyFault::Broken => {
            (S::BAD_REQUEST, "body_incomplete", "The request body is incomplete or malformed.")
        }
    }
}
