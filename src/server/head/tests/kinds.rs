use super::{BOUNDS, Stop, Violation, Walker, verdict, walk};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// What is wrong with a request that has these field lines.
fn fields(fields: &str) -> Stop {
    verdict(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n")).1
}

/// What is wrong with a request that begins with this line.
fn line(line: &str) -> Stop {
    verdict(format!("{line}\r\nHost: a.test\r\n\r\n")).1
}

/// What is wrong with a chunked body.
fn body(body: &str) -> Stop {
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (passed, stop) = verdict(format!("{head}{body}"));
    assert!(passed.starts_with(head.as_bytes()));
    stop
}

#[test]
fn what_is_well_formed_passes_to_the_byte() {
    for request in [
        GET.to_owned(),
        format!("\r\n\r\n{GET}"),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET http://a.test/x?y HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "M-SEARCH /a%20b;c=d?e=[f]&{g} HTTP/1.1\r\nX_Y: \t a\tb \u{e9} \r\nEmpty:\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\ncontent-LENGTH: \t005 \r\n\r\nhello".to_owned(),
        "POST / HTTP/1.1\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-T: y\tz\r\n\r\n"
            .to_owned(),
        "POST / HTTP/1.1\r\nTransfer_Encoding: x\r\nContent-Lengthy: y\r\n\r\n".to_owned(),
    ] {
        let stream = format!("{request}{GET}{request}");
        let (passed, stop) = verdict(&stream);
        assert_eq!(stop, Stop::More, "{request:?}");
        assert_eq!(String::from_utf8_lossy(&passed), stream, "{request:?}");
    }
}

#[test]
fn a_request_line_has_three_parts_and_a_version() {
    use Violation as V;
    for (text, violation) in [
        ("GET /", V::RequestLine),
        ("GET", V::RequestLine),
        ("GET  / HTTP/1.1", V::RequestLine),
        ("GET /  HTTP/1.1", V::RequestLine),
        ("GET / HTTP/1.1 HTTP/1.1", V::RequestLine),
        (" GET / HTTP/1.1", V::RequestLine),
        (" / HTTP/1.1", V::RequestLine),
        ("G(T / HTTP/1.1", V::RequestLine),
        ("GET\t/\tHTTP/1.1", V::RequestLine),
        ("GET / HTTP/1.1x", V::Version),
        ("GET / HTTPS/1.1", V::Version),
        ("GET / HTTP/1.2", V::Version),
        ("GET / HTTP/2.0", V::Version),
        ("PRI * HTTP/2.0", V::Version),
        ("GET / HTTP/01.1", V::Version),
        ("GET / http/1.1", V::Version),
        ("GET / ", V::Version),
        ("GET / HTTP/1.1 ", V::RequestLine),
        ("GET /a#b HTTP/1.1", V::Target),
        ("GET /a<b HTTP/1.1", V::Target),
        ("GET a/b HTTP/1.1", V::Target),
        ("GET ://a HTTP/1.1", V::Target),
        ("GET a.test HTTP/1.1", V::Target),
        ("GET ?x HTTP/1.1", V::Target),
        ("GET / x HTTP/1.1", V::RequestLine),
        ("GET http:///x HTTP/1.1", V::Target),
        ("GET /a\u{7f}b HTTP/1.1", V::Control),
        ("GET /a\0b HTTP/1.1", V::Control),
        ("GET /\r HTTP/1.1", V::LineEnd),
        ("\r\n\r\n\r\nGET / HTTP/1.1", V::RequestLine),
        ("\nGET / HTTP/1.1", V::LineEnd),
    ] {
        assert_eq!(line(text), Stop::Head(violation), "{text:?}");
    }
    let long = line(&format!("GET /{} HTTP/1.1", "x".repeat(4096)));
    assert_eq!(long, Stop::Head(V::HeadTooLarge));
}

#[test]
fn a_field_line_has_a_name_and_one_line_end() {
    use Violation as V;
    for (text, violation) in [
        ("X: b\nY: c", V::LineEnd),
        ("X: b\rY: c", V::LineEnd),
        ("X: b\r\r\nY: c", V::LineEnd),
        ("X: b\0c", V::Control),
        ("X: b\u{7f}", V::Control),
        ("X: b\u{b}", V::Control),
        ("X: b\r\n c", V::Folded),
        ("X: b\r\n\tc", V::Folded),
        ("X : b", V::FieldName),
        ("X\t: b", V::FieldName),
        (": b", V::FieldName),
        ("X", V::FieldName),
        ("X Y: b", V::FieldName),
        ("X\u{e9}: b", V::FieldName),
        ("X\u{2010}Y: b", V::FieldName),
        ("\"X\": b", V::FieldName),
    ] {
        assert_eq!(fields(text), Stop::Head(violation), "{text:?}");
    }
    assert_eq!(
        verdict("GET / HTTP/1.1\r\n X: b\r\n\r\n").1,
        Stop::Head(V::Folded),
        "white space before the first field"
    );
}

#[test]
fn a_request_has_one_length() {
    use Violation as V;
    for (text, violation) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", V::TwoLengths),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", V::TwoLengths),
        ("Content-Length: 5\r\nContent-Length: 5", V::ContentLength),
        ("Content-Length: 5\r\nContent-Length: 6", V::ContentLength),
        ("Content-Length: 5, 5", V::ContentLength),
        ("Content-Length: +5", V::ContentLength),
        ("Content-Length: -5", V::ContentLength),
        ("Content-Length: 0x5", V::ContentLength),
        ("Content-Length: 5_0", V::ContentLength),
        ("Content-Length: 5 0", V::ContentLength),
        ("Content-Length: 5.0", V::ContentLength),
        ("Content-Length:", V::ContentLength),
        ("Content-Length: \u{665}", V::ContentLength),
        ("Content-Length: 18446744073709551621", V::ContentLength),
        ("Content-Length: 9223372036854775808", V::ContentLength),
        ("Transfer-Encoding: cow", V::TransferEncoding),
        ("Transfer-Encoding:", V::TransferEncoding),
        ("Transfer-Encoding: identity", V::TransferEncoding),
        ("Transfer-Encoding: gzip, chunked", V::TransferEncoding),
        ("Transfer-Encoding: chunked, chunked", V::TransferEncoding),
        ("Transfer-Encoding: chunked,", V::TransferEncoding),
        ("Transfer-Encoding: \"chunked\"", V::TransferEncoding),
        ("Transfer-Encoding: chunked;q=1", V::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", V::TransferEncoding),
    ] {
        assert_eq!(fields(text), Stop::Head(violation), "{text:?}");
    }
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(verdict(old).1, Stop::Head(V::TransferEncoding));
}

#[test]
fn a_chunk_is_as_long_as_it_says() {
    use Violation as V;
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1025));
    let trailers = format!("0\r\n{}\r\n", "X: y\r\n".repeat(21));
    let trailer = format!("0\r\nX: {}\r\n\r\n", "x".repeat(9000));
    for (text, violation) in [
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", V::ChunkSize),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", V::ChunkSize),
        ("0x5\r\nhello", V::ChunkSize),
        ("+5\r\nhello", V::ChunkSize),
        ("-5\r\nhello", V::ChunkSize),
        (" 5\r\nhello", V::ChunkSize),
        ("5 \r\nhello", V::ChunkSize),
        ("5 ;a\r\nhello", V::ChunkSize),
        ("zz\r\nhello", V::ChunkSize),
        ("\r\nhello", V::ChunkSize),
        (";a\r\nhello", V::ChunkSize),
        ("5\nhello\n0\n\n", V::ChunkSize),
        ("5\rXhello", V::LineEnd),
        ("5;a\nX\r\nhello", V::LineEnd),
        ("5;a\rX\r\nhello", V::LineEnd),
        ("5;a\0\r\nhello", V::Control),
        (&long, V::ChunkOverhead),
        ("5\r\nhelloX\r\n", V::ChunkEnd),
        ("5\r\nhello\n0\r\n\r\n", V::ChunkEnd),
        ("5\r\nhello\rX", V::LineEnd),
        ("0\r\n\n", V::FieldName),
        ("0\r\n\rX", V::LineEnd),
        ("0\r\nHost : evil\r\n\r\n", V::FieldName),
        ("0\r\n: evil\r\n\r\n", V::FieldName),
        ("0\r\n fold\r\n\r\n", V::Folded),
        ("0\r\nX: y\r\n z\r\n\r\n", V::Folded),
        ("0\r\nX: y\nz\r\n\r\n", V::LineEnd),
        ("0\r\nX: y\rz\r\n\r\n", V::LineEnd),
        ("0\r\nX: \0\r\n\r\n", V::Control),
        (&trailers, V::TooManyFields),
        (&trailer, V::ChunkOverhead),
    ] {
        assert_eq!(body(text), Stop::Body(violation), "{text:?}");
    }
}

#[test]
fn the_bounds_are_exact() {
    let sized = |bytes: usize| {
        let bare = "GET / HTTP/1.1\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(bytes - bare))
    };
    assert_eq!(verdict(sized(BOUNDS.head)).1, Stop::More);
    assert_eq!(verdict(sized(BOUNDS.head + 1)).1, Stop::Head(Violation::HeadTooLarge));
    // Before it is over, too: nobody keeps more than that.
    assert_eq!(
        verdict(&sized(9000).as_bytes()[..BOUNDS.head]).1,
        Stop::Head(Violation::HeadTooLarge)
    );
    assert_eq!(verdict(&sized(9000).as_bytes()[..BOUNDS.head - 1]).1, Stop::More);
    let many = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(count));
    assert_eq!(verdict(many(BOUNDS.fields)).1, Stop::More);
    assert_eq!(verdict(many(BOUNDS.fields + 1)).1, Stop::Head(Violation::TooManyFields));
}

#[test]
fn what_is_refused_does_not_pass_and_what_was_before_it_does() {
    let bad = "GET / HTTP/1.1\nX: y\r\n\r\n";
    assert_eq!(verdict(format!("{GET}{bad}")).0, GET.as_bytes());
    let chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let (passed, stop) = verdict(format!("{chunked}0\r\nX\r\n\r\n{GET}"));
    assert_eq!(stop, Stop::Body(Violation::FieldName));
    let passed = String::from_utf8(passed).unwrap();
    assert!(passed.starts_with(chunked) && !passed.ends_with("\r\n\r\n"), "{passed:?}");
    // For ever.
    let mut walker = Walker::new(BOUNDS);
    walker.walk(bad.as_bytes());
    assert_eq!(walker.walk(GET.as_bytes()).stop, Stop::Head(Violation::LineEnd));
}

#[test]
fn what_follows_an_upgrade_is_not_judged_before_it_is_http() {
    let upgrade = "POST / HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nab";
    let mut walker = Walker::new(BOUNDS);
    let stream = format!("{upgrade}\x01\x02\x03");
    let end = walker.walk(stream.as_bytes());
    assert_eq!((end.passed, end.stop), (upgrade.len(), Stop::Upgrade));
    assert_eq!(walker.walk(b"\x01\x02\x03").stop, Stop::Upgrade);
    walker.resume();
    assert_eq!(walker.walk(b"\x01\x02\x03").stop, Stop::Head(Violation::Control));
    let mut walker = Walker::new(BOUNDS);
    walker.walk(upgrade.as_bytes());
    walker.resume();
    assert_eq!(walker.walk(GET.as_bytes()).passed, GET.len());
}

#[test]
fn half_a_head_is_kept_back_and_a_body_is_not() {
    let (passed, _) = walk([b"GET / HT".as_slice(), b"TP/1.1\r", b"\nHost: a\r\n"]);
    assert!(passed.is_empty());
    let sized = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel";
    assert_eq!(verdict(sized).0, sized.as_bytes());
}
