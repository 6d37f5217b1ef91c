//! What the operator decides about keys.

use std::path::PathBuf;
use std::time::Duration;

use super::Algorithm;
use crate::secret::Secret;

/// Where the signing key comes from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// Made at first start and kept in the ring file; `portcullis key rotate` replaces it.
    Made,
    /// A private key in PEM (PKCS#8, or PKCS#1 for RSA), kept by the operator.
    Pem(Secret),
    /// An HMAC secret of at least 32 bytes, shared with another project.
    Shared(Secret),
}

/// `[auth.signing]`, checked.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// The one algorithm that our tokens have.
    pub algorithm: Algorithm,
    /// Where the signing key comes from.
    pub source: KeySource,
    /// Older keys that still verify: PEM (private or public), or HMAC secrets. Same algorithm.
    pub previous: Vec<Secret>,
    /// The file with the keys that the gateway makes itself (signing keys, and the one that
    /// seals secrets kept in the store). Mode 0600.
    pub ring: PathBuf,
}

impl KeySettings {
    /// ES256 with a key of our own making, kept in the file `ring`.
    pub fn new(ring: PathBuf) -> Self {
        Self { algorithm: Algorithm::Es256, source: KeySource::Made, previous: Vec::new(), ring }
    }
}

/// `[auth.signing] shared`: the ring is in the store that gateways share, and not in a file.
#[derive(Clone, Debug)]
pub struct SharedKeys {
    /// What the ring is sealed under there.
    pub secret: Secret,
    /// How long a new key is known before it signs: longer than any gateway believes what it remembers.
    pub lead: Duration,
}
