//! Answers of upstreams that are wrong, rude or old: the client gets one answer that is true.

use serde_json::json;

use crate::common::{Act, Seen, Stage, Upstream};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// Answers `/public/<id>` with the bytes of that id, and everything else with `ok`.
fn by_id(cases: &'static [(&'static str, &'static [u8])]) -> impl Fn(&Seen) -> Act {
    move |seen| {
        let found = cases.iter().find(|(id, _)| seen.target() == format!("/public/{id}"));
        found.map_or_else(|| Act::ok("ok"), |(_, bytes)| Act::answer(*bytes))
    }
}

const MALFORMED: &[(&str, &[u8])] = &[
    ("UP-mal-garbage", b"garbage and nothing else\r\n\r\n"),
    ("UP-mal-dupcl", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
    ("cl-word", b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok"),
    ("cl-minus", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"),
    ("cl-huge", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok"),
    ("UP-mal-nulval", b"HTTP/1.1 200 OK\r\nX-Up: a\0b\r\nContent-Length: 2\r\n\r\nok"),
    ("cr-value", b"HTTP/1.1 200 OK\r\nX-Up: a\rX-Evil: b\r\nContent-Length: 2\r\n\r\nok"),
    ("UP-mal-spacecolon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
    ("noname", b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok"),
    ("fold", b"HTTP/1.1 200 OK\r\nX-Up: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
    ("status-0", b"HTTP/1.1 0 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("status-word", b"HTTP/1.1 abc OK\r\nContent-Length: 2\r\n\r\nok"),
    ("status-long", b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok"),
    ("version", b"HTTP/9.9 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    (
        "unasked-101",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    ),
    ("chunk-word", b"HTTP/1.0 20 OK\r\n\r\n"),
];

#[tokio::test]
async fn an_answer_that_is_no_http_is_502() {
    let upstream = Upstream::scripted(by_id(MALFORMED)).await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for (id, _) in MALFORMED {
        let request = format!("POST /public/{id} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let reply = stage.send(request).await;
        assert_eq!(reply.status, 502, "{id}: {reply:?}");
        assert_eq!(reply.json()["code"], "upstream_failed", "{id}");
        // And its leftovers answer nobody.
        let next = stage.send(GET).await;
        assert_eq!((next.status, next.text().as_str()), (200, "ok"), "{id}: {next:?}");
    }
    assert_eq!(stage.finish().await.len(), 2 * MALFORMED.len());
}

const TRUNCATED: &[(&str, &[u8])] = &[
    ("UP-midchunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("in-chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello"),
    ("bad-chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    ("last-chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
    ("mid-length", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
];

#[tokio::test]
async fn half_an_answer_never_looks_whole() {
    let upstream = Upstream::scripted(|seen| {
        let found = TRUNCATED.iter().find(|(id, _)| seen.target() == format!("/public/{id}"));
        found.map_or_else(|| Act::ok("ok"), |(_, bytes)| Act::AnswerAndClose(bytes.to_vec()))
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for (id, _) in TRUNCATED {
        let mut client = stage.connect().await;
        client.write(format!("GET /public/{id} HTTP/1.1\r\nHost: a.test\r\n\r\n{GET}")).await;
        let reply = client.reply().await;
        if reply.status != 502 {
            assert_eq!(reply.status, 200, "{id}: {reply:?}");
            assert!(!reply.complete, "{id}: {reply:?}");
            client.closed().await;
        }
    }
    stage.finish().await;
}

/// UP-clte.
#[tokio::test]
async fn of_two_framings_the_client_sees_one() {
    let upstream = Upstream::scripted(|_| {
        Act::AnswerAndClose(
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n"
                .to_vec(),
        )
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let reply = stage.send(GET).await;
    assert!(reply.status == 502 || (reply.text() == "hello" && reply.complete), "{reply:?}");
    stage.finish().await;
}

/// UP-h103, UP-flood1xx.
#[tokio::test]
async fn interim_answers_are_not_the_answer() {
    let upstream = Upstream::scripted(|seen| {
        let interim = match seen.target() {
            "/public/one" => "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_owned(),
            "/public/two" => {
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n".to_owned()
            }
            _ => "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(20_000),
        };
        Act::answer(format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal"))
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    for target in ["one", "two"] {
        let reply = stage.get(&format!("/public/{target}"), "").await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "final"), "{target}: {reply:?}");
    }
    let reply = stage.get("/public/flood", "").await;
    assert_eq!((reply.status, &reply.json()["code"]), (502, &"upstream_failed".into()));
    stage.finish().await;
}

/// UP-http10.
#[tokio::test]
async fn an_answer_in_http_1_0_comes_whole() {
    let upstream = Upstream::scripted(|_| {
        let body = "x".repeat(100_000);
        Act::AnswerAndClose(
            format!("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n{body}").into(),
        )
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let reply = stage.send(GET).await;
    assert_eq!((reply.status, reply.body.len(), reply.complete), (200, 100_000, true));
    let old = stage.send("GET /public/x HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
    assert_eq!((old.status, old.body.len()), (200, 100_000));
    stage.finish().await;
}

/// UP-401-pass. Which fields may come, the harness checks: none of those of one connection.
#[tokio::test]
async fn an_answer_passes_as_it_is_but_for_what_belongs_to_its_connection() {
    let upstream = Upstream::scripted(|seen| match seen.target() {
        "/app/401" => Act::answer(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"theirs\"\r\n\
             Content-Length: 6\r\n\r\ntheirs",
        ),
        "/app/302" => Act::answer(
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             Content-Length: 0\r\n\r\n",
        ),
        _ => Act::answer(
            "HTTP/1.1 200 Fine\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTrailer: X-T\r\nUpgrade: h2c\r\n\
             Proxy-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
        ),
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let unauthorized = stage.get_as("/app/401", &stage.token).await;
    assert_eq!((unauthorized.status, unauthorized.text().as_str()), (401, "theirs"));
    assert_eq!(unauthorized.one("www-authenticate"), "Basic realm=\"theirs\"");
    let found = stage.get_as("/app/302", &stage.token).await;
    assert_eq!((found.status, found.one("location")), (302, "/elsewhere"));
    assert_eq!(found.all("set-cookie"), ["a=1", "b=2"]);
    let other = stage.get_as("/app/x", &stage.token).await;
    assert_eq!((other.status, other.text().as_str(), other.complete), (200, "ok", true));
    stage.finish().await;
}

/// A HEAD has the length of what a GET would bring, and nothing of it.
#[tokio::test]
async fn a_head_keeps_its_length() {
    let upstream =
        Upstream::scripted(|_| Act::answer("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"))
            .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let mut client = stage.connect().await;
    client.write("HEAD /public/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    let reply = client.reply_to_head().await;
    assert_eq!((reply.status, reply.one("content-length")), (200, "1234"));
    client.closed().await;
    stage.finish().await;
}

/// UP-upload-chunked.
#[tokio::test]
async fn large_bodies_pass_unchanged_both_ways() {
    let body: Vec<u8> = (0..4_000_000_u32).map(|at| ((at * 31) >> 7).to_le_bytes()[0]).collect();
    let download = body.clone();
    let upstream = Upstream::scripted(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", download.len());
        Act::Answer([head.as_bytes(), &download].concat())
    })
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let head = "POST /public/x HTTP/1.1\r\nHost: a.test\r\n";
    let sized = format!("{head}Content-Length: {}\r\n\r\n", body.len());
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(70_000) {
        chunked.extend(format!("{:x}\r\n", piece.len()).bytes());
        chunked.extend(piece);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    for request in [[sized.as_bytes(), &body].concat(), chunked] {
        let reply = stage.send(request).await;
        assert_eq!((reply.status, reply.complete), (200, true));
        assert!(reply.body == body);
    }
    let seen = stage.finish().await;
    assert!(seen.len() == 2 && seen.iter().all(|request| request.complete && request.body == body));
}

#[tokio::test]
async fn whoami_shows_a_request_as_an_upstream_sees_it() {
    let tables = "[upstreams.me]\nwhoami = true\n[routes.\"/me/*\"]\nto = \"me\"\n";
    let stage = Stage::with(|policy| policy.and(tables)).await;
    let fields = format!(
        "Authorization: Bearer {}\r\nX-User-Id: evil\r\nX-Two: 1\r\nX-Two: 2\r\nConnection: X-User-Id\r\n",
        stage.token
    );
    let reply = stage.get("/me/%7Ex/../y?z=1", &fields).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let told = reply.json();
    assert_eq!((&told["method"], &told["path"]), (&json!("GET"), &json!("/me/y?z=1")));
    let headers = &told["headers"];
    assert_eq!(headers["x-user-id"], "1");
    assert_eq!(headers["x-user-name"], "alice");
    assert_eq!(headers["host"], "a.test");
    assert_eq!(headers["x-two"], json!(["1", "2"]));
    assert_eq!(headers["x-request-id"].as_str(), Some(reply.one("x-request-id")));
    assert!(headers.get("authorization").is_none() && headers.get("connection").is_none());
    assert_eq!(stage.get("/me/x", "").await.status, 401);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_answer_is_framed_by_us_and_in_our_version() {
    let upstream = Upstream::scripted(by_id(&[
        ("old", b"HTTP/1.0 200 OK\r\n\r\nold"),
        ("twice", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
        ("gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
    ]))
    .await;
    let stage = Stage::before(upstream, |policy| policy).await;
    let mut client = stage.connect().await;
    client.write("GET /public/old HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    drop(client);
    let twice = stage.get("/public/twice", "").await;
    assert_eq!((twice.one("content-length"), twice.text().as_str()), ("5", "hello"));
    assert_eq!(stage.get("/public/gzip", "").await.status, 502, "a coding nobody could undo");
    stage.finish().await;
}

#[tokio::test]
async fn a_get_keeps_a_body_of_unknown_length() {
    let stage = Stage::start().await;
    let body = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let reply = stage.send(format!("GET /public/x HTTP/1.1\r\nHost: a.test\r\n{body}")).await;
    assert_eq!(reply.status, 200);
    let seen = stage.finish().await;
    assert_eq!(seen[0].body, b"hello");
}
