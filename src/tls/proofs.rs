//! Certificates that prove to an authority that a name is ours, in a handshake (RFC 8737).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::settings::MinVersion;
use super::{TlsError, provider};

/// The protocol that nobody but an authority offers, and that one alone (RFC 8737 section 6.2).
const PROTOCOL: &[u8] = b"acme-tls/1";

/// The proofs of the order under way. Between orders there are none, and nothing is looked up.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    open: AtomicBool,
    by_name: RwLock<HashMap<String, Arc<ServerConfig>>>,
}

/// Keeps proofs there; dropped, it takes them away.
pub struct Proving<'a> {
    proofs: &'a Proofs,
    min: MinVersion,
}

/// What an authority finds that asks for a proof.
#[derive(Debug)]
pub(super) enum Sought {
    /// The handshake that shows it.
    Proof(Arc<ServerConfig>),
    /// None is kept for that name.
    Nothing,
}

impl Proofs {
    /// Begins to keep proofs, told from version `min` on.
    pub(super) const fn begin(&self, min: MinVersion) -> Proving<'_> {
        Proving { proofs: self, min }
    }

    /// Whether an order is under way: nobody else needs to be asked what it offers.
    pub(super) fn are_kept(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// What is there for a client that asks for that name and offers these protocols; `None` if it
    /// is none that looks for a proof.
    pub(super) fn seek<'a>(
        &self,
        asked: Option<&str>,
        mut offered: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Sought> {
        if (offered.next(), offered.next()) != (Some(PROTOCOL), None) {
            return None;
        }
        let by_name = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        let proof = asked.and_then(|name| by_name.get(&name.to_ascii_lowercase()));
        Some(proof.map_or(Sought::Nothing, |config| Sought::Proof(Arc::clone(config))))
    }
}

impl Proving<'_> {
    /// Keeps the proof for one name more: a host name, with what the authority and the account make
    /// of its token (RFC 8555 section 8.1).
    ///
    /// # Errors
    ///
    /// [`TlsError::Proof`] if it cannot be made: this order comes to nothing.
    pub fn add(&self, name: &str, key_authorization: &str) -> Result<(), TlsError> {
        let config = Arc::new(config(self.min, certified(name, key_authorization)?)?);
        let mut by_name = self.proofs.by_name.write().unwrap_or_else(PoisonError::into_inner);
        by_name.insert(name.to_ascii_lowercase(), config);
        self.proofs.open.store(true, Ordering::Release);
        Ok(())
    }
}

impl fmt::Debug for Proving<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proving").finish_non_exhaustive()
    }
}

impl Drop for Proving<'_> {
    fn drop(&mut self) {
        self.proofs.open.store(false, Ordering::Release);
        self.proofs.by_name.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A certificate for that name alone, with the proof, and a key that nobody keeps (RFC 8737
/// section 3).
fn certified(name: &str, key_authorization: &str) -> Result<CertifiedKey, TlsError> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    // A digest of this kind has the 32 bytes that are asked for.
    let digest = digest(&SHA256, key_authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest.as_ref())];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialized_der()));
    // Unchecked: whoever does not know the critical extension finds that such a certificate is none.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], any_ecdsa_type(&secret)?))
}

/// A handshake and nothing else: the authority shows no certificate, and gets no ticket.
fn config(min: MinVersion, certified: CertifiedKey) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(min.versions())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use x509_parser::extensions::GeneralName;

    use super::*;
    use crate::tls::leaf::{alternative_names, parse};

    const ACME: &str = "acme-tls/1";

    fn names(proofs: &Proofs, asked: Option<&str>, offered: &[&str]) -> Option<bool> {
        let sought = proofs.seek(asked, offered.iter().map(|name| name.as_bytes()));
        sought.map(|sought| matches!(sought, Sought::Proof(_)))
    }

    #[test]
    fn a_proof_is_for_whoever_offers_nothing_else_and_asks_for_its_name() {
        let proofs = Proofs::default();
        assert!(!proofs.are_kept());
        let proving = proofs.begin(MinVersion::Tls12);
        assert!(!proofs.are_kept());
        proving.add("Gate.test", "abc.print").unwrap();
        proving.add("shop.test", "def.print").unwrap();
        assert!(proofs.are_kept());
        for name in ["gate.test", "GATE.test", "shop.test"] {
            assert_eq!(names(&proofs, Some(name), &[ACME]), Some(true), "{name}");
        }
        for name in ["", "x.gate.test", "test", "gate.test.", "*.test"] {
            assert_eq!(names(&proofs, Some(name), &[ACME]), Some(false), "{name}");
        }
        assert_eq!(names(&proofs, None, &[ACME]), Some(false));
        for offered in [
            &[][..],
            &["h2"],
            &[ACME, "h2"],
            &["h2", ACME],
            &[ACME, ACME],
            &["acme-tls/10"],
            &["ACME-TLS/1"],
            &[""],
        ] {
            assert_eq!(names(&proofs, Some("gate.test"), offered), None, "{offered:?}");
        }
        drop(proving);
        assert!(!proofs.are_kept());
        assert_eq!(names(&proofs, Some("gate.test"), &[ACME]), Some(false));
    }

    #[test]
    fn the_certificate_is_for_one_name_and_says_the_proof_in_a_critical_extension() {
        let made = certified("gate.test", "abc.print").unwrap();
        let [certificate] = &made.cert[..] else { panic!("one certificate") };
        let read = parse(certificate).unwrap();
        assert_eq!(alternative_names(&read).unwrap(), [GeneralName::DNSName("gate.test")]);
        assert_eq!(read.subject().to_string(), "");
        let found: Vec<_> = read.extensions().iter().filter(|one| one.critical).collect();
        let proof = found.iter().find(|one| one.oid.to_string() == "1.3.6.1.5.5.7.1.31").unwrap();
        // An octet string (X.690 section 8.7) of the 32 bytes that sha256sum has for it.
        let digest = [
            0xb0, 0xdc, 0x85, 0x22, 0xa0, 0x7e, 0x7e, 0xbd, 0xd3, 0x90, 0x96, 0x11, 0x8c, 0x70,
            0x3a, 0xda, 0x7a, 0xf4, 0xe3, 0x90, 0x95, 0x15, 0xde, 0x20, 0x79, 0xe8, 0x22, 0xc1,
            0x84, 0xa5, 0xf4, 0xca,
        ];
        assert_eq!(proof.value, [[4, 32].as_slice(), &digest].concat());
        let other = certified("gate.test", "abc.print").unwrap();
        assert_ne!(other.cert[0], made.cert[0]);
    }
}
