//! What a proxy asks about.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{Method, header};
use percent_encoding::percent_decode_str;

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TARGET: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// The query of a proxy that knows two refusals: 401, and 403 for all others.
const TWO: &str = "denied=403";

/// A request that somebody else has, and asks about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// Its method.
    pub method: Method,
    /// Its path and query, as the client wrote them.
    pub target: Uri,
    /// Its host.
    pub host: HeaderValue,
    /// Whether it came by `https`.
    pub is_https: bool,
}

/// Why nobody can tell what is asked about: the proxy has to be told what to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// A field is missing, is there twice, or holds no such thing.
    #[error("`{0}` is needed once, as the client's request has it")]
    Field(&'static str),
    /// We would judge the path that dot segments lead to, and the proxy forward the one with them.
    #[error("a path with dot segments is judged as another than the one that is forwarded")]
    DotSegments,
}

/// Whether whoever asks takes 401 and 403 alone for a no, beside a yes and a failure of ours.
pub fn knows_two(parts: &Parts, rest: &str) -> bool {
    is_in_fields(rest) && parts.uri.query() == Some(TWO)
}

fn is_in_fields(rest: &str) -> bool {
    rest.is_empty() || rest == "/"
}

impl Question {
    /// Reads what is asked; `rest` is what [follows](super::ForwardAuthSettings::rest) our path.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: answer 400.
    pub fn read(parts: &Parts, rest: &str) -> Result<Self, Unreadable> {
        let headers = &parts.headers;
        let is_https = match one(headers, &PROTO) {
            Ok(Some(proto)) => proto.as_bytes().eq_ignore_ascii_case(b"https"),
            Ok(None) => false,
            Err(()) => return Err(Unreadable::Field("X-Forwarded-Proto")),
        };
        let question = if is_in_fields(rest) {
            Self {
                method: method(headers)?,
                target: target(headers)?,
                host: needed(headers, &HOST, "X-Forwarded-Host")?.clone(),
                is_https,
            }
        } else {
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let target = PathAndQuery::try_from(format!("{rest}{query}"));
            let target = target.map_err(|_| Unreadable::Field("path"))?;
            Self {
                method: parts.method.clone(),
                target: Uri::from(target),
                host: host(parts).ok_or(Unreadable::Field("Host"))?,
                is_https,
            }
        };
        if has_dot_segments(question.target.path()) {
            return Err(Unreadable::DotSegments);
        }
        Ok(question)
    }

    /// Makes the head of the question that of the request which it is about, without a body.
    pub fn put_on(self, parts: &mut Parts) {
        parts.method = self.method;
        parts.uri = self.target;
        parts.version = http::Version::HTTP_11;
        for name in [&METHOD, &TARGET] {
            parts.headers.remove(name);
        }
        for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::EXPECT] {
            parts.headers.remove(name);
        }
        parts.headers.insert(header::HOST, self.host);
    }
}

fn method(headers: &HeaderMap) -> Result<Method, Unreadable> {
    const NAME: &str = "X-Forwarded-Method";
    let method = needed(headers, &METHOD, NAME)?;
    Method::from_bytes(method.as_bytes()).map_err(|_| Unreadable::Field(NAME))
}

/// In origin form: from the path on.
fn target(headers: &HeaderMap) -> Result<Uri, Unreadable> {
    const NAME: &str = "X-Forwarded-Uri";
    let target = needed(headers, &TARGET, NAME)?;
    origin_form(target.as_bytes()).ok_or(Unreadable::Field(NAME))
}

/// A target that begins with its path. A fragment is none of it, and would be cut off unseen: what is
/// forwarded may have it still.
pub(super) fn origin_form(target: &[u8]) -> Option<Uri> {
    if !target.starts_with(b"/") || target.contains(&b'#') {
        return None;
    }
    PathAndQuery::try_from(target).ok().map(Uri::from)
}

fn host(parts: &Parts) -> Option<HeaderValue> {
    let authority = parts.uri.authority().map(|named| HeaderValue::from_str(named.as_str()));
    match authority {
        Some(named) => named.ok(),
        None => one(&parts.headers, &header::HOST).ok().flatten().cloned(),
    }
}

fn needed<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    written: &'static str,
) -> Result<&'h HeaderValue, Unreadable> {
    let found = one(headers, name).ok().flatten();
    found.filter(|value| !value.is_empty()).ok_or(Unreadable::Field(written))
}

/// A field that is there once, or not at all.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() { Err(()) } else { Ok(value) }
}

pub(super) fn has_dot_segments(path: &str) -> bool {
    path.split('/').any(|segment| {
        let read: Vec<u8> = percent_decode_str(segment).collect();
        read == b"." || read == b".."
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::super::ForwardAuthSettings;
    use super::*;

    fn ask(path: &str, fields: &[(&str, &str)]) -> Result<Question, Unreadable> {
        let settings = ForwardAuthSettings { path: "/check".to_owned() };
        let mut request = Request::builder().method("POST").uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Question::read(&parts, settings.rest(parts.uri.path()).unwrap())
    }

    const ALL: [(&str, &str); 4] = [
        ("X-Forwarded-Method", "PUT"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "a.test"),
        ("X-Forwarded-Uri", "/orders/7?x=1"),
    ];

    #[test]
    fn a_question_is_in_fields_or_in_its_path() {
        let question = ask("/check", &ALL).unwrap();
        assert_eq!((question.method.as_str(), question.host.as_bytes()), ("PUT", &b"a.test"[..]));
        assert_eq!(question.target, "/orders/7?x=1");
        assert!(question.is_https);
        // Caddy leaves the query of its client there.
        for path in ["/check/?denied=403", "/check?x=/../y"] {
            assert_eq!(ask(path, &ALL).as_ref(), Ok(&question));
        }

        // What a client may have put into the fields of the other form counts for nothing.
        let forged =
            [("Host", "b.test"), ("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "GET")];
        let question = ask("/check/orders/7?denied=403", &forged).unwrap();
        assert_eq!((question.method.as_str(), question.host.as_bytes()), ("POST", &b"b.test"[..]));
        assert_eq!(question.target, "/orders/7?denied=403");
        assert!(!question.is_https);
    }

    #[test]
    fn a_question_with_two_readings_is_none() {
        for (missing, name) in
            [(0, "X-Forwarded-Method"), (2, "X-Forwarded-Host"), (3, "X-Forwarded-Uri")]
        {
            let mut fields = ALL.to_vec();
            let twice = fields[missing];
            fields.push(twice);
            assert_eq!(ask("/check", &fields), Err(Unreadable::Field(name)));
            fields.retain(|field| *field != twice);
            assert_eq!(ask("/check", &fields), Err(Unreadable::Field(name)));
            fields.push((name, ""));
            assert_eq!(ask("/check", &fields), Err(Unreadable::Field(name)));
        }
        let with = |uri| [ALL[0], ALL[1], ALL[2], ("X-Forwarded-Uri", uri)];
        for uri in
            ["orders", "http://a.test/orders", "*", "//x\\y z", "/a#b", "/a/#/../b", "/a?b#c"]
        {
            assert_eq!(
                ask("/check", &with(uri)),
                Err(Unreadable::Field("X-Forwarded-Uri")),
                "{uri}"
            );
        }
        for uri in ["/a/../b", "/a/%2e%2E", "/.", "/a/%2e/b?x"] {
            assert_eq!(ask("/check", &with(uri)), Err(Unreadable::DotSegments), "{uri}");
            assert_eq!(
                ask(&format!("/check{uri}"), &[("Host", "a")]),
                Err(Unreadable::DotSegments)
            );
        }
        assert_eq!(ask("/check/x", &[]), Err(Unreadable::Field("Host")));
    }

    #[test]
    fn our_path_ends_at_a_segment() {
        let settings = ForwardAuthSettings { path: "/check".to_owned() };
        for (path, rest) in [
            ("/check", Some("")),
            ("/check/", Some("/")),
            ("/check/x", Some("/x")),
            ("/checked", None),
            ("/Check", None),
            ("/", None),
        ] {
            assert_eq!(settings.rest(path), rest, "{path}");
        }
    }
}
