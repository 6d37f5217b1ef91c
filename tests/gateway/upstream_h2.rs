//! Upstreams that speak HTTP/2: few connections, many requests, and whatever a server does.

use bytes::Bytes;
use h2::Reason;
use http::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::common::h2_upstream::{H2Server, read};
use crate::common::{Conn, Policy, Setup, TestGateway, Upstream, soon};

const GET: &str = "GET /public/x?y=1 HTTP/1.1\r\nHost: a.test\r\n\r\n";

fn policy(server: &H2Server, keys: &str) -> Policy {
    Policy::at(&format!("http://{}", server.addr)).upstream(&format!("h2 = true{keys}"))
}

async fn gateway(server: &H2Server, keys: &str) -> TestGateway {
    let limits = "[limits]\nidle_timeout = \"300ms\"\nhead_timeout = \"300ms\"\n";
    TestGateway::start(&policy(server, keys).and(limits)).await
}

/// Sends a request and leaves its connection waiting.
async fn ask(gateway: &TestGateway, request: impl AsRef<[u8]>) -> Conn {
    let mut client = gateway.connect().await;
    client.write(request).await;
    client
}

#[tokio::test]
async fn requests_share_one_connection_and_speak_its_language() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let fields =
            "Connection: X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nX-User-Id: 9\r\nKeep-Alive: 1\r\n";
        clients.push(
            ask(&gateway, format!("GET /public/x?y=1 HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"))
                .await,
        );
    }
    for _ in 0..5 {
        let asked = server.next().await;
        assert_eq!(asked.head.uri, "http://a.test/public/x?y=1");
        assert_eq!((asked.connection, asked.head.method.as_str()), (0, "GET"));
        for gone in ["host", "x-hop", "te", "x-user-id", "keep-alive", "transfer-encoding"] {
            assert!(asked.all(gone).is_empty(), "{gone}: {:?}", asked.head);
        }
        assert_eq!(asked.all("x-forwarded-host"), ["a.test"]);
        asked.ok("ok");
    }
    for mut client in clients {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    }
    assert_eq!(server.connections(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn another_connection_is_made_only_when_the_first_is_full() {
    let mut server = H2Server::limited(1, None).await;
    let gateway = gateway(&server, "").await;
    let mut one = ask(&gateway, GET).await;
    let first = server.next().await;
    let mut two = ask(&gateway, GET).await;
    let second = server.next().await;
    assert_eq!((first.connection, second.connection), (0, 1));
    first.ok("1");
    second.ok("2");
    assert_eq!((one.reply().await.text(), two.reply().await.text()), ("1".into(), "2".into()));
    let mut three = ask(&gateway, GET).await;
    server.next().await.ok("3");
    assert_eq!(three.reply().await.text(), "3");
    assert_eq!(server.connections(), 2);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_that_the_server_did_not_look_at_is_sent_again_with_its_body() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    let post = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = ask(&gateway, post).await;
    for _ in 0..2 {
        let mut asked = server.next().await;
        asked.respond.send_reset(Reason::REFUSED_STREAM);
    }
    let mut asked = server.next().await;
    assert_eq!(asked.read().await, b"hello");
    asked.ok("ok");
    assert_eq!(client.reply().await.status, 200);
    // Not for ever.
    let mut client = ask(&gateway, post).await;
    for _ in 0..3 {
        server.next().await.respond.send_reset(Reason::REFUSED_STREAM);
    }
    assert_eq!(client.reply().await.status, 502);
    assert!(server.has_nothing());
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_that_the_server_gave_up_is_sent_once() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    for method in ["GET", "POST"] {
        let text =
            format!("{method} /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n");
        let mut client = ask(&gateway, text).await;
        server.next().await.respond.send_reset(Reason::INTERNAL_ERROR);
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (502, "upstream_failed".into()));
        assert!(server.has_nothing());
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_takes_its_leave_finishes_what_it_has_and_gets_no_more() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    let mut early = ask(&gateway, GET).await;
    let asked = server.next().await;
    server.leave();
    // The GOAWAY is on its way: whoever comes now may still meet the old connection, is not looked
    // at there, and goes on to a new one.
    let mut late = ask(&gateway, GET).await;
    server.next().await.ok("late");
    assert_eq!(late.reply().await.status, 200);
    asked.ok("early");
    assert_eq!(early.reply().await.text(), "early");
    let mut last = ask(&gateway, GET).await;
    let asked = server.next().await;
    assert_eq!(asked.connection, 1);
    asked.ok("last");
    assert_eq!(last.reply().await.text(), "last");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_own_request_at_once() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    let mut stays = ask(&gateway, GET).await;
    let staying = server.next().await;
    // Once before the head of the response, once amid its body.
    let goes = ask(&gateway, GET).await;
    let mut going = server.next().await;
    drop(goes);
    let reset = soon("a reset", std::future::poll_fn(|cx| going.respond.poll_reset(cx))).await;
    assert_eq!(reset.unwrap(), Reason::CANCEL);
    let mut goes = ask(&gateway, GET).await;
    let mut body = server.next().await.answer(Response::new(()));
    assert_eq!(goes.reply_head().await.status, 200);
    drop(goes);
    let reset = soon("a reset", std::future::poll_fn(|cx| body.poll_reset(cx))).await;
    assert_eq!(reset.unwrap(), Reason::CANCEL);
    staying.ok("still here");
    assert_eq!(stays.reply().await.text(), "still here");
    assert_eq!(server.connections(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn a_truncated_response_never_looks_complete() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    for length in [Some("10"), None] {
        let mut client = ask(&gateway, GET).await;
        let mut head = Response::builder();
        if let Some(length) = length {
            head = head.header("content-length", length);
        }
        let mut body = server.next().await.answer(head.body(()).unwrap());
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        body.send_reset(Reason::NO_ERROR);
        let reply = client.reply().await;
        assert!(!reply.complete || reply.status == 502, "{reply:?}");
    }
    // More, and less, than it says.
    for length in ["3", "10"] {
        let mut client = ask(&gateway, GET).await;
        let head = Response::builder().header("content-length", length).body(()).unwrap();
        let mut body = server.next().await.answer(head);
        body.send_data(Bytes::from_static(b"four"), true).unwrap();
        let reply = client.reply().await;
        assert!(!reply.complete || reply.status == 502, "{length}: {reply:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn bodies_of_megabytes_pass_both_ways_unchanged() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    let big: Vec<u8> = (0..4_000_000_u32).map(|at| at.to_le_bytes()[at as usize % 3]).collect();
    let mut client = gateway.connect().await;
    let echo = async {
        let mut asked = server.next().await;
        let body = asked.read().await;
        assert_eq!(asked.all("content-length"), ["4000000"]);
        let mut out = asked.answer(Response::new(()));
        out.send_data(Bytes::from(body), true).unwrap();
    };
    let head = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4000000\r\n\r\n";
    let talk = async {
        client.write(head).await;
        client.write(&big).await;
        client.reply().await
    };
    let ((), reply) = tokio::join!(echo, talk);
    assert!(reply.complete && reply.body == big);
    gateway.stop().await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_after_idle() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, ", idle = \"50ms\"").await;
    let mut client = ask(&gateway, GET).await;
    server.next().await.ok("ok");
    assert_eq!(client.reply().await.status, 200);
    soon("the end of the connection", async {
        while server.open() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut client = ask(&gateway, GET).await;
    server.next().await.ok("ok");
    assert_eq!(client.reply().await.one("x-up-connection"), "1");
    gateway.stop().await;
}

#[tokio::test]
async fn a_slow_head_is_504_and_leaves_the_others_alone() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, ", timeout = \"100ms\"").await;
    let mut client = ask(&gateway, GET).await;
    let mut slow = server.next().await;
    assert_eq!(client.reply().await.status, 504);
    let reset = soon("a reset", std::future::poll_fn(|cx| slow.respond.poll_reset(cx))).await;
    assert_eq!(reset.unwrap(), Reason::CANCEL);
    let mut client = ask(&gateway, GET).await;
    server.next().await.ok("ok");
    assert_eq!(client.reply().await.one("x-up-connection"), "0");
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_speaks_something_else_is_502() {
    let upstream = Upstream::by_hand().await;
    let gateway = TestGateway::start(&Policy::to(&upstream).upstream("h2 = true")).await;
    let mut client = ask(&gateway, GET).await;
    let mut other = upstream.accept().await;
    other.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.json()["code"].clone()), (502, "upstream_unreachable".into()));
    drop((client, other));
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_that_says_nothing_is_502_after_connect() {
    let upstream = Upstream::by_hand().await;
    let policy = Policy::to(&upstream).upstream("h2 = true, connect = \"50ms\"");
    let gateway = TestGateway::start(&policy).await;
    let clients = [ask(&gateway, GET).await, ask(&gateway, GET).await];
    // One attempt for both.
    let silent = upstream.accept().await;
    for mut client in clients {
        assert_eq!(client.reply().await.status, 502);
    }
    drop(silent);
    gateway.stop().await;
}

#[tokio::test]
async fn a_response_without_content_may_say_how_long_it_would_be() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    let mut client = ask(&gateway, GET.replace("GET", "HEAD")).await;
    let head = Response::builder().header("content-length", "10").body(()).unwrap();
    server.next().await.respond.send_response(head, true).unwrap();
    let reply = client.reply_to_head().await;
    assert_eq!((reply.status, reply.one("content-length")), (200, "10"));
    // On the same connection: nothing was taken for a body.
    client.write(GET).await;
    let head = Response::builder().status(304).header("etag", "\"1\"").body(()).unwrap();
    server.next().await.respond.send_response(head, true).unwrap();
    assert_eq!(client.reply().await.status, 304);
    client.write(GET).await;
    server.next().await.ok("ok");
    assert_eq!(client.reply().await.text(), "ok");
    drop(client);
    gateway.stop().await;
}

/// What a server sends after it was asked on stream 1, frame by frame.
async fn answered_with(frames: &[(u8, u8, &[u8])]) -> crate::common::Reply {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = format!("http://{}", listener.local_addr().unwrap());
    let policy = Policy::at(&to).upstream("h2 = true, timeout = \"2s\", retries = 0");
    let gateway = TestGateway::start(&policy).await;
    let mut client = ask(&gateway, GET).await;
    let (mut stream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut bytes = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    for (kind, flags, payload) in frames {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        bytes.extend_from_slice(&length[1..]);
        bytes.extend_from_slice(&[*kind, *flags, 0, 0, 0, 1]);
        bytes.extend_from_slice(payload);
    }
    // Its preface and settings; the head of the request follows the server's own settings.
    stream.write_all(&bytes[..9]).await.unwrap();
    let mut sink = vec![0; 1 << 16];
    soon("the request", async {
        let mut seen = Vec::new();
        // HEADERS, END_STREAM and END_HEADERS, on stream 1.
        while !seen.windows(6).any(|head| head == [1, 5, 0, 0, 0, 1]) {
            let count = stream.read(&mut sink).await.unwrap();
            seen.extend_from_slice(&sink[..count]);
        }
    })
    .await;
    stream.write_all(&bytes[9..]).await.ok();
    let reply = client.reply().await;
    drop((client, stream));
    gateway.stop().await;
    reply
}

const HEADERS: u8 = 1;
const DATA: u8 = 0;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[tokio::test]
async fn a_malformed_response_is_502() {
    // `:status: 200` is 0x88; a literal field is 0, name, value.
    let field = |name: &str, value: &str| {
        let mut block = vec![0x88, 0, u8::try_from(name.len()).unwrap()];
        block.extend_from_slice(name.as_bytes());
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
        block
    };
    let good = answered_with(&[(HEADERS, END_HEADERS | END_STREAM, &field("x-up", "1"))]).await;
    assert_eq!((good.status, good.one("x-up")), (200, "1"));
    for (name, value) in [
        ("X-Up", "1"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("x up", "1"),
        ("x-up", "a\nb"),
    ] {
        let head = field(name, value);
        let reply = answered_with(&[(HEADERS, END_HEADERS | END_STREAM, &head)]).await;
        assert_eq!(reply.status, 502, "{name}: {value:?}: {reply:?}");
    }
    // No status at all, and data before it.
    assert_eq!(answered_with(&[(HEADERS, END_HEADERS, &[])]).await.status, 502);
    assert_eq!(answered_with(&[(DATA, END_STREAM, b"x")]).await.status, 502);
}

#[tokio::test]
async fn floods_of_a_server_end_in_502() {
    // `:status: 103`, over and over.
    let interim: (u8, u8, &[u8]) = (HEADERS, END_HEADERS, &[0x08, 3, b'1', b'0', b'3']);
    assert_eq!(answered_with(&vec![interim; 2000]).await.status, 502);
    // A few are none.
    let mut few = vec![interim; 3];
    few.push((HEADERS, END_HEADERS | END_STREAM, &[0x88]));
    assert_eq!(answered_with(&few).await.status, 200);
    // A head that does not end.
    let mut endless: Vec<(u8, u8, &[u8])> = vec![(HEADERS, 0, &[0x88])];
    endless.extend(vec![(CONTINUATION, 0, &[0x40, 1, b'a', 1, b'b'][..]); 20_000]);
    assert_eq!(answered_with(&endless).await.status, 502);
    // One that is larger than any.
    let field = [&[0, 1, b'a', 0x7f, 0x81, 0x7c][..], &[b'b'; 16_000]].concat();
    let mut large: Vec<(u8, u8, &[u8])> = vec![(HEADERS, 0, &[0x88])];
    large.extend(vec![(CONTINUATION, 0, &field[..]); 6]);
    large.push((CONTINUATION, END_HEADERS, &[]));
    assert_eq!(answered_with(&large).await.status, 502);
}

#[tokio::test]
async fn an_upload_goes_on_beside_an_early_response() {
    let mut server = H2Server::start().await;
    let setup = Setup::new(&policy(&server, ""));
    let gateway = setup.start().await;
    let head = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut client = ask(&gateway, head).await;
    let asked = server.next().await;
    let mut body = asked.body;
    let mut respond = asked.respond;
    let mut out = respond.send_response(Response::new(()), false).unwrap();
    assert_eq!(client.reply_head().await.status, 200);
    for piece in ["one", "two"] {
        client.write(format!("3\r\n{piece}\r\n")).await;
        let data = soon("a piece", body.data()).await.unwrap().unwrap();
        assert_eq!(data, piece);
        out.send_data(data, false).unwrap();
        assert_eq!(client.chunk().await, piece.as_bytes());
    }
    client.write("0\r\n\r\n").await;
    assert!(read(&mut body).await.is_empty());
    out.send_data(Bytes::new(), true).unwrap();
    assert_eq!(client.chunk().await, b"");
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn what_a_lost_connection_had_is_sent_again_only_if_that_is_safe() {
    let mut server = H2Server::start().await;
    let gateway = gateway(&server, "").await;
    let post = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi";
    for (request, again) in [(GET, true), (post, false)] {
        // A connection that waits.
        let mut client = ask(&gateway, GET).await;
        server.next().await.ok("ok");
        assert_eq!(client.reply().await.status, 200);
        let mut client = ask(&gateway, request).await;
        let asked = server.next().await;
        server.cut();
        if again {
            let second = server.next().await;
            assert_eq!(second.connection, asked.connection + 1);
            second.ok("ok");
        }
        assert_eq!(client.reply().await.status, if again { 200 } else { 502 });
        assert!(server.has_nothing());
    }
    gateway.stop().await;
}
