//! One line of the record: JSON whose last member is the code of all that stands before it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::chain::{Chain, Of};
use super::event::{Event, cut};
use super::origin::Origin;
use crate::clock::Timestamp;
use crate::printable::is_active;

/// Longest line that is read, in bytes, with its end. No line that is written comes near it.
pub(super) const LONGEST: usize = 64 * 1024;

/// What stands between a line's content and its code.
const BEFORE_CODE: &str = ",\"mac\":\"";

/// What a line will say, but for its place in the chain.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) event: Event,
    pub(super) origin: Origin,
}

#[derive(Serialize)]
struct Content<'a> {
    seq: u64,
    at: String,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    facts: Map<String, Value>,
    prev: &'a str,
}

/// A place in the chain.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Link {
    /// The number of the line; 0 before the first.
    pub(super) seq: u64,
    /// Its code; empty before the first.
    pub(super) code: String,
}

impl Entry {
    /// The line that follows `prev`, with its end, and its own place.
    pub(super) fn line(&self, prev: &Link, chain: &Chain) -> (String, Link) {
        let Self { at, event, origin } = self;
        let facts =
            event.facts.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
        let request = origin.request.as_ref().and_then(|id| id.to_str().ok());
        let content = Content {
            seq: prev.seq.saturating_add(1),
            at: at.to_millis_text(),
            event: event.kind.as_str(),
            user: event.id.map(|id| id.0),
            name: event.name.as_deref(),
            actor: origin.actor.to_string(),
            address: origin.address.map(|address| address.to_canonical().to_string()),
            request: request.map(|id| cut(id).into_owned()),
            facts: facts.collect(),
            prev: &prev.code,
        };
        // A map with text keys: writing it cannot fail.
        let text = plain(&serde_json::to_string(&content).unwrap_or_default());
        let open = text.strip_suffix('}').unwrap_or(&text);
        let code = chain.code(Of::Line, open);
        let line = format!("{open}{BEFORE_CODE}{code}\"}}\n");
        (line, Link { seq: content.seq, code })
    }
}

/// The same JSON without signs that would do something to a terminal that it is shown on.
fn plain(json: &str) -> String {
    use std::fmt::Write;
    json.chars().fold(String::with_capacity(json.len()), |mut text, sign| {
        // JSON itself has escaped what is below a space; all others are of one UTF-16 unit.
        if is_active(sign) {
            // Writing to a String cannot fail; were it to, the line would not verify.
            if write!(text, "\\u{:04x}", u32::from(sign)).is_err() {
                text.clear();
            }
        } else {
            text.push(sign);
        }
        text
    })
}

/// A line that was read.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Read {
    /// Its own place.
    pub(super) link: Link,
    /// The code of the line before it, as it says.
    pub(super) prev: String,
}

/// Reads a line without its end; `None` if it is not as it was written.
pub(super) fn read(line: &[u8], chain: &Chain) -> Option<Read> {
    #[derive(Deserialize)]
    struct Place {
        seq: u64,
        prev: String,
    }
    let line = std::str::from_utf8(line).ok()?;
    let (open, end) = line.rsplit_once(BEFORE_CODE)?;
    let code = end.strip_suffix("\"}")?;
    if !chain.holds(Of::Line, open, code) {
        return None;
    }
    let Place { seq, prev } = serde_json::from_str(&format!("{open}}}")).ok()?;
    Some(Read { link: Link { seq, code: code.to_owned() }, prev })
}

/// The number that a line claims, whether it is to be believed or not.
pub(super) fn claimed(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"seq\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}
