//! A real WebSocket client and a real server: what one says the other hears, and nothing else.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use portcullis::store::UserChange;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

use crate::common::{Stage, Upstream, soon};

type Socket = WebSocketStream<TcpStream>;

async fn stage(more: &str) -> Stage {
    let route = format!("[routes.\"/ws/*\"]\nto = \"up\"\nwebsocket = true\n{more}");
    Stage::before(Upstream::by_hand().await, |policy| policy.and(&route)).await
}

/// A client and a server that are connected through the gateway.
async fn pair(stage: &Stage) -> (Socket, Socket) {
    let mut request = "ws://a.test/ws/chat".into_client_request().unwrap();
    let credential = format!("Bearer {}", stage.token).parse().unwrap();
    request.headers_mut().insert("authorization", credential);
    let stream = stage.connect().await.stream;
    let connecting = async { client_async(request, stream).await.unwrap().0 };
    let accepting = async { accept_async(stage.upstream.accept().await.stream).await.unwrap() };
    soon("a handshake", Box::pin(async { tokio::join!(connecting, accepting) })).await
}

async fn say(socket: &mut Socket, message: Message) {
    soon("taking a message", socket.send(message)).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Message {
    soon("a message", socket.next()).await.expect("closed").unwrap()
}

async fn end(stage: Stage) {
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

/// WS-echo, WS-ping.
#[tokio::test]
async fn text_binary_and_pings_pass_both_ways() {
    let stage = stage("").await;
    let (mut client, mut server) = pair(&stage).await;
    let big = "ж".repeat(1 << 20);
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::text("a".repeat(125)),
        Message::text("a".repeat(126)),
        Message::binary(vec![0x88; 65_535]),
        Message::binary(vec![0xff; 65_536]),
    ] {
        say(&mut client, message.clone()).await;
        assert_eq!(hear(&mut server).await, message);
        say(&mut server, message.clone()).await;
        assert_eq!(hear(&mut client).await, message);
    }
    // More than the sockets hold: it has to be read while it is written.
    let message = Message::text(big);
    let both = async { tokio::join!(say(&mut client, message.clone()), hear(&mut server)) };
    assert_eq!(both.await.1, message);
    let both = async { tokio::join!(say(&mut server, message.clone()), hear(&mut client)) };
    assert_eq!(both.await.1, message);
    say(&mut client, Message::Ping("are you there".into())).await;
    assert_eq!(hear(&mut server).await, Message::Ping("are you there".into()));
    // The server's library answers when it has something to do.
    say(&mut server, Message::text("yes")).await;
    let heard = [hear(&mut client).await, hear(&mut client).await];
    for expected in [Message::text("yes"), Message::Pong("are you there".into())] {
        assert!(heard.contains(&expected), "{heard:?}");
    }
    drop((client, server));
    end(stage).await;
}

#[tokio::test]
async fn a_message_in_fragments_with_a_ping_between_them_passes() {
    let stage = stage("").await;
    let (mut client, mut server) = pair(&stage).await;
    let fragment = |text: &'static str, code: Data, last: bool| {
        Message::Frame(Frame::message(text, OpCode::Data(code), last))
    };
    let (from, to) = (&mut client, &mut server);
    say(from, fragment("one ", Data::Text, false)).await;
    say(from, Message::Ping("?".into())).await;
    say(from, fragment("two ", Data::Continue, false)).await;
    say(from, fragment("three", Data::Continue, true)).await;
    assert_eq!(hear(to).await, Message::Ping("?".into()));
    assert_eq!(hear(to).await, Message::text("one two three"));
    drop((client, server));
    end(stage).await;
}

#[tokio::test]
async fn a_close_code_passes_both_ways_and_each_end_sees_the_others() {
    let stage = stage("").await;
    for by_client in [true, false] {
        let (client, server) = pair(&stage).await;
        let (mut one, mut other) = if by_client { (client, server) } else { (server, client) };
        let frame = CloseFrame { code: CloseCode::Library(4321), reason: "that is all".into() };
        let closing = Message::Close(Some(frame.clone()));
        say(&mut one, closing.clone()).await;
        assert_eq!(hear(&mut other).await, closing);
        // The answer, and the end of both connections, of which the server's is the first.
        let answered = async move { (one.next().await, one.next().await) };
        let over = async move { other.next().await };
        let both = async { tokio::join!(tokio::spawn(answered), tokio::spawn(over)) };
        let (answered, over) = soon("the end", both).await;
        let (answer, one_over) = answered.unwrap();
        assert_eq!(answer.unwrap().unwrap(), closing);
        assert!(one_over.is_none() && over.unwrap().is_none());
    }
    end(stage).await;
}

/// What the ends agree on is theirs: nothing is taken from an offer or from its answer.
#[tokio::test]
async fn subprotocols_and_extensions_are_settled_between_the_ends() {
    let stage = stage("").await;
    let mut client = stage.connect().await;
    client
        .write(format!(
            "GET /ws/chat HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer {}\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: chat, superchat\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
            stage.token
        ))
        .await;
    let mut server = stage.upstream.accept().await;
    let head = server.head().await;
    assert!(head.contains("\r\nsec-websocket-protocol: chat, superchat\r\n"), "{head}");
    let deflate = "\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n";
    assert!(head.contains(deflate), "{head}");
    server
        .write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: superchat\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        )
        .await;
    let head = client.head().await;
    for field in
        ["sec-websocket-protocol: superchat", "sec-websocket-extensions: permessage-deflate"]
    {
        assert!(head.contains(&format!("\r\n{field}\r\n")), "{head}");
    }
    // "Hello", compressed (RFC 7692 section 7.2.3.1): its first reserved bit is the ends' business.
    let frame = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    server.write(frame).await;
    assert_eq!(client.exactly(frame.len()).await, frame);
    drop((client, server));
    end(stage).await;
}

/// What each end is told, and that both ends of the protocol are content with it.
async fn both_told(client: &mut Socket, server: &mut Socket, code: CloseCode) {
    for socket in [client, server] {
        let mut heard = hear(socket).await;
        if heard.is_pong() {
            heard = hear(socket).await;
        }
        let Message::Close(Some(frame)) = heard else { panic!("no close frame: {heard}") };
        assert_eq!(frame.code, code);
        let over = soon("the end", socket.next()).await;
        assert!(over.is_none(), "{over:?}");
    }
}

#[tokio::test]
async fn a_caller_who_may_not_go_on_is_told_so() {
    let stage = stage("").await;
    let (mut client, mut server) = pair(&stage).await;
    say(&mut client, Message::text("hello")).await;
    hear(&mut server).await;
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    both_told(&mut client, &mut server, CloseCode::Policy).await;
    drop((client, server));
    end(stage).await;
}

/// In the middle of a message, which is between its frames.
#[tokio::test]
async fn it_is_said_between_the_fragments_of_a_message() {
    let stage = stage("").await;
    let (mut client, mut server) = pair(&stage).await;
    let fragment = Frame::message("one ", OpCode::Data(Data::Text), false);
    say(&mut server, Message::Frame(fragment)).await;
    say(&mut server, Message::Ping("now".into())).await;
    assert_eq!(hear(&mut client).await, Message::Ping("now".into()));
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    both_told(&mut client, &mut server, CloseCode::Policy).await;
    drop((client, server));
    end(stage).await;
}

/// Nothing may be said in the middle of a frame: the end of the connection has to do.
#[tokio::test]
async fn nothing_is_said_in_the_middle_of_a_frame() {
    use tokio::io::AsyncWriteExt;
    let stage = stage("").await;
    let (mut client, mut server) = pair(&stage).await;
    server.get_mut().write_all(b"\x82\x7e\x01\x00half of it").await.unwrap();
    say(&mut client, Message::text("go on")).await;
    assert_eq!(hear(&mut server).await, Message::text("go on"));
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    // The other direction is between two frames.
    let Message::Close(Some(frame)) = hear(&mut server).await else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Policy);
    let broken = soon("the end", client.next()).await;
    assert!(matches!(broken, Some(Err(_)) | None), "{broken:?}");
    drop((client, server));
    end(stage).await;
}

#[tokio::test]
async fn both_ends_hear_that_the_gateway_goes() {
    let stage = stage("[limits]\ndrain = \"100ms\"\n").await;
    let (mut client, mut server) = pair(&stage).await;
    let Stage { mut gateway, upstream, .. } = stage;
    let stopped = gateway.begin_stop();
    both_told(&mut client, &mut server, CloseCode::Away).await;
    soon("the end", stopped).await.unwrap();
    upstream.expect_nobody();
}

#[tokio::test]
async fn both_ends_hear_that_they_were_silent_for_too_long() {
    let stage = stage("idle = \"300ms\"\n").await;
    let (mut client, mut server) = pair(&stage).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    say(&mut client, Message::Ping("still here".into())).await;
    hear(&mut server).await;
    both_told(&mut client, &mut server, CloseCode::Away).await;
    end(stage).await;
}
