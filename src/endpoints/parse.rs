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
mod tests;
