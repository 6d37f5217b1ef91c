//! TLS, as both sides of the gateway use it: what proves who somebody is, and whom to believe.

mod authorities;
mod client;
mod error;
mod files;
mod holder;
mod leaf;
mod pem;
mod proofs;
mod server;
mod settings;
mod terms;

pub use authorities::{Authorities, Over};
pub use client::{ClientTls, Roots, client_config};
pub use error::TlsError;
pub use files::{Awaited, FileError, FileFault, Pair};
pub use holder::ClientCertificate;
pub use leaf::{Leaf, SOON, Standing};
pub use pem::{Certified, certificates};
pub use proofs::Proving;
pub use server::{Choice, ListenerTls, ServerTls};
pub use settings::{ClientAuth, MinVersion, TlsSettings};
pub use terms::{Shown, Twice, twice};

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The one implementation of the algorithms, named wherever one is asked for: an embedder may
/// have made another one the default of the process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
