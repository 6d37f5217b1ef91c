//! Clients in clear that are sent to TLS, and those over TLS that are told to stay there.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::h2::{H2Conn, get};
use crate::common::tls::{Pair, connect};
use crate::common::{Act, Conn, Policy, Setup, Stage, Upstream, soon};

const TABLES: &str = r#"
[routes."named.test/public/there/*"]
to = "up"
allow = "anyone"
[tls]
cert = "cert.pem"
key = "key.pem"
hsts = { max_age = "365d", include_subdomains = true, preload = true }
"#;

async fn stage(upstream: Upstream, top: &str) -> (Stage, Pair) {
    let pair = Pair::new(&["gate.test", "named.test"]);
    let listen = format!(
        "listen = [{{ addr = \"127.0.0.1:0\", redirect = true }}, \
         {{ addr = \"127.0.0.1:0\", tls = true }}, \"127.0.0.1:0\"]\nworkers = 1\n{top}\n"
    );
    let policy = Policy::to(&upstream).top(&listen).and(TABLES);
    let setup = Setup::new(&policy).file("cert.pem", &pair.cert).file("key.pem", &pair.key);
    (Stage::of(upstream, setup.binds()).await, pair)
}

#[tokio::test]
async fn a_client_in_clear_is_sent_to_the_same_place_over_tls() {
    let (stage, _) = stage(Upstream::start().await, "public = \"https://gate.test\"").await;
    for (request, location) in [
        ("GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n", "https://gate.test/"),
        (
            "GET /app/x?y=%2F HTTP/1.1\r\nHost: GATE.test.:80\r\n\r\n",
            "https://gate.test/app/x?y=%2F",
        ),
        (
            "HEAD //evil.test/ HTTP/1.1\r\nHost: gate.test:8080\r\n\r\n",
            "https://gate.test//evil.test/",
        ),
        ("GET http://named.test/x HTTP/1.1\r\nHost: named.test\r\n\r\n", "https://named.test/x"),
        (
            "POST /api/auth/token/ HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 5\r\n\r\nhello",
            "https://gate.test/api/auth/token/",
        ),
    ] {
        let mut conn = stage.connect().await;
        conn.write(request).await;
        let reply = if request.starts_with("HEAD") {
            conn.reply_to_head().await
        } else {
            conn.reply().await
        };
        assert_eq!((reply.status, reply.one("location")), (308, location), "{request}");
        assert_eq!(reply.one("connection"), "close");
        assert!(!reply.one("x-request-id").is_empty());
        assert!(reply.all("strict-transport-security").is_empty());
        conn.closed().await;
    }
    let mut h2 = H2Conn::open(stage.gateway.addr).await;
    let mut fields = get("/app/x");
    fields[2].1 = "gate.test";
    assert_eq!(h2.ask(&fields).await.status(), Some(308));
    drop(h2);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn nobody_is_sent_to_a_host_that_is_not_ours() {
    let (stage, _) = stage(Upstream::start().await, "").await;
    let port = stage.gateway.addrs[1].port();
    let reply = stage.send("GET /x HTTP/1.1\r\nHost: named.test\r\n\r\n").await;
    assert_eq!(reply.one("location"), format!("https://named.test:{port}/x"));
    for (request, status, code) in [
        ("GET / HTTP/1.1\r\nHost: gate.test\r\n\r\n", 421, "misdirected"),
        ("GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 421, "misdirected"),
        ("GET / HTTP/1.1\r\nHost: named.test.evil.test\r\n\r\n", 421, "misdirected"),
        ("GET / HTTP/1.0\r\n\r\n", 421, "misdirected"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "bad_host"),
        ("GET / HTTP/1.1\r\nHost: named.test@evil.test\r\n\r\n", 400, "bad_host"),
        ("GET http://evil.test/ HTTP/1.1\r\nHost: named.test\r\n\r\n", 400, "host_mismatch"),
        ("OPTIONS * HTTP/1.1\r\nHost: named.test\r\n\r\n", 400, "bad_target"),
        ("CONNECT named.test:443 HTTP/1.1\r\nHost: named.test:443\r\n\r\n", 501, "connect"),
        ("GET /\x01 HTTP/1.1\r\nHost: named.test\r\n\r\n", 400, "malformed"),
        // It went over the network in clear: whoever sent it should hear of it.
        ("GET /x HTTP/1.1\r\nHost: named.test\r\nAuthorization: Bearer x\r\n\r\n", 403, "in_clear"),
        (
            "GET /x HTTP/1.1\r\nHost: named.test\r\nCookie: a=1; __Host-portcullis=x\r\n\r\n",
            403,
            "in_clear",
        ),
    ] {
        let reply = stage.send(request).await;
        assert_eq!(reply.status, status, "{request}: {reply:?}");
        assert_eq!(reply.json()["code"], code, "{request}");
        assert!(reply.all("location").is_empty(), "{request}");
    }
    stage.finish_untouched().await;
}

/// What stands before us may have another port.
#[tokio::test]
async fn a_client_is_sent_to_the_port_of_public_as_it_is_now() {
    let (stage, _) = stage(Upstream::start().await, "public = \"https://gate.test\"").await;
    let location = async || {
        let reply = stage.send("GET /x HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
        reply.one("location").to_owned()
    };
    assert_eq!(location().await, "https://gate.test/x");
    let policy = Policy::to(&stage.upstream).top("public = \"https://gate.test:8443\"\n");
    let listen = "listen = [\"127.0.0.1:0\", { addr = \"127.0.0.1:0\", tls = true }]\n";
    stage.gateway.reload(&policy.top(listen).and(TABLES));
    assert_eq!(location().await, "https://gate.test:8443/x");
    stage.finish_untouched().await;
}

#[tokio::test]
async fn over_tls_every_response_says_to_stay_there() {
    let upstream = Upstream::scripted(|seen| match seen.target() {
        "/public/own" => Act::answer(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nStrict-Transport-Security: max-age=1\r\n\r\n",
        ),
        _ => Act::ok("ok"),
    });
    let (stage, pair) = stage(upstream.await, "").await;
    let usual = "max-age=31536000; includeSubDomains; preload";
    for (target, field, status, hsts) in [
        ("/public/x", "", 200, usual),
        ("/public/own", "", 200, "max-age=1"),
        ("/app/x", "", 401, usual),
        ("/api/auth/nothing/", "", 404, usual),
        ("/x", "Host: again\r\n", 400, usual),
        ("/x", "No field\r\n", 400, usual),
    ] {
        let client = pair.client(&[]);
        let mut stream = connect(stage.gateway.addrs[1], "gate.test", client).await.unwrap();
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: gate.test\r\nConnection: close\r\n{field}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon("an answer", stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        let answer = answer.to_ascii_lowercase();
        let told: Vec<_> = answer
            .lines()
            .filter_map(|line| line.strip_prefix("strict-transport-security: "))
            .collect();
        assert_eq!(told, [hsts.to_ascii_lowercase()], "{target} {field}");
    }
    // In clear it would be anybody's word.
    let mut plain = Conn::open(stage.gateway.addrs[2]).await;
    let reply = plain.ask("GET /public/x HTTP/1.1\r\nHost: gate.test\r\n\r\n").await;
    assert!(reply.all("strict-transport-security").is_empty(), "{reply:?}");
    drop(plain);
    stage.finish().await;
}
