//! Whatever passes as HTTP/1 is read alike by another parser, however it came.

use portcullis::rooms::server::{Bounds, Stop, Walked, Walker};

const BOUNDS: Bounds = Bounds { head: 4096, fields: 20 };

pub(crate) fn run(bytes: &[u8]) {
    let whole = Walker::new(BOUNDS).walk(bytes);
    assert!(whole.passed <= bytes.len());
    in_pieces(bytes, whole);
    let (Some(passed), Stop::More | Stop::Upgrade) = (bytes.get(..whole.passed), whole.stop) else {
        return;
    };
    by_another(passed);
}

/// The verdict about bytes that come in pieces whose lengths the bytes say themselves.
fn in_pieces(bytes: &[u8], whole: Walked) {
    let mut walker = Walker::new(BOUNDS);
    let (mut held, mut rest, mut passed) = (Vec::new(), bytes, 0);
    let mut stop = Stop::More;
    while !rest.is_empty() && stop == Stop::More {
        let length = (usize::from(rest[0]) % 7 + 1).min(rest.len());
        held.extend_from_slice(&rest[..length]);
        rest = &rest[length..];
        let end = walker.walk(&held);
        held.drain(..end.passed);
        passed += end.passed;
        stop = end.stop;
    }
    if !bytes.is_empty() {
        assert_eq!(Walked { passed, stop }, whole, "in pieces");
    }
}

/// Each head that passed is one that `httparse` reads, with one length.
fn by_another(mut bytes: &[u8]) {
    loop {
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        if bytes.is_empty() {
            return;
        }
        let mut fields = [httparse::EMPTY_HEADER; 20];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(bytes).expect("a head that passed is one");
        let httparse::Status::Complete(length) = parsed else { panic!("half a head passed") };
        assert!(length <= BOUNDS.head + 2);
        bytes = &bytes[length..];
        let named = |wanted: &str| {
            let fields =
                request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(wanted));
            fields.map(|field| field.value).collect::<Vec<_>>()
        };
        match (named("content-length").as_slice(), named("transfer-encoding").as_slice()) {
            ([], []) => {}
            ([length], []) => {
                let length = std::str::from_utf8(length).expect("digits").trim();
                let length: usize = length.parse().expect("a length");
                bytes = bytes.get(length..).unwrap_or_default();
            }
            ([], [coding]) => {
                assert!(coding.trim_ascii().eq_ignore_ascii_case(b"chunked"), "{coding:?}");
                match chunks(bytes) {
                    Some(rest) => bytes = rest,
                    None => return,
                }
            }
            both => panic!("two framings: {both:?}"),
        }
        if named("upgrade").len() + named("connection").len() > 0 || request.version == Some(0) {
            // Whether more follows is for the connection to say.
            return;
        }
    }
}

/// What follows a chunked body; `None` if it is not whole.
fn chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let parsed = httparse::parse_chunk_size(bytes).expect("a chunk that passed is one");
        let httparse::Status::Complete((length, size)) = parsed else { return None };
        bytes = bytes.get(length..)?;
        if size == 0 {
            break;
        }
        let (_, rest) = bytes.split_at_checked(usize::try_from(size).ok()?)?;
        bytes =
            if rest.len() < 2 { return None } else { rest.strip_prefix(b"\r\n").expect("CRLF") };
    }
    let end = if bytes.starts_with(b"\r\n") {
        2
    } else {
        bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4
    };
    bytes.get(end..)
}
