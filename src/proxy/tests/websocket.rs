//! Which requests are for a `WebSocket`, and what comes of an upstream's answer to one.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Builder;
use http_body_util::Full;
use tokio_util::sync::CancellationToken;

use super::lease::{Hold, Lease};
use super::send::Switched;
use super::upgrade::Handshake;
use super::*;
use crate::policy::tests::route;
use crate::web::Upgradable;

/// The example of RFC 6455 section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROOF: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn connection() -> Upgradable {
    Upgradable::Connection(hyper::upgrade::on(Request::new(())))
}

fn stream() -> Upgradable {
    let upgrade = hyper::upgrade::on(Request::new(()));
    Upgradable::Stream { upgrade, gone: CancellationToken::new() }
}

fn opening(client: Upgradable) -> Builder {
    let request = Request::get("/x").extension(client);
    let request = request.header("connection", "Upgrade").header("upgrade", "websocket");
    request.header("sec-websocket-version", "13").header("sec-websocket-key", KEY)
}

fn handshake(request: Builder, body: &RequestBody) -> Option<Handshake> {
    let websocket = Some(Duration::from_secs(60));
    let route = Route { websocket, ..route("/x", "anyone", "up") };
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    Handshake::of(&route, false, &mut parts, body).unwrap()
}

#[test]
fn a_handshake_is_a_get_of_http_1_1_without_a_body() {
    let empty = RequestBody::empty;
    let full = || RequestBody::new(Full::from("x"), &MessageLimits::default());
    let opening = || opening(connection());
    for (what, request, body, is_one) in [
        ("as it shall be", opening(), empty(), true),
        ("HTTP/1.0", opening().version(Version::HTTP_10), empty(), false),
        ("a POST", opening().method(Method::POST), empty(), false),
        ("a body that nobody spoke of", opening(), full(), false),
        ("a body that was spoken of", opening().header("content-length", "0"), empty(), false),
    ] {
        assert_eq!(handshake(request, &body).is_some(), is_one, "{what}");
    }
}

#[test]
fn an_ordinary_answer_is_one_unless_it_would_open_a_tunnel() {
    for (client, status, passes) in [
        (connection(), 200, true),
        (connection(), 403, true),
        // To a CONNECT (RFC 8441 section 4).
        (stream(), 200, false),
        (stream(), 403, true),
    ] {
        let asked = handshake(opening(client), &RequestBody::empty()).unwrap();
        let answer = Response::builder().status(status).body(Body::empty()).unwrap();
        assert_eq!(asked.refused(&answer).is_ok(), passes, "{status}");
    }
}

/// What is said of the length of a 101 is about nothing (RFC 9110 section 15.2), and no client may take
/// bytes of the other protocol for a body.
#[tokio::test]
async fn an_answer_that_opens_a_websocket_has_no_length() {
    let asked = handshake(opening(connection()), &RequestBody::empty()).unwrap();
    let upstream = Arc::new(Upstream::new(settings("127.0.0.1", 1)));
    let pool = Arc::new(pool::Pool::new(&[Arc::clone(&upstream)], |_| None));
    let http = http1::Connection::new(Half);
    let connection = pool::Connection { http, peer: None, alarm: crate::clock::Alarm::default() };
    let hold = Hold::Response(upstream.enter().await.unwrap());
    let (upstream, server, is_last, upload) = (0, 0, false, None);
    let lease = Lease { connection, pool, upstream, server, hold, is_last, upload };
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let answer = answer.header("connection", "upgrade").header("upgrade", "websocket");
    let answer = answer.header("sec-websocket-accept", PROOF);
    let answer = answer.header(CONTENT_LENGTH, "5").header(TRANSFER_ENCODING, "chunked");
    let mut answer = answer.body(Body::empty()).unwrap();
    let opened = asked.answered(None, &mut answer, Switched::Connection(lease));
    opened.map(|opened| opened.announce(&mut answer)).unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        assert!(!answer.headers().contains_key(&name), "{name}");
    }
}
