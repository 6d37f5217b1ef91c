//! A request has one length, one end, and one reading.

use std::fmt::Write;

use crate::common::{Reply, Seen, Stage};

/// What every smuggled request asks for: it may never arrive.
const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// How a case may end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// 400 or closed, and nothing of it is forwarded as a whole request.
    Refused,
    /// Answered by the upstream, which saw this body.
    Body(&'static str),
}

use End::{Body, Refused};

/// Whether a request arrived that is about `id`, complete.
fn arrived<'a>(seen: &'a [Seen], id: &str) -> Option<&'a Seen> {
    let target = format!("/public/{id}");
    let mut found = seen.iter().filter(|request| request.target() == target && request.complete);
    let first = found.next();
    assert!(found.next().is_none(), "{id} arrived twice: {seen:#?}");
    first
}

/// Sends each case, and something to smuggle behind it, on a connection of its own; reads all
/// that comes back.
async fn run(cases: &[(&str, &str, &[u8], End)]) {
    let stage = Stage::start().await;
    for (id, line, rest, end) in cases {
        let mut request = line.replace("{id}", &format!("/public/{id}")).into_bytes();
        request.extend_from_slice(b"\r\nHost: a.test\r\n");
        request.extend_from_slice(rest);
        let mut connection = stage.connect().await;
        let reply = connection.ask(&request).await;
        match end {
            Refused => {
                assert!(matches!(reply.status, 0 | 400), "{id}: {reply:?}");
                connection.closed().await;
            }
            Body(_) => assert_eq!(reply.status, 200, "{id}: {reply:?}"),
        }
    }
    let seen = stage.finish().await;
    for (id, _, _, end) in cases {
        match (end, arrived(&seen, id)) {
            (Refused, Some(request)) => panic!("{id} arrived: {request:?}"),
            (Body(_), None) => panic!("{id} did not arrive"),
            (Body(body), Some(request)) => assert_eq!(request.body, body.as_bytes(), "{id}"),
            (Refused, None) => {}
        }
    }
    let smuggled = seen.iter().find(|request| format!("{request:?}").contains("smuggled"));
    assert!(smuggled.is_none(), "{smuggled:?}");
}

const POST: &str = "POST {id} HTTP/1.1";
const GET: &str = "GET {id} HTTP/1.1";

#[tokio::test]
async fn a_request_with_two_lengths_is_refused() {
    let with = |fields: &str| {
        let mut rest = format!("{fields}\r\n0\r\n\r\n");
        rest.push_str(SMUGGLED);
        rest.into_bytes()
    };
    let cl = format!("Content-Length: {}\r\n", 5 + SMUGGLED.len());
    let both = |te: &str| with(&format!("{cl}{te}\r\n"));
    let length = |fields: &str| format!("{fields}\r\n\r\nhello{SMUGGLED}").into_bytes();
    let cases = [
        ("FRM-te-cow", both("Transfer-Encoding: cow")),
        ("FRM-te-id-chunked", both("Transfer-Encoding: identity, chunked")),
        ("te-chunked-id", both("Transfer-Encoding: chunked, identity")),
        ("te-gzip-chunked", with("Transfer-Encoding: gzip, chunked\r\n")),
        ("te-chunked-twice", with("Transfer-Encoding: chunked, chunked\r\n")),
        ("FRM-te-two-lines", both("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow")),
        ("te-two-same", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
        ("FRM-te-quote", both("Transfer-Encoding: \"chunked\"")),
        ("FRM-te-nul", both("Transfer-Encoding: chunked\0")),
        ("FRM-te-spcolon", both("Transfer-Encoding : chunked")),
        ("te-tab", both("Transfer-Encoding\t: chunked")),
        ("te-vtab", both("Transfer-Encoding: \u{b}chunked")),
        ("te-empty", both("Transfer-Encoding:")),
        ("te-param", both("Transfer-Encoding: chunked;q=1")),
        ("te-alone-cow", with("Transfer-Encoding: cow\r\n")),
        ("te-fold", both("Transfer-Encoding:\r\n chunked")),
        ("FRM-cl-dup-ne2", length("Content-Length: 60\r\nContent-Length: 5")),
        ("cl-dup-ne", length("Content-Length: 5\r\nContent-Length: 60")),
        ("cl-list", length("Content-Length: 5, 60")),
        ("FRM-cl-plus", length("Content-Length: +5")),
        ("cl-minus", length("Content-Length: -5")),
        ("FRM-cl-hex", length("Content-Length: 0x5")),
        ("FRM-cl-under", length("Content-Length: 0_5")),
        ("FRM-cl-space", length("Content-Length: 0 5")),
        ("FRM-cl-big", length("Content-Length: 18446744073709551621")),
        ("FRM-cl-spcolon", length("Content-Length : 5")),
        ("cl-empty", length("Content-Length:")),
        ("cl-float", length("Content-Length: 5.0")),
        ("cl-nul", length("Content-Length: 5\0")),
    ];
    let cases: Vec<_> =
        cases.iter().map(|(id, rest)| (*id, POST, rest.as_slice(), Refused)).collect();
    run(&cases).await;
}

/// FRM-clte, FRM-te-xprefix: RFC 9112 section 6.3 lets a coding win over a length, if the
/// connection is over then; what goes on has one framing.
#[tokio::test]
async fn a_coding_wins_over_a_length_and_ends_the_connection() {
    let stage = Stage::start().await;
    let cl = format!("Content-Length: {}\r\n", 5 + SMUGGLED.len());
    let te = "Transfer-Encoding: chunked\r\n";
    for fields in [
        format!("{cl}{te}"),
        format!("{te}{cl}"),
        format!("{cl}{te}{cl}"),
        format!("{cl}X: y\n{te}"),
        format!("{te}Content-Length: 1\r\nContent-Length: 2\r\n"),
        format!("Connection: keep-alive\r\n{cl}{te}"),
    ] {
        let head = format!("POST /public/x HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n");
        let mut connection = stage.connect().await;
        let reply = connection.ask(format!("{head}0\r\n\r\n{SMUGGLED}")).await;
        assert_eq!((reply.status, reply.one("connection")), (200, "close"), "{fields}: {reply:?}");
        connection.closed().await;
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|request| request.target() == "/public/x" && request.body.is_empty()));
}

#[tokio::test]
async fn names_like_those_of_a_length_are_no_length() {
    run(&[
        (
            "FRM-te-under",
            POST,
            b"Content-Length: 5\r\nTransfer_Encoding: chunked\r\n\r\nhello",
            Body("hello"),
        ),
        (
            "FRM-cl-under-name",
            POST,
            b"Content_Length: 50\r\nContent-Length: 5\r\n\r\nhello",
            Body("hello"),
        ),
        (
            "FRM-te-upper",
            POST,
            b"Transfer-Encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Body("hello"),
        ),
        (
            "x-te",
            POST,
            b"X-Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
            Body("hello"),
        ),
        ("cl-zeros", POST, b"Content-Length: 0005\r\n\r\nhello", Body("hello")),
        ("cl-twice", POST, b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", Body("hello")),
        ("cl-none", POST, b"\r\n", Body("")),
        ("FRM-head-body", GET, b"Content-Length: 5\r\n\r\nhello", Body("hello")),
    ])
    .await;
}

#[tokio::test]
async fn a_chunked_body_is_framed_anew_or_refused() {
    let cases: &[(&str, &[u8], End)] = &[
        ("FRM-chunk-ext", b"5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", Body("hello")),
        ("FRM-chunk-upper", b"A\r\nhellohello\r\n0\r\n\r\n", Body("hellohello")),
        ("chunk-zeros", b"005\r\nhello\r\n000\r\n\r\n", Body("hello")),
        ("chunk-two", b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", Body("hello")),
        ("FRM-chunk-wrap", b"10000000000000005\r\nhello\r\n0\r\n\r\n", Refused),
        ("FRM-chunk-0x", b"0x5\r\nhello\r\n0\r\n\r\n", Refused),
        ("FRM-chunk-garbage", b"zz\r\nhello\r\n0\r\n\r\n", Refused),
        ("chunk-minus", b"-5\r\nhello\r\n0\r\n\r\n", Refused),
        ("chunk-plus", b"+5\r\nhello\r\n0\r\n\r\n", Refused),
        ("chunk-empty", b"\r\nhello\r\n0\r\n\r\n", Refused),
        ("FRM-chunk-cr", b"5\rXhello\r\n0\r\n\r\n", Refused),
        ("FRM-chunk-lf", b"5\nhello\n0\n\n", Refused),
        ("chunk-long", b"5\r\nhelloX\r\n0\r\n\r\n", Refused),
        ("chunk-ext-lf", b"5;a\nX\r\nhello\r\n0\r\n\r\n", Refused),
        (
            "FRM-trailer-host",
            b"5\r\nhello\r\n0\r\nHost: evil\r\nContent-Length: 9\r\n\r\n",
            Body("hello"),
        ),
        ("FRM-trailer-space", b"5\r\nhello\r\n0\r\nHost : evil\r\n\r\n", Refused),
    ];
    let framed: Vec<_> = cases
        .iter()
        .map(|(_, body, _)| [b"Transfer-Encoding: chunked\r\n\r\n", *body].concat())
        .collect();
    let cases: Vec<_> = cases
        .iter()
        .zip(&framed)
        .map(|((id, _, end), rest)| (*id, POST, rest.as_slice(), *end))
        .collect();
    run(&cases).await;
}

#[tokio::test]
async fn a_space_after_a_chunk_size_makes_no_difference() {
    let body = b"Transfer-Encoding: chunked\r\n\r\n5 \r\nhello\r\n0\r\n\r\n";
    run(&[("FRM-chunk-spsize", POST, body, Body("hello"))]).await;
}

#[tokio::test]
async fn lines_that_are_none_are_refused() {
    run(&[
        ("FRM-line-cr-val", GET, b"X-A: b\rX-B: c\r\n\r\n", Refused),
        ("FRM-line-fold", GET, b"X-A: b\r\n c\r\n\r\n", Refused),
        ("fold-tab", GET, b"X-A: b\r\n\tc\r\n\r\n", Refused),
        ("FRM-line-noname", GET, b": b\r\n\r\n", Refused),
        ("no-colon", GET, b"X-A\r\n\r\n", Refused),
        ("FRM-line-hiname", GET, b"X-\xc3\xa9: b\r\n\r\n", Refused),
        ("space-name", GET, b"X A: b\r\n\r\n", Refused),
        ("nul-value", GET, b"X-A: b\0c\r\n\r\n", Refused),
        ("FRM-line-rl-extra", "GET {id} HTTP/1.1 HTTP/1.1", b"\r\n", Refused),
        ("FRM-line-v09", "GET {id}", b"\r\n", Refused),
        ("FRM-line-v11x", "GET {id} HTTP/1.1x", b"\r\n", Refused),
        ("FRM-line-vother", "GET {id} HTTPS/1.1", b"\r\n", Refused),
        ("v12", "GET {id} HTTP/1.2", b"\r\n", Refused),
        ("v20", "GET {id} HTTP/2.0", b"\r\n", Refused),
        ("lower", "GET {id} http/1.1", b"\r\n", Refused),
        ("tab", "GET\t{id}\tHTTP/1.1", b"\r\n", Refused),
        ("cr", "GET {id}\r HTTP/1.1", b"\r\n", Refused),
        ("no-method", " {id} HTTP/1.1", b"\r\n", Refused),
    ])
    .await;
}

/// FRM-line-lf-all: RFC 9112 section 2.2 lets a bare LF end a line; what goes on has none.
#[tokio::test]
async fn bare_line_feeds_do_not_travel_on() {
    let stage = Stage::start().await;
    let reply = stage.send("GET /public/x HTTP/1.1\nHost: a.test\nX-A: b\n\n").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = stage.finish().await;
    assert_eq!((seen.len(), seen[0].one("x-a")), (1, "b"));
}

/// Reads everything that comes until the connection closes, response by response.
async fn statuses(stage: &Stage, bytes: &str) -> Vec<u16> {
    let mut connection = stage.connect().await;
    connection.write(bytes).await;
    let mut statuses = Vec::new();
    loop {
        let Reply { status, .. } = connection.reply().await;
        if status == 0 {
            return statuses;
        }
        statuses.push(status);
    }
}

/// FRM-401-chunk and its kin: what is left of a refused request is nobody's request.
#[tokio::test]
async fn the_body_of_a_refused_request_is_never_the_next_request() {
    let stage = Stage::start().await;
    let inner = "GET /public/smuggled HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    let sized = format!("Content-Length: {}\r\n\r\n{inner}", inner.len());
    let chunked =
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let end = "GET /public/last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    for (target, status) in [("/app/x", 401), ("/nothing", 404), ("/a%2f../x", 400)] {
        for body in [&sized, &chunked] {
            let request = format!("POST {target} HTTP/1.1\r\nHost: a.test\r\n{body}{end}");
            let statuses = statuses(&stage, &request).await;
            assert!(
                statuses == [status] || statuses == [status, 200],
                "{target}: {statuses:?} for {request}"
            );
        }
    }
    // Longer than anybody reads for nothing: closed, not drained for ever.
    let long = format!("Content-Length: 100000000\r\n\r\n{inner}");
    let request = format!("POST /app/x HTTP/1.1\r\nHost: a.test\r\n{long}");
    assert_eq!(statuses(&stage, &request).await, [401]);
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| request.target() == "/public/last"), "{seen:#?}");
}

#[tokio::test]
async fn http_1_0_is_answered_and_then_over() {
    let stage = Stage::start().await;
    let plain = statuses(&stage, &format!("GET /public/a HTTP/1.0\r\n\r\n{SMUGGLED}")).await;
    assert_eq!(plain, [200]);
    // FRM-10-nocl: no length means no body, and the rest is nobody's.
    let no_length = statuses(&stage, &format!("POST /public/b HTTP/1.0\r\n\r\n{SMUGGLED}")).await;
    assert_eq!(no_length, [200]);
    let chunked = "POST /public/c HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = statuses(&stage, &format!("{chunked}0\r\n\r\n{SMUGGLED}")).await;
    assert_eq!(chunked, [400]);
    let address = stage.upstream.addr.to_string();
    let seen = stage.finish().await;
    let targets: Vec<_> = seen.iter().map(Seen::target).collect();
    assert_eq!(targets, ["/public/a", "/public/b"]);
    assert!(seen.iter().all(|request| request.one("host") == address), "{seen:?}");
}

/// FRM-expect-odd, and the expectation that is one.
#[tokio::test]
async fn a_body_is_asked_for_only_once_it_is_wanted() {
    let stage = Stage::start().await;
    let post = |target: &str, expect: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: a.test\r\nExpect: {expect}\r\nContent-Length: 5\r\n\r\n"
        )
    };
    let mut connection = stage.connect().await;
    let reply = connection.ask(post("/public/x", "100-Continue")).await;
    assert_eq!(reply.status, 100, "{reply:?}");
    assert_eq!(connection.ask("hello").await.status, 200);
    drop(connection);
    // Nobody asks for what is refused.
    assert_eq!(stage.send(post("/app/x", "100-continue")).await.status, 401);
    let mut connection = stage.connect().await;
    assert_eq!(connection.ask(post("/app/x", "100-continue")).await.status, 401);
    connection.closed().await;
    assert_eq!(stage.send(post("/public/x", "something-else")).await.status, 417);
    let seen = stage.finish().await;
    assert_eq!((seen.len(), seen[0].body.as_slice()), (1, &b"hello"[..]));
}

/// FRM-upgrade-h2c, FRM-upgrade-tls.
#[tokio::test]
async fn an_upgrade_that_nobody_allowed_is_a_plain_request() {
    let stage = Stage::start().await;
    for upgrade in ["h2c", "TLS/1.0", "websocket", "HTTP/2.0, h2c"] {
        let request = format!(
            "GET /public/x HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
             GET /app/smuggled HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(statuses(&stage, &request).await, [200, 401], "{upgrade}");
    }
    let seen = stage.finish().await;
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|request| !request.has("http2-settings")), "{seen:?}");
}

/// FRM-incomplete.
#[tokio::test]
async fn half_a_body_never_looks_whole() {
    let stage = Stage::start().await;
    for framing in
        ["Content-Length: 50\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        let mut connection = stage.connect().await;
        connection.write(format!("POST /public/x HTTP/1.1\r\nHost: a.test\r\n{framing}")).await;
        drop(connection);
    }
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| !request.complete), "{seen:?}");
}

const SMALL: &str = "[limits]\nbody = \"1KiB\"\nauth_body = \"100B\"\ntarget = \"1KiB\"\n\
    head = \"8KiB\"\nheaders = 20\nbody_timeout = \"100ms\"\n";

#[tokio::test]
async fn a_body_over_the_limit_is_refused_at_its_announcement_or_at_its_limit() {
    let route = "[routes.\"/public/large/*\"]\nto = \"up\"\nallow = \"anyone\"\nbody = \"4KiB\"\n";
    let stage = Stage::with(|policy| policy.and(SMALL).and(route)).await;
    let post = |target: &str, length: usize| {
        let (body, kind) = ("x".repeat(length), "Content-Type: application/json");
        format!(
            "POST {target} HTTP/1.1\r\nHost: a.test\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for (target, length, status) in [
        ("/public/x", 1024, 200),
        ("/public/x", 1025, 413),
        ("/public/large/x", 4096, 200),
        ("/public/large/x", 4097, 413),
        ("/api/auth/token/", 101, 413),
    ] {
        let reply = stage.send(post(target, length)).await;
        assert_eq!(reply.status, status, "{target} {length}: {reply:?}");
    }
    // Announced and not sent: nobody waits for it.
    let announced = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1025\r\n\r\n";
    assert_eq!(stage.send(announced).await.status, 413);
    // RES-body-over-chunked: it never says how much will come.
    let mut endless =
        "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..100 {
        write!(endless, "64\r\n{}\r\n", "x".repeat(100)).unwrap();
    }
    let reply = stage.send(&endless).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (413, Some("body_too_large")));
    let seen = stage.finish().await;
    let complete: Vec<_> =
        seen.iter().filter(|request| request.complete).map(|request| request.body.len()).collect();
    assert_eq!(complete, [1024, 4096]);
}

/// RES-slow-body.
#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let stage = Stage::with(|policy| policy.and(SMALL)).await;
    for framing in [
        "Content-Length: 500\r\n\r\n",
        "Content-Length: 500\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        for target in ["/public/x", "/api/auth/token/"] {
            let kind = "Content-Type: application/json\r\n";
            let framing = if target.starts_with("/api") {
                framing.replace("500", "50")
            } else {
                framing.to_owned()
            };
            let mut connection = stage.connect().await;
            let reply = connection
                .ask(format!("POST {target} HTTP/1.1\r\nHost: a.test\r\n{kind}{framing}"))
                .await;
            assert_eq!(reply.status, 408, "{target} {framing:?}: {reply:?}");
            connection.closed().await;
        }
    }
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| !request.complete), "{seen:?}");
}

/// PATH-long-2m, RES-hdr-1000, RES-hdr-1m, RES-cookie-64k.
#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let stage = Stage::with(|policy| policy.and(SMALL)).await;
    let get = |target: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
    };
    let fields = |count: usize| {
        (0..count).fold(String::new(), |fields, at| format!("{fields}X-{at}: y\r\n"))
    };
    let fits = format!("/public/{}", "x".repeat(1016));
    for (id, request, statuses) in [
        ("target-fits", get(&fits, ""), &[200][..]),
        ("target-over", get(&format!("{fits}x"), ""), &[414]),
        ("target-query", get(&format!("/public/x?{}", "x".repeat(1024)), ""), &[414]),
        ("PATH-long-2m", get(&format!("/{}", "x".repeat(2_000_000)), ""), &[414, 431, 0]),
        ("headers-fit", get("/public/x", &fields(19)), &[200]),
        ("headers-over", get("/public/x", &fields(20)), &[431]),
        ("RES-hdr-1000", get("/public/x", &fields(1000)), &[431]),
        ("RES-hdr-1m", get("/public/x", &format!("X: {}\r\n", "x".repeat(1 << 20))), &[431, 0]),
        (
            "RES-cookie-64k",
            get("/public/x", &format!("Cookie: {}\r\n", "x".repeat(80_000))),
            &[431, 0],
        ),
    ] {
        let reply = stage.send(request).await;
        assert!(statuses.contains(&reply.status), "{id}: {reply:?}");
    }
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    assert_eq!(stage.finish().await.len(), 3);
}

#[tokio::test]
async fn a_client_whose_body_nobody_read_is_told_that_its_connection_ends() {
    let stage = Stage::start().await;
    let post = |path: &str, length: usize| {
        let body = "x".repeat(length);
        let kind = "Content-Type: application/json\r\n";
        format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    for (path, length, status, told) in [
        ("/app/x", 5, 401, true),
        ("/nothing", 5, 404, true),
        ("/api/auth/token/", 100_000, 413, true),
        ("/api/auth/profile/", 5, 401, true),
        ("/api/auth/token/", 5, 400, false),
        ("/app/x", 0, 401, false),
    ] {
        let mut connection = stage.connect().await;
        connection.write(post(path, length)).await;
        let reply = connection.reply().await;
        let close = reply.all("connection") == ["close"];
        assert_eq!((reply.status, close), (status, told), "{path} {length}: {reply:?}");
        if told {
            // What it has not read it answers to nobody.
            assert!(connection.rest().await.is_empty());
        } else {
            assert_eq!(connection.ask(post("/api/auth/token/", 5)).await.status, 400);
        }
    }
    stage.finish_untouched().await;
}
