//! From the name of a server to its addresses.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::thread;
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

/// How long an answer is believed. Names move, and a look-up a connection would be a burden.
const BELIEVED: Duration = Duration::from_secs(5);

/// The addresses of one server.
///
/// The system's resolver blocks, for half a minute where nobody answers it. It has a thread of
/// its own for that time: on the threads that read the store, a dead name server would keep
/// people from logging in.
#[derive(Debug, Default)]
pub(super) struct Resolver(Mutex<Option<(Instant, Vec<SocketAddr>)>>);

impl Resolver {
    /// The addresses. One look-up at a time; whoever comes meanwhile shares its answer.
    pub(super) async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let mut known = self.0.lock().await;
        if let Some((asked, addresses)) = &*known
            && asked.elapsed() < BELIEVED
        {
            return Ok(addresses.clone());
        }
        let (answer, answered) = oneshot::channel();
        let name = (host.to_owned(), port);
        thread::Builder::new().name("resolver".to_owned()).spawn(move || {
            let found = name.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            // Whoever asked may have run out of patience.
            drop(answer.send(found));
        })?;
        let found = answered.await.map_err(io::Error::other)??;
        *known = Some((Instant::now(), found.clone()));
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_and_numbers_become_addresses() {
        let resolver = Resolver::default();
        let six = resolver.resolve("::1", 80).await.unwrap();
        assert_eq!(six, ["[::1]:80".parse().unwrap()]);
        let local = resolver.resolve("localhost", 80).await.unwrap();
        assert!(!local.is_empty() && local.iter().all(|found| found.ip().is_loopback()));
        assert_eq!(resolver.resolve("localhost", 80).await.unwrap(), local);
    }

    #[tokio::test]
    async fn an_unknown_name_is_an_error() {
        assert!(Resolver::default().resolve("no-such-host.invalid", 80).await.is_err());
    }
}
