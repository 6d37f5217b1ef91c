//! Conditions and ranges, as RFC 9110 has them.

use proptest::prelude::*;

use super::*;

const NOW: u64 = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn version(is_settled: bool) -> Version {
    Version { tag: "\"a,b\"".to_owned(), modified: NOW, is_settled }
}

fn weighed(fields: &[(&'static str, &'static str)]) -> Outcome {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    version(true).weigh(&headers, 10, true)
}

#[test]
fn conditions_are_weighed_in_their_order() {
    use Outcome::{Failed, Unchanged, Whole};

    for (fields, outcome) in [
        (&[][..], Whole),
        (&[("if-none-match", "\"a,b\"")], Unchanged),
        (&[("if-none-match", "W/\"a,b\"")], Unchanged),
        (&[("if-none-match", "\"x\", W/\"y\" ,, \"a,b\"")], Unchanged),
        (&[("if-none-match", "\"x\""), ("if-none-match", "\"a,b\"")], Unchanged),
        (&[("if-none-match", "*")], Unchanged),
        (&[("if-none-match", "\"a\", \"b\"")], Whole),
        (&[("if-none-match", "a,b")], Whole),
        (&[("if-none-match", "\"a,b")], Whole),
        (&[("if-none-match", "")], Whole),
        (&[("if-modified-since", DATE)], Unchanged),
        (&[("if-modified-since", AFTER)], Unchanged),
        (&[("if-modified-since", BEFORE)], Whole),
        (&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], Unchanged),
        (&[("if-modified-since", "yesterday")], Whole),
        (&[("if-modified-since", DATE), ("if-modified-since", DATE)], Whole),
        // A tag that differs outweighs a date that does not.
        (&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], Whole),
        (&[("if-match", "\"a,b\"")], Whole),
        (&[("if-match", "*")], Whole),
        (&[("if-match", "W/\"a,b\"")], Failed),
        (&[("if-match", "\"x\"")], Failed),
        (&[("if-match", "")], Failed),
        (&[("if-match", "\"x\""), ("if-none-match", "\"a,b\"")], Failed),
        (&[("if-match", "\"a,b\""), ("if-unmodified-since", BEFORE)], Whole),
        (&[("if-unmodified-since", BEFORE)], Failed),
        (&[("if-unmodified-since", DATE)], Whole),
        (&[("if-unmodified-since", "tomorrow")], Whole),
        (&[("if-none-match", "\"a,b\""), ("range", "bytes=0-0")], Unchanged),
        (&[("if-match", "\"x\""), ("range", "bytes=0-0")], Failed),
    ] {
        assert_eq!(weighed(fields), outcome, "{fields:?}");
    }
}

#[test]
fn one_range_is_a_part_and_all_else_the_whole() {
    use Outcome::{Beyond, Whole};

    let part = |first, last| Outcome::Part { first, last };
    for (value, outcome) in [
        ("bytes=0-0", part(0, 0)),
        ("bytes=0-", part(0, 9)),
        ("Bytes=2-5", part(2, 5)),
        ("bytes= 2-5", part(2, 5)),
        ("bytes=9-99999999999999999999999", part(9, 9)),
        ("bytes=-3", part(7, 9)),
        ("bytes=-10", part(0, 9)),
        ("bytes=-99999999999999999999999", part(0, 9)),
        ("bytes=10-", Beyond),
        ("bytes=10-12", Beyond),
        ("bytes=99999999999999999999999-", Beyond),
        ("bytes=-0", Beyond),
        ("bytes=5-2", Whole),
        ("bytes=0-1,3-4", Whole),
        ("bytes=10-,-1", Whole),
        ("bytes=", Whole),
        ("bytes=-", Whole),
        ("bytes=--1", Whole),
        ("bytes=+1-2", Whole),
        ("bytes=1-x", Whole),
        ("bytes=99-x", Whole),
        ("bytes=0x1-", Whole),
        ("bytes", Whole),
        ("seconds=1-2", Whole),
        ("", Whole),
    ] {
        assert_eq!(weighed(&[("range", value)]), outcome, "{value}");
    }
    for (value, outcome) in [("bytes=0-", Beyond), ("bytes=-1", Whole), ("bytes=-0", Beyond)] {
        assert_eq!(range(value, 0), outcome, "{value} of nothing");
    }
    assert_eq!(weighed(&[("range", "bytes=0-0"), ("range", "bytes=1-1")]), Whole);
}

#[test]
fn a_part_is_sent_only_of_what_the_client_has_the_rest_of() {
    const RANGE: (&str, &str) = ("range", "bytes=1-2");
    let part = Outcome::Part { first: 1, last: 2 };
    for (value, outcome) in [
        ("\"a,b\"", part),
        (DATE, part),
        ("W/\"a,b\"", Outcome::Whole),
        ("\"x\"", Outcome::Whole),
        (BEFORE, Outcome::Whole),
        (AFTER, Outcome::Whole),
        ("", Outcome::Whole),
    ] {
        assert_eq!(weighed(&[RANGE, ("if-range", value)]), outcome, "{value}");
    }
    // Within the second of its last change, a date says too little.
    let headers = HeaderMap::from_iter([
        (header::RANGE, HeaderValue::from_static("bytes=1-2")),
        (header::IF_RANGE, HeaderValue::from_static(DATE)),
    ]);
    assert_eq!(version(false).weigh(&headers, 10, true), Outcome::Whole);
    let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=1-2"))]);
    assert_eq!(version(true).weigh(&headers, 10, false), Outcome::Whole);
}

#[test]
fn every_write_has_a_tag_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let now = Timestamp::from_secs(2_000_000_000);
    let tag = |content: &str| {
        std::fs::write(&path, content).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        // As builds do that want the same bytes each time.
        file.set_modified(moment(NOW)).unwrap();
        let version = Version::of(&file.metadata().unwrap(), now);
        assert_eq!((version.modified, version.is_settled), (NOW, true));
        (version.tag, file.metadata().unwrap().ctime_nsec())
    };
    let (first, written) = tag("one");
    assert!(first.len() == 22 && first.starts_with('"') && first.ends_with('"'), "{first}");
    // The clock of a file system ticks a few hundred times a second.
    loop {
        let (second, rewritten) = tag("two");
        if rewritten != written {
            assert_ne!(first, second);
            break;
        }
    }
    // What is from the future is from now.
    let metadata = std::fs::metadata(&path).unwrap();
    let version = Version::of(&metadata, Timestamp::from_secs(NOW - 5));
    assert_eq!((version.modified, version.is_settled), (NOW - 5, false));
}

proptest! {
    /// Whatever is asked for, the bytes are there.
    #[test]
    fn a_part_is_never_more_than_there_is(value in "(bytes=)?[0-9, -]{0,12}", size in 0..20_u64) {
        if let Outcome::Part { first, last } = range(&value, size) {
            prop_assert!(first <= last && last < size);
        }
    }
}
