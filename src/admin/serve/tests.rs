use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::admin::{
    AdminListener, AdminSocket, AdminTcp, Client, ClientError, Command, Health, MetricsText,
    RefusalKind, Reply, SocketError,
};
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
    let door = Door::new(Arc::new(accounts), clock).with_health(|| Health {
        policy: String::new(),
        ready: true,
        stale: false,
        version: "9".into(),
        uptime: 61,
        listeners: vec!["127.0.0.1:8080".into()],
    });
    let metrics = || MetricsText { media_type: "text/x", text: "some 1\n".into() };
    Arc::new(door.with_metrics(metrics))
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
async fn what_was_counted_is_there_as_text() {
    let served = Served::start().await;
    let answer = served.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("content-type: text/x"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nsome 1\n"), "{answer}");
    served.stop().await;
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// Over the network: the answer to a request with these field lines.
async fn remote(request: &str, fields: &str) -> String {
    let settings = AdminTcp {
        addr: "127.0.0.1:0".parse().unwrap(),
        token: TOKEN.to_owned().into(),
        feed_token: None,
    };
    let listener = AdminListener::bind(settings).await.unwrap();
    let addr = listener.addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(listener.serve(door(), async { drop(stopped.await) }));
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let body = r#"{"command":"health"}"#;
    let head = format!("{request} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
    stream.write_all(format!("{head}{fields}\r\n{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    drop(stop);
    serving.await.unwrap();
    answer
}

#[tokio::test]
async fn over_the_network_a_token_opens_the_door_and_nothing_else_does() {
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let twice = format!("{bearer}{bearer}");
    let longer = format!("Authorization: Bearer {TOKEN}0\r\n");
    let page = format!("{bearer}Origin: https://a.test\r\n");
    let null = format!("{bearer}Origin: null\r\n");
    let same = format!("{bearer}Sec-Fetch-Site: same-origin\r\n");
    let typed = format!("{bearer}Sec-Fetch-Site: none\r\n");
    let basic = format!("Authorization: Basic {TOKEN}\r\n");
    for (fields, status) in [
        ("", 401),
        (&*basic, 401),
        ("Authorization: Bearer\r\n", 401),
        ("Authorization: Bearer x\r\n", 401),
        (&longer, 401),
        (&twice, 401),
        (&page, 403),
        (&null, 403),
        (&same, 403),
        (&typed, 200),
        (&bearer, 200),
    ] {
        for request in ["POST /v1/command", "GET /metrics"] {
            let answer = remote(request, fields).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields} {answer}");
            assert_eq!(answer.contains("some 1") || answer.contains("uptime"), status == 200);
            assert!(!answer.contains(TOKEN), "{answer}");
            assert_eq!(answer.contains("www-authenticate: Bearer realm"), status == 401);
        }
        let answer = remote("GET /other", fields).await;
        let expected = if status == 200 { 404 } else { status };
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{fields} {answer}");
    }
}

/// Whoever probes has no token, and learns one bit.
#[tokio::test]
async fn over_the_network_probes_need_no_token() {
    let answer = remote("GET /readyz", "").await;
    assert!(answer.ends_with("\r\n\r\n{\"ready\":true}"), "{answer}");
    let answer = remote("GET /healthz", "").await;
    assert!(answer.ends_with("\r\n\r\n{\"alive\":true}"), "{answer}");
    let known = remote("GET /readyz", &format!("Authorization: Bearer {TOKEN}\r\n")).await;
    assert!(known.contains("\"uptime\":61"), "{known}");
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
    let answer = served.raw(post(&" ".repeat(8 * 1024 * 1024 + 1)).as_bytes()).await;
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
