//! A connection to whoever takes one first: of several addresses, and while a server has no room.
//!
//! Nothing of a request is sent before there is a connection, so that to try again is always safe.
//! Who calls says for how long.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

/// How long one address is waited for alone before the next is tried beside it (RFC 8305
/// section 5).
const HEAD_START: Duration = Duration::from_millis(250);
/// How long silence means only that the way is long; doubled each time. A server whose line is
/// full drops what asks for a place (Linux does), and the kernel asks again after 1, 3 and 7 s.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// How soon a socket of this machine is asked again that has no room; doubled each time.
const NO_ROOM: Duration = Duration::from_millis(5);
/// And how late at most.
const SELDOM: Duration = Duration::from_millis(250);

/// Connects to the addresses in their order: to the next as soon as one refuses, or has been
/// silent for a moment, so that a dead one costs no more than that. Those that stay silent are
/// asked again beside the first time. The last refusal if all refuse. Dropping this drops every
/// attempt.
pub(super) async fn tcp(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut left = addresses.iter();
    let mut silent = Vec::new();
    let mut pause = ASK_AGAIN;
    let mut attempts = FuturesUnordered::new();
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(next) = left.next() {
            silent.push(*next);
            attempts.push(attempt(*next));
        }
        if attempts.is_empty() && left.len() == 0 {
            return Err(refusal);
        }
        let patience = if left.len() > 0 { HEAD_START } else { pause };
        tokio::select! {
            biased;
            answer = attempts.next() => match answer {
                Some((_, Ok(stream))) => return Ok(stream),
                Some((address, Err(error))) => {
                    silent.retain(|asked| *asked != address);
                    refusal = error;
                }
                None => {}
            },
            () = sleep(patience) => if left.len() == 0 {
                attempts.extend(silent.iter().copied().map(attempt));
                pause *= 2;
            },
        }
    }
}

async fn attempt(address: SocketAddr) -> (SocketAddr, io::Result<TcpStream>) {
    let made = TcpStream::connect(address).await;
    (address, made.and_then(|stream| unless_ourselves(stream, address)))
}

/// Where nobody listens at a port of this machine, the kernel may take that very port for our side
/// and connect it to itself (RFC 9293 section 3.5). We would be our own server, and keep the port
/// from the one that is about to start.
fn unless_ourselves(stream: TcpStream, address: SocketAddr) -> io::Result<TcpStream> {
    if stream.local_addr()? == address {
        // Otherwise the port would be kept for another minute.
        stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionRefused.into())
    } else {
        Ok(stream)
    }
}

/// Connects to a socket of this machine. One whose line is full says so at once, and may have
/// room in a moment.
pub(super) async fn unix(path: &Path) -> io::Result<UnixStream> {
    let mut pause = NO_ROOM;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(pause).await,
            other => return other,
        }
        pause = (2 * pause).min(SELDOM);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// Takes no connection and refuses none: its line is full.
    fn silent() -> (TcpListener, Vec<std::net::TcpStream>, SocketAddr) {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let listener = TcpListener::from(socket);
        let addr = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) =
            std::net::TcpStream::connect_timeout(&addr, Duration::from_millis(100))
        {
            filling.push(stream);
        }
        (listener, filling, addr)
    }

    fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[tokio::test]
    async fn addresses_that_refuse_or_are_silent_cost_a_moment_and_no_more() {
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_listener, _filling, silent) = silent();
        let addresses = [refusing(), silent, refusing(), live.local_addr().unwrap()];
        let connected = tokio::time::timeout(Duration::from_secs(5), tcp(&addresses)).await;
        assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), live.local_addr().unwrap());
    }

    /// Takes all that come, from then on.
    fn accept_after(pause: Duration, listener: TcpListener) {
        std::thread::spawn(move || {
            std::thread::sleep(pause);
            listener.incoming().map_while(Result::ok).collect::<Vec<_>>()
        });
    }

    /// The kernel alone would ask again after 1 and after 3 s.
    #[tokio::test]
    async fn a_server_whose_line_is_full_is_asked_again_before_the_kernel_would() {
        let (listener, _filling, silent) = silent();
        let since = std::time::Instant::now();
        accept_after(Duration::from_millis(1100), listener);
        let connected = tokio::time::timeout(Duration::from_secs(5), tcp(&[silent])).await;
        assert_eq!(connected.unwrap().unwrap().peer_addr().unwrap(), silent);
        assert!(since.elapsed() < Duration::from_millis(2800), "{:?}", since.elapsed());
    }

    #[tokio::test]
    async fn a_socket_whose_line_is_full_is_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("full.sock");
        let address = socket2::SockAddr::unix(&path).unwrap();
        let socket =
            || socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        let listener = socket();
        listener.bind(&address).unwrap();
        listener.listen(0).unwrap();
        let mut filling = Vec::new();
        let full = loop {
            let one = socket();
            one.set_nonblocking(true).unwrap();
            match one.connect(&address) {
                Ok(()) => filling.push(one),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let mut connecting = std::pin::pin!(unix(&path));
        let early = tokio::time::timeout(Duration::from_millis(50), connecting.as_mut()).await;
        assert!(early.is_err(), "{early:?}");
        let accepting = std::thread::spawn(move || (listener.accept().unwrap(), listener));
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        connected.unwrap().unwrap();
        drop((accepting.join().unwrap(), filling));
        // What is no full line is told at once.
        let nowhere = unix(&dir.path().join("nowhere.sock")).await;
        assert_eq!(nowhere.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_connection_to_ourselves_is_none() {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let stream = socket.connect(address).await.unwrap();
        let refused = unless_ourselves(stream, address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        // And the port is free for whom it belongs to.
        let server = TcpListener::bind(address).unwrap();
        tcp(&[server.local_addr().unwrap()]).await.unwrap();
    }

    #[tokio::test]
    async fn without_an_address_that_takes_it_there_is_no_connection() {
        for addresses in [vec![], vec![refusing()], vec![refusing(), refusing(), refusing()]] {
            assert!(tcp(&addresses).await.is_err(), "{addresses:?}");
        }
    }
}
