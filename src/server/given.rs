//! Listening sockets that whoever started the process has opened for it.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use socket2::{Socket, Type};

use super::{ListenAddr, ListenerSettings, SocketFile, Sockets};

/// Why a socket that was handed over is of no use. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GivenError {
    /// Not a socket that is listened at.
    #[error(
        "the file that was handed over as {name:?} is no listening stream socket; a socket unit \
         needs `ListenStream=` with an address or a path, and `Accept=no`"
    )]
    Unfit {
        /// What it was called.
        name: String,
        /// The operating system's answer, if that was one.
        #[source]
        source: Option<io::Error>,
    },
    /// No listener wants it.
    #[error(
        "a socket for {at} was handed over as {name:?}, and `listen` has no such address{}; write \
         \"{at}\" there as it stands here, or take it out of the socket unit",
        twice(*again)
    )]
    Unwanted {
        /// What it was called.
        name: String,
        /// Where it listens.
        at: ListenAddr,
        /// Whether an earlier one has that address.
        again: bool,
    },
}

const fn twice(again: bool) -> &'static str {
    if again { " a second time" } else { "" }
}

/// Sockets that listen already: connections that come while nobody accepts wait in them.
#[derive(Debug, Default)]
pub struct Given(Vec<One>);

#[derive(Debug)]
struct One {
    name: String,
    at: ListenAddr,
    sockets: Vec<Socket>,
    /// Whether the file of a unix socket is ours to remove.
    owns_file: bool,
}

impl Given {
    /// These files, by the names that they were handed over with, for these listeners.
    ///
    /// # Errors
    ///
    /// A [`GivenError`] for the first that is not for one of the listeners: nobody would ever
    /// accept from it.
    pub fn for_listeners(
        files: impl IntoIterator<Item = (String, OwnedFd)>,
        listeners: &[ListenerSettings],
    ) -> Result<Self, GivenError> {
        let mut given = Self::default();
        for (name, file) in files {
            let (at, socket) = known(&name, file)?;
            let again = given.0.iter().any(|one| is_same(&one.at, &at));
            if again || !listeners.iter().any(|listener| is_same(&listener.addr, &at)) {
                return Err(GivenError::Unwanted { name, at, again });
            }
            given.0.push(One { name, at, sockets: vec![socket], owns_file: false });
        }
        Ok(given)
    }

    /// Those of a gateway whose place is taken, for these listeners. What none of them wants is
    /// closed.
    ///
    /// # Errors
    ///
    /// [`GivenError::Unfit`] for what no gateway hands over.
    pub fn taken_over(
        files: impl IntoIterator<Item = OwnedFd>,
        listeners: &[ListenerSettings],
    ) -> Result<Self, GivenError> {
        const NAME: &str = "a running gateway";
        let mut given = Self::default();
        for file in files {
            let (at, socket) = known(NAME, file)?;
            // Each of its workers has one.
            if let Some(one) = given.0.iter_mut().find(|one| is_same(&one.at, &at)) {
                one.sockets.push(socket);
            } else if listeners.iter().any(|listener| is_same(&listener.addr, &at)) {
                let name = NAME.to_owned();
                given.0.push(One { name, at, sockets: vec![socket], owns_file: true });
            } else {
                tracing::info!(%at, "no longer listened at");
            }
        }
        Ok(given)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the sockets for an address, if there are any: one for each worker at least. With it
    /// comes the file that is to be removed in the end.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub(super) fn take(
        &mut self,
        addr: &ListenAddr,
        workers: usize,
    ) -> io::Result<Option<(Sockets, Option<SocketFile>)>> {
        let Some(place) = self.0.iter().position(|one| is_same(&one.at, addr)) else {
            return Ok(None);
        };
        let One { name, at, mut sockets, owns_file } = self.0.swap_remove(place);
        tracing::info!(name, at = %at, "socket taken over");
        for socket in &sockets {
            socket.set_nonblocking(true)?;
        }
        if let ListenAddr::Unix(path) = &at {
            // There is one: a gateway's workers share it.
            let Some(socket) = sockets.pop() else { return Ok(None) };
            let file = if owns_file { Some(SocketFile::made(path)?) } else { None };
            return Ok(Some((Sockets::Unix(UnixListener::from(OwnedFd::from(socket))), file)));
        }
        // Workers beyond those that there are sockets for share a queue: whoever is free takes the
        // next connection.
        for shared in 0..workers.saturating_sub(sockets.len()) {
            if let Some(twin) = sockets.get(shared).map(Socket::try_clone) {
                sockets.push(twin?);
            }
        }
        Ok(Some((Sockets::Tcp(sockets.into_iter().map(TcpListener::from).collect()), None)))
    }
}

/// What a file is that was handed over, and where it listens.
fn known(name: &str, file: OwnedFd) -> Result<(ListenAddr, Socket), GivenError> {
    let unfit = |source| GivenError::Unfit { name: name.to_owned(), source };
    match identify(file) {
        Ok(Some(known)) => Ok(known),
        Ok(None) => Err(unfit(None)),
        Err(error) => Err(unfit(Some(error))),
    }
}

/// Where a socket listens. `None` if it is none, or none that connections come from.
fn identify(file: OwnedFd) -> io::Result<Option<(ListenAddr, Socket)>> {
    // Not for the programs that we might start.
    fcntl_setfd(&file, fcntl_getfd(&file)? | FdFlags::CLOEXEC)?;
    let socket = Socket::from(file);
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Ok(None);
    }
    let addr = socket.local_addr()?;
    let tcp = addr.as_socket().map(ListenAddr::Tcp);
    let at = tcp.or_else(|| addr.as_pathname().map(|path| ListenAddr::Unix(PathBuf::from(path))));
    Ok(at.map(|at| (at, socket)))
}

/// A path may have been written in another way.
fn is_same(one: &ListenAddr, other: &ListenAddr) -> bool {
    match (one, other) {
        (ListenAddr::Unix(one), ListenAddr::Unix(other)) => {
            let (real, other_real) = (one.canonicalize(), other.canonicalize());
            one == other || matches!((real, other_real), (Ok(one), Ok(other)) if one == other)
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests;
