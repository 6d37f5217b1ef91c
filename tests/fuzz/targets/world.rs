//! A gateway that is asked by its sockets, with handlers behind it that note what reached them.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use portcullis::rooms::web::Body;
use portcullis::store::RedbStore;
use portcullis::{Config, Gateway};
use tempfile::TempDir;
use tower::service_fn;

/// Longest wait for anything; nothing is waited for that need not come.
const LIMIT: Duration = Duration::from_secs(10);

/// A request that got through.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// `None` where it broke off.
    pub(crate) body: Option<Bytes>,
}

/// The sockets of the gateway, and what its handlers saw.
pub(crate) struct World {
    folder: TempDir,
    passed: Arc<Mutex<Vec<Passed>>>,
}

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::start);

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (clear, proxied) = (at("clear"), at("proxied"));
        let policy = format!(
            r#"
            listen = ["unix:{clear}", {{ addr = "unix:{proxied}", proxy_protocol = true }}]
            workers = 1
            trust = ["127.0.0.1"]
            [upstreams]
            app = {{ inner = true }}
            [routes]
            "/*" = {{ to = "app", allow = "anyone" }}
            "/private/*" = {{ to = "app" }}
            [limits]
            head_timeout = "2s"
            body_timeout = "2s"
            idle_timeout = "2s"
            "#
        );
        let passed: Arc<Mutex<Vec<Passed>>> = Arc::default();
        let noted = Arc::clone(&passed);
        let handler = service_fn(move |request: Request<Body>| {
            let noted = Arc::clone(&noted);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
                let path = parts.uri.path().to_owned();
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.push(Passed { path, headers: parts.headers, body });
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(
                    b"ok",
                ))))
            }
        });
        let config = Config::parse("policy", &policy, Path::new("/")).expect("a policy").config;
        let store = Arc::new(RedbStore::in_memory().expect("a store"));
        let builder = Gateway::builder(config).store(store).ephemeral_keys().route_handler(handler);
        let mut gateway = builder.build().expect("a gateway");
        gateway.bind().expect("sockets");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(gateway.run(std::future::pending()))
        });
        Self { folder, passed }
    }

    /// Sends these bytes to a socket and nothing behind them; what came back, and what got through.
    pub(crate) fn tell(&self, socket: &str, bytes: &[u8]) -> (Vec<u8>, Vec<Passed>) {
        let mut stream = UnixStream::connect(self.folder.path().join(socket)).expect("a gateway");
        stream.set_read_timeout(Some(LIMIT)).expect("a deadline");
        stream.set_write_timeout(Some(LIMIT)).expect("a deadline");
        // Whoever is refused may be cut off while it speaks.
        if stream.write_all(bytes).is_ok() {
            stream.shutdown(std::net::Shutdown::Write).ok();
        }
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("the connection was left open: {error}"),
        }
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        (answer, std::mem::take(&mut *passed))
    }
}
