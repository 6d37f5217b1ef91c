//! Listening sockets that whoever started the process has opened for it.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use socket2::{Socket, Type};

use super::{ListenAddr, ListenerSettings, Sockets};

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
    socket: Socket,
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
            let (at, socket) = match identify(file) {
                Ok(Some(known)) => known,
                Ok(None) => return Err(GivenError::Unfit { name, source: None }),
                Err(error) => return Err(GivenError::Unfit { name, source: Some(error) }),
            };
            let again = given.0.iter().any(|one| is_same(&one.at, &at));
            if again || !listeners.iter().any(|listener| is_same(&listener.addr, &at)) {
                return Err(GivenError::Unwanted { name, at, again });
            }
            given.0.push(One { name, at, socket });
        }
        Ok(given)
    }

    /// Takes the socket for an address, if there is one: as many of it as there are workers.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub(super) fn take(
        &mut self,
        addr: &ListenAddr,
        workers: usize,
    ) -> io::Result<Option<Sockets>> {
        let Some(place) = self.0.iter().position(|one| is_same(&one.at, addr)) else {
            return Ok(None);
        };
        let One { name, at, socket } = self.0.swap_remove(place);
        tracing::info!(name, at = %at, "socket taken over");
        socket.set_nonblocking(true)?;
        if matches!(at, ListenAddr::Unix(_)) {
            return Ok(Some(Sockets::Unix(UnixListener::from(OwnedFd::from(socket)))));
        }
        // One queue for all workers: whoever is free takes the next connection.
        let mut sockets = Vec::with_capacity(workers);
        for _ in 1..workers {
            sockets.push(TcpListener::from(socket.try_clone()?));
        }
        sockets.push(TcpListener::from(socket));
        Ok(Some(Sockets::Tcp(sockets)))
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
