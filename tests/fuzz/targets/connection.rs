//! Bytes at a listener: nothing reaches a handler that a rule keeps from it, or that says who it is.

use portcullis::rooms::web::Authorization;

use super::world::{Passed, WORLD};

/// How an HTTP/2 connection begins, with empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(crate) fn http1(bytes: &[u8]) {
    let (answer, passed) = WORLD.tell("clear", bytes);
    judge(&passed);
    // Each of them needs a line of its own, and is answered with one.
    let lines = bytes.windows(6).filter(|six| six == b"HTTP/1").count();
    assert!(passed.len() <= lines, "{} requests of {lines} lines", passed.len());
    let answered = answer.starts_with(b"HTTP/1.1 200");
    assert!(!answered || !passed.is_empty() || bytes.starts_with(b"OPTIONS *"), "who answered?");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.") || is_http2(bytes), "{answer:?}");
}

pub(crate) fn http2(bytes: &[u8]) {
    let (answer, passed) = WORLD.tell("clear", &[PREFACE, bytes].concat());
    judge(&passed);
    let mut rest = answer.as_slice();
    // Nothing but whole frames comes back.
    while let Some((head, behind)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some(next) = behind.get(length..) else { break };
        assert!(head[3] <= 16, "a frame of type {}", head[3]);
        rest = next;
    }
}

fn is_http2(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PRI * HTTP/2.0")
}

fn judge(passed: &[Passed]) {
    for Passed { path, headers, body } in passed {
        // As a server may read it that cuts parameters, dots and spaces, and folds case.
        let first = path.split('/').nth(1).and_then(|first| first.split(';').next());
        let first = first.unwrap_or_default().replace("%20", " ").to_ascii_lowercase();
        assert_ne!(first.trim_end_matches(['.', ' ']), "private", "{path}");
        assert!(path.starts_with('/') && !path.contains(['\\', '#', '?']), "{path}");
        for (name, value) in headers {
            let folded = name.as_str().replace(|sign: char| !sign.is_ascii_alphanumeric(), "-");
            assert!(!folded.starts_with("x-user-"), "{name}");
            assert!(!name.as_str().contains('_'), "{name}");
            let bytes = value.as_bytes();
            assert!(
                !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
                "{name}: {value:?}"
            );
        }
        for once in ["host", "content-length", "x-forwarded-for", "x-request-id"] {
            assert!(headers.get_all(once).iter().count() <= 1, "{once}");
        }
        for never in ["connection", "keep-alive", "proxy-connection", "upgrade"] {
            assert!(!headers.contains_key(never), "{never}: {headers:?}");
        }
        // Another scheme is none of ours, and passes where anyone may.
        let told = Authorization::of(headers);
        assert!(matches!(told, Authorization::Absent | Authorization::Other), "{headers:?}");
        let length = headers.get("content-length").and_then(|length| length.to_str().ok());
        if let (Some(length), Some(body)) = (length, body) {
            assert_eq!(length.parse(), Ok(body.len()), "a body of another length than was said");
        }
    }
}
