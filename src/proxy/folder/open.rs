//! Opens what is below a folder, and nothing else: no link, however it got there and whenever,
//! leads out of it.

use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;

/// A fifo or a device that stands there does not make anybody wait, and no terminal becomes ours.
const READ: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// A folder to look into is not read.
#[cfg(target_os = "linux")]
const ENTER: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
const ENTER: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);

/// An open folder: whatever its path means by now, it stays the one.
#[derive(Debug)]
pub(super) struct Root(OwnedFd);

/// What a name is the name of.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file, open for reading.
    File(File, Metadata),
    /// A folder.
    Folder,
    /// Nothing that is served; with a cause, where there may be a file that cannot be read.
    Nothing(Option<io::Error>),
}

impl Root {
    /// Opens a folder that the operator has named.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self(open(folder, ENTER, Mode::empty())?))
    }

    /// What is there under a name: segments joined by `/`, none of them `.` or `..`.
    ///
    /// # Errors
    ///
    /// What says nothing about the name: no more files can be open, the disk fails.
    pub(super) fn find(&self, name: &str) -> io::Result<Found> {
        let name = if name.is_empty() { "." } else { name };
        let file = match beneath(&self.0, name) {
            Ok(file) => File::from(file),
            Err(Errno::ACCESS | Errno::PERM) => {
                return Ok(Found::Nothing(Some(io::ErrorKind::PermissionDenied.into())));
            }
            // XDEV: it leads out. NXIO: nobody writes to it, or it is a socket.
            Err(
                Errno::NOENT
                | Errno::NOTDIR
                | Errno::NAMETOOLONG
                | Errno::LOOP
                | Errno::XDEV
                | Errno::NXIO
                | Errno::NODEV
                | Errno::AGAIN
                | Errno::INVAL,
            ) => return Ok(Found::Nothing(None)),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if metadata.is_file() {
            Ok(Found::File(file, metadata))
        } else if metadata.is_dir() {
            Ok(Found::Folder)
        } else {
            Ok(Found::Nothing(None))
        }
    }
}

/// The system itself sees to it that no step leads out (`openat2`, Linux 5.6).
#[cfg(target_os = "linux")]
fn beneath(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};

    const TRIES: usize = 8;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES {
        match openat2(root, name, READ, Mode::empty(), resolve) {
            // Something was moved meanwhile, so that it cannot tell.
            Err(Errno::AGAIN | Errno::INTR) => {}
            // An older system, or one whose sandbox does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => return step_by_step(root, name),
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

#[cfg(not(target_os = "linux"))]
fn beneath(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    step_by_step(root, name)
}

/// One folder after the other, and through no link at all.
fn step_by_step(root: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let mut folder: Option<OwnedFd> = None;
    let (above, last) = name.rsplit_once('/').map_or((None, name), |(a, l)| (Some(a), l));
    for segment in above.into_iter().flat_map(|above| above.split('/')) {
        let at = folder.as_ref().unwrap_or(root).as_fd();
        folder = Some(openat(at, segment, ENTER | OFlags::NOFOLLOW, Mode::empty())?);
    }
    let at = folder.as_ref().unwrap_or(root).as_fd();
    openat(at, last, READ | OFlags::NOFOLLOW, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    type Open = fn(&OwnedFd, &str) -> Result<OwnedFd, Errno>;

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        let at = |name: &str| tree.path().join(name);
        fs::create_dir_all(at("site/sub/deep")).unwrap();
        fs::create_dir(at("site-secret")).unwrap();
        for file in ["secret", "site-secret/x", "site/a", "site/sub/b", "site/sub/deep/c"] {
            fs::write(at(file), file).unwrap();
        }
        for (to, link) in [
            ("../secret", "site/out"),
            ("../../secret", "site/sub/out"),
            ("..", "site/up"),
            ("../site-secret", "site/beside"),
            ("/etc/passwd", "site/absolute"),
            ("/", "site/all"),
            ("loop", "site/loop"),
            ("/proc/self/root", "site/magic"),
            ("sub/b", "site/inside"),
            ("sub", "site/within"),
            ("../site/a", "site/roundabout"),
        ] {
            symlink(to, at(link)).unwrap();
        }
        tree
    }

    fn read(root: &OwnedFd, open: Open, name: &str) -> Option<String> {
        let file = open(root, name).ok().map(File::from)?;
        file.metadata().unwrap().is_file().then(|| io::read_to_string(file).unwrap())
    }

    #[test]
    fn no_link_leads_out() {
        let tree = tree();
        let Root(root) = Root::open(&tree.path().join("site")).unwrap();
        for (open, is_system) in [(beneath as Open, true), (step_by_step, false)] {
            for (name, content) in [("a", "site/a"), ("sub/deep/c", "site/sub/deep/c")] {
                assert_eq!(read(&root, open, name).as_deref(), Some(content));
            }
            for name in [
                "out",
                "sub/out",
                "up/secret",
                "up/site/a",
                "beside/x",
                "absolute",
                "all/etc/passwd",
                "loop",
                "magic/etc/passwd",
                "roundabout",
                "../secret",
                "sub/../../secret",
                "/etc/passwd",
            ] {
                // The last line of defence: no such name comes here in the first place.
                if !is_system && (name.contains("..") || name.starts_with('/')) {
                    continue;
                }
                assert_eq!(read(&root, open, name), None, "{name}");
            }
        }
        #[cfg(target_os = "linux")]
        for (name, content) in [("inside", "site/sub/b"), ("within/b", "site/sub/b")] {
            assert_eq!(read(&root, beneath, name).as_deref(), Some(content));
        }
    }

    #[test]
    fn only_regular_files_are_found_and_nothing_is_waited_for() {
        let tree = tree();
        let at = |name: &str| tree.path().join("site").join(name);
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, mode, 0)
            .unwrap();
        let root = Root::open(&at("")).unwrap();
        for name in ["fifo", "socket", "nothing", "a/b", &"x".repeat(300), "out"] {
            let found = root.find(name).unwrap();
            assert!(matches!(found, Found::Nothing(None)), "{name}: {found:?}");
        }
        assert!(matches!(root.find("").unwrap(), Found::Folder));
        assert!(matches!(root.find("sub").unwrap(), Found::Folder));
        assert!(matches!(root.find("a").unwrap(), Found::File(..)));
    }

    /// Somebody swaps a folder for a link that leads out, again and again, while it is read.
    #[test]
    fn what_is_swapped_meanwhile_does_not_lead_out_either() {
        let tree = tree();
        let site = tree.path().join("site");
        fs::create_dir(site.join("real")).unwrap();
        fs::write(site.join("real/x"), "inside").unwrap();
        symlink("../site-secret", site.join("trap")).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let cwd = rustix::fs::CWD;
                while !done.load(Ordering::Relaxed) {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    let (real, trap) = (site.join("real"), site.join("trap"));
                    rustix::fs::renameat_with(cwd, &real, cwd, &trap, flags).unwrap();
                }
            });
            let Root(root) = Root::open(&site).unwrap();
            for round in 0..4000 {
                let open = if round % 2 == 0 { beneath } else { step_by_step as Open };
                if let Some(content) = read(&root, open, "real/x") {
                    assert_eq!(content, "inside", "in round {round}");
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
