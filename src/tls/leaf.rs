//! What a certificate says of its holder (RFC 5280): for which names, and for how long.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::TlsError;
use crate::clock::Timestamp;

/// How long before its end a certificate is complained of: what renews by itself has by then tried
/// for weeks.
pub const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// A certificate of ours: the hosts that it is for, and its time.
///
/// Only subject alternative names count (RFC 6125 section 6.4.4): no client looks at the common
/// name any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Leaf {
    names: HashSet<String>,
    /// What follows the `*.` of each wildcard.
    wildcards: HashSet<String>,
    addresses: HashSet<IpAddr>,
    starts: Timestamp,
    ends: Timestamp,
}

/// Whether a certificate may be shown on a day. `Display` is for the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It may, for some time yet.
    Good,
    /// It may, until then, which is less than [`SOON`] away.
    EndsSoon(Timestamp),
    /// It may no more, since then: clients refuse it.
    Ended(Timestamp),
    /// It may not yet, until then: clients refuse it.
    Early(Timestamp),
}

impl Leaf {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// [`TlsError::Unreadable`] if it is none.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let read = parse(certificate)?;
        let mut leaf = Self {
            names: HashSet::new(),
            wildcards: HashSet::new(),
            addresses: HashSet::new(),
            starts: moment(read.validity().not_before),
            ends: moment(read.validity().not_after),
        };
        for name in alternative_names(&read)? {
            if let GeneralName::DNSName(name) = name {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                match name.strip_prefix("*.") {
                    Some(rest) => leaf.wildcards.insert(rest.to_owned()),
                    None => leaf.names.insert(name),
                };
            } else if let GeneralName::IPAddress(bytes) = name {
                leaf.addresses.extend(address(bytes));
            }
        }
        Ok(leaf)
    }

    /// Whether it is for this host: a name in lower case without a dot at its end, or an address,
    /// in version 6 in brackets. A wildcard stands for one label (RFC 6125 section 6.4.3).
    pub fn covers(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        self.names.contains(host)
            || host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && self.wildcards.contains(rest))
    }

    /// The hosts that it is for, wildcards with their `*.`.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let wildcards = self.wildcards.iter().map(|rest| format!("*.{rest}"));
        self.names.iter().cloned().chain(wildcards)
    }

    /// When it begins.
    pub const fn starts(&self) -> Timestamp {
        self.starts
    }

    /// When it ends.
    pub const fn ends(&self) -> Timestamp {
        self.ends
    }

    /// Whether it may be shown at `now`.
    pub fn standing(&self, now: Timestamp) -> Standing {
        if now > self.ends {
            Standing::Ended(self.ends)
        } else if now < self.starts {
            Standing::Early(self.starts)
        } else if now.plus(SOON) > self.ends {
            Standing::EndsSoon(self.ends)
        } else {
            Standing::Good
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("the certificate is good"),
            Self::EndsSoon(at) => write!(f, "the certificate ends soon, at {at}; renew it"),
            Self::Ended(at) => {
                write!(f, "the certificate ended at {at}, and clients refuse it; renew it")
            }
            Self::Early(at) => {
                write!(f, "the certificate begins at {at}, and clients refuse it until then")
            }
        }
    }
}

pub(super) fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, TlsError> {
    let (rest, read) = X509Certificate::from_der(certificate).map_err(|_| TlsError::Unreadable)?;
    if rest.is_empty() { Ok(read) } else { Err(TlsError::Unreadable) }
}

/// The subject alternative names, in their order; none where there is no such extension.
pub(super) fn alternative_names<'a, 'b>(
    read: &'b X509Certificate<'a>,
) -> Result<&'b [GeneralName<'a>], TlsError> {
    let found = read.subject_alternative_name().map_err(|_| TlsError::Unreadable)?;
    Ok(found.map_or(&[], |found| &found.value.general_names))
}

pub(super) fn moment(time: ASN1Time) -> Timestamp {
    // Before 1970 is 1970.
    Timestamp::from_secs(u64::try_from(time.timestamp()).unwrap_or_default())
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).into())).ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn leaf(names: &[&str]) -> Leaf {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Leaf::of(made.der()).unwrap()
    }

    #[test]
    fn a_certificate_is_for_its_alternative_names_alone() {
        let leaf = leaf(&["A.test", "*.b.test", "192.0.2.7", "2001:db8::7"]);
        for host in ["a.test", "x.b.test", "192.0.2.7", "[2001:db8::7]", "[2001:db8:0::7]"] {
            assert!(leaf.covers(host), "{host}");
        }
        for host in [
            "",
            "b.test",
            "x.y.b.test",
            ".b.test",
            "x.a.test",
            "a.test.b",
            "192.0.2.8",
            "[::1]",
            "*.a.test",
            "rcgen self signed cert",
        ] {
            assert!(!leaf.covers(host), "{host}");
        }
        let mut names: Vec<_> = leaf.names().collect();
        names.sort();
        assert_eq!(names, ["*.b.test", "a.test"]);
    }

    #[test]
    fn a_certificate_has_its_time() {
        let leaf = leaf(&["a.test"]);
        let ends = Timestamp::from_secs(1_798_761_600);
        assert_eq!(leaf.ends(), ends);
        for (now, standing) in [
            (1_700_000_000, Standing::Early(Timestamp::from_secs(1_767_225_600))),
            (1_790_000_000, Standing::Good),
            (1_798_000_000, Standing::EndsSoon(ends)),
            (1_798_761_600, Standing::EndsSoon(ends)),
            (1_798_761_601, Standing::Ended(ends)),
        ] {
            assert_eq!(leaf.standing(Timestamp::from_secs(now)), standing, "{now}");
        }
        let said = Standing::Ended(ends).to_string();
        assert_eq!(
            said,
            "the certificate ended at 2027-01-01T00:00:00Z, and clients refuse it; renew it"
        );
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for bytes in [b"".as_slice(), b"x", b"\x30\x03\x02\x01\x01"] {
            let der = CertificateDer::from(bytes.to_vec());
            assert!(matches!(Leaf::of(&der), Err(TlsError::Unreadable)), "{bytes:?}");
        }
    }
}
