//! Tokens verified in another process, which follows the gateway's feed of revocations.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::admin::{AdminListener, AdminTcp, Door};
use portcullis::clock::{Clock, ManualClock, Timestamp};
use portcullis::keys::KeyRing;
use portcullis::session::{Accounts, NewAccount, Registered};
use portcullis::store::{RedbStore, User, UserChange};
use portcullis::verifier::{Builder, Verifier, VerifyError};
use portcullis::{Config, Gateway, Identity, Secret};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::common::{Conn, NOW, PASSWORD, soon};

const OPERATOR: &str = "0123456789abcdef0123456789abcdef";
const SERVICE: &str = "fedcba9876543210fedcba9876543210";

const POLICY: &str = r#"
[auth]
issuer = "https://app.test"
audience = "shop"
[auth.password]
memory = "8KiB"
passes = 1
"#;

type Verdict = Result<Identity, VerifyError>;

/// A gateway with its doors open.
struct Running {
    addr: SocketAddr,
    door: SocketAddr,
    accounts: Arc<Accounts>,
    keys: Arc<KeyRing>,
    clock: Arc<ManualClock>,
    /// Ends the door.
    stop: oneshot::Sender<()>,
    closed: oneshot::Receiver<()>,
    /// What ends with the test.
    _rest: (TempDir, JoinSet<()>),
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::parse("policy", POLICY, folder.path()).unwrap().config;
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(NOW)));
        let gateway = Gateway::builder(config)
            .store(Arc::new(RedbStore::in_memory().unwrap()))
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .build()
            .unwrap();
        let (accounts, keys) = (Arc::clone(gateway.accounts()), Arc::clone(gateway.keys()));
        let door = Door::new(Arc::clone(&accounts), Arc::clone(&clock) as Arc<dyn Clock>);
        let door = Arc::new(door.with_feed(gateway.feed().unwrap()));
        let entrance = AdminListener::bind(AdminTcp {
            addr: "127.0.0.1:0".parse().unwrap(),
            token: Secret::from(OPERATOR.to_owned()),
            feed_token: Some(Secret::from(SERVICE.to_owned())),
        });
        let entrance = entrance.await.unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (closing, closed) = oneshot::channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, door_addr) = (listener.local_addr().unwrap(), entrance.addr());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            gateway.serve(listener, std::future::pending()).await.unwrap();
        });
        serving.spawn(async move {
            entrance.serve(door, async { drop(stopped.await) }).await;
            closing.send(()).ok();
        });
        let door = door_addr;
        Self { addr, door, accounts, keys, clock, stop, closed, _rest: (folder, serving) }
    }

    async fn user(&self, name: &str) -> User {
        let account = NewAccount {
            username: name.to_owned(),
            email: String::new(),
            password: Some(Secret::from(PASSWORD.to_owned())),
            roles: vec!["editor".to_owned()],
        };
        let Registered::Created(user) = self.accounts.create(account).await.unwrap() else {
            panic!("no {name}")
        };
        user
    }

    async fn post(&self, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let body = body.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let reply = Conn::open(self.addr).await.ask(request).await;
        assert_eq!(reply.status, 200, "{path} {}", reply.text());
        reply.json()
    }

    /// The access and the refresh token of a login, of another second than whatever was before.
    async fn log_in(&self, name: &str) -> (String, String) {
        self.clock.advance(Duration::from_secs(2));
        let pair =
            self.post("/api/auth/token/", &json!({ "username": name, "password": PASSWORD })).await;
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        (text("access"), text("refresh"))
    }

    async fn log_out(&self, refresh: &str) {
        self.post("/api/auth/logout/", &json!({ "refresh": refresh })).await;
    }

    /// A verifier that goes to the door by that way.
    fn builder(&self, door: SocketAddr) -> Builder {
        let keys = format!("http://{}/.well-known/jwks.json", self.addr);
        let feed = Secret::from(SERVICE.to_owned());
        let builder = Verifier::from_jwks_url(&keys).unwrap();
        let builder = builder.feed(&format!("http://{door}"), feed).unwrap();
        builder.issuer("https://app.test").audience("shop").clock(Arc::clone(&self.clock) as _)
    }

    async fn verifier(&self, door: SocketAddr) -> Verifier {
        let verifier = self.builder(door).start();
        soon("the first word", verifier.ready()).await;
        verifier
    }
}

/// A way to the door that can be cut.
struct Relay {
    addr: SocketAddr,
    open: watch::Sender<bool>,
    /// Connections so far.
    taken: Arc<AtomicUsize>,
    _relaying: JoinSet<()>,
}

impl Relay {
    async fn to(door: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (open, is_open) = watch::channel(true);
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let mut relaying = JoinSet::new();
        relaying.spawn(async move {
            let mut pairs = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut is_open = is_open.clone();
                if !*is_open.borrow_and_update() {
                    continue;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                pairs.spawn(async move {
                    let mut far = TcpStream::connect(door).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_open.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Self { addr, open, taken, _relaying: relaying }
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

/// Asks until the answer is such a one, which has to be within a second.
async fn within_a_second<T>(
    verifier: &Verifier,
    token: &str,
    mut is_it: impl FnMut(Verdict) -> Option<T>,
) -> T {
    let asked = async {
        loop {
            if let Some(it) = is_it(verifier.verify(token.as_bytes()).await) {
                return it;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), asked).await.expect("not within a second")
}

fn revoked(verdict: Verdict) -> Option<()> {
    verdict.is_err_and(|error| matches!(error, VerifyError::Revoked)).then_some(())
}

#[tokio::test]
async fn a_token_of_a_session_that_ended_is_refused_within_a_second() {
    let running = Running::start().await;
    running.user("alice").await;
    let (before, _) = running.log_in("alice").await;
    let relay = Relay::to(running.door).await;
    let verifier = running.verifier(relay.addr).await;
    assert_eq!(relay.taken(), 1);
    let (access, refresh) = running.log_in("alice").await;
    let alice = verifier.verify(access.as_bytes()).await.unwrap();
    assert_eq!((alice.username.as_str(), &*alice.roles), ("alice", &["editor".to_owned()][..]));
    assert_eq!(relay.taken(), 1, "nothing has changed, and the gateway was asked");
    // Of an older one nobody knows what was before, until the gateway is asked, once.
    for _ in 0..2 {
        verifier.verify(before.as_bytes()).await.unwrap();
        assert_eq!(relay.taken(), 2);
    }

    running.log_out(&refresh).await;
    within_a_second(&verifier, &access, revoked).await;
    // Another session of hers goes on.
    verifier.verify(before.as_bytes()).await.unwrap();
    let (again, _) = running.log_in("alice").await;
    verifier.verify(again.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn what_becomes_of_a_user_is_known_within_a_second() {
    let running = Running::start().await;
    let alice = running.user("alice").await;
    let verifier = running.verifier(running.door).await;
    let (access, _) = running.log_in("alice").await;
    let change = |change| running.accounts.change(alice.id, change);

    change(UserChange::RemoveRole("editor".to_owned())).await.unwrap();
    change(UserChange::AddRole("viewer".to_owned())).await.unwrap();
    let is_viewer = |verdict: Verdict| verdict.ok().filter(|alice| alice.roles == ["viewer"]);
    within_a_second(&verifier, &access, is_viewer).await;

    change(UserChange::Active(false)).await.unwrap();
    within_a_second(&verifier, &access, revoked).await;
    change(UserChange::Active(true)).await.unwrap();
    within_a_second(&verifier, &access, Result::ok).await;

    running.accounts.set_password(alice.id, Secret::from("another one".to_owned())).await.unwrap();
    within_a_second(&verifier, &access, revoked).await;
    running.accounts.delete(alice.id).await.unwrap();
    within_a_second(&verifier, &access, revoked).await;
}

#[tokio::test]
async fn a_feed_that_was_cut_goes_on_where_it_was() {
    let running = Running::start().await;
    for name in ["alice", "bob"] {
        running.user(name).await;
    }
    let relay = Relay::to(running.door).await;
    let verifier = running.verifier(relay.addr).await;
    let (alice, refresh) = running.log_in("alice").await;
    let (bob, _) = running.log_in("bob").await;
    relay.open.send_replace(false);
    running.log_out(&refresh).await;
    // Nothing else was told meanwhile: only a word of the feed can make the difference.
    verifier.verify(alice.as_bytes()).await.unwrap();
    relay.open.send_replace(true);
    let refused = async {
        while !matches!(verifier.verify(alice.as_bytes()).await, Err(VerifyError::Revoked)) {
            tokio::task::yield_now().await;
        }
    };
    soon("the word about the logout", refused).await;
    let taken = relay.taken();
    verifier.verify(bob.as_bytes()).await.unwrap();
    assert_eq!(relay.taken(), taken, "of bob nothing was lost, and the gateway was asked");
}

#[tokio::test]
async fn who_hears_nothing_says_so() {
    let running = Running::start().await;
    running.user("alice").await;
    let relay = Relay::to(running.door).await;
    let patience = Duration::from_millis(1500);
    let verifier = running.builder(relay.addr).patience(patience).start();
    let (access, _) = running.log_in("alice").await;
    soon("the first word", verifier.ready()).await;
    verifier.verify(access.as_bytes()).await.unwrap();

    relay.open.send_replace(false);
    let silent = async {
        loop {
            match verifier.verify(access.as_bytes()).await {
                Err(VerifyError::Silent(Some(silence))) => return silence,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    assert!(soon("the silence", silent).await > patience);
    // The caller may decide that the signature is enough.
    let alice = verifier.verify_signature(access.as_bytes()).await.unwrap();
    assert_eq!(alice.username, "alice");
    relay.open.send_replace(true);
    let heard = async {
        while verifier.verify(access.as_bytes()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon("the feed", heard).await;
}

/// A door that says those lines to everybody; counts how often it was asked.
async fn false_door(lines: String) -> (SocketAddr, watch::Receiver<usize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (asked, times) = watch::channel(0);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{lines}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            drop(stream);
            asked.send_modify(|times| *times += 1);
        }
    });
    (addr, times, serving)
}

/// What the door answers to a request with that token, as far as its first line goes.
async fn first_line(door: SocketAddr, request: &str, token: &str) -> (String, String) {
    let mut stream = TcpStream::connect(door).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut text = String::new();
    let read = async {
        let mut part = vec![0; 4096];
        while !text.trim_end().contains("\r\n\r\n") {
            let length = stream.read(&mut part).await.unwrap();
            assert!(length > 0, "no answer: {text}");
            text.push_str(std::str::from_utf8(&part[..length]).unwrap());
        }
    };
    soon("an answer", read).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let line = body.lines().find(|line| line.len() > 16).unwrap_or_default();
    (head.lines().next().unwrap().to_owned(), line.to_owned())
}

#[tokio::test]
async fn a_forged_feed_is_not_believed() {
    let running = Running::start().await;
    let other = Running::start().await;
    running.user("alice").await;
    let (access, _) = running.log_in("alice").await;
    let feed = "GET /v1/feed?nonce=0123456789abcdef";
    let (_, recorded) = first_line(running.door, feed, SERVICE).await;
    let (_, foreign) = first_line(other.door, feed, SERVICE).await;
    assert!(recorded.matches('.').count() == 2 && foreign.matches('.').count() == 2, "{recorded}");
    for lines in [
        // What was said to somebody else, by another gateway, as a token, and nothing that is said.
        format!("{recorded}\n"),
        format!("{foreign}\n"),
        format!("{access}\n"),
        "{}\n".to_owned(),
        "x".repeat(100_000),
        String::new(),
    ] {
        let (door, mut times, _serving) = false_door(lines.clone()).await;
        let verifier = running.builder(door).start();
        soon("two attempts", times.wait_for(|times| *times >= 2)).await.unwrap();
        let verdict = verifier.verify(access.as_bytes()).await;
        assert!(matches!(verdict, Err(VerifyError::Silent(None))), "{lines} {verdict:?}");
    }
    // Nor are words with another's signature on an honest way.
    let verifier = running.builder(other.door).start();
    let heard = tokio::time::timeout(Duration::from_millis(300), verifier.ready()).await;
    assert!(heard.is_err(), "another gateway was believed");
}

#[tokio::test]
async fn tokens_of_others_and_keys_that_nobody_has_are_refused() {
    let running = Running::start().await;
    let other = Running::start().await;
    other.user("alice").await;
    let verifier = running.verifier(running.door).await;
    let (foreign, refresh) = other.log_in("alice").await;
    for token in [foreign.as_str(), refresh.as_str(), "", "a.b.c"] {
        let verdict = verifier.verify(token.as_bytes()).await;
        assert!(matches!(verdict, Err(VerifyError::Token(_))), "{verdict:?}");
    }
    running.user("alice").await;
    let (access, refresh) = running.log_in("alice").await;
    let verdict = verifier.verify(refresh.as_bytes()).await;
    assert!(matches!(verdict, Err(VerifyError::Token(_))), "{verdict:?}");
    running.clock.advance(Duration::from_secs(30 * 60));
    let verdict = verifier.verify(access.as_bytes()).await;
    assert!(matches!(verdict, Err(VerifyError::Token(_))), "{verdict:?}");
}

#[tokio::test]
async fn new_keys_are_fetched_when_the_feed_speaks_of_them() {
    let running = Running::start().await;
    running.user("alice").await;
    let verifier = running.verifier(running.door).await;
    let (before, _) = running.log_in("alice").await;
    verifier.verify(before.as_bytes()).await.unwrap();
    running.keys.rotate(running.clock.now()).unwrap();
    let (after, _) = running.log_in("alice").await;
    let taken = async {
        while verifier.verify(after.as_bytes()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon("the new key", taken).await;
    verifier.verify(before.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn the_token_of_a_service_opens_the_feed_and_nothing_else() {
    let running = Running::start().await;
    let feed = "GET /v1/feed?nonce=0123456789abcdef";
    for (request, token, status) in [
        (feed, SERVICE, 200),
        (feed, OPERATOR, 200),
        (feed, "x", 401),
        ("POST /v1/verdict", "x", 401),
        ("GET /v1/feed", SERVICE, 400),
        ("GET /v1/feed?nonce=0123456789abcde", SERVICE, 400),
        ("GET /v1/feed?nonce=0123456789abcdef&place=x", SERVICE, 400),
        ("POST /v1/verdict", SERVICE, 400),
        ("POST /v1/command", SERVICE, 403),
        ("POST /v1/backup", SERVICE, 403),
        ("GET /metrics", SERVICE, 403),
        ("GET /other", SERVICE, 403),
    ] {
        let (head, _) = first_line(running.door, request, token).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request} {head}");
    }
}

#[tokio::test]
async fn who_follows_does_not_hold_up_the_end() {
    let running = Running::start().await;
    let verifier = running.verifier(running.door).await;
    drop(running.stop);
    // Commands that run would be waited for longer than this.
    let closed = tokio::time::timeout(Duration::from_secs(3), running.closed).await;
    closed.expect("the door stays open").unwrap();
    drop(verifier);
}

#[test]
fn secrets_go_by_tls_or_not_beyond_this_machine() {
    let feed = || Secret::from(SERVICE.to_owned());
    let builder = || Verifier::from_jwks_url("https://app.test/.well-known/jwks.json").unwrap();
    assert!(builder().feed("https://app.test:9901", feed()).is_ok());
    assert!(builder().feed("http://app.test:9901", feed()).is_err());
    assert!(Verifier::from_jwks_url("http://app.test/.well-known/jwks.json").is_err());
    assert!(
        !format!("{:?}", builder().feed("https://app.test", feed()).unwrap()).contains(SERVICE)
    );
}

#[test]
fn the_feed_has_a_token_of_its_own() {
    let refused = |admin: &str| {
        let policy = format!("[admin]\n{admin}");
        Config::parse("p", &policy, Path::new(".")).unwrap_err().to_string()
    };
    let short = format!("listen = \"127.0.0.1:1\"\ntoken = \"{OPERATOR}\"\nfeed_token = \"x\"");
    assert!(refused(&short).contains("p:4:14: `feed_token` is shorter than 32 bytes"));
    let same =
        format!("listen = \"127.0.0.1:1\"\ntoken = \"{OPERATOR}\"\nfeed_token = \"{OPERATOR}\"");
    assert!(refused(&same).contains("p:4:14: `feed_token` is the same as `token`"));
    let alone = format!("feed_token = \"{SERVICE}\"");
    assert!(refused(&alone).contains("p:2:14: `feed_token` is for `listen`, which is not there"));
}
