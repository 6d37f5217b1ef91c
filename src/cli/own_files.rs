//! The files that a gateway lives on: nothing that a command makes may take their place.

use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::policy_file::PolicyFile;
use super::secrets::secrets;
use crate::audit;
use crate::config::Config;
use crate::new_file::folder;

/// What a gateway makes for itself and nobody else may read. Not all of it need be there.
pub(super) fn private_files(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let mut files = vec![
        ("the key file", config.keys.ring.clone()),
        ("the admin socket", config.admin.socket.clone()),
        ("the audit record", config.audit.path.clone()),
    ];
    files.extend(config.store.file().map(|store| ("the store", store.to_owned())));
    if let Some(acme) = &config.acme {
        files.push(("the account at the authority", acme.account()));
        files.push(("the certificate with its key", acme.certificate()));
    }
    files
}

/// What of a gateway's own a file at that place would replace, or stand in the way of.
pub(super) fn ours_at(
    place: &Path,
    config: &Config,
    file: &PolicyFile,
) -> anyhow::Result<Option<&'static str>> {
    let place = Spot::of(place);
    let record = audit::files_of(&config.audit.path)?;
    let secrets = file.path().map(secrets).unwrap_or_default();
    let private = private_files(config);
    let ours = private.iter().map(|(what, path)| (*what, path.as_path()));
    let ours = ours.chain(file.path().map(|path| ("the policy file", path)));
    let ours = ours.chain(record.iter().map(|path| ("the audit record", path.as_path())));
    let ours = ours.chain(secrets.files.iter().map(|path| ("a secret", path.as_path())));
    let mut ours = ours.filter(|(_, path)| place.is(&Spot::of(path)));
    Ok(ours.next().map(|(what, _)| what))
}

/// A place for a file, however it is spelled.
struct Spot {
    /// What is there, behind all links.
    file: Option<(u64, u64)>,
    folder: Option<(u64, u64)>,
    name: Option<OsString>,
}

impl Spot {
    fn of(path: &Path) -> Self {
        let number = |found: Metadata| (found.dev(), found.ino());
        Self {
            file: path.metadata().ok().map(number),
            folder: folder(path).metadata().ok().map(number),
            name: path.file_name().map(OsString::from),
        }
    }

    /// Whether both are one file, or would be.
    fn is(&self, other: &Self) -> bool {
        let one_file = self.file.is_some() && self.file == other.file;
        let one_name = self.folder.is_some() && self.folder == other.folder;
        one_file || one_name && self.name == other.name
    }
}
