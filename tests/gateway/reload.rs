//! Another policy while the gateway runs: what changes, what goes on, what has to end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::h2_upstream::H2Server;
use crate::common::{PASSWORD, Policy, Setup, Signer, Stage, Upstream};
use crate::live::{self, CHUNKED, open, passes};
use crate::websocket;

const SHORT: &str = "[routes.\"/new/*\"]\nto = \"up\"\nallow = \"anyone\"\n";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

impl Stage {
    /// The policy of the same upstream, with something else in it, is put in force.
    fn reload(&self, policy: impl FnOnce(Policy) -> Policy) -> portcullis::Reloaded {
        self.gateway.reload(&policy(Policy::to(&self.upstream)))
    }
}

#[tokio::test]
async fn the_next_request_of_a_connection_meets_the_new_policy() {
    let stage = Stage::start().await;
    let mut client = stage.connect().await;
    assert_eq!(client.ask(get("/new/x")).await.status, 404);
    let reloaded = stage.reload(|policy| policy.and(SHORT));
    assert_eq!(reloaded.at_next_start, [""; 0]);
    assert_eq!(client.ask(get("/new/x")).await.status, 200);
    // As does everybody else's.
    assert_eq!(stage.get("/new/x", "").await.status, 200);
    stage.gateway.undo(&reloaded);
    assert_eq!(client.ask(get("/new/x")).await.status, 404);
    drop(client);
    assert_eq!(stage.finish().await.len(), 2);
}

/// Also where a caller's token is remembered.
#[tokio::test]
async fn what_upstreams_are_told_and_whom_they_are_told_of_is_new_as_well() {
    let stage = Stage::with(|policy| policy.top("trust = [\"127.0.0.1\"]\n")).await;
    let ask = async || {
        let bearer = format!("Authorization: Bearer {}\r\n", stage.token);
        stage.get("/app/x", &format!("{bearer}X-Forwarded-For: 192.0.2.9\r\n")).await
    };
    assert_eq!(ask().await.status, 200);
    stage.reload(|policy| policy.and("[identity]\nX-Who = \"username\"\n"));
    assert_eq!(ask().await.status, 200);
    // Whose word counts, and which hosts are ours.
    stage.reload(|policy| policy.top("public = \"http://b.test\"\n"));
    assert_eq!(ask().await.status, 421);
    let seen = stage.finish().await;
    assert_eq!((seen[0].one("x-user-name"), seen[0].has("x-who")), ("alice", false));
    assert_eq!((seen[1].one("x-who"), seen[1].has("x-user-name")), ("alice", false));
    assert_eq!(seen[0].one("x-forwarded-for"), "192.0.2.9, 127.0.0.1");
    assert_eq!(seen[1].one("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn an_upstream_that_is_as_it_was_keeps_its_connections() {
    let stage = Stage::start().await;
    assert_eq!(stage.send(get("/public/x")).await.status, 200);
    for _ in 0..3 {
        stage.reload(|policy| policy.and(SHORT));
        assert_eq!(stage.send(get("/new/x")).await.status, 200);
    }
    assert_eq!(stage.upstream.connections(), 1);
    // Another one is another one.
    stage.reload(|policy| policy.upstream("timeout = \"7s\""));
    assert_eq!(stage.send(get("/public/x")).await.status, 200);
    assert_eq!(stage.upstream.connections(), 2);
    stage.finish().await;
}

#[tokio::test]
async fn so_does_one_in_http2() {
    let mut server = H2Server::start().await;
    let policy = || Policy::at(&format!("http://{}", server.addr)).upstream("h2 = true");
    let (first, next) = (policy(), policy().and(SHORT));
    let gateway = Setup::new(&first).start().await;
    for path in ["/public/x", "/new/x"] {
        let (reply, ()) = tokio::join!(gateway.send(get(path)), async {
            server.next().await.ok("ok");
        });
        assert_eq!(reply.status, 200, "{path}");
        gateway.reload(&next);
    }
    assert_eq!(server.connections(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn live_connections_go_on_where_their_route_does() {
    let stage = live::stage("[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n").await;
    let (mut client, mut server) = open(&stage, "/app/x", &stage.token, CHUNKED).await;
    let (mut page, mut socket) = websocket::open(&stage, &stage.token).await;
    let routes = "[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\nallow = \"role:editor\"\n";
    stage.reload(|policy| policy.and(routes).and(SHORT));
    for _ in 0..2 {
        passes(&mut client, &mut server).await;
        websocket::talk(&mut page, &mut socket).await;
    }
    // The one route is for others now, the other is gone.
    let since = Instant::now();
    let admins = "[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\nallow = \"role:admin\"\n";
    let text = format!("{}{admins}", Policy::to(&stage.upstream));
    let text = text.replace("\"/app/*\" = { to = \"up\" }\n", "");
    stage.gateway.reload_text(&text);
    client.closed().await;
    server.closed().await;
    assert!(page.rest().await.starts_with(b"\x88"), "a close frame");
    socket.rest().await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    drop((client, server, page, socket));
    live::end(stage).await;
}

#[tokio::test]
async fn what_was_used_of_a_limit_stays_used_while_the_limit_is_the_same() {
    let limited = |rate: &str| {
        format!("[routes.\"/limited/*\"]\nto = \"up\"\nallow = \"anyone\"\nrate = \"{rate}\"\n")
    };
    let stage = Stage::with(|policy| policy.and(&limited("2/h per ip"))).await;
    let ask = async || stage.get("/limited/x", "").await.status;
    assert_eq!((ask().await, ask().await, ask().await), (200, 200, 429));
    stage.reload(|policy| policy.and(&limited("2/h per ip")).and(SHORT));
    assert_eq!(ask().await, 429);
    stage.reload(|policy| policy.and(&limited("3/h per ip")));
    assert_eq!((ask().await, ask().await, ask().await), (200, 200, 200));
    assert_eq!(ask().await, 429);
    stage.finish().await;
}

/// So that nobody gets new guesses out of a reload.
#[tokio::test]
async fn failed_logins_stay_counted() {
    let stage = Stage::with(|policy| policy.account_throttle("2/h")).await;
    let guess = async |password: &str| {
        let body = json!({ "username": "alice", "password": password });
        stage.post("/api/auth/token/", &body).await.status
    };
    assert_eq!((guess("wrong").await, guess("wrong").await), (400, 400));
    stage.reload(|policy| policy.account_throttle("2/h").and(SHORT));
    assert_eq!(guess(PASSWORD).await, 429);
    stage.reload(|policy| policy.account_throttle("off"));
    assert_eq!(guess(PASSWORD).await, 200);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_issuer_that_is_taken_away_opens_nothing_and_holds_nothing_open() {
    let corp = Signer::es256();
    let keys = json!({ "keys": [corp.jwk("es")] }).to_string();
    let issuer = "[[issuers]]\nname = \"corp\"\nissuer = \"https://corp.test\"\n\
                  audience = \"gateway\"\njwks = { file = \"corp.json\" }\n";
    let upstream = Upstream::by_hand().await;
    let setup = Setup::new(&Policy::to(&upstream).and(issuer)).file("corp.json", &keys);
    let stage = Stage::of(upstream, setup).await;
    let claims = json!({
        "iss": "https://corp.test", "aud": "gateway", "sub": "7", "exp": 1_800_000_600_u64,
    });
    let token = corp.mint(&json!({ "alg": "ES256", "kid": "es" }), &claims);
    let (mut client, mut server) = open(&stage, "/app/x", &token, CHUNKED).await;
    stage.reload(|policy| policy.and(issuer));
    passes(&mut client, &mut server).await;
    let since = Instant::now();
    stage.reload(|policy| policy);
    assert_eq!(stage.get_as("/app/x", &token).await.status, 401);
    client.closed().await;
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    live::end(stage).await;
}

/// A key of a kind that is switched off opens nothing, and holds nothing open.
#[tokio::test]
async fn keys_end_with_their_table() {
    let stage = live::stage("[auth.keys]\n").await;
    let (access, _) = stage.log_in("alice").await;
    let body = json!({ "name": "backup" });
    let made = stage.ask("POST", "keys/", Some(&access), Some(&body)).await;
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let (mut client, mut server) = open(&stage, "/app/x", &key, CHUNKED).await;
    stage.reload(|policy| policy.and("[auth.keys]\n"));
    passes(&mut client, &mut server).await;
    let since = Instant::now();
    stage.reload(|policy| policy);
    assert_eq!(stage.get_as("/app/x", &key).await.status, 401);
    client.closed().await;
    server.closed().await;
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    live::end(stage).await;
}

#[tokio::test]
async fn sessions_and_tickets_outlive_a_reload() {
    let tickets = "[routes.\"/events/*\"]\nto = \"up\"\ntickets = true\n";
    let stage = Stage::with(|policy| policy.and(tickets)).await;
    let (access, refresh) = stage.log_in("alice").await;
    let body = json!({ "path": "/events/x" });
    let reply = stage.ask("POST", "ticket/", Some(&access), Some(&body)).await;
    let ticket = reply.json()["ticket"].as_str().unwrap().to_owned();
    stage.reload(|policy| policy.and(tickets).and("[auth]\naccess = \"1m\"\n"));
    assert_eq!(stage.get(&format!("/events/x?ticket={ticket}"), "").await.status, 200);
    assert_eq!(stage.get_as("/app/x", &access).await.status, 200);
    let body = json!({ "refresh": refresh });
    let renewed = stage.post("/api/auth/token/refresh/", &body).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    // Under the new rules.
    stage.gateway.clock().advance(Duration::from_secs(61));
    let token = renewed.json()["access"].as_str().unwrap().to_owned();
    assert_eq!(stage.get_as("/app/x", &token).await.status, 401);
    assert_eq!(stage.finish().await.len(), 2);
}

#[tokio::test]
async fn names_that_the_policy_speaks_of_are_reserved_from_then_on() {
    let stage = Stage::start().await;
    let register = async |name: &str| {
        let body = json!({ "username": name, "password": PASSWORD });
        stage.post("/api/auth/register/", &body).await.status
    };
    assert_eq!(register("carol").await, 201);
    stage.reload(|policy| policy.and("[routes.\"/dave\"]\nto = \"up\"\nallow = \"user:dave\"\n"));
    assert_eq!((register("dave").await, register("erin").await), (400, 201));
    stage.reload(|policy| policy.and("[auth]\nregister = \"closed\"\n"));
    assert_eq!(register("dave").await, 403);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn what_counts_from_the_next_start_on_is_said() {
    let stage = Stage::start().await;
    let reloaded = stage.reload(|policy| {
        let policy = policy.top("workers = 7\nlisten = [\"127.0.0.1:1\"]\n");
        policy.and("[limits]\nhead_timeout = \"3s\"\nbody = \"1KiB\"\n[log]\naccess = false\n")
    });
    assert_eq!(reloaded.at_next_start, ["listen", "workers", "log", "limits.head_timeout"]);
    // What is beside them counts at once.
    let request = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000\r\n\r\n";
    assert_eq!(stage.send(request).await.status, 413);
    stage.finish_untouched().await;
}

/// A request that has begun goes on as it was, whatever happens to its route.
#[tokio::test]
async fn a_request_under_way_has_its_answer() {
    let stage = live::stage("").await;
    let mut client = stage.connect().await;
    client.write(get("/public/x")).await;
    let mut server = stage.upstream.accept().await;
    server.head().await;
    let text = Policy::to(&stage.upstream).to_string();
    stage.gateway.reload_text(&text.replace("\"/public/*\"", "\"/private/*\""));
    assert_eq!(stage.get("/public/x", "").await.status, 404);
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await;
    assert_eq!(client.reply().await.text(), "late");
    assert_eq!(client.ask(get("/public/x")).await.status, 404);
    drop((client, server));
    live::end(stage).await;
}
