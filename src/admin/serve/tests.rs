use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::admin::{AdminSocket, Client, ClientError, Health, Reply, SocketError};
use crate::clock::{Clock, SystemClock};
use crate::password::{PasswordSettings, Passwords};
use crate::session::{Accounts, Rules};
use crate::store::RedbStore;
use crate::token::Revisions;

fn door() -> Arc<Door> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let accounts = Accounts::new(
        Arc::new(RedbStore::in_memory().unwrap()),
        Arc::clone(&clock),
        Arc::new(Passwords::start(PasswordSettings::default()).unwrap()),
        Arc::new(Revisions::default()),
        Rules::default(),
    );
    Arc::new(Door::new(Arc::new(accounts), clock).with_health(|| Health {
        policy: String::new(),
        ready: true,
        version: "9".into(),
        uptime: 61,
        listeners: vec!["127.0.0.1:8080".into()],
    }))
}

/// A socket that is served until it is told to stop.
struct Served {
    folder: TempDir,
    path: PathBuf,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let socket = AdminSocket::bind(&path).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(socket.serve(door(), async { drop(stopped.await) }));
        Self { folder, path, stop, serving }
    }

    async fn send(&self, command: &Command) -> Result<Reply, ClientError> {
        Client::connect(&self.path).await?.send(command).await
    }

    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        self.serving.await.unwrap();
        assert!(!self.path.exists(), "the socket was left behind");
        self.folder
    }
}

#[tokio::test]
async fn a_command_goes_through_the_socket() {
    let served = Served::start().await;
    let Reply::Health(health) = served.send(&Command::Health).await.unwrap() else { panic!() };
    assert!(health.ready);
    assert_eq!(health.to_string(), "ready: portcullis 9, up 1m 1s, listening on 127.0.0.1:8080");
    let show = Command::UserShow { name: "nobody".into() };
    let Err(ClientError::Refused(refusal)) = served.send(&show).await else { panic!() };
    assert_eq!(refusal.kind, RefusalKind::NotFound);
    served.stop().await;
}

#[tokio::test]
async fn the_socket_is_its_owners_alone() {
    let served = Served::start().await;
    let meta = std::fs::symlink_metadata(&served.path).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(served.folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "the folder it was made in is still there");
    served.stop().await;
}

#[tokio::test]
async fn probes_ask_by_plain_http() {
    let served = Served::start().await;
    let answer = served.raw(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#""ready":true"#), "{answer}");
    let answer = served.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    served.stop().await;
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_not_repeated() {
    let served = Served::start().await;
    let post = |body: &str| {
        format!(
            "POST /v1/command HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let body = r#"{"command": "set-password", "name": "a", "password": 123454321}"#;
    let answer = served.raw(post(body).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(!answer.contains("123454321"), "{answer}");
    let answer = served.raw(post(&" ".repeat(LONGEST + 1)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = served.raw(b"GET /v1/command HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    served.stop().await;
}

#[tokio::test]
async fn who_says_nothing_does_not_hold_up_the_end() {
    let served = Served::start().await;
    let silent = UnixStream::connect(&served.path).await.unwrap();
    // A command after it: by then the silent one has been accepted.
    served.send(&Command::Health).await.unwrap();
    timeout(READING / 2, served.stop()).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_second_gateway_is_told_of_the_first() {
    let served = Served::start().await;
    let before = std::fs::symlink_metadata(&served.path).unwrap().ino();
    assert!(matches!(AdminSocket::bind(&served.path).await, Err(SocketError::InUse(_))));
    assert_eq!(std::fs::symlink_metadata(&served.path).unwrap().ino(), before);
    assert!(served.send(&Command::Health).await.is_ok());
    served.stop().await;
}

#[tokio::test]
async fn a_socket_of_the_dead_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(matches!(Client::connect(&path).await, Err(ClientError::NotRunning(_))));
    let socket = AdminSocket::bind(&path).await.unwrap();
    assert!(Client::connect(&path).await.is_ok());
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_of_somebody_else_is_neither_replaced_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("admin.sock");
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(AdminSocket::bind(&path).await, Err(SocketError::NoSocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();

    let socket = AdminSocket::bind(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    drop(socket);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s".repeat(108));
    let error = AdminSocket::bind(&path).await.unwrap_err();
    assert!(error.to_string().ends_with(
        "the path of a socket can have at most 107 bytes; set `[admin] socket` to a shorter one"
    ));
    assert!(matches!(Client::connect(&path).await, Err(ClientError::NotRunning(_))));
}
