//! A gateway on a hyper server of the program's own, over a store of the program's own: users are kept in
//! a file that may not grow beyond so many bytes, on a device that has more to keep than users.
//! `cargo run --example hyper_store -- 4194304`, and then
//! `curl -i http://127.0.0.1:3000/api/auth/register/ -d username=alice -d password=Tr1cky-Phrase-77`.
//!
//! Where it is full, whoever is there still gets in; what would need room is refused with 503, and
//! nothing is lost.

#![expect(clippy::print_stderr, reason = "the log of an example")]

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use portcullis::Peer;
use portcullis::store::RedbStore;
use portcullis::{Config, Gateway};
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

const POLICY: &str = r#"
    [upstreams]
    app = { whoami = true }

    [routes]
    "/*" = { to = "app" }

    [auth.throttle]
    register = "off"
"#;

/// A file that is never longer than `most` bytes.
#[derive(Debug)]
struct Bounded {
    file: FileBackend,
    most: u64,
}

impl StorageBackend for Bounded {
    fn set_len(&self, len: u64) -> io::Result<()> {
        if len > self.most && len > self.file.len()? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    /// Keeps a second process out.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

fn store(most: u64) -> Result<RedbStore, Box<dyn std::error::Error>> {
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).open("users.redb")?;
    Ok(RedbStore::with_backend(Bounded { file: FileBackend::new(file)?, most })?)
}

/// Serves each connection, at most a thousand at once.
async fn serve(gateway: &Gateway, listener: TcpListener) -> io::Result<()> {
    let (service, seats) = (gateway.service(), Arc::new(Semaphore::new(1000)));
    loop {
        // It is never closed.
        let seat = Arc::clone(&seats).acquire_owned().await;
        let (stream, addr): (_, SocketAddr) = listener.accept().await?;
        let peer = Peer::tcp(addr, None);
        let service = service.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            request
        });
        let mut http = http1::Builder::new();
        // What the gateway's own listener bounds, the program's server has to bound here.
        http.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
        http.max_buf_size(64 * 1024);
        let serving =
            http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                eprintln!("{addr}: {error}");
            }
            drop(seat);
        });
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let most = std::env::args().nth(1).as_deref().unwrap_or("4194304").parse()?;
    let config = Config::parse("policy", POLICY, Path::new("."))?.config;
    let gateway = Gateway::builder(config).store(Arc::new(store(most)?)).build()?;

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    tokio::select! {
        served = serve(&gateway, listener) => served?,
        () = gateway.keep() => {}
    }
    Ok(())
}
