//! What is wrong with a certificate, a key or a setting of TLS.

/// Why TLS cannot be set up. `Display` and `source()` are for the operator, without the file's
/// name, which the caller knows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The bytes hold no PEM certificate, or a broken one.
    #[error("no usable certificate in PEM form")]
    Certificate(#[source] Option<rustls::pki_types::pem::Error>),
    /// The bytes hold no PEM private key, or a broken one.
    #[error("no usable private key in PEM form")]
    Key(#[source] rustls::pki_types::pem::Error),
    /// A certificate that cannot be understood.
    #[error("a certificate that cannot be read")]
    Unreadable,
    /// The key does not belong to the certificate, or is of a kind that TLS does not use.
    #[error("the private key does not fit the certificate")]
    Mismatch(#[source] rustls::Error),
    /// None of the machine's trusted certificates can be read.
    #[error("this machine has no list of trusted certificates")]
    NoRoots,
    /// A listener is to speak TLS, and there is nothing to prove who it is.
    #[error("a listener with TLS needs a certificate and its key")]
    NoIdentity,
    /// Clients are to show certificates, and there is nobody whose word would count.
    #[error("client certificates need an authority to be checked by")]
    NoAuthorities,
    /// The authorities cannot be used.
    #[error("the authorities of client certificates cannot be used")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
    /// The bytes hold no PEM revocation list, or a broken one.
    #[error("no usable revocation list in PEM form")]
    NoList(#[source] Option<rustls::pki_types::pem::Error>),
    /// A revocation list of a kind that is not understood.
    #[error("a revocation list that cannot be used: {0}")]
    List(#[source] rustls::server::VerifierBuilderError),
    /// A certificate that proves a name to an authority cannot be made.
    #[error("no certificate can be made that proves a name")]
    Proof(#[from] rcgen::Error),
    /// TLS refuses the combination.
    #[error(transparent)]
    Refused(#[from] rustls::Error),
}
