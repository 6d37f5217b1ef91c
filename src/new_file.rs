//! A file that has its name only once it is whole and on disk.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file in the making, for its owner only, beside the place where it will be. Dropped before it
/// is given its name, it is gone; who is killed meanwhile leaves it under the name of a draft.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    draft: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins a file that will be at `path`.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let tag = getrandom::u64().map_err(io::Error::other)?;
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{tag:016x}.new"));
        let draft = PathBuf::from(draft);
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&draft)?;
        Ok(Self { path: path.to_owned(), draft, file })
    }

    /// The file itself.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// Where it is until it has its name.
    #[cfg(any(feature = "cli", test))]
    pub(crate) fn draft(&self) -> &Path {
        &self.draft
    }

    /// Gives the file its name, which no other may have: a link follows no link, and takes over
    /// no file that somebody else made meanwhile.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`], or what else the system says; there is no file then.
    pub(crate) fn publish(self) -> io::Result<()> {
        self.file.sync_all()?;
        let linked = fs::hard_link(&self.draft, &self.path).or_else(|error| {
            let there = fs::symlink_metadata(&self.path);
            match there {
                Err(there) if no_links(&error) && there.kind() == io::ErrorKind::NotFound => {
                    fs::rename(&self.draft, &self.path)
                }
                _ => Err(error),
            }
        });
        linked?;
        sync_folder(&self.path).inspect_err(|_| drop(fs::remove_file(&self.path)))
    }

    /// Gives the file its name, and takes the place of another: a crash leaves the one or the
    /// other.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn replace(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.draft, &self.path)?;
        sync_folder(&self.path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // Its first name, or what became of nothing.
        drop(fs::remove_file(&self.draft));
    }
}

/// Gives a file a second name, which no other may have, and that stays when the first goes to
/// another file. Where there are no links the first name goes at once.
///
/// # Errors
///
/// The system's.
#[cfg(any(feature = "cli", test))]
pub(crate) fn keep_as(path: &Path, name: &Path) -> io::Result<()> {
    fs::hard_link(path, name).or_else(|error| match fs::symlink_metadata(name) {
        Err(there) if no_links(&error) && there.kind() == io::ErrorKind::NotFound => {
            fs::rename(path, name)
        }
        _ => Err(error),
    })
}

/// Where a link leads, so that what it leads to is replaced and the link stays; any other path as it
/// is, and a link that leads nowhere.
pub(crate) fn behind_links(path: &Path) -> PathBuf {
    let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    let behind = if is_link { path.canonicalize().ok() } else { None };
    behind.unwrap_or_else(|| path.to_owned())
}

/// Waits until the names in the folder of that file are on disk: a file lasts only when the folder
/// that names it does.
///
/// # Errors
///
/// The system's.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// The folder that a file is in.
pub(crate) fn folder(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

/// Whether the file system has no links, or lets nobody make them.
fn no_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn listed(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let new = NewFile::create(&path).unwrap();
        new.file().write_all(b"one").unwrap();
        assert!(!path.exists() && new.draft().exists());
        new.publish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(listed(folder.path()), ["a"]);
    }

    #[test]
    fn what_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(NewFile::create(&folder.path().join("a")).unwrap());
        assert!(listed(folder.path()).is_empty());
    }

    #[test]
    fn a_link_is_followed_to_where_it_leads() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "").unwrap();
        std::os::unix::fs::symlink("a", path("one")).unwrap();
        std::os::unix::fs::symlink(path("one"), path("two")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("lost")).unwrap();
        let end = path("a").canonicalize().unwrap();
        assert_eq!([behind_links(&path("one")), behind_links(&path("two"))], [end.clone(), end]);
        for name in ["a", "lost", "nothing"] {
            assert_eq!(behind_links(&path(name)), path(name));
        }
    }

    #[test]
    fn only_a_replacement_takes_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "first").unwrap();
        let error = NewFile::create(&path).unwrap().publish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"first");
        keep_as(&path, &folder.path().join("kept")).unwrap();
        assert!(keep_as(&path, &folder.path().join("kept")).is_err());
        let new = NewFile::create(&path).unwrap();
        new.file().write_all(b"second").unwrap();
        new.replace().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read(folder.path().join("kept")).unwrap(), b"first");
        assert_eq!(listed(folder.path()), ["a", "kept"]);
    }
}
