//! How the authority is spoken to: over TLS alone, one bounded exchange a connection.

use std::error::Error;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::ClientConfig;
use tokio::net::TcpStream;

use crate::clock::{Clock, Timestamp};
use crate::outbound;

/// The longest that one exchange may take.
const LONGEST: Duration = Duration::from_secs(30);
/// Most bytes of an answer.
const LARGEST: usize = 1024 * 1024;
/// Most bytes of its head.
const LARGEST_HEAD: usize = 64 * 1024;

/// A client for one authority.
#[derive(Clone, Debug)]
pub(super) struct Client {
    tls: Arc<ClientConfig>,
    clock: Arc<dyn Clock>,
    patience: Arc<Patience>,
}

/// Until when the authority wants to be left alone.
#[derive(Debug, Default)]
pub(super) struct Patience(AtomicU64);

#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("{0} is not https")]
    Clear(Uri),
    #[error("not connected")]
    Connect(#[source] std::io::Error),
    #[error("broken off")]
    Http(#[from] hyper::Error),
    #[error("broken off, or larger than 1 MiB")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("no answer within {LONGEST:?}")]
    Late,
}

impl Client {
    pub(super) fn new(
        tls: Arc<ClientConfig>,
        clock: Arc<dyn Clock>,
        patience: Arc<Patience>,
    ) -> Self {
        Self { tls, clock, patience }
    }

    async fn exchange(
        self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, HttpError> {
        let answered = tokio::time::timeout(LONGEST, ask(&self.tls, request)).await;
        let response = answered.unwrap_or(Err(HttpError::Late))?;
        let (status, now) = (response.status(), self.clock.now());
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            && let Some(wait) = retry_after(response.headers(), now)
        {
            self.patience.extend(now.plus(wait));
        }
        Ok(response)
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.clone();
        Box::pin(async move {
            let answered = client.exchange(request).await;
            answered.map(Into::into).map_err(|error| instant_acme::Error::Other(error.into()))
        })
    }
}

impl Patience {
    fn extend(&self, until: Timestamp) {
        self.0.fetch_max(until.as_millis(), Ordering::Relaxed);
    }

    /// For how long from `now` on.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed)).since(now)
    }
}

async fn ask(
    tls: &Arc<ClientConfig>,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, HttpError> {
    let uri = request.uri().clone();
    let (true, Some(authority)) = (uri.scheme_str() == Some("https"), uri.authority()) else {
        return Err(HttpError::Clear(uri));
    };
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(443))).await;
    let stream = outbound::secure(tls, host, stream.map_err(HttpError::Connect)?).await;
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = Uri::from_str(target).unwrap_or_default();
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        request.headers_mut().insert(header::HOST, host);
    }
    let stream = stream.map_err(HttpError::Connect)?;
    let answer = outbound::ask(stream, request, LARGEST_HEAD).await?;
    let whole = answer.whole(LARGEST).await.map_err(HttpError::Body)?;
    Ok(whole.map(Full::new))
}

/// How long to wait by `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. At most a day: a
/// mistake of the authority shall not shut us out for ever.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date: SystemTime = httpdate::parse_http_date(text).ok()?;
        Timestamp::from(date).since(now)
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Roots, client_config};

    #[test]
    fn an_authority_may_ask_for_patience() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = Timestamp::from_secs(784_111_777);
        for (field, seconds) in [
            ("120", Some(120)),
            ("0", Some(0)),
            ("99999999", Some(24 * 60 * 60)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:40:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(field));
            assert_eq!(retry_after(&headers, now), seconds.map(Duration::from_secs), "{field}");
        }
        let patience = Patience::default();
        assert_eq!(patience.left(now), Duration::ZERO);
        patience.extend(now.plus(Duration::from_secs(60)));
        patience.extend(now.plus(Duration::from_secs(30)));
        assert_eq!(patience.left(now.plus(Duration::from_secs(10))), Duration::from_secs(50));
    }

    #[tokio::test]
    async fn nothing_is_said_in_clear() {
        let made = rcgen::generate_simple_self_signed(["ca.test".to_owned()]).unwrap();
        let tls = client_config(&Roots::Only(vec![made.cert.der().clone()]), None, &[]).unwrap();
        for url in ["http://127.0.0.1:1/x", "/x"] {
            let request = Request::get(url).body(BodyWrapper::default()).unwrap();
            assert!(matches!(ask(&tls, request).await, Err(HttpError::Clear(_))), "{url}");
        }
    }
}
