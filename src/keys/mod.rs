//! The keys that sign and check our tokens: made at first start, rotated, published;
//! and those of other issuers, from files or fetched.

mod algorithm;
mod error;
mod fetch;
mod held;
mod home;
mod jwks;
mod location;
mod pair;
mod remote;
mod returned;
mod ring;
mod ring_file;
mod seal;
mod settings;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use error::KeyError;
pub(crate) use fetch::FetchError;
pub use fetch::{FetchUrl, FetchUrlError};
pub use jwks::{JwkSet, JwksError, PublicKey};
pub use location::{Location, RemoteSettings};
pub use pair::VerifyingKey;
pub use remote::RemoteKeys;
pub use returned::{KeysInPlace, ReturnedKeys};
pub use ring::{KeyInfo, KeyRing};
pub use settings::{KeySettings, KeySource, SharedKeys};

#[cfg(test)]
mod tests;
