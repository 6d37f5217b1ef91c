//! Which paths have one reading, and which are refused.

use super::*;
use proptest::prelude::*;

fn parse(raw: &str) -> Result<String, PathError> {
    CanonicalPath::parse(raw).map(|path| path.as_str().to_owned())
}

#[test]
fn a_path_has_one_canonical_form() {
    for (raw, canonical) in [
        ("/", "/"),
        ("/a/b/", "/a/b/"),
        ("/a//b", "/a//b"),
        ("/%61%2Db%7e", "/a-b~"),
        ("/a%2fb", "/a%2Fb"),
        ("/a%5cb", "/a%5Cb"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/voil%e0", "/voil%E0"),
        ("/a/./b", "/a/b"),
        ("/a/b/../c", "/a/c"),
        ("/a/%2e%2E/c", "/c"),
        ("/a/..", "/"),
        ("/a/b/.", "/a/b/"),
        ("/a|b[c]{d}", "/a%7Cb%5Bc%5D%7Bd%7D"),
        ("/a;v=1,2:@!$&'()*+", "/a;v=1,2:@!$&'()*+"),
        ("/100%25", "/100%25"),
        ("/v1.2/file.tar.gz", "/v1.2/file.tar.gz"),
        ("/compare/a...b", "/compare/a...b"),
        ("/.well-known/x", "/.well-known/x"),
    ] {
        assert_eq!(parse(raw).as_deref(), Ok(canonical), "{raw}");
    }
}

#[test]
fn what_has_two_readings_is_refused() {
    for (raw, error) in [
        ("", PathError::Relative),
        ("*", PathError::Relative),
        ("../app", PathError::Relative),
        ("/a b", PathError::Byte),
        ("/a\tb", PathError::Byte),
        ("/a\0", PathError::Byte),
        ("/a\u{7f}", PathError::Byte),
        ("/a\\b", PathError::Byte),
        ("/a#b", PathError::Byte),
        ("/a?b", PathError::Byte),
        ("/café", PathError::Byte),
        ("/a%", PathError::Escape),
        ("/a%2", PathError::Escape),
        ("/a%zz", PathError::Escape),
        ("/a%+1", PathError::Escape),
        ("/a%00", PathError::Nul),
        ("/a%2500", PathError::Nul),
        ("/a%00/../b", PathError::Nul),
        ("/%c0%af/../b", PathError::Overlong),
        ("/%c0%af", PathError::Overlong),
        ("/%c0%ae%c0%ae/x", PathError::Overlong),
        ("/%25c0%25af", PathError::Overlong),
        ("/%c1%9c", PathError::Overlong),
        ("/%e0%80%af", PathError::Overlong),
        ("/%e0%40%ae", PathError::Overlong),
        ("/%f0%80%80%ae", PathError::Overlong),
        ("/%f8%80%80%80%ae", PathError::Overlong),
        ("/%fc%80%80%80%80%ae", PathError::Overlong),
        ("/..", PathError::Climbs),
        ("/../x", PathError::Climbs),
        ("/a/../../x", PathError::Climbs),
        ("/a//../x", PathError::Climbs),
        ("/x%2F..%2Fadmin", PathError::DotSegment),
        ("/x%2f%2e%2e/admin", PathError::DotSegment),
        ("/x%5c..%5cadmin", PathError::DotSegment),
        ("/x/%252e%252e/admin", PathError::DotSegment),
        ("/x/%25252e%25252e/admin", PathError::DotSegment),
        ("/x/..;/admin", PathError::DotSegment),
        ("/x/..;a=b/admin", PathError::DotSegment),
        ("/x/..%3Ba/admin", PathError::DotSegment),
        ("/x/..%20/admin", PathError::DotSegment),
        ("/x/%20../admin", PathError::DotSegment),
        ("/x/..%09/admin", PathError::DotSegment),
        ("/x/.../admin", PathError::DotSegment),
        ("/x/..%3Fq", PathError::DotSegment),
        ("/x/.;/admin", PathError::DotSegment),
        ("/a%2525252525", PathError::TooManyReadings),
        ("//A;b.%20/c%5Cd", PathError::TooManyReadings),
    ] {
        assert_eq!(parse(raw), Err(error), "{raw}");
    }
}

/// The first character of each length has the first path that is not refused.
#[test]
fn the_shortest_form_of_a_character_is_not_overlong() {
    for (lead, next) in [("E0", 0xa0), ("F0", 0x90), ("F8", 0x88), ("FC", 0x84)] {
        let path = format!("/%{lead}%{next:02X}");
        assert_eq!(parse(&path), Ok(path));
        assert_eq!(parse(&format!("/%{lead}%{:02X}", next - 1)), Err(PathError::Overlong));
    }
}

#[test]
fn a_canonical_path_is_not_copied_and_a_plain_one_has_no_other_reading() {
    for raw in ["/", "/api/orders/42", "/a-b_c~d/v1.2/", "/Users/Bob", "/a%2Fb", "/a//b;c"] {
        assert!(matches!(CanonicalPath::parse(raw).unwrap().text, Cow::Borrowed(_)), "{raw}");
    }
    for raw in ["/", "/api/orders/42", "/a-b_c~d/v1.2/x.js", "/%61/./b"] {
        let path = CanonicalPath::parse(raw).unwrap();
        assert!(path.all_readings(Scope::Different, |_| false), "{raw}");
    }
    for raw in ["/A", "/a%20b", "/a//b", "/a;b", "/a./b", "/a."] {
        let path = CanonicalPath::parse(raw).unwrap();
        assert!(!path.all_readings(Scope::Different, |_| false), "{raw}");
    }
}

/// Decodes once, as the sloppiest server would: wherever two hex digits follow.
fn decode(bytes: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(bytes).collect()
}

const PATHS: &str =
    r"/(\PC|[a-zA-Z.;/\\?# ]|%[0-9a-fA-F]{2}|%2[eEfF]|%25|%5[cC]|%3[bB]|\.\.){0,16}";

proptest! {
    /// The router, the upstream and whoever parses it again cannot disagree.
    #[test]
    fn parsing_is_idempotent(raw in PATHS) {
        if let Ok(once) = parse(&raw) {
            prop_assert_eq!(parse(&once), Ok(once.clone()));
            prop_assert!(once.parse::<http::uri::PathAndQuery>().is_ok());
        }
    }

    /// Whoever decodes an accepted path, as often as it likes, does not climb.
    #[test]
    fn no_path_climbs(raw in PATHS) {
        let Ok(path) = parse(&raw) else { return Ok(()) };
        let mut seen = path.into_bytes();
        for _ in 0..8 {
            let dots = |s: &[u8]| matches!(s.split(|b| *b == b';').next(), Some(b"." | b".."));
            prop_assert!(!seen.split(|b| matches!(b, b'/' | b'\\')).any(dots), "{:?}", seen);
            prop_assert!(!seen.contains(&0));
            seen = decode(&seen);
        }
    }

    /// Each escape is either decoded or in upper case, and what is decoded is unreserved.
    #[test]
    fn an_escape_has_one_spelling(byte in 1u8..=0xbf, lower: bool) {
        let raw = if lower { format!("/a%{byte:02x}z") } else { format!("/a%{byte:02X}z") };
        let canonical = if is_unreserved(byte) {
            format!("/a{}z", char::from(byte))
        } else {
            format!("/a%{byte:02X}z")
        };
        prop_assert_eq!(parse(&raw), Ok(canonical));
    }
}
