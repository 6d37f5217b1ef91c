//! Why a call is refused, and what the client is told.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::factor_error::FactorError;
use crate::limit::Exceeded;
use crate::password::PasswordError;
use crate::session::{AccountError, Answer, AuthError, Presented};
use crate::web::BodyFault;

/// RFC 9470 section 3.
const STALE_LOGIN: &str = "insufficient_user_authentication";

/// Django's words.
const OLD_PASSWORD: &str = "Your old password was entered incorrectly. Please enter it again.";

/// What is wrong with which field, in the order in which it is told.
pub(super) type Faults = Vec<(&'static str, Vec<String>)>;

/// A call that ends without what it asked for.
///
/// `Display` and `source()` are for the log; the client gets [`answer`](Self::answer), which
/// is made of fixed texts and of what the client itself sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndpointError {
    /// There is no such endpoint.
    #[error("no such endpoint")]
    NotFound,
    /// The client takes no JSON.
    #[error("client takes no JSON")]
    NotAcceptable,
    /// The endpoint is for users, and the call names none.
    #[error("no credentials")]
    NoCredentials,
    /// A token or key is not good, or could not be judged.
    #[error("credential refused")]
    Auth {
        /// Why.
        #[source]
        error: AuthError,
        /// Where it stood.
        presented: Presented,
    },
    /// The credential is good, but no session stands behind it.
    #[error("credential without a session")]
    NoSession,
    /// The credential is a key that a user made, and this is for the person.
    #[error("not for an API key")]
    KeyMayNot,
    /// The caller's login is longer ago than that, or nobody knows when it was.
    #[error("no login within {0:?}")]
    StaleLogin(Duration),
    /// The caller may have so many API keys, and has.
    #[error("{0} API keys are there already")]
    TooManyKeys(usize),
    /// Nobody may register.
    #[error("registration is closed")]
    Closed,
    /// It takes mail, and none is sent here.
    #[error("no mail is configured")]
    NoMail,
    /// It takes a name that browsers have passkeys for, and there is none here.
    #[error("no relying party is configured")]
    NoRelyingParty,
    /// Too many of these; the next may come after this long.
    #[error("throttled for {0:?}")]
    Throttled(Duration),
    /// The endpoint does not do that.
    #[error("method not allowed")]
    Method(Method),
    /// No parser for a body of that kind.
    #[error("unsupported media type")]
    MediaType(String),
    /// Bodies are read as they are, never unpacked.
    #[error("unsupported content coding")]
    Coding(String),
    /// The body did not arrive.
    #[error("body not received")]
    Body(#[from] BodyFault),
    /// The body is not what its type says. The text is for the client.
    #[error("malformed body")]
    Syntax(String),
    /// The body is JSON, but no object of fields. The text is for the client.
    #[error("body is no object")]
    NoFields(String),
    /// Fields are missing or wrong.
    #[error("{} of the fields refused", .0.len())]
    Fields(Faults),
    /// Name and password do not let anybody in.
    #[error("login refused")]
    Login(LoginRefusal),
    /// It is about a second factor.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// The caller does not know its own password.
    #[error("old password refused")]
    OldPassword,
    /// A password could not be hashed or checked.
    #[error("password not checked")]
    Password(#[source] PasswordError),
}

/// How a refused login reads; the reason is never told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LoginRefusal {
    /// The original's own view.
    Original,
    /// `SimpleJWT`'s views.
    SimpleJwt,
    /// DRF's `authtoken`.
    ApiToken,
}

impl EndpointError {
    /// The status and the stable code of each refusal. No `_` arm: a new variant does not
    /// compile until somebody decides what the client learns.
    pub(super) fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "not_acceptable"),
            Self::NoCredentials => (StatusCode::UNAUTHORIZED, "no_credentials"),
            Self::Auth { error, presented } => (error.answer(*presented).status, error.code()),
            Self::NoSession => (StatusCode::BAD_REQUEST, "no_session"),
            Self::KeyMayNot => (StatusCode::FORBIDDEN, "api_key_not_allowed"),
            Self::StaleLogin(_) => (StatusCode::UNAUTHORIZED, STALE_LOGIN),
            Self::TooManyKeys(_) => (StatusCode::BAD_REQUEST, "too_many_keys"),
            Self::Closed => (StatusCode::FORBIDDEN, "registration_closed"),
            Self::NoMail => (StatusCode::NOT_IMPLEMENTED, "mail_not_configured"),
            Self::NoRelyingParty => (StatusCode::NOT_IMPLEMENTED, "passkeys_not_configured"),
            Self::Throttled(_) => (StatusCode::TOO_MANY_REQUESTS, "throttled"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::MediaType(_) | Self::Coding(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::Body(BodyFault::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::Body(BodyFault::TooSlow) => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::Body(BodyFault::Broken) => (StatusCode::BAD_REQUEST, "body_incomplete"),
            Self::Syntax(_) => (StatusCode::BAD_REQUEST, "parse_error"),
            Self::NoFields(_) | Self::Fields(_) => (StatusCode::BAD_REQUEST, "invalid"),
            Self::Login(LoginRefusal::Original | LoginRefusal::ApiToken) => {
                (StatusCode::BAD_REQUEST, "login_refused")
            }
            Self::Login(LoginRefusal::SimpleJwt) => (StatusCode::UNAUTHORIZED, "login_refused"),
            Self::Factor(error) => error.class(),
            Self::OldPassword => (StatusCode::BAD_REQUEST, "login_refused"),
            Self::Password(PasswordError::Busy(_)) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::Password(PasswordError::Failed) => {
                (StatusCode::SERVICE_UNAVAILABLE, "hashing_failed")
            }
        }
    }

    /// What the client is told.
    pub(super) fn answer(&self) -> Answer {
        let body = match self {
            Self::NotFound => detail("Not found."),
            Self::NotAcceptable => detail("Could not satisfy the request Accept header."),
            Self::NoCredentials => detail("Authentication credentials were not provided."),
            Self::Auth { error, presented } => return error.answer(*presented),
            Self::NoSession => detail("This credential has no session that could be ended."),
            Self::KeyMayNot => json!({
                "detail": "An API key may not do this. Log in instead.",
                "code": "api_key_not_allowed",
            }),
            Self::StaleLogin(_) => json!({
                "detail": "A more recent login is required.",
                "code": STALE_LOGIN,
            }),
            Self::TooManyKeys(most) => {
                non_field(&format!("You have {most} API keys already. Revoke one first."))
            }
            Self::Closed => detail("You do not have permission to perform this action."),
            Self::NoMail => json!({
                "detail": "This server sends no mail.",
                "code": "mail_not_configured",
            }),
            Self::NoRelyingParty => json!({
                "detail": "This server has no name that passkeys can be for.",
                "code": "passkeys_not_configured",
            }),
            Self::Throttled(wait) => detail(&match seconds(*wait) {
                1 => "Request was throttled. Expected available in 1 second.".to_owned(),
                wait => format!("Request was throttled. Expected available in {wait} seconds."),
            }),
            Self::Method(method) => detail(&format!("Method \"{method}\" not allowed.")),
            Self::MediaType(media) => {
                detail(&format!("Unsupported media type \"{media}\" in request."))
            }
            Self::Coding(coding) => {
                detail(&format!("Unsupported content encoding \"{coding}\" in request."))
            }
            Self::Body(BodyFault::TooLarge) => detail("Request body is too large."),
            Self::Body(BodyFault::TooSlow) => detail("Request body came too slowly."),
            Self::Body(BodyFault::Broken) => detail("Malformed request."),
            Self::Syntax(text) => detail(text),
            Self::NoFields(text) => non_field(text),
            Self::Fields(faults) => faults
                .iter()
                .map(|(name, texts)| ((*name).to_owned(), json!(texts)))
                .collect::<Map<_, _>>()
                .into(),
            Self::Login(LoginRefusal::Original) => non_field("Invalid credentials"),
            Self::Login(LoginRefusal::ApiToken) => {
                non_field("Unable to log in with provided credentials.")
            }
            Self::Login(LoginRefusal::SimpleJwt) => {
                detail("No active account found with the given credentials")
            }
            Self::Factor(error) => error.body(),
            Self::OldPassword => json!({ "old_password": [OLD_PASSWORD] }),
            Self::Password(_) => Answer::unavailable().body,
        };
        Answer { status: self.class().0, body, retry_after: self.retry_after() }
    }

    /// What a 401 asks for.
    pub(super) fn challenge(&self) -> HeaderValue {
        const PLAIN: HeaderValue = HeaderValue::from_static(r#"Bearer realm="api""#);
        let Self::StaleLogin(within) = self else { return PLAIN };
        let seconds = within.as_secs();
        let told = format!(r#"Bearer realm="api", error="{STALE_LOGIN}", max_age={seconds}"#);
        HeaderValue::try_from(told).unwrap_or(PLAIN)
    }

    /// When it is worth trying again.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled(wait) | Self::Password(PasswordError::Busy(wait)) => Some(*wait),
            Self::Password(PasswordError::Failed) => Answer::unavailable().retry_after,
            Self::Auth { error, presented } => error.answer(*presented).retry_after,
            Self::NotFound
            | Self::NotAcceptable
            | Self::NoCredentials
            | Self::Closed
            | Self::NoMail
            | Self::NoRelyingParty
            | Self::Method(_)
            | Self::MediaType(_)
            | Self::Coding(_)
            | Self::Body(_)
            | Self::Syntax(_)
            | Self::NoFields(_)
            | Self::Fields(_)
            | Self::Login(_)
            | Self::NoSession
            | Self::KeyMayNot
            | Self::StaleLogin(_)
            | Self::TooManyKeys(_)
            | Self::Factor(_)
            | Self::OldPassword => None,
        }
    }
}

/// Refused where a token stood in the body.
impl From<AuthError> for EndpointError {
    fn from(error: AuthError) -> Self {
        Self::Auth { error, presented: Presented::Body }
    }
}

impl From<AccountError> for EndpointError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Store(error) => AuthError::Store(error).into(),
            AccountError::Password(error) => Self::Password(error),
        }
    }
}

impl From<Exceeded> for EndpointError {
    fn from(Exceeded(wait): Exceeded) -> Self {
        Self::Throttled(wait)
    }
}

/// Whole seconds, rounded up: a client that obeys is not refused again.
pub(super) fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn detail(text: &str) -> Value {
    json!({ "detail": text })
}

fn non_field(text: &str) -> Value {
    json!({ "non_field_errors": [text] })
}
