//! The unix socket: nobody but its owner can reach it, not even while it is made.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use super::answer::Pass;
use super::serve::{self, Entrance, Visitor};
use super::{Door, LONGEST_PATH};
use crate::audit::Origin;

/// How long another gateway has to take our connection, when we ask whether there is one.
const PROBE: Duration = Duration::from_secs(2);

/// Why there is no admin socket. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Somebody answers there: stop that gateway, or give this one another socket.
    #[error("{}: another portcullis is running with this admin socket", .0.display())]
    InUse(PathBuf),
    /// Something else is there: remove it, or choose another path.
    #[error("{}: this is no socket; remove it, or set `[admin] socket` to another path", .0.display())]
    NoSocket(PathBuf),
    /// Longer than a socket's path can be; choose a shorter one.
    #[error("{}: the path of a socket can have at most {LONGEST_PATH} bytes; set `[admin] socket` to a shorter one", .0.display())]
    TooLong(PathBuf),
    /// The operating system refused.
    #[error("{}: cannot make the admin socket: {source}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
}

/// The operator's socket, bound. Dropping it removes the file, if it is still ours.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    file: OwnFile,
    /// Who may speak to us, besides root.
    owner: u32,
}

impl AdminSocket {
    /// Binds the socket, readable and writable by its owner only, in place of one that a dead
    /// gateway left behind.
    ///
    /// # Errors
    ///
    /// A [`SocketError`]; what was there before is still there.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        let fails = |source| SocketError::Io { path: path.to_owned(), source };
        if path.as_os_str().as_bytes().len() > LONGEST_PATH {
            return Err(SocketError::TooLong(path.to_owned()));
        }
        probe(path).await?;
        let nursery = Nursery::make(path).map_err(fails)?;
        let made = nursery.0.join("s");
        if made.as_os_str().as_bytes().len() > LONGEST_PATH {
            return Err(SocketError::TooLong(path.to_owned()));
        }
        let listener = UnixListener::bind(&made).map_err(fails)?;
        // Also where a default ACL of the folder would have let others in.
        fs::set_permissions(&made, Permissions::from_mode(0o600)).map_err(fails)?;
        let id = fs::symlink_metadata(&made).map(|made| identity(&made)).map_err(fails)?;
        let owner = own_uid().map_err(fails)?;
        fs::rename(&made, path).map_err(fails)?;
        let file = OwnFile { path: path.to_owned(), id };
        Ok(Self { listener, file, owner })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Lets commands in until `shutdown` resolves, then lets running ones end.
    ///
    /// Dropping the future cuts them off; the socket is removed either way.
    pub async fn serve(self, door: Arc<Door>, shutdown: impl Future<Output = ()> + Send) {
        serve::serve(&self, &door, shutdown).await;
    }

    /// Whom the peer runs as, if that is as we do, or root. The file's mode says the same, as
    /// long as nobody changes it.
    fn operator(&self, peer: &UnixStream) -> Option<u32> {
        let uid = peer.peer_cred().ok()?.uid();
        (uid == self.owner || uid == 0).then_some(uid)
    }
}

impl Entrance for AdminSocket {
    type Stream = UnixStream;

    async fn next(&self) -> io::Result<Option<(UnixStream, Visitor)>> {
        let (peer, _) = self.listener.accept().await?;
        let Some(uid) = self.operator(&peer) else {
            tracing::warn!("a stranger was refused at the admin socket");
            return Ok(None);
        };
        Ok(Some((peer, Visitor { origin: Origin::operator(uid), pass: Pass::Owner })))
    }
}

/// Refuses to go on where somebody answers, or where something else than a socket is.
async fn probe(path: &Path) -> Result<(), SocketError> {
    let fails = |source| SocketError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fails(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::NoSocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match tokio::time::timeout(PROBE, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A full queue has somebody behind it, too.
        Ok(Err(error)) if error.kind() != ErrorKind::WouldBlock => Err(fails(error)),
        Ok(_) | Err(_) => Err(SocketError::InUse(path.to_owned())),
    }
}

/// A folder that only we can enter, beside the socket to be: a socket is bound with the
/// process's umask, and what is done about its mode afterwards would be too late.
struct Nursery(PathBuf);

impl Nursery {
    fn make(beside: &Path) -> io::Result<Self> {
        let folder = beside.parent().unwrap_or_else(|| Path::new(""));
        let name = getrandom::u32().map_err(io::Error::other)?;
        let folder = folder.join(format!(".{name:08x}"));
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        // Best effort: an empty folder is a blemish, no danger.
        drop(fs::remove_file(self.0.join("s")));
        drop(fs::remove_dir(&self.0));
    }
}

/// A file of ours, known by its inode.
#[derive(Debug)]
struct OwnFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.id);
        if ours {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Our effective user, as a peer would see us.
fn own_uid() -> io::Result<u32> {
    let (ours, _theirs) = UnixStream::pair()?;
    Ok(ours.peer_cred()?.uid())
}
