//! HTTP at the operator's door: `POST /v1/command` and `/v1/backup`, `GET /healthz`, `/readyz` and
//! `/metrics`; for services `GET /v1/feed` and `POST /v1/verdict`.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::feed;
use super::serve::READING;
use super::stream::{Parts, Patience};
use super::{BackupRequest, Command, Door, Refusal, RefusalKind, Reply, take_over};
use crate::secret::Secret;
use crate::token::Question;
use crate::web::Authorization;

/// Longest command, in bytes: a batch of users, with the sessions of the busiest.
const LONGEST: usize = 8 * 1024 * 1024;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

type Answer = Response<Either<Full<Bytes>, Parts>>;

/// What lets somebody in.
#[derive(Debug)]
pub(super) enum Pass {
    /// The kernel says that they run as we do, or as root.
    Owner,
    /// They have to show one of these with each request.
    Token {
        /// For everything.
        operator: Secret,
        /// For the feed and nothing else.
        service: Option<Secret>,
    },
}

/// As what somebody has been let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Operator,
    Service,
}

/// Answers one request. Over the network, whoever shows no token learns whether the gateway is
/// alive and ready, as whoever probes it has to, and nothing else.
pub(super) async fn answer(
    request: Request<Incoming>,
    door: &Arc<Door>,
    pass: &Pass,
    patience: Patience,
    closing: &CancellationToken,
) -> Answer {
    let path = request.uri().path();
    let role = match admit(request.headers(), pass) {
        Ok(role) => role,
        Err(refusal) => {
            return match (request.method(), path) {
                (&Method::GET, "/healthz") => json(StatusCode::OK, &json!({ "alive": true })),
                (&Method::GET, "/readyz") => {
                    let ready = is_ready(door);
                    json(readiness(ready), &json!({ "ready": ready }))
                }
                _ => refuse(&refusal),
            };
        }
    };
    match (request.method(), path) {
        (&Method::GET, feed::PATH) => match feed::follow(door, request.uri().query(), closing) {
            Ok(parts) => Response::new(Either::Right(Parts { parts, patience })),
            Err(refusal) => refuse(&refusal),
        },
        (&Method::POST, feed::VERDICT) => match judge(request, door).await {
            Ok(verdict) => typed(StatusCode::OK, "application/jwt", verdict),
            Err(refusal) => refuse(&refusal),
        },
        _ if role == Role::Service => {
            refuse(&Refusal::new(RefusalKind::Forbidden, "this token opens the feed alone"))
        }
        _ => operate(request, door, pass, patience).await,
    }
}

/// What operators may ask for.
async fn operate(
    mut request: Request<Incoming>,
    door: &Door,
    pass: &Pass,
    patience: Patience,
) -> Answer {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/healthz") => json(StatusCode::OK, &door.health()),
        (&Method::GET, "/readyz") => json(readiness(is_ready(door)), &door.health()),
        (&Method::GET, "/metrics") => match door.metrics() {
            Some(metrics) => typed(StatusCode::OK, metrics.media_type, metrics.text),
            None => refuse(&Refusal::new(RefusalKind::Unavailable, "no gateway runs here")),
        },
        (&Method::POST, "/v1/command") => match run(request, door).await {
            Ok(reply) => json(StatusCode::OK, &reply),
            Err(refusal) => refuse(&refusal),
        },
        (&Method::POST, "/v1/backup") => match back_up(request, door).await {
            Ok(parts) => Response::new(Either::Right(Parts { parts, patience })),
            Err(refusal) => refuse(&refusal),
        },
        (&Method::POST, take_over::PATH) => {
            let nothing = Either::Left(Full::default());
            take_over::begin(&mut request, door, pass, nothing).unwrap_or_else(|no| refuse(&no))
        }
        _ => {
            let refusal = bad_request(
                "there is `POST /v1/command`, `POST /v1/backup`, `GET /healthz`, `GET /readyz`, \
                 `GET /metrics`",
            );
            json(StatusCode::NOT_FOUND, &refusal)
        }
    }
}

fn is_ready(door: &Door) -> bool {
    door.health().is_some_and(|health| health.ready)
}

const fn readiness(ready: bool) -> StatusCode {
    if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// Lets programs in that have the token, and no page that a browser shows: a page says where it
/// is from (Fetch, section 3.2), and has no business here even if it knows the token.
fn admit(headers: &HeaderMap, pass: &Pass) -> Result<Role, Refusal> {
    let Pass::Token { operator, service } = pass else { return Ok(Role::Operator) };
    let site = headers.get_all(SEC_FETCH_SITE).iter();
    if headers.contains_key(ORIGIN) || site.into_iter().any(|site| site != "none") {
        return Err(Refusal::new(RefusalKind::Forbidden, "no browser is served here"));
    }
    match Authorization::of(headers) {
        Authorization::Bearer(shown) if operator.matches(shown) => Ok(Role::Operator),
        Authorization::Bearer(shown)
            if service.as_ref().is_some_and(|service| service.matches(shown)) =>
        {
            Ok(Role::Service)
        }
        Authorization::Absent
        | Authorization::Other
        | Authorization::Bearer(_)
        | Authorization::BrokenBearer
        | Authorization::Several
        | Authorization::Token(_)
        | Authorization::EmptyToken
        | Authorization::SpacedToken => {
            let detail = "send `Authorization: Bearer` with the token of `[admin] token`";
            Err(Refusal::new(RefusalKind::Unauthorized, detail))
        }
    }
}

async fn run(request: Request<Incoming>, door: &Door) -> Result<Reply, Refusal> {
    let command: Command = read(request).await?;
    door.run(command).await
}

async fn judge(request: Request<Incoming>, door: &Door) -> Result<String, Refusal> {
    let question: Question = read(request).await?;
    feed::judge(door, question).await
}

async fn back_up(
    request: Request<Incoming>,
    door: &Door,
) -> Result<mpsc::Receiver<Bytes>, Refusal> {
    let asked: BackupRequest = read(request).await?;
    door.back_up(asked).await
}

/// What was asked for.
async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), LONGEST).collect();
    let body = timeout(READING, body).await;
    let body = body.map_err(|_late| bad_request("the command came too slowly"))?;
    let body = body.map_err(|_| bad_request("the command is cut off, or longer than 8 MiB"))?;
    // Serde's words may quote the value, which may be a password: only the place is told.
    serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        bad_request(format!(
            "no command of this gateway (version {}), at column {}",
            env!("CARGO_PKG_VERSION"),
            error.column()
        ))
    })
}

fn bad_request(detail: impl Into<String>) -> Refusal {
    Refusal::new(RefusalKind::BadRequest, detail)
}

fn refuse(refusal: &Refusal) -> Answer {
    let mut answer = json(refusal.kind.status(), refusal);
    if refusal.kind == RefusalKind::Unauthorized {
        let challenge = HeaderValue::from_static("Bearer realm=\"admin\"");
        answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    answer
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Maps with text keys and numbers only: writing them cannot fail.
    typed(status, "application/json", serde_json::to_vec(value).unwrap_or_default())
}

fn typed(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}
