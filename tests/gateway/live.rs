//! Responses that go on: each ends with its caller's right, and with its caller.

use std::time::{Duration, Instant};

use portcullis::store::UserChange;
use serde_json::json;

use crate::common::{Conn, PASSWORD, Policy, Setup, Signer, Stage, Upstream};

pub(super) const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
pub(super) const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                      Transfer-Encoding: chunked\r\n\r\n";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";

pub(super) async fn stage(more: &str) -> Stage {
    Stage::before(Upstream::by_hand().await, |policy| policy.and(more)).await
}

/// A response under way, its head read: the client of it, and its upstream.
pub(super) async fn open(stage: &Stage, path: &str, token: &str, head: &str) -> (Conn, Conn) {
    let mut client = stage.connect().await;
    client
        .write(format!(
            "GET {path} HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(head).await;
    assert_eq!(client.reply_head().await.status, 200);
    (client, server)
}

/// A piece gets through.
pub(super) async fn passes(client: &mut Conn, server: &mut Conn) {
    server.write("2\r\nhi\r\n").await;
    assert_eq!(client.chunk().await, b"hi");
}

/// Both ends are closed in about a second, and the client can tell that something is missing.
async fn broken_off(mut client: Conn, mut server: Conn, since: Instant) {
    client.closed().await;
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

pub(super) async fn end(stage: Stage) {
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

async fn log_out(stage: &Stage, refresh: &str) {
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn a_silent_response_ends_with_its_session() {
    let stage = stage("").await;
    let (other, _) = stage.log_in("alice").await;
    let (mut kept, mut kept_server) = open(&stage, "/app/x", &other, CHUNKED).await;
    for head in [CHUNKED, LENGTH] {
        let (token, refresh) = stage.log_in("alice").await;
        let (client, server) = open(&stage, "/app/x", &token, head).await;
        log_out(&stage, &refresh).await;
        broken_off(client, server, Instant::now()).await;
    }
    passes(&mut kept, &mut kept_server).await;
    drop((kept, kept_server));
    end(stage).await;
}

/// Also where bytes flow: what comes after the logout was acknowledged does not pass.
#[tokio::test]
async fn nothing_passes_after_a_logout() {
    let stage = stage("").await;
    let (token, refresh) = stage.log_in("alice").await;
    let (mut client, mut server) = open(&stage, "/app/x", &token, CHUNKED).await;
    passes(&mut client, &mut server).await;
    log_out(&stage, &refresh).await;
    let since = Instant::now();
    server.write("6\r\nsecret\r\n").await;
    broken_off(client, server, since).await;
    end(stage).await;
}

#[tokio::test]
async fn a_response_ends_with_its_users_right() {
    let stage = stage("").await;
    let change = async |change| {
        stage.gateway.accounts.change(stage.alice.id, change).await.unwrap();
    };
    change(UserChange::AddRole("admin".to_owned())).await;
    let (client, server) = open(&stage, "/admin-area/x", &stage.token, CHUNKED).await;
    let (mut user, mut user_server) = open(&stage, "/app/x", &stage.token, CHUNKED).await;
    let (mut anyone, mut its_server) = open(&stage, "/public/x", &stage.token, CHUNKED).await;
    let since = Instant::now();
    change(UserChange::RemoveRole("admin".to_owned())).await;
    broken_off(client, server, since).await;
    // The others need no such role, but a user who is not shut out.
    passes(&mut user, &mut user_server).await;
    passes(&mut anyone, &mut its_server).await;
    let since = Instant::now();
    change(UserChange::Active(false)).await;
    broken_off(user, user_server, since).await;
    broken_off(anyone, its_server, since).await;
    end(stage).await;
}

/// So that a browser's `EventSource` connects again, and learns why.
#[tokio::test]
async fn an_event_stream_ends_properly_and_is_refused_the_next_time() {
    let stage = stage("").await;
    let (token, refresh) = stage.log_in("alice").await;
    let (mut client, mut server) = open(&stage, "/app/x", &token, EVENTS).await;
    passes(&mut client, &mut server).await;
    log_out(&stage, &refresh).await;
    let since = Instant::now();
    assert_eq!(client.chunk().await, b"");
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let again =
        format!("GET /app/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n\r\n");
    assert_eq!(client.ask(again).await.status, 401);
    drop(client);
    end(stage).await;
}

#[tokio::test]
async fn an_event_stream_ends_with_its_token_and_another_response_may_be_finished() {
    let stage = stage("").await;
    let (mut events, mut their_server) = open(&stage, "/app/e", &stage.token, EVENTS).await;
    let (mut client, mut server) = open(&stage, "/app/x", &stage.token, CHUNKED).await;
    let since = Instant::now();
    stage.gateway.clock().advance(Duration::from_secs(600));
    assert_eq!(events.chunk().await, b"");
    their_server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    passes(&mut client, &mut server).await;
    let since = Instant::now();
    stage.gateway.clock().advance(Duration::from_secs(300));
    broken_off(client, server, since).await;
    drop(events);
    end(stage).await;
}

#[tokio::test]
async fn a_route_says_how_long_a_response_outlives_its_token_and_nothing_outlives_a_logout() {
    let routes = "[routes.\"/app/long/*\"]\nto = \"up\"\noutlive = \"1h\"\n\
                  [routes.\"/app/short/*\"]\nto = \"up\"\noutlive = \"0s\"\n";
    let stage = stage(routes).await;
    let (token, refresh) = stage.log_in("alice").await;
    let (mut long, mut its_server) = open(&stage, "/app/long/x", &token, EVENTS).await;
    let (short, short_server) = open(&stage, "/app/short/x", &token, CHUNKED).await;
    let since = Instant::now();
    stage.gateway.clock().advance(Duration::from_secs(30 * 60));
    broken_off(short, short_server, since).await;
    passes(&mut long, &mut its_server).await;
    log_out(&stage, &refresh).await;
    assert_eq!(long.chunk().await, b"");
    its_server.closed().await;
    drop(long);
    end(stage).await;
}

#[tokio::test]
async fn an_upload_ends_with_its_session() {
    let stage = stage("").await;
    let (token, refresh) = stage.log_in("alice").await;
    let mut client = stage.connect().await;
    client
        .write(format!(
            "POST /app/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {token}\r\n\
             Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"
        ))
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    assert_eq!(server.chunk().await, b"hi");
    log_out(&stage, &refresh).await;
    let since = Instant::now();
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.one("connection")), (401, "close"), "{reply:?}");
    assert_eq!(reply.json()["code"], "token_not_valid");
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    end(stage).await;
}

#[tokio::test]
async fn what_an_api_key_opened_ends_with_its_user() {
    let stage = stage("[auth]\ntoken_scheme = true\n").await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    let key = stage.post("/api/auth/api-token-auth/", &body).await.json()["token"].clone();
    let key = key.as_str().unwrap();
    let mut client = stage.connect().await;
    client
        .write(format!("GET /app/x HTTP/1.1\r\nHost: a.test\r\nAuthorization: Token {key}\r\n\r\n"))
        .await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    server.write(CHUNKED).await;
    assert_eq!(client.reply_head().await.status, 200);
    stage.gateway.clock().advance(Duration::from_secs(400 * 24 * 60 * 60));
    passes(&mut client, &mut server).await;
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    broken_off(client, server, Instant::now()).await;
    end(stage).await;
}

/// Nothing is known of such a caller but what its token says.
#[tokio::test]
async fn what_another_issuer_vouched_for_ends_with_its_token() {
    let signer = Signer::es256();
    let table = "[[issuers]]\nname = \"corp\"\nissuer = \"https://id.corp.test\"\n\
                 audience = \"gateway\"\njwks = { file = \"corp.json\" }\nleeway = \"0s\"\n";
    let upstream = Upstream::by_hand().await;
    let setup = Setup::new(&Policy::to(&upstream).and(table))
        .file("corp.json", &json!({ "keys": [signer.jwk("es")] }).to_string());
    let stage = Stage::of(upstream, setup).await;
    let claims = json!({
        "iss": "https://id.corp.test", "aud": "gateway", "exp": 1_800_000_060, "sub": "u-17",
    });
    let token = signer.mint(&json!({ "alg": "ES256", "kid": "es" }), &claims);
    let (mut client, mut server) = open(&stage, "/app/x", &token, EVENTS).await;
    stage.gateway.clock().advance(Duration::from_secs(59));
    passes(&mut client, &mut server).await;
    stage.gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(client.chunk().await, b"");
    server.closed().await;
    drop(client);
    end(stage).await;
}

/// Each event arrives before the next is sent, also under the eyes of the watch.
#[tokio::test]
async fn events_are_not_held_back() {
    let stage = stage("").await;
    let (mut client, mut server) = open(&stage, "/app/x", &stage.token, EVENTS).await;
    for number in 0..20 {
        let event = format!("id: {number}\ndata: tick\n\n");
        server.write(format!("{:x}\r\n{event}\r\n", event.len())).await;
        assert_eq!(client.chunk().await, event.as_bytes());
    }
    server.write("0\r\n\r\n").await;
    assert_eq!(client.chunk().await, b"");
    drop((client, server));
    end(stage).await;
}

/// UP-cancel, for what says nothing by itself.
#[tokio::test]
async fn a_client_that_goes_away_ends_its_silent_stream_at_once() {
    let stage = stage("").await;
    for head in [EVENTS, CHUNKED, LENGTH] {
        for reset in [true, false] {
            let (client, mut server) = open(&stage, "/app/x", &stage.token, head).await;
            if reset {
                client.stream.set_zero_linger().unwrap();
            }
            let since = Instant::now();
            drop(client);
            server.closed().await;
            assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
        }
    }
    end(stage).await;
}

#[tokio::test]
async fn a_client_that_goes_away_takes_a_request_without_an_answer_along_at_once() {
    let stage = stage("").await;
    let fields = format!("Host: a.test\r\nAuthorization: Bearer {}\r\n", stage.token);
    for request in [
        format!("GET /app/x HTTP/1.1\r\n{fields}\r\n"),
        format!("POST /app/x HTTP/1.1\r\n{fields}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n"),
        format!("POST /app/x HTTP/1.1\r\n{fields}Content-Length: 9\r\n\r\nhi"),
    ] {
        let mut client = stage.connect().await;
        client.write(request).await;
        let mut server = stage.upstream.accept().await;
        server.head().await;
        let since = Instant::now();
        drop(client);
        // What was on its way may come first.
        server.rest().await;
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    }
    end(stage).await;
}
