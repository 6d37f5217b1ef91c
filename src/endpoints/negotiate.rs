//! What the client takes, and what it sends.

use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::error::EndpointError;

/// What `Accept` may name: all of it gets JSON. Browsers ask for HTML first.
const OFFERED: [&str; 2] = ["application/json", "text/html"];

/// What a body can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Media {
    Json,
    Form,
    Multipart,
}

impl Media {
    /// In the order in which they are tried.
    pub(super) const ALL: [Self; 3] = [Self::Json, Self::Form, Self::Multipart];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::Multipart => "multipart/form-data",
        }
    }
}

/// Refuses a client that takes no JSON. Weights are not read, as in the original.
pub(super) fn accepts_json(headers: &HeaderMap) -> Result<(), EndpointError> {
    let fields: Vec<_> = headers.get_all(ACCEPT).iter().map(|v| lossy(v.as_bytes())).collect();
    let mut ranges = fields.iter().flat_map(|field| field.split(',')).map(essence).peekable();
    let nothing_asked =
        ranges.peek().is_none() || fields.iter().all(|field| field.trim().is_empty());
    if nothing_asked || ranges.any(|range| OFFERED.iter().any(|offer| matches(offer, &range))) {
        Ok(())
    } else {
        Err(EndpointError::NotAcceptable)
    }
}

/// How the body is to be read, with its `Content-Type` as sent.
pub(super) fn media(headers: &HeaderMap) -> Result<(Media, String), EndpointError> {
    let codings = headers.get_all(CONTENT_ENCODING).iter().map(|value| lossy(value.as_bytes()));
    if let Some(coding) = codings.into_iter().find(|c| !c.trim().eq_ignore_ascii_case("identity")) {
        return Err(EndpointError::Coding(coding));
    }
    let sent = headers.get(CONTENT_TYPE).map(|value| lossy(value.as_bytes())).unwrap_or_default();
    let range = essence(&sent);
    let media = Media::ALL.into_iter().find(|media| matches(media.as_str(), &range));
    match media.filter(|_| is_utf8(&sent)) {
        Some(media) => Ok((media, sent)),
        None => Err(EndpointError::MediaType(sent)),
    }
}

/// Type and subtype, without parameters, in lower case.
fn essence(range: &str) -> String {
    range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether `range` is `offer` or a wildcard that covers it.
fn matches(offer: &str, range: &str) -> bool {
    let (Some(offer), Some(range)) = (offer.split_once('/'), range.split_once('/')) else {
        return false;
    };
    (range.0 == "*" || range.0 == offer.0) && (range.1 == "*" || range.1 == offer.1)
}

/// JSON is UTF-8 (RFC 8259 section 8.1), and forms are read as such.
fn is_utf8(media: &str) -> bool {
    media.split(';').skip(1).filter_map(|parameter| parameter.split_once('=')).all(
        |(name, value)| {
            let value = value.trim().trim_matches('"').to_ascii_lowercase();
            !name.trim().eq_ignore_ascii_case("charset")
                || matches!(value.as_str(), "utf-8" | "utf8" | "us-ascii" | "ascii")
        },
    )
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    fn of(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn whoever_takes_json_or_html_is_answered() {
        for accept in [
            "application/json",
            "application/*",
            "*/*",
            "text/html",
            "text/*",
            "",
            "text/html, application/json;q=0.5, */*;q=0.1",
            "application/json; indent=4",
            "APPLICATION/JSON",
            "image/png, */*",
        ] {
            accepts_json(&of(&ACCEPT, &[accept])).expect(accept);
        }
        accepts_json(&HeaderMap::new()).unwrap();
        accepts_json(&of(&ACCEPT, &["image/png", "application/json"])).unwrap();
        for accept in ["application/xml", "image/*", "text/plain", "json", "*", "application/jsonx"]
        {
            let refused = accepts_json(&of(&ACCEPT, &[accept]));
            assert!(matches!(refused, Err(EndpointError::NotAcceptable)), "{accept}");
        }
    }

    #[test]
    fn three_kinds_of_body_are_read() {
        for (sent, read) in [
            ("application/json", Media::Json),
            ("application/json; charset=utf-8", Media::Json),
            ("application/json;charset=\"UTF-8\"", Media::Json),
            ("Application/JSON", Media::Json),
            ("*/*", Media::Json),
            ("application/x-www-form-urlencoded", Media::Form),
            ("multipart/form-data; boundary=x", Media::Multipart),
        ] {
            assert_eq!(media(&of(&CONTENT_TYPE, &[sent])).unwrap().0, read, "{sent}");
        }
        for sent in
            ["text/plain", "application/xml", "text/json", "", "application/json; charset=utf-16"]
        {
            match media(&of(&CONTENT_TYPE, &[sent])) {
                Err(EndpointError::MediaType(told)) => assert_eq!(told, sent),
                other => panic!("{sent}: {other:?}"),
            }
        }
        assert!(
            matches!(media(&HeaderMap::new()), Err(EndpointError::MediaType(told)) if told.is_empty())
        );
    }

    #[test]
    fn nothing_is_unpacked() {
        let mut headers = of(&CONTENT_TYPE, &["application/json"]);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("Identity"));
        media(&headers).unwrap();
        for coding in ["gzip", "identity, gzip", "br", ""] {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
            assert!(matches!(media(&headers), Err(EndpointError::Coding(_))), "{coding}");
        }
    }
}
