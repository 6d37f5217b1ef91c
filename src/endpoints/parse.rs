//! From a body to the fields that an endpoint reads, in whatever form they were sent.
//!
//! JSON is taken as strictly as Python's parser takes it, and of repeated names the last one
//! counts. What is not on the endpoint's list is never looked at.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body as _;
use serde_json::value::RawValue;

use super::error::EndpointError;
use super::fields::Field;
use super::negotiate::{Media, media};
use super::number;
use crate::web::RequestBody;

/// Deepest nesting of a JSON body; no field of ours has any.
const DEPTH: usize = 64;

/// One field, as sent.
#[derive(Eq, PartialEq)]
pub(super) enum Value {
    /// Text, or a number as Python writes it.
    Text(String),
    /// A JSON list of texts.
    List(Vec<String>),
    /// JSON's `null`.
    Null,
    /// A boolean, another list, an object or a file.
    Other,
}

/// The fields that were sent, of those that are read.
#[derive(Default)]
pub(super) struct Sent(HashMap<&'static str, Value>);

impl Sent {
    /// Takes a field out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }
}

/// Reads a body of at most `most` bytes. No body is no fields, whatever its type.
pub(super) async fn read(
    headers: &HeaderMap,
    body: RequestBody,
    most: u64,
    fields: &'static [Field],
) -> Result<Sent, EndpointError> {
    if body.is_end_stream() {
        return Ok(Sent::default());
    }
    let (media, content_type) = media(headers)?;
    let body = body.read(most).await?;
    if body.is_empty() {
        return Ok(Sent::default());
    }
    match media {
        Media::Json => json(&body, fields),
        Media::Form => Ok(form(&body, fields)),
        Media::Multipart => multipart(body, &content_type, fields).await,
    }
}

fn listed(fields: &'static [Field], name: &str) -> Option<&'static str> {
    fields.iter().map(|field| field.name).find(|listed| *listed == name)
}

fn json(body: &[u8], fields: &'static [Field]) -> Result<Sent, EndpointError> {
    let text = std::str::from_utf8(body).map_err(|error| not_json(body, error.valid_up_to()))?;
    if is_too_deep(body) {
        return Err(EndpointError::Syntax("JSON parse error - Nested too deeply".to_owned()));
    }
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| misread(text, &error))?;
    let whole = whole.get();
    let kind = match whole.bytes().next() {
        Some(b'{') => return members(whole, fields),
        Some(b'[') => "list",
        Some(b'"') => "str",
        Some(b't' | b'f') => "bool",
        Some(b'n') => return Err(EndpointError::NoFields("No data provided".to_owned())),
        _ if number::is_integer(whole) => "int",
        _ => "float",
    };
    let told = format!("Invalid data. Expected a dictionary, but got {kind}.");
    Err(EndpointError::NoFields(told))
}

fn members(object: &str, fields: &'static [Field]) -> Result<Sent, EndpointError> {
    let members: HashMap<Cow<'_, str>, &RawValue> =
        serde_json::from_str(object).map_err(|error| misread(object, &error))?;
    let mut sent = HashMap::new();
    for (name, raw) in members {
        if let Some(name) = listed(fields, &name) {
            sent.insert(name, value(raw.get())?);
        }
    }
    Ok(Sent(sent))
}

fn value(raw: &str) -> Result<Value, EndpointError> {
    Ok(match raw.bytes().next() {
        Some(b'"') => Value::Text(serde_json::from_str(raw).map_err(|e| misread(raw, &e))?),
        Some(b'n') => Value::Null,
        Some(b'-' | b'0'..=b'9') => {
            number::as_python_writes(raw).map(Value::Text).ok_or_else(|| {
                EndpointError::Syntax("JSON parse error - Number too long".to_owned())
            })?
        }
        Some(b'[') => serde_json::from_str(raw).map_or(Value::Other, Value::List),
        _ => Value::Other,
    })
}

fn misread(text: &str, error: &serde_json::Error) -> EndpointError {
    let line = error.line().saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    not_json(text.as_bytes(), before + error.column().saturating_sub(1))
}

/// As Python words it: line and column from 1, characters from 0.
fn not_json(body: &[u8], at: usize) -> EndpointError {
    let before = String::from_utf8_lossy(body.get(..at).unwrap_or(body));
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let char = before.chars().count();
    EndpointError::Syntax(format!(
        "JSON parse error - Expecting value: line {line} column {column} (char {char})"
    ))
}

/// Looks at brackets outside of strings only, before anything is parsed.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    json.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH
    })
}

fn form(body: &[u8], fields: &'static [Field]) -> Sent {
    let pairs = form_urlencoded::parse(body);
    let listed = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
        Some((listed(fields, &name)?, Value::Text(value.into_owned())))
    };
    Sent(pairs.filter_map(listed).collect())
}

async fn multipart(
    body: Bytes,
    content_type: &str,
    fields: &'static [Field],
) -> Result<Sent, EndpointError> {
    let broken = |_| EndpointError::Syntax("Multipart form parse error - Invalid form".to_owned());
    let boundary = multer::parse_boundary(content_type).map_err(broken)?;
    let whole = futures_util::stream::once(std::future::ready(Ok::<_, Infallible>(body)));
    let mut parts = multer::Multipart::new(whole, boundary);
    let (mut texts, mut files) = (HashMap::new(), HashMap::new());
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().and_then(|name| listed(fields, name));
        let file = part.file_name().map(str::is_empty);
        let bytes = part.bytes().await.map_err(broken)?;
        match (name, file) {
            (Some(name), None) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                drop(texts.insert(name, Value::Text(text)));
            }
            (Some(name), Some(false)) => drop(files.insert(name, Value::Other)),
            // A file input that nobody filled in.
            (Some(_), Some(true)) | (None, _) => {}
        }
    }
    // Files come after texts, as in the original.
    texts.extend(files);
    Ok(Sent(texts))
}

#[cfg(test)]
mod tests {
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
        let part =
            |head: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\nabc\r\n");
        let read =
            |body: String| multipart(Bytes::from(body), "multipart/form-data; boundary=B", &FIELDS);
        let body =
            part("name=\"username\"") + &part("name=\"username\"; filename=\"\"") + "--B--\r\n";
        assert!(username(read(body).await) == text("abc"));
        let body = part("name=\"username\"; filename=\"a.txt\"")
            + &part("name=\"username\"")
            + "--B--\r\n";
        assert!(username(read(body).await) == Some(Value::Other));
        assert!(
            matches!(read(part("name=\"username\"")).await, Err(EndpointError::Syntax(_))),
            "torn"
        );
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
}
