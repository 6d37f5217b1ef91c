//! What the gateway is asked.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::verify::{Door, Shared};
use crate::keys::{FetchError, JwkSet, KeyError};
use crate::outbound::Answer;
use crate::token::{Question, Sealed, Verdict, new_id};

/// Longest wait for the answer to a question, with the wait for one's turn.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest answer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Why the gateway gave no answer. `Display` and `source()` are for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("no connection")]
    Fetch(#[from] FetchError),
    #[error("answered {0}")]
    Status(StatusCode),
    #[error("broken off, or too long")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("not answered in time")]
    Late,
    #[error("not signed by the gateway, or an answer to another question")]
    Forged,
    #[error("no randomness")]
    Nonce(#[from] KeyError),
    #[error("not to be written as a request")]
    Request(#[from] http::Error),
    #[error("ended by the gateway")]
    Ended,
}

/// Asks about a token.
pub(super) async fn ask(shared: &Shared, door: &Door, token: &[u8]) -> Result<Verdict, AskError> {
    timeout(PATIENCE, answered(shared, door, token)).await.unwrap_or(Err(AskError::Late))
}

async fn answered(shared: &Shared, door: &Door, token: &[u8]) -> Result<Verdict, AskError> {
    // It is never closed.
    let _turn = door.questions.acquire().await;
    let nonce = new_id()?;
    let token = String::from_utf8_lossy(token).into_owned();
    let question = Question { token, nonce: nonce.clone() };
    let text = Zeroizing::new(serde_json::to_vec(&question).unwrap_or_default());
    let mut request = request(door, Method::POST, "/v1/verdict", Bytes::from_owner(text))?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let answer = begin(shared, door, request).await?.whole(LONGEST).await;
    let body = answer.map_err(AskError::Body)?.into_body();
    let verdict: Verdict = open(shared, &body).await.ok_or(AskError::Forged)?;
    if verdict.nonce == nonce { Ok(verdict) } else { Err(AskError::Forged) }
}

pub(super) fn request(
    door: &Door,
    method: Method,
    target: &str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let bearer = [b"Bearer ", door.token.expose()].concat();
    let mut bearer = HeaderValue::try_from(bearer)?;
    bearer.set_sensitive(true);
    let target: Uri = target.parse()?;
    Request::builder()
        .method(method)
        .uri(target)
        .header(AUTHORIZATION, bearer)
        .body(Full::new(body))
}

/// The head of an answer that is one.
pub(super) async fn begin(
    shared: &Shared,
    door: &Door,
    request: Request<Full<Bytes>>,
) -> Result<Answer, AskError> {
    let tls = shared.keys.tls().await?;
    let answer = door.url.ask(&tls, request).await?;
    if answer.head.status == StatusCode::OK {
        Ok(answer)
    } else {
        Err(AskError::Status(answer.head.status))
    }
}

/// What was said, if one of the published keys has signed it; they are fetched again for one that
/// is new.
pub(super) async fn open<T: Sealed>(shared: &Shared, text: &[u8]) -> Option<T> {
    let read = |keys: &Arc<JwkSet>| {
        T::open(text, |kid, algorithm, message, signature| {
            kid.is_some() && keys.verify(kid, algorithm, message, signature)
        })
    };
    let seen = shared.keys.known();
    if let Some(said) = seen.as_ref().and_then(read) {
        return Some(said);
    }
    let kid = T::said_key(text)?;
    let now = shared.clock.now();
    let looked = shared.keys.look_for_at_once(seen.as_ref(), Some(&kid), now).await;
    if looked.is_ok_and(|is_new| is_new) { read(&shared.keys.known()?) } else { None }
}
