//! What the operator decides about certificates that are issued.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::tls::Roots;

/// How the folder is called that everything is kept in; otherwise it is that of the store.
const FOLDER: &str = "acme";

/// How it is proved that a name is ours. `Display` has its name in the RFCs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Proof {
    /// By what the authority fetches in clear, at port 80 (RFC 8555 section 8.3).
    #[default]
    Http01,
    /// By a handshake that it begins at port 443 (RFC 8737).
    TlsAlpn01,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http01 => "HTTP-01",
            Self::TlsAlpn01 => "TLS-ALPN-01",
        })
    }
}

/// The table `[tls.acme]`, checked.
#[derive(Clone, Debug)]
pub struct AcmeSettings {
    /// The names that the one certificate is for: host names in lower case, none twice. Never
    /// empty.
    pub domains: Vec<String>,
    /// How it is proved that they are ours.
    pub proof: Proof,
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// Where the authority says what it can do (RFC 8555 section 7.1.1): an `https://` URL.
    pub directory: String,
    /// Whose word the certificate of the authority's own server needs.
    pub roots: Roots,
    /// Where the account and the certificate are kept: a folder for this authority alone, so that
    /// what another one has issued, perhaps for a trial, is never taken for its own.
    pub folder: PathBuf,
}

impl AcmeSettings {
    /// The directory of Let's Encrypt.
    pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

    /// The folder for an authority, beside a store.
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use portcullis::rooms::acme::AcmeSettings;
    ///
    /// let folder = AcmeSettings::folder_beside(Path::new("gate.redb"), "https://ca.test/acme/v2");
    /// assert_eq!(folder, Path::new("gate.acme/ca.test-acme-v2"));
    /// ```
    pub fn folder_beside(store: &Path, directory: &str) -> PathBuf {
        let bare = directory.strip_prefix("https://").unwrap_or(directory);
        let plain =
            |sign: char| if sign.is_ascii_alphanumeric() || sign == '.' { sign } else { '-' };
        store.with_extension(FOLDER).join(bare.chars().map(plain).collect::<String>())
    }

    /// The file with the certificate, those that vouch for it, and its key.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// The file with the account and its key.
    pub fn account(&self) -> PathBuf {
        self.folder.join("account.json")
    }

    /// The file that says why there was no certificate the last time.
    pub(super) fn failure(&self) -> PathBuf {
        self.folder.join("last-failure")
    }
}
