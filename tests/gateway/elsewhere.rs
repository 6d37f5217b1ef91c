//! Tokens verified in another process, which follows the gateway's feed of revocations.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::clock::{Clock, ManualClock, Timestamp};
use portcullis::rooms::admin::{AdminListener, AdminTcp, Door};
use portcullis::rooms::keys::KeyRing;
use portcullis::rooms::session::{Accounts, NewAccount, Registered};
use portcullis::store::{RedbStore, User, UserChange};
use portcullis::verifier::{Builder, Verifier, VerifyError};
use portcullis::{Config, Gateway, Identity, Secret};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::common::{Conn, NOW, PASSWORD, otp, soon};

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

    /// A call, whatever comes of it.
    async fn ask(&self, path: &str, token: &str, body: &serde_json::Value) -> serde_json::Value {
        let body = body.to_string();
        let request = format!(
            "POST /api/auth/{path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Conn::open(self.addr).await.ask(request).await.json()
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

/// A way to the door on which somebody sends the second word that he hears over and over again, in the
/// place of all that come later.
async fn repeating(door: SocketAddr) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let mut far = TcpStream::connect(door).await.unwrap();
            let mut part = vec![0; 64 * 1024];
            let length = near.read(&mut part).await.unwrap();
            far.write_all(&part[..length]).await.unwrap();
            let (mut seen, mut words) = (Vec::new(), Vec::new());
            while words.len() < 2 {
                let length = far.read(&mut part).await.unwrap();
                assert!(length > 0, "the door has nothing to say");
                seen.extend_from_slice(&part[..length]);
                words = chunks(&seen);
            }
            let repeated = seen[words[1].clone()].to_vec();
            near.write_all(&seen[..words[1].end]).await.unwrap();
            while near.write_all(&repeated).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    });
    (addr, serving)
}

/// Where the whole chunks of an answer are (RFC 9112 section 7.1), with what is around them.
fn chunks(answer: &[u8]) -> Vec<std::ops::Range<usize>> {
    let text = std::str::from_utf8(answer).unwrap();
    let Some(head) = text.find("\r\n\r\n") else { return Vec::new() };
    let (mut at, mut found) = (head + 4, Vec::new());
    while let Some(line) = text[at..].find("\r\n") {
        let length = usize::from_str_radix(&text[at..at + line], 16).unwrap();
        let end = at + line + 2 + length + 2;
        if end > text.len() {
            break;
        }
        found.push(at..end);
        at = end;
    }
    found
}

#[tokio::test]
async fn a_word_that_is_told_again_is_no_sign_of_life() {
    let running = Running::start().await;
    running.user("alice").await;
    let (between, _serving) = repeating(running.door).await;
    let patience = Duration::from_millis(1500);
    let verifier = running.builder(between).patience(patience).start();
    let (access, refresh) = running.log_in("alice").await;
    soon("the first word", verifier.ready()).await;
    running.log_out(&refresh).await;
    // Whoever is between sends what was so before, twenty times a second.
    let refused = async {
        loop {
            match verifier.verify(access.as_bytes()).await {
                Err(VerifyError::Silent(Some(silence))) => return assert!(silence > patience),
                // Of the next conversation.
                Err(VerifyError::Revoked) => return,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    soon("the silence, or the truth", refused).await;
}

#[tokio::test]
async fn all_who_follow_are_told_the_same_words() {
    let running = Running::start().await;
    let follow = async |name: &str| {
        let mut stream = TcpStream::connect(running.door).await.unwrap();
        let request = format!(
            "GET /v1/feed?nonce={name}{name}&follower={name}{name} HTTP/1.1\r\nHost: a.test\r\n\
             Authorization: Bearer {SERVICE}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let mut streams = [follow("abcdefgh").await, follow("ijklmnop").await];
    let mut heard: [Vec<u8>; 2] = Default::default();
    for (stream, heard) in streams.iter_mut().zip(&mut heard) {
        while chunks(heard).len() < 3 {
            soon("a word", stream.read_buf(heard)).await.unwrap();
        }
    }
    let [first, second] = heard.map(|heard| {
        let found = chunks(&heard).into_iter().map(|at| heard[at].to_vec());
        found.collect::<Vec<_>>()
    });
    // The first word is for one alone; of the others both have at least one.
    assert_ne!(first[0], second[0]);
    assert!(first[1..].iter().any(|word| second[1..].contains(word)));

    // Who comes again takes the place of himself.
    let mut again = follow("abcdefgh").await;
    soon("a word", again.read(&mut [0; 16])).await.unwrap();
    let ended = async { while streams[0].read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} };
    soon("the end of the first", ended).await;
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
        ("GET /v1/feed?nonce=0123456789abcdef&follower=x", SERVICE, 400),
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

#[tokio::test]
async fn a_second_factor_is_known_elsewhere_and_so_is_its_end() {
    let running = Running::start().await;
    let alice = running.user("alice").await;
    let verifier = running.verifier(running.door).await;
    let (plain, _) = running.log_in("alice").await;
    assert!(!verifier.verify(plain.as_bytes()).await.unwrap().has_second_factor());
    let offered = running.ask("factors/totp/", &plain, &json!({ "password": PASSWORD })).await;
    let secret = offered["secret"].as_str().unwrap();
    let code = |ahead: u64| otp::code(secret, running.clock.now().as_secs() + 30 * ahead);
    running.ask("factors/totp/confirm/", &plain, &json!({ "otp": code(0) })).await;
    assert!(!verifier.verify(plain.as_bytes()).await.unwrap().has_second_factor());
    assert!(!verifier.verify_signature(plain.as_bytes()).await.unwrap().has_second_factor());
    running.clock.advance(Duration::from_secs(2));
    let login = json!({ "username": "alice", "password": PASSWORD });
    let asked = running.ask("token/", "", &login).await;
    let answer = json!({ "challenge": asked["challenge"], "otp": code(1) });
    let pair = running.ask("token/factor/", "", &answer).await;
    let access = pair["access"].as_str().unwrap();
    let alone = verifier.verify_signature(access.as_bytes()).await.unwrap();
    assert_eq!(alone.amr, ["pwd", "otp", "mfa"]);
    assert!(verifier.verify(access.as_bytes()).await.unwrap().has_second_factor());
    running.accounts.remove_factors(alice.id).await.unwrap();
    let has_none = |verdict: Verdict| verdict.ok().filter(|alice| !alice.has_second_factor());
    within_a_second(&verifier, access, has_none).await;
}
