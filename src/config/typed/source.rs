//! Where a secret comes from.

use crate::secret::Secret;

/// Where a secret comes from. A [`Secret`] itself is one, too: it never stands in a text.
///
/// ```
/// use portcullis::Secret;
/// use portcullis::config::typed::{Signing, Source};
///
/// let _ = Signing::default().secret(Secret::from(b"0123456789abcdef0123456789abcdef".to_vec()));
/// let _ = Signing::default().secret(Source::File("/run/secrets/signing".to_owned()));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Source {
    /// It is here.
    Given(Secret),
    /// It is in that file.
    File(String),
    /// It is in that variable of the environment.
    Env(String),
    /// It is fetched from there; for key sets of issuers alone.
    Url(String),
}

impl From<Secret> for Source {
    fn from(secret: Secret) -> Self {
        Self::Given(secret)
    }
}
