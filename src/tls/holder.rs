//! The certificate of a client, what its holder is called, and whether it is good still.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use super::TlsError;
use super::authorities::Judge;
use super::leaf::{alternative_names, moment, parse};
use crate::clock::Timestamp;

/// Who judges certificates now: another one after each change of the files.
pub(super) type Bench = ArcSwapOption<Judge>;

/// A certificate that a client has shown, checked by its chain and time, and proved to hold the
/// key of.
#[derive(Clone, Debug)]
pub struct ClientCertificate(Arc<Holder>);

#[derive(Debug)]
struct Holder {
    names: Vec<String>,
    subject: String,
    /// `None`: it was never shown, and is nobody's.
    shown: Option<Chain>,
}

/// What was shown, and what was found of it last.
#[derive(Debug)]
struct Chain {
    /// Its own first.
    certificates: Vec<CertificateDer<'static>>,
    /// The last second of each.
    ends: Vec<Timestamp>,
    bench: Arc<Bench>,
    last: Mutex<Verdict>,
}

#[derive(Debug)]
struct Verdict {
    by: Arc<Judge>,
    /// The last second for which it holds; `None`: it is not good.
    good_until: Option<Timestamp>,
}

impl ClientCertificate {
    /// The holder of a chain that `by` has found good in a handshake.
    pub(super) fn shown(
        chain: &[CertificateDer<'_>],
        by: &Arc<Judge>,
        bench: &Arc<Bench>,
    ) -> Result<Self, TlsError> {
        let own = chain.first().ok_or(TlsError::Unreadable)?;
        let mut holder = Holder::read(own)?;
        let ends = chain.iter().map(|one| Ok(moment(parse(one)?.validity().not_after)));
        let ends = ends.collect::<Result<Vec<_>, TlsError>>()?;
        let good_until = by.first_end(&ends);
        let last = Mutex::new(Verdict { by: Arc::clone(by), good_until });
        let certificates = chain.iter().map(|one| one.clone().into_owned()).collect();
        holder.shown = Some(Chain { certificates, ends, bench: Arc::clone(bench), last });
        Ok(Self(Arc::new(holder)))
    }

    /// A certificate that has just these names, for trying rules.
    pub fn named(names: Vec<String>) -> Self {
        Self(Arc::new(Holder { names, subject: String::new(), shown: None }))
    }

    /// Whether it may be believed at `now`: it has not ended, and those whose word it needs are
    /// still believed and have not taken it back. A look at the clock, unless the files have changed
    /// or something has ended since it was asked last.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.0.shown.as_ref().is_none_or(|chain| chain.is_good(now))
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

impl PartialEq for ClientCertificate {
    /// Whether rules can tell them apart.
    fn eq(&self, other: &Self) -> bool {
        (&self.0.names, &self.0.subject) == (&other.0.names, &other.0.subject)
    }
}

impl Eq for ClientCertificate {}

impl Holder {
    /// Reads a certificate.
    ///
    /// Its names are the subject alternative names that are host names (in lower case), URIs or
    /// addresses for mail; where it has none of these, the common name of its subject.
    fn read(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
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
        Ok(Self { names, subject: read.subject().to_string(), shown: None })
    }
}

impl Chain {
    fn is_good(&self, now: Timestamp) -> bool {
        let bench = self.bench.load();
        let Some(judge) = &*bench else { return false };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let in_time = |end: Timestamp| now.as_secs() <= end.as_secs();
        if !Arc::ptr_eq(&last.by, judge) || !last.good_until.is_none_or(in_time) {
            let good_until = judge.good_until(&self.certificates, &self.ends, now);
            *last = Verdict { by: Arc::clone(judge), good_until };
        }
        last.good_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn read(common: &[&str], names: Vec<SanType>) -> Holder {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.distinguished_name.push(DnType::OrganizationName, "Acme");
        params.subject_alt_names = names;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Holder::read(made.der()).unwrap()
    }

    #[test]
    fn a_holder_is_called_by_alternative_names_and_else_by_its_common_name() {
        let plain = read(&["billing"], vec![]);
        assert_eq!(plain.names, ["billing"]);
        assert!(plain.subject.contains("CN=billing") && plain.subject.contains("O=Acme"));
        let address = SanType::IpAddress("192.0.2.7".parse().unwrap());
        assert_eq!(read(&["billing"], vec![address]).names, ["billing"]);
        let named = read(
            &["admin"],
            vec![
                SanType::DnsName("A.test".try_into().unwrap()),
                SanType::URI("spiffe://a.test/billing".try_into().unwrap()),
                SanType::Rfc822Name("billing@a.test".try_into().unwrap()),
            ],
        );
        assert_eq!(named.names, ["a.test", "spiffe://a.test/billing", "billing@a.test"]);
        let named = ClientCertificate(Arc::new(named));
        assert!(named.is_named("a.test") && !named.is_named("A.test") && !named.is_named("admin"));
        assert!(read(&[], vec![]).names.is_empty());
    }
}
