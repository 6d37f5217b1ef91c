//! What is kept: the account, the certificate, and why there was none.

use std::fs::{self, DirBuilder};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use instant_acme::AccountCredentials;
use zeroize::Zeroizing;

use super::AcmeError;
use crate::clock::Timestamp;
use crate::new_file::NewFile;
use crate::small_file;

/// Makes the folder, for its owner alone, if it is not there.
pub(super) fn make_folder(path: &Path) -> Result<(), AcmeError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(AcmeError::file(path))
}

/// Puts a file in the place of an earlier one: a crash leaves the one or the other.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), AcmeError> {
    let write = || {
        let new = NewFile::create(path)?;
        new.file().write_all(content)?;
        new.replace()
    };
    write().map_err(AcmeError::file(path))
}

/// The account that is kept; `None` if there is none.
pub(super) fn read_account(path: &Path) -> Result<Option<AccountCredentials>, AcmeError> {
    let content = match small_file::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(AcmeError::file(path)(error)),
    };
    if small_file::is_open_to_others(path) {
        return Err(AcmeError::Exposed(path.to_owned()));
    }
    let read = serde_json::from_slice(&content);
    read.map(Some).map_err(|_| AcmeError::Foreign(path.to_owned()))
}

/// Keeps an account.
pub(super) fn write_account(path: &Path, account: &AccountCredentials) -> Result<(), AcmeError> {
    let text = serde_json::to_vec(account).map_err(std::io::Error::other);
    write(path, &Zeroizing::new(text.map_err(AcmeError::file(path))?))
}

/// Forgets what is kept there. What cannot be removed stays.
pub(super) fn forget(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "cannot be removed");
    }
}

/// When the file was written last; `None` if there is none.
pub(super) fn written(path: &Path) -> Option<Timestamp> {
    path.metadata().and_then(|found| found.modified()).ok().map(Timestamp::from)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_is_for_its_owner_and_whole() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("gate.acme").join("ca.test");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
        let path = folder.join("certificate.pem");
        for content in ["one", "another"] {
            write(&path, content.as_bytes()).unwrap();
            assert_eq!(
                (fs::read_to_string(&path).unwrap().as_str(), mode(&path)),
                (content, 0o600)
            );
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        forget(&path);
        forget(&path);
        assert!(!path.exists());
        assert!(write(&folder.join("no").join("where"), b"x").is_err());
    }

    #[test]
    fn an_account_is_read_as_it_was_written_and_nothing_else_is_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("account.json");
        assert!(read_account(&path).unwrap().is_none());
        let text = r#"{"id":"https://ca.test/1","key_pkcs8":"AQID","directory":"https://ca.test"}"#;
        let account: AccountCredentials = serde_json::from_str(text).unwrap();
        write_account(&path, &account).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        let read = read_account(&path).unwrap().unwrap();
        assert_eq!(read.private_key().secret_pkcs8_der(), [1, 2, 3]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_account(&path), Err(AcmeError::Exposed(_))));
        for content in ["", "{}", "hunter2"] {
            write(&path, content.as_bytes()).unwrap();
            let refused = read_account(&path).err().unwrap();
            assert!(matches!(refused, AcmeError::Foreign(_)), "{content}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }
}
