//! The keys that sign and check our tokens: made at first start, rotated, published.

mod algorithm;
mod jwks;
mod settings;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use jwks::{JwkSet, JwksError};
pub use settings::{KeySettings, KeySource};
