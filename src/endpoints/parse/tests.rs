//! Bodies, as clients write them.

use proptest::prelude::*;

use super::super::fields::Rule;
use super::*;

static FIELDS: [Field; 2] = [
    Field::new("username", "Username", Rule::Text),
    Field::new("password", "Password", Rule::Text),
];

fn told(body: &str) -> String {
    match json(body.as_bytes(), &FIELDS).map(|_| ()) {
        Err(EndpointError::Syntax(told) | EndpointError::NoFields(told)) => told,
        other => panic!("{body}: {other:?}"),
    }
}

fn username(sent: Result<Sent, EndpointError>) -> Option<Value> {
    sent.unwrap().take("username")
}

#[expect(clippy::unnecessary_wraps, reason = "compared with what was read")]
fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.to_owned()))
}

#[test]
fn json_is_as_strict_as_pythons() {
    for body in [
        "{\"username\": \"x\", ",
        "hello",
        "{'username':'x'}",
        "{\"username\":\"x\",}",
        "{} {}",
        "{\"username\":NaN,\"password\":\"x\"}",
        "{username:1}",
        "{\"a\":\"\t\"}",
        "{\"a\":+1}",
        "\0{}",
        "// c\n{}",
        "{",
        "nope",
        "{\"username\"}",
        "[1,]",
        "undefined",
        "{}{}",
        "  ",
        "\u{feff}{}",
        "{\"a\":Infinity}",
        "{\"a\":-Infinity}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":\"\\x\"}",
        "{\"username\":\"\\ud800\"}",
        "[\"a",
        "nul",
        "-",
    ] {
        assert!(told(body).starts_with("JSON parse error - Expecting value: line "), "{body}");
    }
    assert_eq!(told("hello"), "JSON parse error - Expecting value: line 1 column 1 (char 0)");
    assert_eq!(
        told("{\n\"é\": x}"),
        "JSON parse error - Expecting value: line 2 column 6 (char 7)"
    );
    assert!(matches!(json(b"{\"username\":\"\xff\"}", &FIELDS), Err(EndpointError::Syntax(_))));
}

#[test]
fn deep_nesting_is_a_parse_error() {
    for open in ["[", "{\"a\":", "{\"a\":["] {
        let told = told(&open.repeat(30_000));
        assert_eq!(told, "JSON parse error - Nested too deeply");
    }
    let closed = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    assert_eq!(told(&closed), "JSON parse error - Nested too deeply");
    let brackets = format!("{{\"username\": \"\\\"{}\"}}", "[".repeat(1000));
    assert_eq!(
        username(json(brackets.as_bytes(), &FIELDS)),
        text(&format!("\"{}", "[".repeat(1000)))
    );
}

#[test]
fn only_an_object_has_fields() {
    for (body, kind) in [
        ("[]", "list"),
        ("\"x\"", "str"),
        ("42", "int"),
        ("1.5", "float"),
        ("true", "bool"),
        (" -1e3", "float"),
    ] {
        assert_eq!(told(body), format!("Invalid data. Expected a dictionary, but got {kind}."));
    }
    assert_eq!(told("null"), "No data provided");
}

#[test]
fn values_are_text_null_or_something_else() {
    for (body, value) in [
        ("{\"username\": \"Zo\\u00eb\"}", text("Zoë")),
        ("{\"username\": 5}", text("5")),
        ("{\"username\": 1.50}", text("1.5")),
        ("{\"username\": null}", Some(Value::Null)),
        ("{\"username\": true}", Some(Value::Other)),
        ("{\"username\": [1]}", Some(Value::Other)),
        ("{\"username\": {\"username\": \"x\"}}", Some(Value::Other)),
        ("{\"username\": 1, \"user\\u006eame\": 2}", text("2")),
        ("{\"is_staff\": true}", None),
    ] {
        assert!(username(json(body.as_bytes(), &FIELDS)) == value, "{body}");
    }
    assert!(matches!(
        json(format!("{{\"username\":{}}}", "1".repeat(5000)).as_bytes(), &FIELDS),
        Err(EndpointError::Syntax(_))
    ));
}

#[test]
fn a_form_has_texts_and_the_last_of_a_name_counts() {
    let mut sent = form(b"username=a&username=Zo%C3%AB+x&is_staff=1", &FIELDS);
    assert!(sent.take("username") == text("Zoë x"));
    assert!(sent.take("password").is_none());
}

#[tokio::test]
async fn a_file_is_no_text() {
    let part = |head: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\nabc\r\n");
    let read =
        |body: String| multipart(Bytes::from(body), "multipart/form-data; boundary=B", &FIELDS);
    let body = part("name=\"username\"") + &part("name=\"username\"; filename=\"\"") + "--B--\r\n";
    assert!(username(read(body).await) == text("abc"));
    let body =
        part("name=\"username\"; filename=\"a.txt\"") + &part("name=\"username\"") + "--B--\r\n";
    assert!(username(read(body).await) == Some(Value::Other));
    assert!(matches!(read(part("name=\"username\"")).await, Err(EndpointError::Syntax(_))), "torn");
    let unbound = multipart(Bytes::from_static(b"--B--"), "multipart/form-data", &FIELDS).await;
    assert!(matches!(unbound, Err(EndpointError::Syntax(_))));
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(text) => text,
            Self::Null => "null",
            Self::List(_) => "list",
            Self::Other => "other",
        })
    }
}

proptest! {
    #[test]
    fn any_text_comes_through_json(value in any::<String>()) {
        let body = serde_json::json!({"username": value}).to_string();
        prop_assert!(username(json(body.as_bytes(), &FIELDS)) == text(&value));
    }

    #[test]
    fn no_body_is_a_crash(body in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(json(&body, &FIELDS));
        drop(form(&body, &FIELDS));
    }
}
