//! Certificates that an authority issues over ACME (RFC 8555), and that are renewed in time.
//!
//! Proof that a name is ours is what the authority fetches from it over plain HTTP (HTTP-01), or
//! finds in a handshake with it (TLS-ALPN-01). What is issued lies in a file, which the listeners
//! take up as they take up files of the operator.

mod challenges;
mod error;
mod files;
mod http;
mod keeper;
mod order;
mod proving;
mod schedule;
mod settings;

pub use challenges::Challenges;
pub use error::AcmeError;
pub use keeper::Acme;
pub use settings::{AcmeSettings, Proof};
