//! The files that prove who we are, and whether they have changed since they were read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::leaf::Leaf;
use super::{Certified, TlsError};
use crate::small_file::{self, Stamp};

/// A file, and what it was like before it was read.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub(super) path: PathBuf,
    stamp: Option<Stamp>,
}

/// What is wrong with a file. `Display` names it, and never says what is in it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub error: FileFault,
}

/// The ways in which a file can be wrong.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("cannot be read ({0})")]
    Read(#[from] io::Error),
    /// It does not hold what it should.
    #[error(transparent)]
    Content(#[from] TlsError),
}

/// A certificate and its key, as two files have them.
#[derive(Clone, Debug)]
pub struct Pair {
    cert: Watched,
    key: Watched,
    certified: Certified,
    leaf: Arc<Leaf>,
}

impl Pair {
    /// Reads both files.
    ///
    /// # Errors
    ///
    /// [`FileError`] about the one that is wrong; about the key where both are good and do not
    /// belong together.
    pub fn read(cert: &Path, key: &Path) -> Result<Self, FileError> {
        let (cert, chain) = Watched::read(cert)?;
        let (key, secret) = Watched::read(key)?;
        let about =
            |path: &Path, error: TlsError| FileError { path: path.to_owned(), error: error.into() };
        let certified = Certified::from_pem(&chain, &secret).map_err(|error| {
            let of_cert = matches!(error, TlsError::Certificate(_));
            about(if of_cert { &cert.path } else { &key.path }, error)
        })?;
        let leaf = certified.leaf().map_err(|error| about(&cert.path, error))?;
        Ok(Self { cert, key, certified, leaf: Arc::new(leaf) })
    }

    /// What the certificate says.
    pub const fn leaf(&self) -> &Arc<Leaf> {
        &self.leaf
    }

    /// The file of the certificate.
    pub fn path(&self) -> &Path {
        &self.cert.path
    }

    pub(super) const fn certified(&self) -> &Certified {
        &self.certified
    }

    /// The same files read again, if one of them is another than it was, or `always`. After an
    /// error this one still stands, and the files count as seen.
    pub(super) fn again(&mut self, always: bool) -> Option<Result<(), FileError>> {
        let stamps = (self.cert.look(), self.key.look());
        if !always && stamps == (self.cert.stamp, self.key.stamp) {
            return None;
        }
        (self.cert.stamp, self.key.stamp) = stamps;
        let read = Self::read(&self.cert.path, &self.key.path);
        Some(read.map(|read| *self = read))
    }
}

/// A file with a certificate and its key that somebody in this process writes, and may not have
/// written yet.
#[derive(Clone, Debug)]
pub struct Awaited {
    file: Watched,
    pair: Option<Pair>,
}

impl Awaited {
    /// Reads the file, if it is there. One that is broken counts as one that is not: another will
    /// take its place.
    pub fn read(path: &Path) -> (Self, Option<FileError>) {
        let file = Watched { path: path.to_owned(), stamp: Stamp::of(path) };
        let read = file.stamp.map(|_| Pair::read(path, path)).transpose();
        let (pair, error) = read.map_or_else(|error| (None, Some(error)), |pair| (pair, None));
        (Self { file, pair }, error)
    }

    /// What the file holds.
    pub const fn pair(&self) -> Option<&Pair> {
        self.pair.as_ref()
    }

    /// As [`Pair::again`].
    pub(super) fn again(&mut self, always: bool) -> Option<Result<(), FileError>> {
        if let Some(pair) = &mut self.pair {
            return pair.again(always);
        }
        let stamp = self.file.look();
        if !always && stamp == self.file.stamp {
            return None;
        }
        self.file.stamp = stamp;
        stamp?;
        let read = Pair::read(&self.file.path, &self.file.path);
        Some(read.map(|read| self.pair = Some(read)))
    }
}

impl Watched {
    fn read(path: &Path) -> Result<(Self, Zeroizing<Vec<u8>>), FileError> {
        // Before it is read: what is written meanwhile is noticed at the next look.
        let watched = Self { path: path.to_owned(), stamp: Stamp::of(path) };
        let content = small_file::read(path)
            .map_err(|error| FileError { path: path.to_owned(), error: error.into() })?;
        Ok((watched, content))
    }

    /// Reads a file as what it should hold.
    pub(super) fn read_as<T>(
        path: &Path,
        parse: impl FnOnce(&[u8]) -> Result<T, TlsError>,
    ) -> Result<(Self, T), FileError> {
        let (watched, content) = Self::read(path)?;
        let about = |error: TlsError| FileError { path: path.to_owned(), error: error.into() };
        Ok((watched, parse(&content).map_err(about)?))
    }

    /// Whether the file is another than it was, or `always`. Then it counts as seen.
    pub(super) fn is_another(&mut self, always: bool) -> bool {
        let stamp = self.look();
        let is_another = always || stamp != self.stamp;
        self.stamp = stamp;
        is_another
    }

    /// What the file is like now; `None` if there is none.
    fn look(&self) -> Option<Stamp> {
        Stamp::of(&self.path)
    }
}
