//! RFC 9113 sections 8.2 and 8.3 to the letter: what may not be in a request over HTTP/2 never
//! reaches an upstream, where it would be a request of HTTP/1.1 that reads otherwise.

use crate::common::h2::{
    DATA, END_HEADERS, END_STREAM, H2Conn, HEADERS, Outcome, SETTINGS, frame, get, head,
};
use crate::common::{Stage, Upstream, soon};

/// Asks on a connection of its own, and then in the ordinary way on another.
async fn outcome(stage: &Stage, fields: &[(&str, &str)]) -> Outcome {
    let mut client = H2Conn::open(stage.gateway.addr).await;
    client.ask(fields).await
}

fn refused(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Answer(status, _) if !matches!(status, 400 | 501))
}

/// Each of these is refused, and nothing reaches the upstream; normal requests are served still.
async fn none_passes(cases: &[Vec<(&str, &str)>]) {
    let stage = Stage::start().await;
    for fields in cases {
        let outcome = outcome(&stage, fields).await;
        assert!(refused(&outcome), "{fields:?}: {outcome:?}");
    }
    stage.finish_untouched().await;
}

/// A GET with one more field.
fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut fields = get("/public/x");
    fields.push((name, value));
    fields
}

/// A GET with one pseudo-field changed.
fn changed<'a>(name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut fields = get("/public/x");
    fields.iter_mut().find(|(field, _)| *field == name).expect("no such field").1 = value;
    fields
}

/// A GET without one pseudo-field.
fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    get("/public/x").into_iter().filter(|(field, _)| *field != name).collect()
}

/// H2-control.
#[tokio::test]
async fn an_ordinary_request_passes() {
    let stage = Stage::start().await;
    for fields in [
        get("/public/x"),
        with("te", "trailers"),
        with("x-a", ""),
        with("x-a", "b\tc d"),
        with("host", "a.test"),
        with("content-length", "0"),
        changed(":scheme", "https"),
    ] {
        let outcome = outcome(&stage, &fields).await;
        assert_eq!(outcome.status(), Some(200), "{fields:?}");
    }
    let mut hosted = without(":authority");
    hosted.push(("host", "a.test"));
    assert_eq!(outcome(&stage, &hosted).await.status(), Some(200));
    stage.finish().await;
}

/// H2-cr-value, H2-crlf-name, H2-upper-name.
#[tokio::test]
async fn no_field_carries_another_line() {
    let values = ["a\r\nx-b: c", "a\rb", "a\nb", "a\0b", "a\r\n\r\nGET / HTTP/1.1", "\u{7f}"];
    let padded = [" a", "a ", "\ta", "a\t", " "];
    let names = ["x\r\ny", "x: y\r\nz", "x y", "X-Upper", "x:", "", "x\0", "(x)", "x\u{e9}"];
    let mut cases: Vec<_> = values.iter().chain(&padded).map(|value| with("x-a", value)).collect();
    cases.extend(names.iter().map(|name| with(name, "v")));
    none_passes(&cases).await;
}

/// H2-te, H2-conn-keep-alive-timeout, H2-conn-te-gzip.
#[tokio::test]
async fn no_field_of_the_connection_is_taken() {
    none_passes(&[
        with("transfer-encoding", "chunked"),
        with("transfer-encoding", "identity"),
        with("connection", "close"),
        with("connection", "x-user-id"),
        with("keep-alive", "timeout=5"),
        with("proxy-connection", "keep-alive"),
        with("upgrade", "websocket"),
        with("te", "gzip"),
        with("te", "trailers, gzip"),
        with("te", ""),
    ])
    .await;
}

/// H2-pseudo-late, H2-pseudo-status, H2-missing-path.
#[tokio::test]
async fn pseudo_fields_are_those_of_a_request_once_each_and_first() {
    let mut late = get("/public/x");
    late.insert(1, ("x-a", "b"));
    let mut cases = vec![
        late,
        with(":path", "/public/y"),
        with(":unknown", "x"),
        without(":path"),
        without(":method"),
        without(":scheme"),
        without(":authority"),
    ];
    for (name, value) in get("/public/x") {
        let mut twice = vec![(name, value)];
        twice.extend(get("/public/x"));
        cases.push(twice);
    }
    for extra in [(":status", "200"), (":unknown", "x"), (":", "x"), (":protocol", "websocket")] {
        let mut fields = vec![extra];
        fields.extend(get("/public/x"));
        cases.push(fields);
    }
    none_passes(&cases).await;
}

/// H2-path-space, H2-path-abs, H2-method-space, H2-auth-crlf, H2-host-two.
#[tokio::test]
async fn pseudo_fields_hold_what_a_request_line_may() {
    let mut cases = Vec::new();
    for path in [
        "",
        "x",
        "*",
        "public/x",
        "/public/x HTTP/1.1",
        "/public/x\r\nx-a: b",
        "/public/x\ty",
        "/public/x\0",
        "http://a.test/public/x",
        "a.test:80",
        "/public/\u{e9}",
    ] {
        cases.push(changed(":path", path));
    }
    for method in ["", "GET ", "GET /x HTTP/1.1\r\nx:", "GET\r\n", "G(T", "G\0T"] {
        cases.push(changed(":method", method));
    }
    for scheme in ["", "ftp", "http ", "http://x/?", "javascript", "h\r\nttp"] {
        cases.push(changed(":scheme", scheme));
    }
    for authority in [
        "",
        "user@a.test",
        "user:pass@a.test",
        "a.test\r\nx-a: b",
        "a.test/x",
        "a.test:x",
        "a.test:0",
        "a test",
        "a.test,b.test",
        "b.test",
    ] {
        let mut fields = changed(":authority", authority);
        fields.push(("host", "a.test"));
        cases.push(fields);
    }
    let mut two = without(":authority");
    two.extend([("host", "a.test"), ("host", "a.test")]);
    cases.push(two);
    let mut three = get("/public/x");
    three.extend([("host", "a.test"), ("host", "b.test")]);
    cases.push(three);
    none_passes(&cases).await;
}

/// H2-ext-connect.
#[tokio::test]
async fn connect_opens_nothing() {
    let stage = Stage::start().await;
    let plain = [(":method", "CONNECT"), (":authority", "a.test:80")];
    assert_eq!(outcome(&stage, &plain).await.status(), Some(501));
    let mut extended = changed(":method", "CONNECT");
    extended.push((":protocol", "websocket"));
    let outcome = outcome(&stage, &extended).await;
    assert!(refused(&outcome), "{outcome:?}");
    stage.finish_untouched().await;
}

/// H2-cl-long, and its other way: an upstream never has a whole request of another length.
#[tokio::test]
async fn a_length_that_differs_from_the_body_never_looks_whole() {
    let stage = Stage::before(Upstream::start().await, |policy| policy).await;
    for (length, pieces) in [
        ("3", &["ab"][..]),
        ("3", &[]),
        ("3", &["abcd"]),
        ("3", &["abc", "d"]),
        ("3", &["ab", "cd"]),
        ("0", &["a"]),
        ("-1", &["a"]),
        ("+1", &["a"]),
        ("1,1", &["a"]),
        ("0x1", &["a"]),
        ("18446744073709551616", &["a"]),
    ] {
        let mut client = H2Conn::open(stage.gateway.addr).await;
        let mut fields = with("content-length", length);
        fields[0].1 = "POST";
        let last = if pieces.is_empty() { END_STREAM } else { 0 };
        let stream = client.request(&fields, last).await;
        for (at, piece) in pieces.iter().enumerate() {
            let last = if at + 1 == pieces.len() { END_STREAM } else { 0 };
            client.send(DATA, last, stream, piece.as_bytes()).await;
            // The upstream gets what is sent on before the next piece comes.
            assert_eq!(stage.get("/nothing", "").await.status, 404);
        }
        let outcome = client.outcome(stream).await;
        assert!(refused(&outcome), "{length} {pieces:?}: {outcome:?}");
    }
    // Two lengths are no length, also if they agree.
    let mut fields = with("content-length", "1");
    fields[0].1 = "POST";
    fields.push(("content-length", "1"));
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let stream = client.request(&fields, 0).await;
    client.send(DATA, END_STREAM, stream, b"a").await;
    assert!(refused(&client.outcome(stream).await));
    drop(client);
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| !request.complete), "{seen:?}");
}

/// What ends exactly where it says, however it is cut, is whole.
#[tokio::test]
async fn a_length_that_agrees_passes() {
    let stage = Stage::start().await;
    for pieces in [&["abc"][..], &["abc", ""], &["a", "", "bc", ""], &["", "abc"]] {
        let mut client = H2Conn::open(stage.gateway.addr).await;
        let mut fields = with("content-length", "3");
        fields[0].1 = "POST";
        let stream = client.request(&fields, 0).await;
        for (at, piece) in pieces.iter().enumerate() {
            let last = if at + 1 == pieces.len() { END_STREAM } else { 0 };
            client.send(DATA, last, stream, piece.as_bytes()).await;
        }
        assert_eq!(client.outcome(stream).await.status(), Some(200), "{pieces:?}");
    }
    for seen in stage.finish().await {
        assert_eq!((seen.body.as_slice(), seen.one("content-length")), (&b"abc"[..], "3"));
        assert!(seen.complete);
    }
}

/// H2-trailers, H2-id-dup.
#[tokio::test]
async fn what_a_client_says_of_itself_is_gone_in_heads_and_trailers() {
    let stage = Stage::start().await;
    let bearer = format!("Bearer {}", stage.token);
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut fields = get("/app/x");
    fields[0].1 = "POST";
    fields.extend([("x-user-id", "7"), ("x-user-id", "8"), ("x_user_id", "9")]);
    fields.push(("authorization", &bearer));
    let stream = client.request(&fields, 0).await;
    client.send(DATA, 0, stream, b"body").await;
    let trailers = head(&[
        ("x-user-id", "7"),
        ("x-user-roles", "admin"),
        ("content-length", "3"),
        ("host", "b"),
    ]);
    client.send(HEADERS, END_HEADERS | END_STREAM, stream, &trailers).await;
    let outcome = client.outcome(stream).await;
    assert_eq!(outcome.status(), Some(200), "{outcome:?}");
    drop(client);
    let alice = stage.alice.id.to_string();
    let [seen] = &stage.finish().await[..] else { panic!("one request") };
    assert_eq!((seen.one("x-user-id"), seen.body.as_slice()), (alice.as_str(), &b"body"[..]));
    assert_eq!(seen.one("host"), "a.test");
    assert!(!seen.has("content-length") && !seen.has("x_user_id"), "{seen:?}");
}

#[tokio::test]
async fn a_head_over_the_limits_is_431() {
    let limits = "[limits]\nhead = \"8KiB\"\ntarget = \"2KiB\"\nheaders = 20\n";
    let stage = Stage::with(|policy| policy.and(limits)).await;
    let names: Vec<String> = (0..30).map(|number| format!("x-{number}")).collect();
    let mut many = get("/public/x");
    many.extend(names.iter().map(|name| (name.as_str(), "v")));
    assert_eq!(outcome(&stage, &many).await.status(), Some(431));
    many.truncate(4 + 20);
    assert_eq!(outcome(&stage, &many).await.status(), Some(200));
    let long = "x".repeat(9000);
    assert_eq!(outcome(&stage, &with("x-a", &long)).await.status(), Some(431));
    let path = format!("/public/{}", &long[..3000]);
    assert_eq!(outcome(&stage, &get(&path)).await.status(), Some(414));
    assert_eq!(stage.finish().await.len(), 1);
}

/// H2-proto-evensid, H2-proto-big, H2-proto-inter, H2-proto-set5, H2-proto-idle-rst.
#[tokio::test]
async fn a_broken_frame_ends_its_connection_and_no_other() {
    let stage = Stage::start().await;
    let asked = head(&get("/public/x"));
    let inter = [
        frame(HEADERS, END_STREAM, 1, &asked[..4]),
        frame(6, 0, 0, b"12345678"),
        frame(9, END_HEADERS, 1, &asked[4..]),
    ];
    for (what, bytes) in [
        ("an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &asked)),
        ("stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, &asked)),
        ("a frame over the limit", frame(DATA, 0, 1, &vec![0; 20_000])),
        ("a frame inside a head", inter.concat()),
        ("settings of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("an idle stream reset", frame(3, 0, 1, &8u32.to_be_bytes())),
        ("a push from a client", frame(5, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("a ping of 7 bytes", frame(6, 0, 0, b"1234567")),
        ("a continuation of nothing", frame(9, END_HEADERS, 1, &asked)),
        ("a window of nothing", frame(8, 0, 0, &[0; 4])),
        ("broken HPACK", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20])),
    ] {
        let mut client = H2Conn::open(stage.gateway.addr).await;
        client.write(&bytes).await;
        let mut ended = false;
        while let Some(frame) = soon(what, client.next()).await {
            ended |= matches!(frame.kind, 3 | 7);
            if ended {
                break;
            }
        }
        let mut other = H2Conn::open(stage.gateway.addr).await;
        assert_eq!(other.ask(&get("/nothing")).await.status(), Some(404), "{what}");
    }
    stage.finish_untouched().await;
}
