//! Certificates and keys as files hold them (RFC 7468).

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::{Leaf, TlsError, provider};

/// A certificate chain with its private key: what proves to the other side who we are.
#[derive(Clone)]
pub struct Certified(Arc<CertifiedKey>);

impl Certified {
    /// Reads a chain, the own certificate first, and its key, both in PEM.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if one of them is missing or broken, or if they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let certified = CertifiedKey::from_der(chain, key, &provider());
        certified.map(|certified| Self(Arc::new(certified))).map_err(TlsError::Mismatch)
    }

    /// What its own certificate says.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if that cannot be understood.
    pub fn leaf(&self) -> Result<Leaf, TlsError> {
        self.0.end_entity_cert().map_err(TlsError::Refused).and_then(Leaf::of)
    }

    /// As rustls takes it.
    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certified")
            .field("certificates", &self.0.cert.len())
            .finish_non_exhaustive()
    }
}

/// All certificates of a PEM file; at least one.
///
/// # Errors
///
/// [`TlsError::Certificate`].
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let found = read.map_err(|error| TlsError::Certificate(Some(error)))?;
    if found.is_empty() { Err(TlsError::Certificate(None)) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use rcgen::generate_simple_self_signed;

    use super::*;

    fn pair() -> (String, String) {
        let made = generate_simple_self_signed(["gate.test".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_chain_and_its_key_belong_together() {
        let (chain, key) = pair();
        assert!(Certified::from_pem(chain.as_bytes(), key.as_bytes()).is_ok());
        let (other, _) = pair();
        let stranger = Certified::from_pem(other.as_bytes(), key.as_bytes());
        assert!(matches!(stranger, Err(TlsError::Mismatch(_))), "{stranger:?}");
    }

    #[test]
    fn what_is_missing_or_broken_is_said() {
        let (chain, key) = pair();
        for empty in ["", "a letter to my aunt", &key] {
            let refused = Certified::from_pem(empty.as_bytes(), key.as_bytes());
            assert!(matches!(refused, Err(TlsError::Certificate(None))), "{refused:?}");
        }
        let refused = Certified::from_pem(chain.as_bytes(), chain.as_bytes());
        assert!(matches!(refused, Err(TlsError::Key(_))), "{refused:?}");
    }

    #[test]
    fn a_key_is_never_shown() {
        let (chain, key) = pair();
        let shown = format!("{:?}", Certified::from_pem(chain.as_bytes(), key.as_bytes()).unwrap());
        assert_eq!(shown, "Certified { certificates: 1, .. }");
    }
}
