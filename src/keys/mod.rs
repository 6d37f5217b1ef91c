//! The keys that sign and check our tokens: made at first start, rotated, published.

mod algorithm;
mod error;
mod jwks;
mod pair;
mod ring;
mod ring_file;
mod seal;
mod settings;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use error::KeyError;
pub use jwks::{JwkSet, JwksError, PublicKey};
pub use pair::VerifyingKey;
pub use ring::{KeyInfo, KeyRing};
pub use settings::{KeySettings, KeySource};

#[cfg(test)]
mod tests;
