//! Upstreams neither see a cookie of ours nor have a browser send one that we take for ours.

use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use portcullis::rooms::web::{Crumb, SessionCookie, strip_cookies, strip_set_cookies};

/// Each line of the bytes is a field.
pub(crate) fn run(bytes: &[u8]) {
    let fields = bytes.split(|byte| *byte == b'\n').take(8);
    let fields: Vec<_> = fields.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let all = |name: http::HeaderName| -> HeaderMap {
        fields.iter().map(|value| (name.clone(), value.clone())).collect()
    };

    let mut request = all(COOKIE);
    let before = pairs(&request);
    strip_cookies(&mut request);
    assert!(absent(&request), "{request:?}");
    let after = pairs(&request);
    let mut others = before.iter();
    assert!(after.iter().all(|pair| others.any(|other| other == pair)), "{before:?} {after:?}");
    let taken = before.len() - after.len();
    let ours = before.iter().filter(|pair| pair.to_ascii_lowercase().contains("portcullis"));
    assert!(taken <= ours.count(), "{before:?} {after:?}");

    let mut response = all(SET_COOKIE);
    strip_set_cookies(&mut response);
    let sent: HeaderMap =
        response.values().filter_map(sent_back).map(|pair| (COOKIE, pair)).collect();
    assert!(absent(&sent), "{response:?} makes browsers send {sent:?}");
}

fn absent(headers: &HeaderMap) -> bool {
    [true, false].map(SessionCookie::new).iter().all(|it| it.find(headers) == Crumb::Absent)
}

/// The cookies of a request that are not empty.
fn pairs(headers: &HeaderMap) -> Vec<String> {
    let fields = headers.get_all(COOKIE).iter();
    let pairs = fields.flat_map(|field| field.as_bytes().split(|byte| *byte == b';'));
    let pairs = pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.escape_ascii().to_string()).collect()
}

/// What a browser makes of a `Set-Cookie`, and sends afterwards (RFC 6265bis sections 5.6 and 5.8.3).
fn sent_back(field: &HeaderValue) -> Option<HeaderValue> {
    let pair = field.as_bytes().split(|byte| *byte == b';').next()?;
    let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (&pair[..0], pair),
    };
    let (name, value) = (name.trim_ascii(), value.trim_ascii());
    let sent = if name.is_empty() { value.to_vec() } else { [name, b"=", value].concat() };
    HeaderValue::from_bytes(&sent).ok()
}
