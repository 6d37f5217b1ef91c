//! `WebSockets` to servers in HTTP/2 (RFC 8441): each is a stream of the connection that all
//! requests share.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::Response;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::websocket::{PROOF, bearer, handshake};
use crate::common::h2::{DATA, END_STREAM, H2Conn, RST_STREAM};
use crate::common::h2_upstream::{Asked, H2Server, read};
use crate::common::{Conn, Policy, Setup, Stage, Upstream, soon};

/// A masked text frame.
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// An unmasked binary frame.
const BINARY: &[u8] = b"\x82\x04\x00\xff\r\n";

async fn stage(server: &H2Server, keys: &str) -> Stage {
    let route = format!("[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n{keys}");
    let policy = Policy::at(&format!("http://{}", server.addr));
    let setup = Setup::new(&policy.upstream("h2 = true").and(&route));
    Stage::of(Upstream::start().await, setup).await
}

/// The stream that is a tunnel, at the server.
struct Tunnel {
    from: RecvStream,
    to: SendStream<Bytes>,
}

impl Tunnel {
    /// Takes a request for one.
    fn open(asked: Asked) -> Self {
        let Asked { mut respond, body, .. } = asked;
        let to = respond.send_response(Response::new(()), false).unwrap();
        Self { from: body, to }
    }

    async fn hears(&mut self, bytes: &[u8]) {
        let mut heard = Vec::new();
        while heard.len() < bytes.len() {
            let data = soon("bytes", self.from.data()).await.expect("its end").unwrap();
            self.from.flow_control().release_capacity(data.len()).unwrap();
            heard.extend(data);
        }
        assert!(heard == bytes, "{} other bytes", heard.len());
    }

    async fn says(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.to.reserve_capacity(bytes.len());
            soon("room", poll_fn(|cx| self.to.poll_capacity(cx))).await.unwrap().unwrap();
            let (now, later) = bytes.split_at(self.to.capacity().min(bytes.len()));
            self.to.send_data(Bytes::copy_from_slice(now), false).unwrap();
            bytes = later;
        }
    }

    /// A close frame with that code, and then the end.
    async fn told(&mut self, code: u16) {
        let mut frame = Vec::new();
        while frame.len() < 8 {
            frame.extend(soon("a close frame", self.from.data()).await.expect("no more").unwrap());
        }
        let unmasked = [frame[6] ^ frame[2], frame[7] ^ frame[3]];
        assert_eq!((frame[0], u16::from_be_bytes(unmasked)), (0x88, code));
    }

    /// Nothing more, in one way or the other.
    async fn ended(mut self) {
        while let Some(Ok(data)) = soon("the end", self.from.data()).await {
            assert!(data.is_empty(), "{data:?}");
        }
    }
}

/// A handshake over HTTP/1.1: its client, the head of its answer not read, and what the server
/// is asked.
async fn ask(stage: &Stage, server: &mut H2Server, fields: &str) -> (Conn, Asked) {
    let mut client = stage.connect().await;
    let fields = format!("{}{fields}", bearer(&stage.token));
    client.write(handshake("/ws/x?y=1", &fields)).await;
    (client, server.next().await)
}

async fn open(stage: &Stage, server: &mut H2Server) -> (Conn, Tunnel) {
    let (mut client, asked) = ask(stage, server, "").await;
    let tunnel = Tunnel::open(asked);
    assert_eq!(client.reply_head().await.status, 101);
    (client, tunnel)
}

#[tokio::test]
async fn a_handshake_becomes_an_extended_connect() {
    let mut server = H2Server::with_tunnels().await;
    let stage = stage(&server, "").await;
    let fields = "Sec-WebSocket-Protocol: chat, superchat\r\nX-User-Id: 9\r\n";
    let (mut client, asked) = ask(&stage, &mut server, fields).await;
    assert_eq!(asked.head.method, "CONNECT");
    assert_eq!(asked.head.extensions.get::<Protocol>().unwrap().as_str(), "websocket");
    assert_eq!(asked.head.uri, "http://a.test/ws/x?y=1");
    for gone in ["connection", "upgrade", "sec-websocket-key", "host", "authorization"] {
        assert!(asked.all(gone).is_empty(), "{gone}: {:?}", asked.head);
    }
    assert_eq!(asked.all("sec-websocket-version"), ["13"]);
    assert_eq!(asked.all("sec-websocket-protocol"), ["chat, superchat"]);
    assert_eq!(asked.all("x-user-id"), [stage.alice.id.to_string()]);
    let Asked { mut respond, body, .. } = asked;
    let agreed = Response::builder().header("sec-websocket-protocol", "chat");
    // An answer to a key that it was not told of is not its to give.
    let agreed = agreed.header("sec-websocket-accept", "made up").body(()).unwrap();
    let mut tunnel = Tunnel { from: body, to: respond.send_response(agreed, false).unwrap() };
    let head = client.head().await.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-protocol: chat"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
    let proof = format!("\r\nsec-websocket-accept: {}\r\n", PROOF.to_ascii_lowercase());
    assert!(head.contains(&proof) && head.matches("accept").count() == 1, "{head}");
    client.write(HELLO).await;
    tunnel.hears(HELLO).await;
    tunnel.says(BINARY).await;
    assert_eq!(client.exactly(BINARY.len()).await, BINARY);
    // More than any window, both ways.
    let much = vec![0x5a; 3 << 20];
    let writing = async {
        soon("taking bytes", client.stream.write_all(&much)).await.unwrap();
    };
    tokio::join!(writing, tunnel.hears(&much));
    tokio::join!(tunnel.says(&much), async { assert!(client.exactly(much.len()).await == much) });
    // Requests go on beside it, on the same connection.
    let (reply, ()) =
        tokio::join!(stage.get("/public/x", ""), async { server.next().await.ok("ok") });
    assert_eq!(reply.text(), "ok");
    assert_eq!(server.connections(), 1);
    drop((client, tunnel));
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_stream_becomes_a_stream() {
    let mut server = H2Server::with_tunnels().await;
    let stage = stage(&server, "").await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let credential = format!("Bearer {}", stage.token);
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a.test"),
        (":path", "/ws/x"),
        ("sec-websocket-version", "13"),
        ("authorization", credential.as_str()),
    ];
    let stream = client.request(&fields, 0).await;
    let asked = server.next().await;
    assert_eq!(asked.head.method, "CONNECT");
    assert!(asked.all("sec-websocket-key").is_empty(), "{:?}", asked.head);
    let mut tunnel = Tunnel::open(asked);
    assert_eq!(client.status(stream).await, 200);
    client.send(DATA, 0, stream, HELLO).await;
    tunnel.hears(HELLO).await;
    tunnel.says(BINARY).await;
    assert_eq!(client.data(stream, BINARY.len()).await, BINARY);
    // An end is passed on as one, and the answer to it still comes.
    client.send(DATA, END_STREAM, stream, b"").await;
    let last = soon("the end", tunnel.from.data()).await.expect("no last frame").unwrap();
    assert!(last.is_empty() && tunnel.from.is_end_stream(), "{last:?}");
    tunnel.says(BINARY).await;
    assert_eq!(client.data(stream, BINARY.len()).await, BINARY);
    tunnel.to.send_data(Bytes::new(), true).unwrap();
    let frame = client.next_of(stream).await.unwrap();
    assert_eq!((frame.kind, frame.flags), (DATA, END_STREAM));
    // A reset ends the server's stream.
    let stream = client.request(&fields, 0).await;
    let mut tunnel = Tunnel::open(server.next().await);
    assert_eq!(client.status(stream).await, 200);
    client.send(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await;
    let reset = soon("a reset", poll_fn(|cx| tunnel.to.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, Reason::CANCEL);
    drop(client);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_server_that_takes_none_is_502_and_asked_nothing() {
    let mut server = H2Server::start().await;
    let stage = stage(&server, "").await;
    let fields = bearer(&stage.token);
    let reply = stage.send(handshake("/ws/x", &fields)).await;
    assert_eq!((reply.status, &reply.json()["code"]), (502, &"upstream_failed".into()));
    assert!(server.has_nothing());
    // It is no worse a server for that.
    let (reply, ()) =
        tokio::join!(stage.get("/public/x", ""), async { server.next().await.ok("ok") });
    assert_eq!(reply.text(), "ok");
    stage.finish_untouched().await;
}

/// WS-noauth, WS-expired, WS-badversion, WS-refused-403.
#[tokio::test]
async fn a_handshake_that_is_refused_opens_nothing() {
    let mut server = H2Server::with_tunnels().await;
    let stage = stage(&server, "").await;
    let fields = bearer(&stage.token);
    for (request, status) in [
        (handshake("/ws/x", ""), 401),
        (handshake("/ws/x", "Authorization: Bearer x\r\n"), 401),
        (handshake("/ws/x", &fields).replace("Version: 13", "Version: 777"), 426),
    ] {
        assert_eq!(stage.send(request).await.status, status);
    }
    assert!(server.has_nothing());
    // Refused by the server: the answer is relayed, and what follows is a request of its own.
    let (mut client, asked) = ask(&stage, &mut server, "").await;
    let Asked { mut respond, mut body, .. } = asked;
    let refusal = Response::builder().status(403).body(()).unwrap();
    let mut out = respond.send_response(refusal, false).unwrap();
    out.send_data(Bytes::from_static(b"no"), true).unwrap();
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (403, "no"));
    assert!(read(&mut body).await.is_empty(), "something passed");
    let next = client.ask("GET /app/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(next.status, 401);
    assert!(server.has_nothing());
    drop(client);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn either_end_takes_the_other_along() {
    let mut server = H2Server::with_tunnels().await;
    let stage = stage(&server, "").await;
    let (client, tunnel) = open(&stage, &mut server).await;
    drop(client);
    tunnel.ended().await;
    let (mut client, mut tunnel) = open(&stage, &mut server).await;
    tunnel.to.send_reset(Reason::INTERNAL_ERROR);
    client.closed().await;
    let (mut client, mut tunnel) = open(&stage, &mut server).await;
    tunnel.to.send_data(Bytes::new(), true).unwrap();
    client.closed().await;
    // Its connection is lost.
    let (mut other, _tunnel) = open(&stage, &mut server).await;
    server.cut();
    other.closed().await;
    drop(client);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn both_ends_are_told_why_it_is_over() {
    let mut server = H2Server::with_tunnels().await;
    let mut stage = stage(&server, "idle = \"400ms\"\n").await;
    // Silence.
    let (mut client, mut tunnel) = open(&stage, &mut server).await;
    let since = Instant::now();
    assert_eq!(client.exactly(4).await, [0x88, 2, 0x03, 0xe9]);
    tunnel.told(1001).await;
    assert!(since.elapsed() >= Duration::from_millis(390), "{:?}", since.elapsed());
    drop((client, tunnel));
    // A logout.
    let (token, refresh) = stage.log_in("alice").await;
    stage.token = token;
    let (mut client, mut tunnel) = open(&stage, &mut server).await;
    let talk = async {
        loop {
            tunnel.says(BINARY).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let told = async {
        let reply = stage.post("/api/auth/token/blacklist/", &json!({ "refresh": refresh })).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        loop {
            let frame = client.exactly(BINARY.len().min(4)).await;
            if frame == [0x88, 2, 0x03, 0xf0] {
                return;
            }
            assert_eq!(frame, BINARY[..4]);
            client.exactly(BINARY.len() - 4).await;
        }
    };
    tokio::select! {
        () = talk => {}
        () = told => {}
    }
    tunnel.told(1008).await;
    drop((client, tunnel));
    stage.finish_untouched().await;
}
