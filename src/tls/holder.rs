//! The certificate of a client, and what its holder is called.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use super::TlsError;
use super::leaf::{alternative_names, parse};

/// A certificate that a client has shown, checked by its chain and time, and proved to hold the
/// key of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate(Arc<Holder>);

#[derive(Debug, Eq, PartialEq)]
struct Holder {
    names: Vec<String>,
    subject: String,
}

impl ClientCertificate {
    /// Reads a certificate.
    ///
    /// Its names are the subject alternative names that are host names (in lower case), URIs or
    /// addresses for mail; where it has none of these, the common name of its subject.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unreadable`]: do not serve its client.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let read = parse(certificate)?;
        let mut names = Vec::new();
        for name in alternative_names(&read)? {
            if let GeneralName::DNSName(name) = name {
                names.push(name.to_ascii_lowercase());
            } else if let GeneralName::URI(name) | GeneralName::RFC822Name(name) = name {
                names.push((*name).to_owned());
            }
        }
        names.retain(|name| !name.is_empty());
        if names.is_empty() {
            let mut common = read.subject().iter_common_name();
            // Of two nobody knows which is meant.
            if let (Some(name), None) = (common.next(), common.next())
                && let Ok(name) = name.as_str()
                && !name.is_empty()
            {
                names.push(name.to_owned());
            }
        }
        Ok(Self(Arc::new(Holder { names, subject: read.subject().to_string() })))
    }

    /// A certificate that has just these names, for trying rules.
    pub fn named(names: Vec<String>) -> Self {
        Self(Arc::new(Holder { names, subject: String::new() }))
    }

    /// Its names.
    pub fn names(&self) -> &[String] {
        &self.0.names
    }

    /// Its subject as text, such as `C=DE, O=Example, CN=billing`.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Whether that is one of its names, to the letter.
    pub fn is_named(&self, name: &str) -> bool {
        self.0.names.iter().any(|known| known == name)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn read(common: &[&str], names: Vec<SanType>) -> ClientCertificate {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.distinguished_name.push(DnType::OrganizationName, "Acme");
        params.subject_alt_names = names;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        ClientCertificate::of(made.der()).unwrap()
    }

    #[test]
    fn a_holder_is_called_by_alternative_names_and_else_by_its_common_name() {
        let plain = read(&["billing"], vec![]);
        assert_eq!(plain.names(), ["billing"]);
        assert!(plain.is_named("billing") && !plain.is_named("Billing"));
        assert!(plain.subject().contains("CN=billing") && plain.subject().contains("O=Acme"));
        let address = SanType::IpAddress("192.0.2.7".parse().unwrap());
        assert_eq!(read(&["billing"], vec![address]).names(), ["billing"]);
        let named = read(
            &["admin"],
            vec![
                SanType::DnsName("A.test".try_into().unwrap()),
                SanType::URI("spiffe://a.test/billing".try_into().unwrap()),
                SanType::Rfc822Name("billing@a.test".try_into().unwrap()),
            ],
        );
        assert_eq!(named.names(), ["a.test", "spiffe://a.test/billing", "billing@a.test"]);
        assert!(!named.is_named("admin"));
        assert!(read(&[], vec![]).names().is_empty());
    }
}
