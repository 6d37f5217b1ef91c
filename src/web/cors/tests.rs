//! Whom a browser lets read an answer.

use super::*;

#[test]
fn a_preflight_asks_about_a_method_from_elsewhere() {
    let origin = (header::ORIGIN, HeaderValue::from_static("https://a.test"));
    let asked = (header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
    let whole: HeaderMap = [origin.clone(), asked.clone()].into_iter().collect();
    assert_eq!(Cors::preflight_for(&Method::OPTIONS, &whole), Some(Method::PUT));
    assert_eq!(Cors::preflight_for(&Method::GET, &whole), None);
    for part in [origin, asked] {
        let part: HeaderMap = [part].into_iter().collect();
        assert_eq!(Cors::preflight_for(&Method::OPTIONS, &part), None, "{part:?}");
    }
}

fn made(origins: &[&str], credentials: bool) -> Result<Cors, String> {
    let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let settings = CorsSettings { origins, credentials, ..CorsSettings::default() };
    Cors::new(settings).map_err(|error| error.to_string())
}

#[test]
fn origins_are_exact_and_credentials_are_never_for_all() {
    for origin in [
        "https://a.test",
        "http://a.test:8080",
        "http://a.test:443",
        "http://localhost:3000",
        "https://[::1]",
    ] {
        assert_eq!(made(&[origin], true).unwrap().origins(), [origin]);
    }
    assert_eq!(made(&["*"], false).unwrap().origins(), ["*"]);
    for (origins, credentials, message) in [
        (&[][..], false, "no origin is no rule; list one such as \"https://app.example.com\""),
        (
            &["*"],
            true,
            "credentials for every origin let any page act as its visitor; list the origins",
        ),
        (&["*", "https://a.test"], false, "`*` is every origin; let it stand alone"),
        (
            &["https://A.test:443/"],
            false,
            "browsers write `https://A.test:443/` as \"https://a.test\"; write that",
        ),
        (
            &["null"],
            false,
            "`null` is no origin; write scheme and host, such as \"https://app.example.com\"",
        ),
    ] {
        assert_eq!(made(origins, credentials).unwrap_err(), message);
    }
    for origin in ["https://*.a.test", "a.test", "https://", "https://a.test/x", "ftp://a.test"] {
        assert!(made(&[origin], false).is_err(), "{origin}");
    }
}

#[test]
fn what_an_upstream_says_about_origins_does_not_count() {
    let cors = made(&["https://a.test"], true).unwrap();
    let mut asked = HeaderMap::new();
    for origin in ["https://evil.test", "https://a.test.evil.test", "null", "HTTPS://A.TEST", ""] {
        asked.insert(header::ORIGIN, HeaderValue::from_static(origin));
        let mut headers = HeaderMap::new();
        for name in &OURS {
            headers.insert(name, HeaderValue::from_static("*"));
        }
        cors.meet(&asked).grant(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["vary"], "{origin}");
    }
}

#[test]
fn a_preflight_is_granted_the_fields_that_there_are() {
    let mut asked = HeaderMap::new();
    asked.insert(header::ORIGIN, HeaderValue::from_static("https://a.test"));
    for (headers, granted) in [
        (vec![header::AUTHORIZATION, header::ACCEPT], Some("authorization, accept")),
        (Vec::new(), None),
    ] {
        let origins = vec!["https://a.test".to_owned()];
        let cors = Cors::new(CorsSettings { origins, headers, ..CorsSettings::default() });
        let answer = cors.unwrap().preflight(&Method::PUT, &asked);
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS], "PUT");
        let field = answer.headers().get(header::ACCESS_CONTROL_ALLOW_HEADERS);
        assert_eq!(field.map(|value| value.to_str().unwrap()), granted);
    }
}
