//! What a verifier is made of.

use std::sync::Arc;
use std::time::Duration;

use super::verify::{Door, Verifier};
use crate::clock::{Clock, SystemClock};
use crate::keys::{FetchUrl, FetchUrlError, Location, RemoteKeys, RemoteSettings};
use crate::secret::Secret;
use crate::tls::Roots;
use crate::token::Demands;

/// A URL that nothing is fetched from.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {fault}")]
pub struct SourceError {
    url: String,
    #[source]
    fault: FetchUrlError,
}

/// Collects what a [`Verifier`] is made of.
///
/// ```
/// use std::time::Duration;
///
/// use portcullis::Secret;
/// use portcullis::verifier::{Builder, SourceError, Verifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), SourceError> {
/// let builder: Builder = Verifier::from_jwks_url("https://app.example.com/.well-known/jwks.json")?;
/// let token = Secret::from("that of [admin] feed_token".to_owned());
/// let verifier = builder
///     .feed("http://127.0.0.1:9901", token)?
///     .patience(Duration::from_secs(3))
///     .start();
/// # drop(verifier);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Builder {
    url: String,
    keys: RemoteSettings,
    demands: Demands,
    feed: Option<(FetchUrl, Secret)>,
    patience: Duration,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier of tokens that are signed with the keys at that URL, the gateway's
    /// `/.well-known/jwks.json`: by https, or by http at this machine.
    ///
    /// # Errors
    ///
    /// [`SourceError`]: write another URL.
    pub fn from_jwks_url(url: &str) -> Result<Builder, SourceError> {
        let location = Location::Jwks(parse(url)?);
        Ok(Builder {
            url: url.to_owned(),
            keys: RemoteSettings::new(location),
            demands: Demands::default(),
            feed: None,
            patience: Duration::from_secs(5),
            clock: Arc::new(SystemClock),
        })
    }
}

impl Builder {
    /// Follows the feed of the operators' door at that URL (`[admin] listen`), where `token` is
    /// `[admin] feed_token`. Without it nobody hears of what is taken back, and tokens are good
    /// until they end.
    ///
    /// # Errors
    ///
    /// [`SourceError`]: write another URL. The token goes there: by https, or by http at this
    /// machine.
    pub fn feed(self, url: &str, token: Secret) -> Result<Self, SourceError> {
        Ok(Self { feed: Some((parse(url)?, token)), ..self })
    }

    /// How long the feed may be silent before tokens are not taken any more: 5 s unless set. It says
    /// something each second.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// What `iss` has to be: `[auth] issuer`.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.demands.issuer = Some(issuer.into());
        self
    }

    /// What `aud` has to name: `[auth] audience`.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.demands.audience = Some(audience.into());
        self
    }

    /// How far the clocks of the two may differ: nothing unless set.
    #[must_use]
    pub const fn leeway(mut self, leeway: Duration) -> Self {
        self.demands.leeway = leeway;
        self
    }

    /// Whose word the certificates of both URLs need: the machine's authorities unless set.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
        self.keys.roots = roots;
        self
    }

    /// Another clock than the machine's.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Begins to fetch the keys and to follow the feed, on the runtime that is there. Both end with
    /// the last clone of the verifier.
    pub fn start(self) -> Verifier {
        let Self { url, keys, demands, feed, patience, clock } = self;
        let keys = RemoteKeys::new(&url, keys, Arc::default());
        let door = feed.map(|(url, token)| Door::new(url, token, patience));
        Verifier::new(keys, demands, door, clock)
    }
}

fn parse(url: &str) -> Result<FetchUrl, SourceError> {
    FetchUrl::parse(url).map_err(|fault| SourceError { url: url.to_owned(), fault })
}
