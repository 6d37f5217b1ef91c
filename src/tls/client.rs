//! The side that calls: upstreams and issuers behind `https://`.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Certified, TlsError, provider};

/// Whose word a server's certificate needs.
///
/// ```no_run
/// use portcullis::verifier::{SourceError, Verifier};
/// use portcullis::Roots;
/// use rustls::pki_types::CertificateDer;
/// use rustls::pki_types::pem::PemObject;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let own = CertificateDer::from_pem_file("authority.pem")?;
/// let keys = "https://app.internal/.well-known/jwks.json";
/// let verifier = Verifier::from_jwks_url(keys)?.roots(Roots::Only(vec![own])).start();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Roots {
    /// That of anybody whom this machine trusts.
    Machine,
    /// That of these, and of nobody else.
    Only(Vec<CertificateDer<'static>>),
}

/// How to speak TLS to a server. Chain, name and time of its certificate are always checked.
///
/// `protocols` are offered in that order (ALPN, RFC 7301), such as `h2`; `identity` is shown to a
/// server that asks.
///
/// # Errors
///
/// [`TlsError`] if there is nobody to trust.
pub fn client_config(
    roots: &Roots,
    identity: Option<&Certified>,
    protocols: &[&[u8]],
) -> Result<Arc<ClientConfig>, TlsError> {
    let trusted = trusted(roots)?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(Always(identity.certified_key())))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// How the servers of an upstream are spoken to through TLS.
///
/// Two are equal where they were made from the same, so that a reload can tell.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    made_from: Ingredients,
}

#[derive(Clone, Eq, PartialEq)]
struct Ingredients {
    roots: Roots,
    chain: Vec<CertificateDer<'static>>,
    protocols: Vec<Vec<u8>>,
    name: Option<ServerName<'static>>,
}

impl ClientTls {
    /// As [`client_config`] has it. Servers are called and checked by `name`; by the host of their
    /// address where there is none.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if there is nobody to trust.
    pub fn new(
        roots: Roots,
        identity: Option<&Certified>,
        protocols: &[&[u8]],
        name: Option<ServerName<'static>>,
    ) -> Result<Self, TlsError> {
        let config = client_config(&roots, identity, protocols)?;
        let chain = identity.map(|identity| identity.certified_key().cert.clone());
        let protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let chain = chain.unwrap_or_default();
        Ok(Self { config, made_from: Ingredients { roots, chain, protocols, name } })
    }

    /// Whether it shows a certificate of its own to servers that ask.
    pub fn shows_certificate(&self) -> bool {
        !self.made_from.chain.is_empty()
    }

    /// Shakes hands over `stream` with the server at `host`, a name or an IP address without
    /// brackets.
    ///
    /// # Errors
    ///
    /// What the other side, or its certificate, lacks. Somebody else is at the other end, or the
    /// settings are wrong: tell the operator, and never go on in clear.
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.made_from.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
        };
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("name", &self.made_from.name).finish_non_exhaustive()
    }
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.made_from == other.made_from
    }
}

impl Eq for ClientTls {}

fn trusted(roots: &Roots) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Machine => {
            let found = rustls_native_certs::load_native_certs();
            // Some machines carry one that no parser takes; the others still count.
            let (taken, _) = store.add_parsable_certificates(found.certs);
            if taken == 0 {
                return Err(TlsError::NoRoots);
            }
        }
        Roots::Only(certificates) => {
            for certificate in certificates {
                store.add(certificate.clone())?;
            }
            if store.is_empty() {
                return Err(TlsError::NoRoots);
            }
        }
    }
    Ok(store)
}

/// One identity, whatever the server asks for: it can still refuse it.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
