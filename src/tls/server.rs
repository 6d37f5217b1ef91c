//! The side that is called: listeners with TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;

use super::{Certified, TlsError, provider};

/// How to speak TLS 1.2 and 1.3 to clients, as `identity`, with HTTP/2 preferred to HTTP/1.1.
///
/// A client may resume a session with a ticket that it keeps itself, for half a day at most; the
/// key of the tickets never leaves the process. No early data: it could be sent again by others.
///
/// # Errors
///
/// [`TlsError::Refused`] if the machine gives no random bytes.
pub fn server_config(identity: &Certified) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // What a client can keep itself costs us no memory, and no lock that all workers share.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    // One replaces the one that was used. rustls makes two, at the price of a handshake each.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}
