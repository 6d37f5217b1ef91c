//! Where somebody wanted to go before signing in: a path of this origin, however it is read.

use percent_encoding::percent_decode_str;

use crate::web::CanonicalPath;

/// Longest target that is remembered, in bytes.
const LONGEST: usize = 2048;
/// How often escapes may hide escapes.
const DEEPEST: usize = 8;

/// The target that a text names, with its query: canonical, and of this origin to every reader.
/// `None` for whatever could lead elsewhere: `//evil`, `/\evil`, escapes of those, control
/// characters.
pub(super) fn own_target(text: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#');
    if text.len() > LONGEST || !text.bytes().all(plain) {
        return None;
    }
    let (path, query) =
        text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
    let path = CanonicalPath::parse(path).ok()?;
    let path = path.as_str();
    if !stays_here(path) {
        return None;
    }
    Some(match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    })
}

/// Whether no reading of the path begins with the name of another host.
fn stays_here(path: &str) -> bool {
    let mut read = path.as_bytes().to_vec();
    for _ in 0..DEEPEST {
        let leaves = read.starts_with(b"//") || !read.starts_with(b"/");
        if leaves || read.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\') {
            return false;
        }
        let text = String::from_utf8_lossy(&read).into_owned();
        let decoded: Vec<u8> = percent_decode_str(&text).collect();
        if decoded == read {
            return true;
        }
        read = decoded;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_paths_of_this_origin_are_gone_to() {
        for (text, target) in [
            ("/", "/"),
            ("/app/x?y=1&z=%2F%2Fevil.test", "/app/x?y=1&z=%2F%2Fevil.test"),
            ("/app/../%61", "/a"),
            ("/caf%C3%A9?", "/caf%C3%A9?"),
        ] {
            assert_eq!(own_target(text).as_deref(), Some(target), "{text}");
        }
        for text in [
            "",
            "app",
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/%2Fevil.test",
            "/%5Cevil.test",
            "/%252Fevil.test",
            "/.//evil.test",
            "/x/..//evil.test",
            "/%2e%2e%2Fevil.test/..//x",
            "https://evil.test/",
            "javascript:alert(1)",
            "/a\tb",
            "/a\r\nLocation: //evil.test",
            "/a%0d%0ab",
            "/a%00",
            "/a b",
            "/é",
            "/a#b",
            "/%",
            "?x",
        ] {
            assert_eq!(own_target(text), None, "{text}");
        }
        assert_eq!(own_target(&format!("/{}", "a".repeat(LONGEST))), None);
    }

    proptest! {
        /// Whatever is asked for, a browser that follows it stays on this origin.
        #[test]
        fn nothing_leads_elsewhere(text in "[/\\\\.%25fFcCa?#:@ -]{0,24}") {
            if let Some(target) = own_target(&text) {
                prop_assert!(target.starts_with('/') && !target.starts_with("//"));
                prop_assert!(!target.contains('\\') && !target.contains(char::is_whitespace));
                prop_assert_eq!(own_target(&target), Some(target));
            }
        }
    }
}
