//! What browsers say of a request beside what it asks for (Fetch Metadata; RFC 6454).

use http::Method;
use http::header::{ACCEPT, HOST, HeaderMap, HeaderName, ORIGIN};

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether a browser goes to a page, at the top of a tab.
pub fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    [Method::GET, Method::HEAD].contains(method) && is_read(method, headers)
}

/// Whether somebody is to read the answer: of a page that a browser goes to, or sends a form to.
/// Scripts and frames do not.
pub fn is_read(method: &Method, headers: &HeaderMap) -> bool {
    if let Some(mode) = headers.get(MODE) {
        // Both are sent together, and by no script.
        return mode == "navigate" && headers.get(DEST).is_none_or(|dest| dest == "document");
    }
    if ![Method::GET, Method::HEAD].contains(method) || headers.contains_key(REQUESTED_WITH) {
        return false;
    }
    takes_html(headers)
}

/// Whether a page is among what a client takes.
pub fn takes_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|field| {
        let ranges = field.as_bytes().split(|byte| *byte == b',');
        let mut kinds = ranges.filter_map(|range| range.split(|byte| *byte == b';').next());
        kinds.any(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/html"))
    })
}

/// Whether a request comes from a page of the very host that it is for: asked where one changes
/// something, and speaks for whoever the browser's cookies are of. Who says nothing of where it
/// comes from is not believed; browsers do.
pub fn is_from_own_page(headers: &HeaderMap, https: bool) -> bool {
    let mut sites = headers.get_all(SITE).iter();
    let site = sites.next();
    if sites.next().is_some() || site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    match origin(headers, https) {
        Said::Own => true,
        Said::Other => false,
        // Pages without a referrer (`Referrer-Policy: no-referrer`) have no origin to tell either.
        Said::Nothing | Said::Null => site.is_some(),
    }
}

/// The same for a WebSocket handshake, whose origin browsers always send (RFC 6455 section 4.1).
pub fn is_opened_by_own_page(headers: &HeaderMap, https: bool) -> bool {
    origin(headers, https) == Said::Own && is_from_own_page(headers, https)
}

/// What `Origin` says.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Said {
    Nothing,
    /// `null`: it is not to be told.
    Null,
    /// That of the host asked for.
    Own,
    Other,
}

fn origin(headers: &HeaderMap, https: bool) -> Said {
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return Said::Nothing,
        (Some(origin), None) if origin == "null" => return Said::Null,
        (Some(origin), None) => origin,
        (Some(_), Some(_)) => return Said::Other,
    };
    let (scheme, usual) = if https { ("https://", ":443") } else { ("http://", ":80") };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let theirs = origin.to_str().ok().and_then(|origin| origin.strip_prefix(scheme));
    let bare = |host: &str| host.strip_suffix(usual).unwrap_or(host).to_ascii_lowercase();
    let is_own = host.zip(theirs).is_some_and(|(host, theirs)| bare(host) == bare(theirs));
    if is_own { Said::Own } else { Said::Other }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_page_is_navigated_to_and_nothing_else() {
        for (fields, navigates) in [
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")][..], true),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], false),
            (&[("sec-fetch-mode", "cors"), ("accept", "text/html")], false),
            (&[("accept", "text/html,application/xhtml+xml;q=0.9")], true),
            (&[("accept", "application/json, Text/HTML;q=0.5")], true),
            (&[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")], false),
            (&[("accept", "*/*")], false),
            (&[], false),
        ] {
            assert_eq!(is_navigation(&Method::GET, &headers(fields)), navigates, "{fields:?}");
            assert!(!is_navigation(&Method::POST, &headers(fields)), "{fields:?}");
            // `Accept` alone tells a page of a form from a program's answer no more.
            let says = fields.iter().any(|(name, _)| *name == "sec-fetch-mode");
            assert_eq!(is_read(&Method::POST, &headers(fields)), says && navigates, "{fields:?}");
        }
    }

    #[test]
    fn only_pages_of_the_same_origin_act() {
        let host = ("host", "app.example.com");
        let (site, origin) = ("sec-fetch-site", "origin");
        for (fields, own) in [
            (&[host, (site, "same-origin")][..], true),
            (&[host, (origin, "https://app.example.com")], true),
            (&[host, (origin, "https://app.example.com:443"), (site, "same-origin")], true),
            (&[("host", "APP.example.com:443"), (origin, "https://app.example.com")], true),
            (&[("host", "a.test:8443"), (origin, "https://a.test:8443")], true),
            (&[("host", "a.test:8443"), (origin, "https://a.test")], false),
            (&[host, (site, "same-site"), (origin, "https://app.example.com")], false),
            (&[host, (site, "cross-site")], false),
            (&[host, (site, "none")], false),
            (&[host, (site, "same-origin"), (site, "cross-site")], false),
            (&[host, (site, "same-origin"), (origin, "https://evil.test")], false),
            (&[host, (origin, "http://app.example.com")], false),
            (&[host, (origin, "https://evil.app.example.com")], false),
            (&[host, (origin, "https://app.example.com.evil.test")], false),
            (&[host, (origin, "https://app.example.com"), (origin, "https://evil.test")], false),
            (&[host, (origin, "null")], false),
            (&[host, (origin, "null"), (site, "same-origin")], true),
            (&[host, (origin, "null"), (site, "cross-site")], false),
            (&[(origin, "https://")], false),
            (&[host], false),
        ] {
            assert_eq!(is_from_own_page(&headers(fields), true), own, "{fields:?}");
        }
        let clear = headers(&[("host", "127.0.0.1:8080"), (origin, "http://127.0.0.1:8080")]);
        assert!(is_from_own_page(&clear, false) && !is_from_own_page(&clear, true));
        assert!(is_opened_by_own_page(&clear, false));
        for fields in
            [&[host, (site, "same-origin")][..], &[host, (origin, "null"), (site, "same-origin")]]
        {
            assert!(!is_opened_by_own_page(&headers(fields), true), "{fields:?}");
        }
    }
}
