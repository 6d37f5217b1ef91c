//! Why keys cannot be used.

use std::path::PathBuf;

use super::Algorithm;
use crate::store::StoreError;

/// Why keys cannot be used. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no PEM.
    #[error("the key is not PEM (it should begin with `-----BEGIN PRIVATE KEY-----`)")]
    NotPem,
    /// A key of another kind than the algorithm needs.
    #[error(
        "the key does not fit {0}; give a PKCS#8 key of that kind (`openssl pkcs8 -topk8` converts)"
    )]
    WrongKind(Algorithm),
    /// An HMAC secret that can be guessed.
    #[error("the secret is shorter than 32 bytes; make one with `openssl rand -base64 48`")]
    ShortSecret,
    /// The operating system gave no random bytes.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The keys come from the configuration; rotate them there.
    #[error(
        "the signing key is given in the configuration: put the new one there and the old one under `previous`"
    )]
    NotOurs,
    /// There is no key file yet.
    #[error("{}: there is no key file; the first start of the gateway makes it", .0.display())]
    Missing(PathBuf),
    /// The key file is no key file.
    #[error("{}: not a key file of portcullis, or damaged; put a backup in its place", .0.display())]
    Foreign(PathBuf),
    /// The key file is one of ours that this version does not know yet.
    #[error("{}: this key file was written by a newer portcullis: run that one", .0.display())]
    Newer(PathBuf),
    /// Others may read the key file.
    #[error("{}: others may read this key file; run `chmod 600` on it and think about `portcullis key rotate`", .0.display())]
    Exposed(PathBuf),
    /// A key inside the key file cannot be used.
    #[error("a key in the key file is damaged")]
    Damaged,
    /// Another issuer's keys are needed and could not be fetched.
    #[error("keys of the issuer not fetched")]
    NotFetched,
    /// Only a store that gateways share can keep a ring for them.
    #[error(
        "`[auth.signing] shared` is for a store that gateways share: use a database, or leave it out"
    )]
    NotShared,
    /// There is no ring in the store yet.
    #[error("there is no key ring in the database; the first start of a gateway makes it")]
    NoneShared,
    /// The ring in the store is not sealed under our secret.
    #[error(
        "the key ring in the database is sealed under another secret than `[auth.signing] shared`"
    )]
    Sealed,
    /// There is a ring in the store, and other keys in our file.
    #[error(
        "{}: this key file has other keys than the ring in the database; remove the file, and every token that was \
         signed with it ends", .0.display()
    )]
    Apart(PathBuf),
    /// The ring in the store cannot be had, or cannot be replaced.
    #[error("the key ring in the store cannot be used")]
    Store(#[from] StoreError),
    /// Others replaced the ring again and again.
    #[error("others replace the key ring at the same time; try again")]
    Contended,
    /// The operating system refused.
    #[error("{}: cannot use the key file", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
}
