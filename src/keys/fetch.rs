//! A document of another issuer, fetched: one GET, bounded in size, believed only over TLS.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode, Uri};
use http_body::Body;
use http_body_util::Empty;
use rustls::ClientConfig;
use tokio::net::TcpStream;

use super::JwksError;
use crate::outbound::{self, Answer};
use crate::tls::TlsError;
use crate::web::HostName;

/// Most bytes of a document. The key sets of large providers have some 10 KiB.
const LARGEST: usize = 256 * 1024;
/// Most bytes of a response head.
const LARGEST_HEAD: usize = 16 * 1024;

/// Where a document is fetched from: `https://`, or `http://` at an address of this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FetchUrl {
    secure: bool,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// As the `Host` field has it.
    authority: HeaderValue,
    /// Path and query.
    target: Uri,
}

/// Why a URL is not fetched. `Display` is for the operator, and says what to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FetchUrlError {
    /// No URL, or with a user, a fragment or another scheme.
    #[error("not a URL to fetch from; write one such as \"https://id.example.com/keys\"")]
    Form,
    /// Anybody on the way could put his own keys there.
    #[error("http is for this machine only (127.0.0.1, [::1], localhost); use https")]
    Clear,
}

impl FetchUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`FetchUrlError`]; show it to the operator.
    pub fn parse(text: &str) -> Result<Self, FetchUrlError> {
        let form = |_| FetchUrlError::Form;
        let uri: Uri = text.parse().map_err(|_| FetchUrlError::Form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(FetchUrlError::Form),
        };
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if text.contains('#') || authority.contains('@') {
            return Err(FetchUrlError::Form);
        }
        let name = HostName::parse(authority).map_err(|_| FetchUrlError::Form)?;
        let host = name.name().trim_matches(['[', ']']).to_owned();
        let here = host.parse::<IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback());
        if !secure && !here {
            return Err(FetchUrlError::Clear);
        }
        let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        Ok(Self {
            secure,
            host,
            port: name.port().unwrap_or(if secure { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority).map_err(form)?,
            target: target.parse().map_err(|_| FetchUrlError::Form)?,
        })
    }

    /// Whether TLS vouches for what comes from there.
    pub(super) const fn is_secure(&self) -> bool {
        self.secure
    }
}

/// Why there are no keys from a fetch. `Display` and `source()` are for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("not connected")]
    Connect(#[source] std::io::Error),
    #[error("`localhost` is not this machine")]
    Elsewhere,
    #[error("no TLS")]
    Roots(#[from] TlsError),
    #[error("broken off")]
    Http(#[from] hyper::Error),
    #[error("answered {0} and not 200; redirects are not followed, name the last address")]
    Status(StatusCode),
    #[error("sent in a content coding that nobody asked for")]
    Coded,
    #[error("broken off, or larger than 256 KiB")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("not there within {0:?}")]
    Late(Duration),
    #[error("no discovery document")]
    Discovery(#[source] serde_json::Error),
    #[error("the discovery document is that of the issuer {0:?}")]
    Issuer(String),
    #[error("`jwks_uri`: {0}")]
    JwksUri(FetchUrlError),
    #[error("no key set")]
    Keys(#[from] JwksError),
}

/// A document, and for how long the other side says it is good.
pub(super) struct Document {
    pub(super) content: Bytes,
    pub(super) age: Option<Duration>,
}

/// Fetches a document. It sends nothing about anybody, and nothing of the environment changes
/// where it goes. A dropped call leaves no connection behind.
pub(super) async fn get(url: &FetchUrl, tls: &Arc<ClientConfig>) -> Result<Document, FetchError> {
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = url.target.clone();
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    read(url.ask(tls, request).await?).await
}

impl FetchUrl {
    /// Asks that server, and nobody else, for what the request names.
    pub(crate) async fn ask<B>(
        &self,
        tls: &Arc<ClientConfig>,
        mut request: Request<B>,
    ) -> Result<Answer, FetchError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        request.headers_mut().insert(header::HOST, self.authority.clone());
        let found = tokio::net::lookup_host((self.host.as_str(), self.port));
        let addresses: Vec<SocketAddr> = found.await.map_err(FetchError::Connect)?.collect();
        if !self.secure && !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(FetchError::Elsewhere);
        }
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(FetchError::Connect)?;
        if !self.secure {
            return Ok(outbound::ask(stream, request, LARGEST_HEAD).await?);
        }
        let stream =
            outbound::secure(tls, &self.host, stream).await.map_err(FetchError::Connect)?;
        Ok(outbound::ask(stream, request, LARGEST_HEAD).await?)
    }
}

async fn read(answer: Answer) -> Result<Document, FetchError> {
    let headers = &answer.head.headers;
    if answer.head.status != StatusCode::OK {
        return Err(FetchError::Status(answer.head.status));
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(FetchError::Coded);
    }
    let age = max_age(headers);
    let whole = answer.whole(LARGEST).await.map_err(FetchError::Body)?;
    Ok(Document { content: whole.into_body(), age })
}

/// `max-age` of RFC 9111 section 5.2.2.1; zero where nothing may be kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(header::CACHE_CONTROL).iter();
    let texts = fields.filter_map(|field| field.to_str().ok());
    let mut age = None;
    for directive in texts.flat_map(|text| text.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            age = value.trim_matches('"').parse().ok().map(Duration::from_secs).or(age);
        }
    }
    age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        for url in [
            "https://id.test",
            "https://id.test:8443/keys?set=1",
            "http://127.0.0.1:9000/keys",
            "http://[::1]/keys",
            "http://localhost/keys",
            "https://[2001:db8::1]/keys",
        ] {
            assert!(FetchUrl::parse(url).is_ok(), "{url}");
        }
        for (url, error) in [
            ("http://id.test/keys", FetchUrlError::Clear),
            ("http://localhost.id.test/keys", FetchUrlError::Clear),
            ("http://10.0.0.1/keys", FetchUrlError::Clear),
            ("http://127.0.0.1.id.test/keys", FetchUrlError::Clear),
            ("https://me:secret@id.test/keys", FetchUrlError::Form),
            ("https://id.test/keys#1", FetchUrlError::Form),
            ("ftp://id.test/keys", FetchUrlError::Form),
            ("file:///etc/passwd", FetchUrlError::Form),
            ("/keys", FetchUrlError::Form),
            ("id.test", FetchUrlError::Form),
            ("", FetchUrlError::Form),
        ] {
            assert_eq!(FetchUrl::parse(url), Err(error), "{url}");
        }
    }

    #[test]
    fn the_age_is_the_one_that_the_field_says() {
        for (field, age) in [
            ("max-age=600", Some(600)),
            ("public, Max-Age=\"600\", must-revalidate", Some(600)),
            ("max-age=600, no-store", Some(0)),
            ("no-cache", Some(0)),
            ("max-age=-1", None),
            ("max-age=soon", None),
            ("s-maxage=600", None),
            ("private", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(field));
            assert_eq!(max_age(&headers), age.map(Duration::from_secs), "{field}");
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}
