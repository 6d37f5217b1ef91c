//! A request has one length, one end, and one reading.

use crate::common::{Reply, Seen, Stage};

/// What every smuggled request asks for: it may never arrive.
const SMUGGLED: &str = "GET /public/smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// How a case may end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// 400, closed, and nothing of it is forwarded as a whole request.
    Refused,
    /// Answered by the upstream, which saw this body.
    Body(&'static str),
}

use End::{Body, Refused};

/// What the refused are told.
const CODES: [&str; 4] = ["bad_framing", "bad_target", "body_incomplete", "malformed"];

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
                assert_eq!((reply.status, reply.one("connection")), (400, "close"), "{id}");
                assert!(!reply.one("x-request-id").is_empty(), "{id}: {reply:?}");
                let code = reply.json()["code"].as_str().map(str::to_owned);
                assert!(CODES.contains(&code.as_deref().unwrap_or_default()), "{id}: {reply:?}");
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
        ("cl-list-same", length("Content-Length: 5, 5")),
        ("cl-twice", length("Content-Length: 5\r\nContent-Length: 5")),
        ("cl-signed-64", length("Content-Length: 9223372036854775808")),
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

/// FRM-clte, FRM-te-xprefix: RFC 9112 section 6.1 would let the coding win, and lets a gateway
/// refuse, which nobody downstream can misread.
#[tokio::test]
async fn a_coding_beside_a_length_is_refused() {
    let cl = format!("Content-Length: {}\r\n", 5 + SMUGGLED.len());
    let te = "Transfer-Encoding: chunked\r\n";
    let cases = [
        ("FRM-clte", format!("{cl}{te}")),
        ("tecl", format!("{te}{cl}")),
        ("clte-cl", format!("{cl}{te}{cl}")),
        ("FRM-te-xprefix", format!("{cl}X: y\n{te}")),
        ("te-cl-cl", format!("{te}Content-Length: 1\r\nContent-Length: 2\r\n")),
        ("clte-alive", format!("Connection: keep-alive\r\n{cl}{te}")),
        ("clte-zero", format!("Content-Length: 0\r\n{te}")),
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|(id, fields)| (*id, format!("{fields}\r\n0\r\n\r\n{SMUGGLED}").into_bytes()))
        .collect();
    let cases: Vec<_> =
        cases.iter().map(|(id, rest)| (*id, POST, rest.as_slice(), Refused)).collect();
    run(&cases).await;
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
        ("FRM-chunk-spsize", b"5 \r\nhello\r\n0\r\n\r\n", Refused),
        ("chunk-sp-before", b" 5\r\nhello\r\n0\r\n\r\n", Refused),
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
async fn lines_that_are_none_are_refused() {
    run(&[
        ("lf-val", GET, b"X-A: b\nX-B: c\r\n\r\n", Refused),
        ("lf-last", GET, b"X-A: b\r\n\n", Refused),
        ("FRM-line-lf-all", "GET {id} HTTP/1.1\nHost: a.test\nX-A: b\n", b"\n", Refused),
        ("FRM-line-cr-val", GET, b"X-A: b\rX-B: c\r\n\r\n", Refused),
        ("FRM-line-fold", GET, b"X-A: b\r\n c\r\n\r\n", Refused),
        ("fold-tab", GET, b"X-A: b\r\n\tc\r\n\r\n", Refused),
        ("FRM-line-noname", GET, b": b\r\n\r\n", Refused),
        ("no-colon", GET, b"X-A\r\n\r\n", Refused),
        ("FRM-line-hiname", GET, b"X-\xc3\xa9: b\r\n\r\n", Refused),
        ("space-name", GET, b"X A: b\r\n\r\n", Refused),
        ("space-colon", GET, b"X-A : b\r\n\r\n", Refused),
        ("del-value", GET, b"X-A: b\x7fc\r\n\r\n", Refused),
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
        ("two-spaces", "GET  {id} HTTP/1.1", b"\r\n", Refused),
        ("space-end", "GET {id} HTTP/1.1 ", b"\r\n", Refused),
        ("empty-lines", "\r\n\r\n\r\nGET {id} HTTP/1.1", b"\r\n", Refused),
        ("field-first", "GET {id} HTTP/1.1\r\n X: y", b"\r\n", Refused),
        ("empty-line", "\r\nGET {id} HTTP/1.1", b"\r\n", Body("")),
        ("no-method", " {id} HTTP/1.1", b"\r\n", Refused),
    ])
    .await;
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
    for odd in ["something-else", "100-continue\r\nExpect: something-else"] {
        assert_eq!(stage.send(post("/public/x", odd)).await.status, 417, "{odd}");
    }
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
