//! A real `WebSocket` client on streams of a real HTTP/2 client, and a real server.

use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, Version};
use http_body_util::Empty;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::websocket::{end, stage};
use crate::common::{Stage, soon};

type Sender = SendRequest<Empty<&'static [u8]>>;
type Client = WebSocketStream<TokioIo<Upgraded>>;
type Server = WebSocketStream<TcpStream>;

/// An HTTP/2 connection that was used already, and so knows the gateway's settings.
async fn connect(stage: &Stage) -> Sender {
    let stream = TokioIo::new(stage.connect().await.stream);
    let (mut sender, connection) = handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a.test/nothing").body(Empty::new()).unwrap();
    assert_eq!(soon("an answer", sender.send_request(request)).await.unwrap().status(), 404);
    sender
}

/// A client and a server that are connected by a stream.
async fn pair(stage: &Stage, sender: &mut Sender) -> (Client, Server) {
    let request = Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri("http://a.test/ws/chat")
        .extension(Protocol::from_static("websocket"))
        .header("authorization", format!("Bearer {}", stage.token))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .unwrap();
    let connecting = async {
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        for gone in ["connection", "upgrade", "sec-websocket-accept", "sec-websocket-key"] {
            assert!(!response.headers().contains_key(gone), "{gone}: {response:?}");
        }
        let stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        WebSocketStream::from_raw_socket(stream, Role::Client, None).await
    };
    let accepting = async { accept_async(stage.upstream.accept().await.stream).await.unwrap() };
    soon("a handshake", Box::pin(async { tokio::join!(connecting, accepting) })).await
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(to: &mut WebSocketStream<S>, message: Message) {
    soon("taking a message", to.send(message)).await.unwrap();
}

async fn hear<S: AsyncRead + AsyncWrite + Unpin>(from: &mut WebSocketStream<S>) -> Message {
    soon("a message", from.next()).await.expect("closed").unwrap()
}

/// WS-echo, WS-ping.
#[tokio::test]
async fn messages_pass_both_ways_on_a_stream() {
    let stage = stage("", "").await;
    let mut sender = connect(&stage).await;
    let (mut client, mut server) = pair(&stage, &mut sender).await;
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::binary(vec![0x88; 65_536]),
        Message::Ping("are you there".into()),
        // More than any window.
        Message::binary(vec![0xff; 5 << 20]),
    ] {
        let up = async { tokio::join!(say(&mut client, message.clone()), hear(&mut server)).1 };
        assert_eq!(up.await, message);
        let down = async { tokio::join!(say(&mut server, message.clone()), hear(&mut client)).1 };
        let heard = down.await;
        let heard = if heard.is_pong() { hear(&mut client).await } else { heard };
        assert_eq!(heard, message);
    }
    drop((client, server, sender));
    end(stage).await;
}

#[tokio::test]
async fn many_streams_live_beside_one_another_and_beside_requests() {
    const MANY: usize = 20;
    let stage = stage("", "").await;
    let mut sender = connect(&stage).await;
    let mut pairs = Vec::new();
    for _ in 0..MANY {
        pairs.push(pair(&stage, &mut sender).await);
    }
    for round in 0..3 {
        for (number, (client, server)) in pairs.iter_mut().enumerate() {
            let text = Message::text(format!("{number} in round {round}"));
            say(client, text.clone()).await;
            assert_eq!(hear(server).await, text);
            say(server, text.clone()).await;
            assert_eq!(hear(client).await, text);
        }
        let request = Request::get("http://a.test/nothing").body(Empty::new()).unwrap();
        assert_eq!(soon("an answer", sender.send_request(request)).await.unwrap().status(), 404);
        // One of them ends; the others do not notice.
        let (mut client, mut server) = pairs.pop().unwrap();
        let closing = async { client.close(None).await.unwrap() };
        soon("a close frame", closing).await;
        assert!(hear(&mut server).await.is_close());
        let over = async { tokio::join!(server.next(), client.next()) };
        let (at_server, at_client) = soon("the answer", over).await;
        assert!(at_server.is_none() && at_client.unwrap().unwrap().is_close());
    }
    drop((pairs, sender));
    end(stage).await;
}

/// What one client does not read, its server cannot send; others can, and nothing is lost.
#[tokio::test]
async fn a_stream_that_nobody_reads_holds_its_own_server_back() {
    let stage = stage("", "").await;
    let mut sender = connect(&stage).await;
    let (mut slow, mut its_server) = pair(&stage, &mut sender).await;
    let mut other_sender = connect(&stage).await;
    let (mut other, mut other_server) = pair(&stage, &mut other_sender).await;
    let much = Message::binary(vec![7; 12 << 20]);
    let copy = much.clone();
    let sending = tokio::spawn(async move {
        its_server.send(copy).await.unwrap();
        its_server
    });
    for _ in 0..50 {
        say(&mut other_server, Message::text("and I")).await;
        assert_eq!(hear(&mut other).await, Message::text("and I"));
    }
    assert!(!sending.is_finished(), "somebody holds all of it");
    assert_eq!(hear(&mut slow).await, much);
    soon("sent", sending).await.unwrap();
    drop((slow, other, other_server, sender, other_sender));
    end(stage).await;
}

#[tokio::test]
async fn both_ends_of_a_stream_hear_that_the_gateway_goes() {
    let stage = stage("", "[limits]\ndrain = \"100ms\"\n").await;
    let mut sender = connect(&stage).await;
    let (mut client, mut server) = pair(&stage, &mut sender).await;
    let Stage { mut gateway, upstream, .. } = stage;
    let stopped = gateway.begin_stop();
    let Message::Close(Some(frame)) = hear(&mut client).await else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Away);
    let Message::Close(Some(frame)) = hear(&mut server).await else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Away);
    let over = async { tokio::join!(server.next(), client.next()) };
    let (at_server, at_client) = soon("the end", over).await;
    assert!(at_server.is_none() && at_client.is_none(), "{at_client:?}");
    soon("the end", stopped).await.unwrap();
    upstream.expect_nobody();
}
