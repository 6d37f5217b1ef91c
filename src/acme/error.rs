//! Why there is no certificate.

use std::io;
use std::path::{Path, PathBuf};

use super::Proof;
use crate::causes::chain;
use crate::printable::Printable;
use crate::tls::TlsError;

/// Why no certificate was obtained. `Display` and `source()` are for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcmeError {
    /// The authority cannot be reached, or refuses.
    #[error("the authority: {0}")]
    Authority(String),
    /// The account is not known there, or no more.
    #[error("the authority does not know the account")]
    NoAccount,
    /// The authority has no proof to ask for that can be given.
    #[error("the authority offers no proof by {proof} for {domain}")]
    NoChallenge {
        /// The name.
        domain: String,
        /// How it was to be proved.
        proof: Proof,
    },
    /// A proof cannot be made.
    #[error("no proof can be given")]
    NoProof(#[source] TlsError),
    /// The authority did not find the proof.
    #[error("{domain} was not proved to be here: {cause}")]
    Unproved {
        /// The name.
        domain: String,
        /// In the authority's words.
        cause: String,
    },
    /// It took too long.
    #[error("the authority was not done in time")]
    Late,
    /// What was issued is no certificate for its key.
    #[error("what was issued cannot be used")]
    Unusable(#[from] TlsError),
    /// What was issued is for other names.
    #[error("what was issued is not for {0}")]
    Names(String),
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The file of the account holds something else.
    #[error("{} holds no account; remove it, and another one is made", .0.display())]
    Foreign(PathBuf),
    /// Others than its owner can read the file of the account.
    #[error("{} can be read by others; chmod 600", .0.display())]
    Exposed(PathBuf),
}

impl AcmeError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

impl From<instant_acme::Error> for AcmeError {
    fn from(error: instant_acme::Error) -> Self {
        const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
        if let instant_acme::Error::Api(problem) = &error
            && problem.r#type.as_deref() == Some(NO_ACCOUNT)
        {
            return Self::NoAccount;
        }
        Self::Authority(Printable(&chain(&error)).to_string())
    }
}
