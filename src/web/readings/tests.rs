//! How sloppier servers read a path.

use std::collections::BTreeSet;

use super::super::{CanonicalPath, Form, Scope};

fn readings(raw: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    CanonicalPath::parse(raw).unwrap().all_readings(Scope::Different, |reading| {
        seen.insert(String::from_utf8_lossy(reading.bytes).into_owned());
        true
    });
    seen
}

#[test]
fn each_sloppiness_is_tried_alone_and_with_the_others() {
    for (raw, expected) in [
        ("/Ab", &["/ab"][..]),
        ("/a%2Fb", &["/a%2fb", "/a/b"]),
        ("/a%5Cb", &["/a%5cb", "/a\\b", "/a/b"]),
        ("/a//b", &["/a/b"]),
        ("/a;x=1/b", &["/a/b"]),
        ("/a./b", &["/a/b"]),
        ("/a.", &["/a"]),
        ("/a%20", &["/a ", "/a"]),
        ("/a%3Fb", &["/a%3fb", "/a?b", "/a"]),
        ("/%2541", &["/%41", "/A", "/a"]),
        ("/;x/b", &["/;x/b", "//b", "/b"]),
        ("//b;x", &["/b;x", "//b", "/b"]),
        ("/%C4%B1", &["/%c4%b1", "/ı", "/i"]),
        ("/%C4%B1/%FF", &["/i/\u{fffd}"]),
        ("/x/%20/b", &["/x/ /b", "/x//b", "/x/b"]),
        ("//x/b", &["/x/b", "/b"]),
        ("//x", &["/x", "/"]),
        ("//x//b", &["/x/b", "//b", "/b"]),
        ("///x/b", &["/x/b", "/b"]),
        ("/%2Fx%5Cb/c", &["//x\\b/c", "/x/b/c", "/b/c"]),
        ("/;a/x/b", &["//x/b", "/b"]),
    ] {
        let seen = readings(raw);
        for reading in expected {
            assert!(seen.contains(*reading), "{raw} as {reading}: {seen:?}");
        }
    }
}

#[test]
fn the_canonical_reading_is_not_another_one() {
    assert!(!readings("/a//b").contains("/a//b"));
    assert_eq!(readings("/a/b"), BTreeSet::new());
    // A dot within a name is not cut, and the slash at the end is no second one.
    for path in ["/v1.2/A", "/A/"] {
        assert!(!readings(path).contains(path), "{path}");
    }
    // Behind one slash is no host.
    assert_eq!(readings("/%20x/b"), BTreeSet::from(["/ x/b".to_owned()]));
    // Elsewhere than at the beginning two slashes tell of no host.
    assert_eq!(readings("/a//x/b"), BTreeSet::from(["/a/x/b".to_owned()]));
}

#[test]
fn a_plain_path_is_itself_in_every_other_form() {
    let mut forms = Vec::new();
    let all = CanonicalPath::parse("/a/b").unwrap().all_readings(Scope::All, |reading| {
        forms.push(reading.form);
        reading.bytes == b"/a/b"
    });
    assert!(all);
    assert_eq!(forms, [Form::Folded, Form::DecodedFolded, Form::Decoded]);
}

#[test]
fn readings_are_few_even_of_a_hostile_path() {
    let hostile = format!("//{}A;b./%252525", "a".repeat(4000));
    let mut count = 0;
    let all = CanonicalPath::parse(&hostile).map(|path| {
        path.all_readings(Scope::All, |_| {
            count += 1;
            true
        })
    });
    assert_eq!(all, Ok(true));
    assert!((120..=128).contains(&count), "{count}");
}
