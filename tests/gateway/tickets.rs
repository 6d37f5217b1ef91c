//! Tickets: one use, one route, half a minute; and what they open is their owner's.

use std::time::{Duration, Instant};

use portcullis::store::UserChange;
use serde_json::{Value, json};

use crate::common::{Conn, Reply, Stage, Upstream, soon};

const ROUTES: &str = "[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n\
                      [routes.\"/events/*\"]\nto = \"up\"\ntickets = true\n\
                      [routes.\"/plain-ws/*\"]\nto = \"up\"\nwebsocket = true\ntickets = false\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn stage() -> Stage {
    Stage::before(Upstream::by_hand().await, |policy| policy.and(ROUTES)).await
}

async fn end(stage: Stage) {
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

async fn ask_for(stage: &Stage, path: &Value, fields: &str) -> Reply {
    let body = json!({ "path": path }).to_string();
    let length = body.len();
    stage
        .send(format!(
            "POST /api/auth/ticket/ HTTP/1.1\r\nHost: a.test\r\n{fields}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// A ticket of that token's owner.
async fn ticket(stage: &Stage, path: &str, token: &str) -> String {
    let reply = ask_for(stage, &path.into(), &bearer(token)).await;
    assert_eq!((reply.status, reply.one("cache-control")), (201, "no-store"), "{reply:?}");
    let json = reply.json();
    assert_eq!(json["expires_in"], 30);
    let ticket = json["ticket"].as_str().unwrap().to_owned();
    assert_eq!(ticket.len(), 43, "256 bits in base64url");
    ticket
}

async fn refused(stage: &Stage, target: &str) {
    let reply = stage.get(target, "").await;
    assert_eq!(
        (reply.status, &reply.json()["code"]),
        (401, &json!("ticket_not_valid")),
        "{target}"
    );
}

/// Sends a GET to an upstream by hand and has it answered; returns the head that it saw.
async fn reaches(stage: &Stage, target: &str, fields: &str) -> String {
    let mut client = stage.connect().await;
    client.write(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")).await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await;
    server.write(OK).await;
    assert_eq!(client.reply().await.status, 200);
    head
}

#[tokio::test]
async fn a_ticket_opens_its_route_once_and_is_gone_before_the_upstream() {
    let stage = stage().await;
    for (made_for, used_at, seen) in [
        ("/events/a", "/events/a?ticket=T", "/events/a"),
        ("/events/a?x=1", "/events/other?x=1&ticket=T&y=%20", "/events/other?x=1&y=%20"),
        ("/ws/chat", "/ws/chat?ticket=T", "/ws/chat"),
        ("/events/a", "/events/a?%74icke%74=T", "/events/a"),
    ] {
        let ticket = ticket(&stage, made_for, &stage.token).await;
        let target = used_at.replace("=T", &format!("={ticket}"));
        let head = reaches(&stage, &target, "").await;
        assert!(head.starts_with(&format!("GET {seen} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("x-user-name: alice") && !head.contains(&ticket), "{head}");
        refused(&stage, &target).await;
    }
    end(stage).await;
}

#[tokio::test]
async fn a_ticket_opens_no_other_route_and_is_used_up_by_the_attempt() {
    let stage = stage().await;
    let ticket = ticket(&stage, "/ws/chat", &stage.token).await;
    refused(&stage, &format!("/events/a?ticket={ticket}")).await;
    refused(&stage, &format!("/ws/chat?ticket={ticket}")).await;
    for unknown in ["", "AAAA", "%00", &"A".repeat(43)] {
        refused(&stage, &format!("/events/a?ticket={unknown}")).await;
    }
    refused(&stage, "/events/a?ticket").await;
    end(stage).await;
}

#[tokio::test]
async fn a_ticket_opens_nothing_but_a_get() {
    let stage = stage().await;
    let ticket = ticket(&stage, "/events/a", &stage.token).await;
    let reply = stage
        .send(format!("DELETE /events/a?ticket={ticket} HTTP/1.1\r\nHost: a.test\r\n\r\n"))
        .await;
    assert_eq!(reply.status, 401);
    refused(&stage, &format!("/events/a?ticket={ticket}")).await;
    end(stage).await;
}

#[tokio::test]
async fn a_ticket_is_good_for_half_a_minute() {
    let stage = stage().await;
    let early = ticket(&stage, "/events/a", &stage.token).await;
    let late = ticket(&stage, "/events/a", &stage.token).await;
    stage.gateway.clock().advance(Duration::from_secs(29));
    reaches(&stage, &format!("/events/a?ticket={early}"), "").await;
    stage.gateway.clock().advance(Duration::from_secs(1));
    refused(&stage, &format!("/events/a?ticket={late}")).await;
    end(stage).await;
}

#[tokio::test]
async fn a_ticket_ends_with_its_session_and_with_its_users_right() {
    let stage = stage().await;
    let (token, refresh) = stage.log_in("alice").await;
    let of_session = ticket(&stage, "/events/a", &token).await;
    let of_user = ticket(&stage, "/events/a", &stage.token).await;
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200);
    let reply = stage.get(&format!("/events/a?ticket={of_session}"), "").await;
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("token_not_valid")));
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    let reply = stage.get(&format!("/events/a?ticket={of_user}"), "").await;
    assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("user_inactive")));
    end(stage).await;
}

#[tokio::test]
async fn a_ticket_of_a_token_that_ended_opens_nothing() {
    let stage = stage().await;
    stage.gateway.clock().advance(Duration::from_secs(590));
    let ticket = ticket(&stage, "/events/a", &stage.token).await;
    stage.gateway.clock().advance(Duration::from_secs(10));
    assert_eq!(stage.get(&format!("/events/a?ticket={ticket}"), "").await.status, 401);
    end(stage).await;
}

#[tokio::test]
async fn two_credentials_are_refused_and_used_up() {
    let stage = stage().await;
    let (one, two) = (
        ticket(&stage, "/events/a", &stage.token).await,
        ticket(&stage, "/events/a", &stage.token).await,
    );
    let refused_as = async |target: &str, fields: &str| {
        let reply = stage.get(target, fields).await;
        let code = json!("ambiguous_ticket");
        assert_eq!((reply.status, &reply.json()["code"]), (400, &code), "{target} {fields}");
    };
    refused_as(&format!("/events/a?ticket={one}&a&ticket={two}"), "").await;
    for ticket in [one, two] {
        refused(&stage, &format!("/events/a?ticket={ticket}")).await;
    }
    // A flood of them is not even looked at.
    let good = ticket(&stage, "/events/a", &stage.token).await;
    refused_as(&format!("/events/a?{}ticket={good}", "ticket&".repeat(1000)), "").await;
    reaches(&stage, &format!("/events/a?ticket={good}"), "").await;
    for fields in [bearer(&stage.token), bearer("x"), "Authorization: Basic eDp5\r\n".to_owned()] {
        let ticket = ticket(&stage, "/events/a", &stage.token).await;
        refused_as(&format!("/events/a?ticket={ticket}"), &fields).await;
        refused(&stage, &format!("/events/a?ticket={ticket}")).await;
    }
    end(stage).await;
}

#[tokio::test]
async fn on_other_routes_a_ticket_is_a_parameter_like_others() {
    let stage = stage().await;
    let fields = bearer(&stage.token);
    for path in ["/app/x", "/public/x", "/plain-ws/x"] {
        let head = reaches(&stage, &format!("{path}?a&ticket=7"), &fields).await;
        assert!(head.starts_with(&format!("GET {path}?a&ticket=7 HTTP/1.1\r\n")), "{head}");
    }
    end(stage).await;
}

#[tokio::test]
async fn a_ticket_is_made_for_a_route_that_takes_it_and_for_a_known_caller() {
    let stage = stage().await;
    let good = bearer(&stage.token);
    for path in
        ["/app/x", "/plain-ws/x", "/nowhere", "/api/auth/profile/", "/ws/..%2Fx", "ws/x", "*"]
    {
        let reply = ask_for(&stage, &path.into(), &good).await;
        let body = json!({ "path": ["No route takes tickets at this path."] });
        assert_eq!((reply.status, reply.json()), (400, body), "{path}");
    }
    for path in [Value::Null, json!([]), json!("")] {
        assert_eq!(ask_for(&stage, &path, &good).await.status, 400);
    }
    assert_eq!(ask_for(&stage, &"/ws/x".into(), "").await.status, 401);
    assert_eq!(ask_for(&stage, &"/ws/x".into(), &bearer("x.y.z")).await.status, 401);
    end(stage).await;
}

#[tokio::test]
async fn a_user_holds_a_number_of_tickets_and_the_oldest_goes_first() {
    let stage = stage().await;
    let bob = stage.user("bob", &[]).await;
    let bobs = crate::common::mint(&crate::common::claims(&bob.id.to_string()));
    let bobs = ticket(&stage, "/events/a", &bobs).await;
    let mut tickets = Vec::new();
    for _ in 0..65 {
        tickets.push(ticket(&stage, "/events/a", &stage.token).await);
    }
    refused(&stage, &format!("/events/a?ticket={}", tickets[0])).await;
    for good in [&bobs, &tickets[1], &tickets[64]] {
        reaches(&stage, &format!("/events/a?ticket={good}"), "").await;
    }
    end(stage).await;
}

/// Opened by a ticket, it is its owner's all the same.
#[tokio::test]
async fn what_a_ticket_opened_ends_with_its_session() {
    let stage = stage().await;
    let (token, refresh) = stage.log_in("alice").await;
    let ticket = ticket(&stage, "/ws/chat", &token).await;
    let (mut client, mut server) =
        open_websocket(&stage, &format!("/ws/chat?ticket={ticket}")).await;
    let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
    assert_eq!(reply.status, 200);
    let since = Instant::now();
    assert_eq!(client.exactly(4).await, b"\x88\x02\x03\xf0");
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(server.exactly(8).await[..2], *b"\x88\x82");
    drop((client, server));
    soon("the end", end(stage)).await;
}

async fn open_websocket(stage: &Stage, target: &str) -> (Conn, Conn) {
    let mut client = stage.connect().await;
    client
        .write(format!(
            "GET {target} HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
        .await;
    let mut server = stage.upstream.accept().await;
    assert!(server.head().await.contains("x-user-name: alice"));
    server
        .write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )
        .await;
    assert_eq!(client.reply_head().await.status, 101);
    (client, server)
}
