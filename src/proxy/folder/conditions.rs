//! Whether a client's copy still holds, and which part it wants (RFC 9110 sections 13 and 14).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::clock::Timestamp;

/// What tells one state of a file from another.
#[derive(Debug)]
pub(super) struct Version {
    /// A strong entity tag, in its quotes.
    tag: String,
    /// When it changed last, in whole seconds since 1970; never later than the answer itself.
    modified: u64,
    /// Whether nothing can have changed since within the same second (RFC 9110 section 8.8.2.2).
    is_settled: bool,
}

/// What is to be answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// 200: all of it.
    Whole,
    /// 206: these bytes, the last included.
    Part { first: u64, last: u64 },
    /// 304: the client's copy holds.
    Unchanged,
    /// 412: the client wants something that is not there any more.
    Failed,
    /// 416: there are no such bytes.
    Beyond,
}

impl Version {
    /// The state that the metadata of an open file tells. What is written anew has another tag,
    /// also when its size and its time are what they were: the time of the last change of the
    /// node (`ctime`) is in it, which nobody can set. The tag tells nothing of all that.
    pub(super) fn of(metadata: &Metadata, now: Timestamp) -> Self {
        let mut state = Vec::with_capacity(56);
        for number in [metadata.dev(), metadata.ino(), metadata.size()] {
            state.extend(number.to_le_bytes());
        }
        for number in
            [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()]
        {
            state.extend(number.to_le_bytes());
        }
        let hash = digest(&SHA256, &state);
        let short = hash.as_ref().get(..15).unwrap_or_default();
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(short));
        let modified = u64::try_from(metadata.mtime()).unwrap_or_default().min(now.as_secs());
        Self { tag, modified, is_settled: modified < now.as_secs() }
    }

    /// Writes the validators.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            headers.insert(header::ETAG, tag);
        }
        if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(moment(self.modified))) {
            headers.insert(header::LAST_MODIFIED, date);
        }
    }

    /// Weighs the conditions in their order (RFC 9110 section 13.2.2), then the range. `size` is
    /// that of the file, `may_part` whether parts are for this method.
    pub(super) fn weigh(&self, headers: &HeaderMap, size: u64, may_part: bool) -> Outcome {
        if headers.contains_key(header::IF_MATCH) {
            if !self.is_listed(headers, &header::IF_MATCH, Comparison::Strong) {
                return Outcome::Failed;
            }
        } else if date(headers, &header::IF_UNMODIFIED_SINCE).is_some_and(|at| self.modified > at) {
            return Outcome::Failed;
        }
        if headers.contains_key(header::IF_NONE_MATCH) {
            if self.is_listed(headers, &header::IF_NONE_MATCH, Comparison::Weak) {
                return Outcome::Unchanged;
            }
        } else if date(headers, &header::IF_MODIFIED_SINCE).is_some_and(|at| self.modified <= at) {
            return Outcome::Unchanged;
        }
        if may_part && self.is_still_the_one(headers) {
            return one(headers, &header::RANGE).map_or(Outcome::Whole, |it| range(it, size));
        }
        Outcome::Whole
    }

    /// `If-Range`: a tag or a date that says exactly this state.
    fn is_still_the_one(&self, headers: &HeaderMap) -> bool {
        if !headers.contains_key(header::IF_RANGE) {
            return true;
        }
        match one(headers, &header::IF_RANGE) {
            Some(tag) if tag.starts_with(['"', 'W']) => tag == self.tag,
            Some(_) => self.is_settled && date(headers, &header::IF_RANGE) == Some(self.modified),
            None => false,
        }
    }

    fn is_listed(&self, headers: &HeaderMap, name: &HeaderName, how: Comparison) -> bool {
        headers.get_all(name).iter().any(|value| {
            let Ok(value) = value.to_str() else { return false };
            value.trim() == "*" || Tags(value).any(|tag| self.is(tag, how))
        })
    }

    /// RFC 9110 section 8.8.3.2. Ours is strong.
    fn is(&self, tag: &str, how: Comparison) -> bool {
        match (tag.strip_prefix("W/"), how) {
            (None, _) => tag == self.tag,
            (Some(weak), Comparison::Weak) => weak == self.tag,
            (Some(_), Comparison::Strong) => false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Strong,
    Weak,
}

/// The entity tags of a list, which may have commas in them; ends at what is none.
struct Tags<'a>(&'a str);

impl<'a> Iterator for Tags<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let list = self.0.trim_start_matches([' ', '\t', ',']);
        let opaque = list.strip_prefix("W/").unwrap_or(list).strip_prefix('"')?;
        let (_, rest) = opaque.split_once('"')?;
        self.0 = rest;
        list.get(..list.len() - rest.len())
    }
}

/// The value of a field that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// A date in whole seconds since 1970. One that is none is as if it were not there.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    let date = httpdate::parse_http_date(one(headers, name)?).ok()?;
    date.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// One range of bytes. What is none, or several, is as if it were not there: a server may
/// always send the whole (RFC 9110 section 14.2), and a hundred ranges are an attack.
fn range(value: &str, size: u64) -> Outcome {
    let unit = value.get(..6).filter(|unit| unit.eq_ignore_ascii_case("bytes="));
    let Some(spec) = unit.and_then(|unit| value.get(unit.len()..)) else { return Outcome::Whole };
    let Some((first, last)) = spec.trim_matches([' ', '\t']).split_once('-') else {
        return Outcome::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => Outcome::Whole,
        (Some(first), _) if first >= size && (last.is_empty() || number(last).is_some()) => {
            Outcome::Beyond
        }
        (Some(first), Some(last)) => Outcome::Part { first, last: last.min(size - 1) },
        (Some(first), None) if last.is_empty() => Outcome::Part { first, last: size - 1 },
        (None, Some(0)) if first.is_empty() => Outcome::Beyond,
        // Of nothing, the last bytes are all of it, which no `Content-Range` can say.
        (None, Some(_)) if first.is_empty() && size == 0 => Outcome::Whole,
        (None, Some(count)) if first.is_empty() => {
            Outcome::Part { first: size.saturating_sub(count), last: size - 1 }
        }
        _ => Outcome::Whole,
    }
}

/// Digits. More than a file can have are as many as it can have.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
