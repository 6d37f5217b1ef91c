//! A TCP connection to whichever of several addresses takes one first.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long one address is waited for alone before the next is tried beside it (RFC 8305
/// section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the addresses in their order: to the next as soon as one refuses, or has been
/// silent for a moment, so that a dead one costs no more than that. The last refusal if all
/// refuse. Dropping this drops every attempt.
pub(super) async fn tcp(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    if let [only] = addresses {
        return TcpStream::connect(only).await;
    }
    let mut left = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut refusal = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match left.next() {
            Some(next) => attempts.push(TcpStream::connect(next)),
            None if attempts.is_empty() => return Err(refusal),
            None => {}
        }
        let others_wait = left.len() > 0;
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => refusal = error,
                None => {}
            },
            () = sleep(HEAD_START), if others_wait => {}
        }
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

    #[tokio::test]
    async fn without_an_address_that_takes_it_there_is_no_connection() {
        for addresses in [vec![], vec![refusing()], vec![refusing(), refusing(), refusing()]] {
            assert!(tcp(&addresses).await.is_err(), "{addresses:?}");
        }
    }
}
