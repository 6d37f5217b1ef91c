//! Listening sockets, and what accepts from them.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::{Given, ListenAddr, ListenerSettings};
use crate::web::Peer;

/// How long to wait after the machine refused a connection for want of files or memory.
const BREATH: Duration = Duration::from_millis(50);
/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: i32 = 1024;

/// Why nothing can be listened at. `Display` is for the operator.
///
/// ```
/// use std::path::Path;
/// use std::sync::Arc;
///
/// use portcullis::config::typed::Listener;
/// use portcullis::store::RedbStore;
/// use portcullis::{BindError, Config, Gateway};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // Somebody else has the port.
/// let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let at = Listener::at(taken.local_addr()?.to_string());
/// let config = Config::builder().listen([at]);
/// let config = config.check(Path::new("."))?.config;
/// let builder = Gateway::builder(config).store(Arc::new(RedbStore::in_memory()?));
/// let refused: Result<(), BindError> = builder.ephemeral_keys().build()?.bind();
/// assert!(refused.is_err_and(|error| error.to_string().starts_with("cannot listen at 127.0.0.1:")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {at}")]
pub struct BindError {
    /// Where.
    pub at: ListenAddr,
    /// The operating system's answer.
    #[source]
    pub source: io::Error,
}

/// One `listen` entry that is listened at.
#[derive(Debug)]
pub struct Bound {
    /// As asked for, with the real port where 0 was.
    pub settings: ListenerSettings,
    /// Its sockets.
    pub sockets: Sockets,
    file: Option<SocketFile>,
}

/// The file of a unix listener, known by its inode: as long as the listener is open, no other file
/// can have that.
#[derive(Clone, Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

/// The sockets of one `listen` entry.
#[derive(Debug)]
pub enum Sockets {
    /// One for each worker, on one port (`SO_REUSEPORT`): the kernel deals connections out. Where
    /// the socket was given, all are that one. Those of an earlier gateway may be more.
    Tcp(Vec<std::net::TcpListener>),
    /// One, whose connections are handed to the workers in turn. Its file is removed when the
    /// drain begins, unless the socket was given.
    Unix(std::os::unix::net::UnixListener),
}

impl Bound {
    /// Binds one entry for `workers` workers, or takes the socket that was given for it.
    ///
    /// # Errors
    ///
    /// [`BindError`]; nothing is listened at.
    pub fn bind(
        settings: &ListenerSettings,
        workers: usize,
        given: &mut Given,
    ) -> Result<Self, BindError> {
        let bound = match (given.take(&settings.addr, workers), &settings.addr) {
            (Err(error), _) => Err(error),
            (Ok(Some((sockets, file))), addr) => Ok((addr.clone(), sockets, file)),
            (Ok(None), ListenAddr::Tcp(addr)) => {
                bind_tcp(*addr, workers).map(|(addr, sockets)| (addr, sockets, None))
            }
            (Ok(None), ListenAddr::Unix(path)) => bind_unix(path),
        };
        match bound {
            Ok((addr, sockets, file)) => {
                Ok(Self { settings: ListenerSettings { addr, ..settings.clone() }, sockets, file })
            }
            Err(source) => Err(BindError { at: settings.addr.clone(), source }),
        }
    }

    /// The file to remove before the listener is closed, if there is one.
    pub(crate) fn file(&self) -> Option<SocketFile> {
        self.file.clone()
    }
}

impl SocketFile {
    pub(super) fn made(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: identity(path)? })
    }

    /// Removes the file. Where somebody else has put one of their own meanwhile, it stays.
    pub(crate) fn remove(&self) {
        let removed = identity(&self.path)
            .and_then(|id| if id == self.id { std::fs::remove_file(&self.path) } else { Ok(()) });
        if let Err(error) = removed {
            tracing::debug!(%error, path = %self.path.display(), "socket not removed");
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

fn bind_tcp(addr: SocketAddr, workers: usize) -> io::Result<(ListenAddr, Sockets)> {
    // With SO_REUSEPORT a second gateway of the same user would silently share the port. The
    // address is therefore tried without it, which fails where anybody listens. Nobody may listen
    // for the trial: who connected meanwhile would be reset at its end.
    drop(tcp_socket(addr, false)?);
    let first = tcp_listener(addr)?;
    let addr = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(tcp_listener(addr)?);
    }
    Ok((ListenAddr::Tcp(addr), Sockets::Tcp(sockets)))
}

fn tcp_listener(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = tcp_socket(addr, true)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket with the address, at which nobody listens yet.
fn tcp_socket(addr: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // Else a restart would wait for the last connections of the one before to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn bind_unix(path: &Path) -> io::Result<(ListenAddr, Sockets, Option<SocketFile>)> {
    let stale = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if stale {
        std::fs::remove_file(path)?;
    }
    let socket = std::os::unix::net::UnixListener::bind(path)?;
    socket.set_nonblocking(true)?;
    let file = SocketFile::made(path)?;
    Ok((ListenAddr::Unix(path.to_owned()), Sockets::Unix(socket), Some(file)))
}

/// An accepted connection.
#[derive(Debug)]
pub(super) enum Accepted {
    Tcp(TcpStream, Peer),
    Unix(UnixStream, Peer),
}

/// A listening socket in a runtime.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// The next connection. Never fails: a connection that died in the queue is not ours to
    /// complain about, and a machine out of files gets a moment to recover.
    pub(super) async fn accept(&self) -> Accepted {
        let mut is_told = false;
        loop {
            let accepted = match self {
                Self::Tcp(listener) => listener.accept().await.map(|(stream, peer)| {
                    let peer = Peer::tcp(peer, stream.local_addr().ok());
                    Accepted::Tcp(stream, peer)
                }),
                Self::Unix(listener) => {
                    listener.accept().await.map(|(stream, _)| Accepted::Unix(stream, Peer::local()))
                }
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) => {
                    // Once while it lasts: a log that fills the disk is no help.
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(error = &error as &dyn std::error::Error, "cannot accept");
                    }
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::*;

    /// Connects from an address of its own (else a socket can come to be connected to itself) until
    /// somebody listens; says when it has begun.
    fn connect(to: SocketAddr, begun: &Barrier) -> io::Result<()> {
        begun.wait();
        loop {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into())?;
            match socket.connect(&to.into()) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                ended => return ended,
            }
        }
    }

    #[test]
    fn who_comes_while_the_sockets_are_made_is_refused_or_kept_and_never_reset() {
        for _ in 0..5_000 {
            // At an address that nobody else takes ports of.
            let addr = std::net::TcpListener::bind("127.0.0.3:0").unwrap().local_addr().unwrap();
            let begun = Arc::new(Barrier::new(2));
            let comes = std::thread::spawn({
                let begun = Arc::clone(&begun);
                move || connect(addr, &begun)
            });
            begun.wait();
            let bound = bind_tcp(addr, 2).unwrap();
            comes.join().unwrap().unwrap();
            drop(bound);
        }
    }
}
