//! Heads of answers, as servers write them.

use super::*;

fn parse(head: &str, to_head: bool) -> Result<Option<Head>, Malformed> {
    Head::parse(&mut BytesMut::from(head), &mut 0, to_head)
}

fn whole(head: &str) -> Head {
    parse(head, false).unwrap().unwrap()
}

#[test]
fn a_body_ends_as_its_head_says() {
    let ok = |fields| whole(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n"));
    assert!(matches!(ok("Content-Length: 5\r\n").framing, Framing::Length(5)));
    assert!(matches!(ok("Content-Length: 5, 5\r\n").framing, Framing::Length(5)));
    assert!(matches!(ok("Content-Length: 0\r\n").framing, Framing::Over));
    assert!(matches!(ok("Transfer-Encoding: Chunked\r\n").framing, Framing::Chunked(_)));
    let open = ok("");
    assert!(matches!(open.framing, Framing::Close) && open.is_last);
    for empty in ["204 No Content", "304 Not Modified", "101 Switching Protocols"] {
        let head = whole(&format!("HTTP/1.1 {empty}\r\nContent-Length: 5\r\n\r\n"));
        assert!(matches!(head.framing, Framing::Over), "{empty}");
    }
    let to_head = parse("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true);
    assert!(matches!(to_head.unwrap().unwrap().framing, Framing::Over));
}

#[test]
fn a_connection_ends_when_either_side_of_the_message_says_so() {
    for (head, is_last) in [
        ("HTTP/1.1 204 N\r\n\r\n", false),
        ("HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n", false),
        // What it says will come would be taken for the next answer.
        ("HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n", true),
        ("HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n", true),
        ("HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n", false),
        ("HTTP/1.1 204 N\r\nConnection: x, Close\r\n\r\n", true),
        ("HTTP/1.0 204 N\r\nConnection: keep-alive\r\n\r\n", true),
        ("HTTP/1.1 200 K\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", true),
    ] {
        assert_eq!(whole(head).is_last, is_last, "{head:?}");
    }
}

#[test]
fn a_length_is_passed_on_once() {
    for fields in ["Content-Length: 5, 5\r\n", "Content-Length: 5\r\nContent-Length: 05\r\n"] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let head = parse(&head, true).unwrap().unwrap();
        let lengths: Vec<_> = head.headers.get_all(header::CONTENT_LENGTH).iter().collect();
        assert_eq!(lengths, ["5"], "{fields}");
    }
}

#[test]
fn what_has_two_readings_is_no_response() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Name : value\r\n",
        " folded: value\r\n",
        "X: a\r\n folded\r\n",
        "X: \0\r\n",
        "X: a\n\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert!(parse(&head, false).is_err(), "{head:?}");
    }
    assert!(parse("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false).is_err());
    for head in ["HTTP/2 200 OK\r\n\r\n", "ICY 200 OK\r\n\r\n", "<html>", "\r\nHTTP/1.1 200 OK"] {
        assert!(parse(head, false).is_err(), "{head:?}");
    }
}

#[test]
fn interim_responses_are_passed_over_and_bounded() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    let head = whole(&format!("{hint}{hint}HTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(head.status, StatusCode::CREATED);
    assert!(!head.headers.contains_key("link"));
    assert!(parse(hint, false).unwrap().is_none());
    assert!(parse(&hint.repeat(8000), false).is_err());
}

#[test]
fn a_head_is_whole_with_its_last_byte_and_has_bounds() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    for end in 0..head.len() {
        assert!(parse(head.get(..end).unwrap(), false).unwrap().is_none(), "{end}");
    }
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(MOST));
    assert!(matches!(parse(&endless, false), Err(Malformed::TooLarge)));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(FIELDS + 1));
    assert!(matches!(parse(&many, false), Err(Malformed::TooLarge)));
}
