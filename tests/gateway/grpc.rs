//! gRPC from a client in HTTP/2 to a server in HTTP/2: trailers, streams that may be silent, and
//! refusals that its clients understand.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

use crate::common::h2_upstream::{H2Server, call, client, read, trailers};
use crate::common::{Policy, Setup, claims, mint, soon};

fn setup(server: &H2Server, limits: &str) -> Setup {
    let policy = Policy::at(&format!("http://{}", server.addr)).upstream("h2 = true");
    Setup::new(
        &policy
            .and(limits)
            .and("[routes.\"/chat/*\"]\nto = \"up\"\nallow = \"anyone\"\nidle = \"200ms\"\n"),
    )
}

fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

#[tokio::test]
async fn a_call_keeps_its_trailers_and_loses_what_must_not_be_in_them() {
    let mut server = H2Server::start().await;
    let mut client = client(setup(&server, "").service()).await;
    let (response, mut sending) =
        client.send_request(call("/public/S/M", None, &[]), false).unwrap();
    sending.send_data(Bytes::from_static(b"message"), false).unwrap();
    let mut asked = server.next().await;
    assert_eq!(asked.all("te"), ["trailers"]);
    assert_eq!(asked.all("content-type"), ["application/grpc"]);
    let evil = [
        ("x-sum", "1"),
        ("x-user-id", "1"),
        ("X-User_Id", "1"),
        ("x-forwarded-for", "1"),
        ("forwarded", "for=1"),
        ("content-length", "7"),
        ("authorization", "Bearer x"),
        ("host", "b.test"),
        ("x_odd", "1"),
    ];
    let mut last = HeaderMap::new();
    for (name, value) in evil {
        let name: http::HeaderName = name.parse().unwrap();
        last.append(name, HeaderValue::from_static(value));
    }
    sending.send_trailers(last).unwrap();
    assert_eq!(read(&mut asked.body).await, b"message");
    let came = trailers(&mut asked.body).await.unwrap();
    assert_eq!(came, fields(&[("x-sum", "1")]));
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut out = asked.answer(head);
    out.send_data(Bytes::from_static(b"answer"), false).unwrap();
    let last =
        [("grpc-status", "5"), ("grpc-message", "no"), ("set-cookie", "a=1"), ("x-user-id", "1")];
    out.send_trailers(fields(&last)).unwrap();
    let response = soon("a response", response).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    assert_eq!(read(&mut body).await, b"answer");
    let came = trailers(&mut body).await.unwrap();
    assert_eq!(came, fields(&[("grpc-status", "5"), ("grpc-message", "no")]));
}

#[tokio::test]
async fn both_sides_of_a_call_speak_when_they_like() {
    let mut server = H2Server::start().await;
    let mut client = client(setup(&server, "").service()).await;
    let (response, mut sending) =
        client.send_request(call("/public/S/M", None, &[]), false).unwrap();
    let asked = server.next().await;
    let mut incoming = asked.body;
    let mut respond = asked.respond;
    let mut out = respond.send_response(Response::new(()), false).unwrap();
    let mut body = soon("a head", response).await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        sending.send_data(Bytes::from(word), false).unwrap();
        assert_eq!(soon("a word", incoming.data()).await.unwrap().unwrap(), word);
        out.send_data(Bytes::from(word), false).unwrap();
        assert_eq!(soon("its echo", body.data()).await.unwrap().unwrap(), word);
    }
    sending.send_data(Bytes::new(), true).unwrap();
    assert!(read(&mut incoming).await.is_empty());
    out.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    assert!(soon("the end", body.data()).await.is_none());
    assert_eq!(trailers(&mut body).await.unwrap(), fields(&[("grpc-status", "0")]));
}

#[tokio::test]
async fn a_refused_call_is_told_so_in_its_own_language() {
    let mut server = H2Server::start().await;
    let setup = setup(&server, "");
    let mut client = client(setup.service()).await;
    let stranger = mint(&claims("7"));
    for (path, token, status) in [
        ("/app/S/M", None, "16"),
        ("/app/S/M", Some("nonsense"), "16"),
        ("/app/S/M", Some(stranger.as_str()), "16"),
        ("/nowhere", None, "12"),
    ] {
        let (response, _) = client.send_request(call(path, token, &[]), true).unwrap();
        let response = soon("a response", response).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["grpc-status"], status, "{path} {token:?}");
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert!(!response.headers()["grpc-message"].is_empty());
        assert!(response.into_body().is_end_stream(), "a body after trailers");
    }
    assert!(server.has_nothing());
}

#[tokio::test]
async fn a_call_may_be_silent_for_longer_than_a_body_while_the_other_side_speaks() {
    let mut server = H2Server::start().await;
    let limits = "[limits]\nbody_timeout = \"50ms\"\nbody_rate = \"1KB/s\"\n";
    let mut client = client(setup(&server, limits).service()).await;
    let (response, mut sending) = client.send_request(call("/chat/S/M", None, &[]), false).unwrap();
    let asked = server.next().await;
    let mut incoming = asked.body;
    let mut respond = asked.respond;
    let mut out = respond.send_response(Response::new(()), false).unwrap();
    let mut body = soon("a head", response).await.unwrap().into_body();
    // Longer than `idle`: what the server says keeps it open.
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(60));
    for _ in 0..8 {
        ticks.tick().await;
        out.send_data(Bytes::from_static(b"tick"), false).unwrap();
        assert_eq!(soon("a tick", body.data()).await.unwrap().unwrap(), "tick");
    }
    sending.send_data(Bytes::from_static(b"still here"), false).unwrap();
    assert_eq!(soon("a word", incoming.data()).await.unwrap().unwrap(), "still here");
    // Then nobody says anything for `idle`.
    let ended = soon("the end", incoming.data()).await.unwrap();
    assert_eq!(ended.unwrap_err().reason(), Some(h2::Reason::CANCEL));
    assert!(soon("the end", body.data()).await.unwrap().is_err());
}

#[tokio::test]
async fn a_call_that_its_client_gives_up_ends_at_the_server() {
    let mut server = H2Server::start().await;
    let mut client = client(setup(&server, "").service()).await;
    let (response, mut sending) =
        client.send_request(call("/public/S/M", None, &[]), false).unwrap();
    let asked = server.next().await;
    let mut respond = asked.respond;
    let mut out = respond.send_response(Response::new(()), false).unwrap();
    let body = soon("a head", response).await.unwrap();
    sending.send_reset(h2::Reason::CANCEL);
    drop((body, sending));
    let reset = soon("a reset", std::future::poll_fn(|cx| out.poll_reset(cx))).await.unwrap();
    assert_eq!(reset, h2::Reason::CANCEL);
}
