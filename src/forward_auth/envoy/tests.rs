//! Envoy's questions, read from their bytes.

use proptest::prelude::*;

use super::*;

fn call(request: Option<HttpRequest>) -> Bytes {
    let socket = Socket { address: "192.0.2.7".to_owned() };
    let source = Source { address: Some(Address { socket: Some(socket) }) };
    let request = request.map(|http| Asked { http: Some(http) });
    let attributes = Some(Attributes { source: Some(source), request });
    let message = CheckRequest { attributes }.encode_to_vec();
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(message.len().try_into().unwrap());
    framed.put_slice(&message);
    framed.freeze()
}

fn request(path: &str) -> HttpRequest {
    let headers = [(":path", "/other"), ("authorization", "Bearer x")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HttpRequest {
        method: "PUT".to_owned(),
        headers: headers.into(),
        path: path.to_owned(),
        host: "a.test".to_owned(),
        scheme: "https".to_owned(),
    }
}

#[test]
fn a_call_asks_about_the_request_that_it_holds() {
    let (question, headers) = read(call(Some(request("/orders/7?x=1")))).unwrap();
    assert_eq!((question.method.as_str(), question.is_https), ("PUT", true));
    assert_eq!(question.target, "/orders/7?x=1");
    assert_eq!(headers[header::AUTHORIZATION], "Bearer x");
    assert_eq!(headers[FORWARDED_FOR], "192.0.2.7");
    assert_eq!(headers.len(), 2);
}

#[test]
fn the_address_that_envoy_was_asked_from_is_the_last_one() {
    for (sent, told) in [
        ("203.0.113.9", &["203.0.113.9", "192.0.2.7"][..]),
        ("203.0.113.9, 192.0.2.7", &["203.0.113.9, 192.0.2.7"]),
        ("192.0.2.7,203.0.113.9", &["192.0.2.7,203.0.113.9", "192.0.2.7"]),
        ("203.0.113.192.0.2.7", &["203.0.113.192.0.2.7", "192.0.2.7"]),
        ("", &["", "192.0.2.7"]),
    ] {
        let mut asked = request("/");
        asked.headers.insert(FORWARDED_FOR.as_str().to_owned(), sent.to_owned());
        let (_, headers) = read(call(Some(asked))).unwrap();
        let hops: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        assert_eq!(hops, told, "{sent}");
    }
}

#[test]
fn a_call_that_says_nothing_is_no_question() {
    for call in [call(None), Bytes::new(), Bytes::from_static(b"\x01\0\0\0\0")] {
        assert_eq!(read(call), Err(Unreadable::Field("CheckRequest")));
    }
    for path in ["orders", "/public/#/../orders", "/a?b#c"] {
        assert_eq!(read(call(Some(request(path)))), Err(Unreadable::Field("path")), "{path}");
    }
    assert_eq!(read(call(Some(request("/a/%2E./b")))), Err(Unreadable::DotSegments));
    let mut forged = request("/orders");
    forged.headers.insert("x-a".to_owned(), "1\r\nx-b: 2".to_owned());
    assert_eq!(read(call(Some(forged))), Err(Unreadable::Field("headers")));
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(read(bytes.into()));
    }
}
