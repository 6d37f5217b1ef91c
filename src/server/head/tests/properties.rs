use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;

use super::{Stop, verdict, walk};

/// A request as every reader has to read it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Read {
    target: String,
    body: Vec<u8>,
}

/// Reads requests with nothing allowed that need not be: slow, strict, and without a state.
/// `None` for bytes that are no sequence of whole requests.
fn strictly(mut bytes: &[u8]) -> Option<Vec<Read>> {
    let mut requests = Vec::new();
    while !bytes.is_empty() {
        while let Some(rest) = bytes.strip_prefix(b"\r\n") {
            bytes = rest;
        }
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head: String = bytes[..end].iter().map(|byte| char::from(*byte)).collect();
        bytes = &bytes[end + 4..];
        let mut lines = head.split("\r\n");
        let words: Vec<_> = lines.next()?.split(' ').collect();
        let [_, target, version @ ("HTTP/1.1" | "HTTP/1.0")] = words.as_slice() else {
            return None;
        };
        let fields: Vec<_> = lines.map(|line| line.split_once(':')).collect::<Option<_>>()?;
        if head.contains(|char: char| char < ' ' && !"\r\n\t".contains(char)) {
            return None;
        }
        let all = |wanted: &str| -> Vec<String> {
            let named = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
            named.map(|(_, value)| value.trim().to_ascii_lowercase()).collect()
        };
        let body = match (all("content-length").as_slice(), all("transfer-encoding").as_slice()) {
            ([], []) => Vec::new(),
            ([length], []) => {
                let (body, rest) = bytes.split_at_checked(length.parse().ok()?)?;
                bytes = rest;
                body.to_vec()
            }
            ([], [coding]) if coding == "chunked" => {
                let (body, rest) = chunks(bytes)?;
                bytes = rest;
                body
            }
            _ => return None,
        };
        requests.push(Read { target: (*target).to_owned(), body });
        // Nobody here asks for its connection to be kept: what follows is nobody's request.
        if *version == "HTTP/1.0" {
            break;
        }
    }
    Some(requests)
}

fn chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let line = |bytes: &[u8]| -> Option<(String, usize)> {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        Some((bytes[..end].iter().map(|byte| char::from(*byte)).collect(), end + 2))
    };
    let mut body = Vec::new();
    loop {
        let (size, length) = line(bytes)?;
        bytes = &bytes[length..];
        let digits = size.split(';').next()?;
        let size = usize::from_str_radix(digits, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size..)?.strip_prefix(b"\r\n")?;
    }
    loop {
        let (trailer, length) = line(bytes)?;
        bytes = &bytes[length..];
        if trailer.is_empty() {
            return Some((body, bytes));
        }
    }
}

/// What hyper makes of the same bytes.
fn by_hyper(bytes: &[u8]) -> Vec<Read> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let seen = Arc::clone(&seen);
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes().to_vec();
                seen.lock().unwrap().push(Read { target: parts.uri.to_string(), body });
                Ok::<_, hyper::Error>(hyper::Response::new(Empty::<Bytes>::new()))
            }
        });
        let serving =
            http1::Builder::new().half_close(true).serve_connection(TokioIo::new(server), service);
        serving.await.ok();
        drop(client);
        Arc::into_inner(seen).unwrap().into_inner().unwrap()
    })
}

fn body() -> impl Strategy<Value = (String, Vec<u8>)> {
    let data = || vec(any::<u8>(), 0..40);
    let sized = data().prop_map(|body| (format!("Content-Length: {}\r\n", body.len()), body));
    let chunk = (vec(any::<u8>(), 1..30), select(vec!["", ";a", ";a=\"b c\";d"]), 0..4_usize);
    let trailer = select(vec!["", "X-T: y\r\n", "Content-Length: 9\r\nHost: evil\r\n"]);
    let chunked = (vec(chunk, 0..4), trailer).prop_map(|(chunks, trailer)| {
        let mut body = Vec::new();
        for (data, extension, zeros) in chunks {
            let size = format!("{}{:x}", "0".repeat(zeros), data.len());
            body.extend(format!("{size}{extension}\r\n").into_bytes());
            body.extend(data);
            body.extend(b"\r\n");
        }
        body.extend(format!("0\r\n{trailer}\r\n").into_bytes());
        ("transfer-encoding:  chunked\r\n".to_owned(), body)
    });
    prop_oneof![Just((String::new(), Vec::new())), sized, chunked]
}

/// A well-formed request.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let line = ("[A-Z]{1,8}", "/[a-z0-9/%._~?&=;,-]{0,20}").prop_map(|(method, target)| {
        // A percent sign alone is a matter of paths, not of framing.
        format!("{method} {target} HTTP/1.1\r\n")
    });
    let field = ("[A-Za-z][A-Za-z0-9_-]{0,10}x", "[ \t]{0,2}[!-~]{0,12}[ \t]{0,2}");
    let fields = vec(field.prop_map(|(name, value)| format!("{name}:{value}\r\n")), 0..5);
    let blank = select(vec!["", "", "\r\n", "\r\n\r\n"]);
    (blank, line, fields, body()).prop_map(|(blank, line, fields, (framing, body))| {
        let head = format!("{blank}{line}Host: a.test\r\n{}{framing}\r\n", fields.concat());
        [head.into_bytes(), body].concat()
    })
}

/// Bytes that look like requests and need not be: well-formed ones with something cut out,
/// changed, or put in.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let odd: Vec<&[u8]> = vec![
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b"0",
        b"1",
        b"f",
        b"x",
        b"\xff",
        b"#",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n\r\n",
        b"HTTP/1.0",
        b"chunked, ",
        b"-",
        b"+",
        b",",
    ];
    let edit = (any::<Index>(), 0..3_usize, select(odd));
    (vec(request(), 1..4), vec(edit, 0..3)).prop_map(|(requests, edits)| {
        let mut bytes = requests.concat();
        for (at, cut, odd) in edits {
            let at = at.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, odd.iter().copied());
        }
        bytes
    })
}

/// `bytes` in pieces.
fn split<'a>(mut bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    for cut in cuts {
        let (part, rest) = bytes.split_at(cut.index(bytes.len() + 1));
        parts.push(part);
        bytes = rest;
    }
    parts.push(bytes);
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_verdict_does_not_depend_on_how_the_bytes_come(
        bytes in nearly(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let whole = verdict(&bytes);
        prop_assert_eq!(&walk(split(&bytes, &cuts)), &whole);
        prop_assert_eq!(&walk(bytes.chunks(1)), &whole);
    }

    #[test]
    fn any_sequence_of_good_requests_passes(requests in vec(request(), 0..5)) {
        let bytes = requests.concat();
        let (passed, stop) = verdict(&bytes);
        prop_assert_eq!(stop, Stop::More);
        prop_assert_eq!(&passed, &bytes);
        let read = strictly(&bytes).expect("they are good");
        prop_assert_eq!(read.len(), requests.len());
        prop_assert_eq!(by_hyper(&bytes), read);
    }

    #[test]
    fn whatever_passes_has_one_reading(bytes in nearly()) {
        let (passed, stop) = verdict(&bytes);
        // What is half there has no reading yet.
        if let (Some(read), Stop::More) = (strictly(&passed), stop) {
            prop_assert_eq!(by_hyper(&passed), read);
        } else {
            // Of a broken body nobody makes a whole one.
            let before = by_hyper(&passed);
            prop_assert!(before.len() <= passed.windows(5).filter(|five| five == b"HTTP/").count());
        }
    }

    #[test]
    fn whatever_passes_was_there(bytes in vec(any::<u8>(), 0..200)) {
        let (passed, _) = verdict(&bytes);
        prop_assert!(bytes.starts_with(&passed));
    }
}
