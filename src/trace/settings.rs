//! Where spans go, and which.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};

use super::Share;
use crate::tls::ClientTls;
use crate::web::HostName;

/// Traces, as the operator wants them.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// Who takes the spans.
    pub collector: Collector,
    /// How a collector by `https` is spoken to.
    pub tls: Option<ClientTls>,
    /// Fields of every request to it. Their values are marked as secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `service.name`: what the gateway is called in traces.
    pub service: String,
    /// Which of the traces that begin here are recorded.
    pub share: Share,
    /// Whether spans say who asked.
    pub users: bool,
    /// Longest wait for the collector to take a batch; and at the end for all that is left.
    pub timeout: Duration,
    /// Most spans that wait.
    pub queue: NonZeroUsize,
}

impl TraceSettings {
    /// Most spans that wait where nothing else was written: some 4 MiB of them.
    const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

    /// All traces to that collector, and what holds where nothing else was written.
    pub fn to(collector: Collector) -> Self {
        Self {
            collector,
            tls: None,
            headers: Vec::new(),
            service: "portcullis".to_owned(),
            share: Share::ALL,
            users: false,
            timeout: Duration::from_secs(10),
            queue: Self::QUEUE,
        }
    }
}

/// Where spans are sent: `http://` or `https://`, and `/v1/traces` below what was written (OTLP 1.0,
/// "OTLP/HTTP Request").
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Collector {
    pub(super) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the `Host` field has it.
    pub(super) authority: HeaderValue,
    pub(super) target: PathAndQuery,
}

/// Why nothing is sent to a URL. `Display` is for the operator, and says what to write.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CollectorError {
    /// No URL, or with a user, a query, a fragment or another scheme.
    #[error("`endpoint` must be a URL such as \"http://localhost:4318\"")]
    Form,
    /// It ends as the path does that is added to it.
    #[error("`/v1/traces` is added to `endpoint`; leave it out")]
    Path,
    /// The port of OTLP over gRPC.
    #[error("port 4317 is for gRPC, which is not spoken here; OTLP over HTTP is at 4318")]
    Grpc,
}

impl Collector {
    const PATH: &str = "/v1/traces";

    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`CollectorError`]; show it to the operator.
    pub fn parse(text: &str) -> Result<Self, CollectorError> {
        let uri: Uri = text.parse().map_err(|_| CollectorError::Form)?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(CollectorError::Form),
        };
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if text.contains(['#', '?']) || authority.contains('@') {
            return Err(CollectorError::Form);
        }
        let name = HostName::parse(authority).map_err(|_| CollectorError::Form)?;
        if name.port() == Some(4317) {
            return Err(CollectorError::Grpc);
        }
        let base = uri.path().trim_end_matches('/');
        if base.ends_with(Self::PATH) {
            return Err(CollectorError::Path);
        }
        Ok(Self {
            secure,
            host: name.name().trim_matches(['[', ']']).to_owned(),
            port: name.port().unwrap_or(if secure { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority).map_err(|_| CollectorError::Form)?,
            target: PathAndQuery::try_from(format!("{base}{}", Self::PATH))
                .map_err(|_| CollectorError::Form)?,
        })
    }

    /// Whether TLS is between us and it.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether it is at an address of this machine.
    pub fn is_here(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        address.map_or(self.host == "localhost", |ip| ip.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_traces_is_added() {
        for (url, secure, host, port, target) in [
            ("http://localhost:4318", false, "localhost", 4318, "/v1/traces"),
            ("http://localhost:4318/", false, "localhost", 4318, "/v1/traces"),
            ("https://otel.example.com", true, "otel.example.com", 443, "/v1/traces"),
            (
                "https://otel.example.com/api/otlp/",
                true,
                "otel.example.com",
                443,
                "/api/otlp/v1/traces",
            ),
            ("http://[::1]", false, "::1", 80, "/v1/traces"),
        ] {
            let read = Collector::parse(url).unwrap();
            let told = (read.secure, read.host.as_str(), read.port, read.target.as_str());
            assert_eq!(told, (secure, host, port, target), "{url}");
        }
        assert!(Collector::parse("http://127.0.0.1:4318").unwrap().is_here());
        assert!(Collector::parse("http://[::1]:4318").unwrap().is_here());
        assert!(!Collector::parse("http://otel:4318").unwrap().is_here());
    }

    #[test]
    fn what_is_no_such_url_is_refused() {
        for wrong in [
            "",
            "localhost:4318",
            "/v1",
            "grpc://a.test",
            "http://",
            "http://u:p@a.test",
            "http://a.test?x=1",
            "http://a.test/#x",
            "http://a b",
            "http://a.test:0",
        ] {
            assert_eq!(Collector::parse(wrong), Err(CollectorError::Form), "{wrong}");
        }
        for path in ["http://a.test/v1/traces", "http://a.test/x/v1/traces/"] {
            assert_eq!(Collector::parse(path), Err(CollectorError::Path), "{path}");
        }
        assert_eq!(Collector::parse("http://a.test:4317"), Err(CollectorError::Grpc));
    }
}
