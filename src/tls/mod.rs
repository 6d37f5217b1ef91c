//! TLS, as both sides of the gateway use it: what proves who somebody is, and whom to believe.

mod client;
mod error;
mod pem;

pub use client::{ClientTls, Roots, client_config};
pub use error::TlsError;
pub use pem::{Certified, certificates};

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The one implementation of the algorithms, named wherever one is asked for: an embedder may
/// have made another one the default of the process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
