//! Whose word the certificates of clients need, and what was taken back of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::files::{FileError, Watched};
use super::leaf::{moment, parse};
use super::settings::ClientAuth;
use super::{TlsError, certificates, provider};
use crate::clock::Timestamp;

/// Whose word the certificate of a client needs, with the lists of what they have taken back.
#[derive(Clone, Debug)]
pub struct Authorities {
    file: Watched,
    trusted: Trusted,
    lists: Vec<ListFile>,
}

#[derive(Clone, Debug)]
struct Trusted {
    roots: Arc<RootCertStore>,
    names: Vec<Name>,
}

/// How somebody is called in a certificate.
#[derive(Clone, Debug)]
struct Name {
    der: Vec<u8>,
    text: String,
}

/// A file with revocation lists (RFC 5280 section 5).
#[derive(Clone, Debug)]
struct ListFile {
    file: Watched,
    lists: Vec<List>,
    /// It was said that one of them is over.
    is_told: bool,
}

#[derive(Clone, Debug)]
struct List {
    der: CertificateRevocationListDer<'static>,
    issuer: Vec<u8>,
    ends: Timestamp,
}

/// A list that says nothing any more, since another one was due then.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Over {
    /// Its file.
    pub path: PathBuf,
    /// When it ended.
    pub since: Timestamp,
}

impl Authorities {
    /// Reads the authorities, certificates in PEM, at least one; and their revocation lists, each
    /// file with at least one in PEM.
    ///
    /// Where there are lists, each authority of a client's chain needs one that is not over:
    /// without it nobody knows what it has taken back.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub fn read(path: &Path, lists: &[PathBuf]) -> Result<Self, FileError> {
        let (file, trusted) = Watched::read_as(path, Trusted::of)?;
        let read = |path: &PathBuf| ListFile::read(path, &trusted.roots);
        let lists = lists.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { file, trusted, lists })
    }

    /// Reads the files that are others than they were, or `always` all, and says what became of
    /// each. After an error what was read before still stands, and the file counts as seen.
    pub(super) fn again(&mut self, always: bool) -> Vec<Result<PathBuf, FileError>> {
        let mut told = Vec::new();
        if self.file.is_another(always) {
            let read = Watched::read_as(&self.file.path, Trusted::of);
            told.push(read.map(|(file, trusted)| {
                let path = file.path.clone();
                (self.file, self.trusted) = (file, trusted);
                path
            }));
        }
        for list in &mut self.lists {
            if list.file.is_another(always) {
                let read = ListFile::read(&list.file.path, &self.trusted.roots);
                told.push(read.map(|read| {
                    *list = read;
                    list.file.path.clone()
                }));
            }
        }
        told
    }

    /// When the first list of each file ends.
    pub(super) fn lists_end(&self) -> impl Iterator<Item = (PathBuf, Timestamp)> {
        let ends = self.lists.iter().map(|file| (file.file.path.clone(), file.first_end()));
        ends.filter_map(|(path, end)| Some((path, end?)))
    }

    /// The lists that are over at `now`.
    pub fn over(&self, now: Timestamp) -> Vec<Over> {
        self.lists.iter().filter_map(|list| list.over(now)).collect()
    }

    /// Those of which that was not said before.
    pub(super) fn newly_over(&mut self, now: Timestamp) -> Vec<Over> {
        let untold = self.lists.iter_mut().filter(|list| !list.is_told);
        let over = untold.filter_map(|list| {
            let over = list.over(now)?;
            list.is_told = true;
            Some(over)
        });
        over.collect()
    }

    /// The authorities of which there is no list though there are some, by their names: every
    /// certificate of theirs is refused.
    pub fn without_list(&self) -> Vec<&str> {
        if self.lists.is_empty() {
            return Vec::new();
        }
        let listed = |name: &&Name| self.all_lists().any(|list| list.issuer == name.der);
        let names = self.trusted.names.iter();
        names.filter(|name| !listed(name)).map(|name| name.text.as_str()).collect()
    }

    /// Who checks a chain, and its proof, in a handshake.
    pub(super) fn verifier(
        &self,
        auth: ClientAuth,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let roots = Arc::clone(&self.trusted.roots);
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        if !self.lists.is_empty() {
            let lists = self.all_lists().map(|list| list.der.clone());
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        let builder = match auth {
            ClientAuth::Optional => builder.allow_unauthenticated(),
            ClientAuth::Off | ClientAuth::Required => builder,
        };
        Ok(builder.build()?)
    }

    /// Who judges chains that were shown before.
    pub(super) fn judge(&self) -> Result<Judge, TlsError> {
        let verifier = self.verifier(ClientAuth::Required)?;
        // At its end a list is over; a certificate is good in its last second.
        let last = |list: &List| Timestamp::from_secs(list.ends.as_secs().saturating_sub(1));
        Ok(Judge { verifier, ends: self.all_lists().map(last).collect() })
    }

    fn all_lists(&self) -> impl Iterator<Item = &List> {
        self.lists.iter().flat_map(|file| &file.lists)
    }
}

/// Who says whether a certificate is good, by the authorities and lists of one time.
#[derive(Debug)]
pub(super) struct Judge {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The last second of each list.
    ends: Vec<Timestamp>,
}

impl Judge {
    /// The last second for which the verdict on a chain holds, its own certificate first; `None` if
    /// it is not good at `now`. `ends` are the last seconds of its certificates.
    pub(super) fn good_until(
        &self,
        chain: &[CertificateDer<'static>],
        ends: &[Timestamp],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let (own, others) = chain.split_first()?;
        let time = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()));
        self.verifier.verify_client_cert(own, others, time).ok()?;
        let second = Timestamp::from_secs(now.as_secs());
        let yet_to_come = ends.iter().chain(&self.ends).filter(|end| **end >= second);
        Some(yet_to_come.min().copied().unwrap_or(second))
    }

    /// The same for a chain that was found good just now, in a handshake.
    pub(super) fn first_end(&self, ends: &[Timestamp]) -> Option<Timestamp> {
        ends.iter().chain(&self.ends).min().copied()
    }
}

impl Trusted {
    fn of(content: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let mut names = Vec::new();
        for certificate in certificates(content)? {
            let read = parse(&certificate)?;
            let subject = read.subject();
            names.push(Name { der: subject.as_raw().to_vec(), text: subject.to_string() });
            roots.add(certificate)?;
        }
        Ok(Self { roots: Arc::new(roots), names })
    }
}

impl ListFile {
    fn read(path: &Path, roots: &Arc<RootCertStore>) -> Result<Self, FileError> {
        let (file, lists) = Watched::read_as(path, |content| lists(content, roots))?;
        Ok(Self { file, lists, is_told: false })
    }

    fn first_end(&self) -> Option<Timestamp> {
        self.lists.iter().map(|list| list.ends).min()
    }

    fn over(&self, now: Timestamp) -> Option<Over> {
        let since = self.first_end().filter(|end| *end <= now)?;
        Some(Over { path: self.file.path.clone(), since })
    }
}

/// All revocation lists of a PEM file; at least one.
fn lists(content: &[u8], roots: &Arc<RootCertStore>) -> Result<Vec<List>, TlsError> {
    let read = CertificateRevocationListDer::pem_slice_iter(content);
    let found: Vec<_> =
        read.collect::<Result<_, _>>().map_err(|error| TlsError::NoList(Some(error)))?;
    if found.is_empty() {
        return Err(TlsError::NoList(None));
    }
    found.into_iter().map(|der| list(der, roots)).collect()
}

fn list(
    der: CertificateRevocationListDer<'static>,
    roots: &Arc<RootCertStore>,
) -> Result<List, TlsError> {
    // Whoever will use it is asked whether it can be used; by whom it is signed is checked where it
    // is, for the authority may be one that a client shows.
    let trial = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider());
    trial.with_crls([der.clone()]).build().map_err(TlsError::List)?;
    let (_, read) =
        CertificateRevocationList::from_der(&der).map_err(|_| TlsError::NoList(None))?;
    let ends = read.next_update().map(moment).ok_or(TlsError::NoList(None))?;
    let issuer = read.issuer().as_raw().to_vec();
    Ok(List { der, issuer, ends })
}
