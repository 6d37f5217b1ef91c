//! What a request looks like to its upstream.

use std::sync::OnceLock;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::policy::Rewrite;
use crate::policy::tests::route;
use crate::proxy::prepare::Outfit;
use crate::session::SessionSettings;
use crate::session::tests::world;
use crate::tls::ClientCertificate;
use crate::trace::{Asked, Collector, Share, Subject, Trace, TraceSettings, Tracer};
use crate::web::{CanonicalPath, IdentityHeaders, Origin, Peer, Trust, TrustHeaders};

/// All that an [`Outfit`] borrows.
struct Wardrobe {
    route: Route,
    path: CanonicalPath<'static>,
    peer: Peer,
    origin: Origin,
    id: HeaderValue,
    table: IdentityHeaders,
}

impl Wardrobe {
    fn new(path: &'static str) -> Self {
        let certificate = ClientCertificate::named(vec!["billing".to_owned()]);
        let peer = Peer::local().certified(&certificate);
        let trust = Trust::new(Vec::new(), TrustHeaders::XForwarded);
        let origin = trust.take(&peer, &mut HeaderMap::new());
        let pair =
            |name: &'static str, claim: &str| (HeaderName::from_static(name), claim.to_owned());
        let pairs = [pair("x-user-name", "username"), pair("x-client", "@cert")];
        Self {
            route: route("/x", "anyone", "up"),
            path: CanonicalPath::parse(path).unwrap(),
            peer,
            origin,
            id: HeaderValue::from_static("id-1"),
            table: IdentityHeaders::new(pairs).unwrap(),
        }
    }

    fn outfit(&self) -> Outfit<'_> {
        Outfit {
            route: &self.route,
            path: &self.path,
            peer: &self.peer,
            origin: &self.origin,
            caller: None,
            request_id: &self.id,
            trace: None,
            host: None,
            http2: false,
            table: &self.table,
            signed: OnceLock::new(),
        }
    }
}

/// A place in the trace that somebody trusted has begun.
fn traced() -> Trace {
    let collector = Collector::parse("http://localhost:4318").unwrap();
    let settings =
        TraceSettings { share: Share::new(0.0).unwrap(), ..TraceSettings::to(collector) };
    let (tracer, _exporter) = Tracer::new(settings, Arc::new(SystemClock));
    let sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let request = Request::get("/x").header("traceparent", sent).header("tracestate", "a=1");
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let asked = |_: &Parts| Asked {
        started: Instant::now(),
        what: Subject { method: Method::GET, path: "/x".to_owned(), host: "a.test".to_owned() },
        scheme: "http",
        version: Version::HTTP_11,
        client: Ipv4Addr::LOCALHOST.into(),
    };
    tracer.enter(&mut parts, true, asked).unwrap()
}

#[tokio::test]
async fn what_is_ours_to_say_is_the_same_as_fields_and_as_lines() {
    let world = world(SessionSettings::default());
    let access = world.log_in(&world.user("ada").await).await.access;
    let wardrobe = Wardrobe::new("/x");
    let (tokens, session) = (crate::token::TokenSettings::default(), SessionSettings::default());
    let sessions = world.sessions.successor(wardrobe.table.clone(), Vec::new(), session, tokens);
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {access}").parse().unwrap());
    let caller = sessions.authenticate(&headers).await.unwrap().unwrap();
    let trace = traced();
    let signed = (HeaderName::from_static("x-signed"), HeaderValue::from_static("a.b.c"));
    let outfit = Outfit {
        caller: Some(&caller),
        trace: Some(&trace),
        host: Some(HeaderValue::from_static("a.test")),
        signed: OnceLock::from(vec![signed]),
        ..wardrobe.outfit()
    };
    let mut fields = HeaderMap::new();
    // Nothing that came before has a word in it.
    for name in ["x-user-name", "x-client", "x-signed", "x-request-id", "traceparent"] {
        fields.insert(name, HeaderValue::from_static("forged"));
    }
    outfit.set_ours(&mut fields);
    for (name, value) in [("x-user-name", "ada"), ("x-client", "billing"), ("x-signed", "a.b.c")] {
        assert_eq!(fields[name], value, "{name}");
    }
    assert_eq!(fields["x-request-id"], wardrobe.id);
    assert_eq!(fields["tracestate"], "a=1");
    assert_eq!(fields["traceparent"], trace.context().to_string());
    let mut lines = bytes::BytesMut::new();
    let span = outfit.write_ours(&mut lines).unwrap();
    let text = std::str::from_utf8(&lines).unwrap();
    assert_eq!(text.get(span..span + 16), trace.context().to_string().split('-').nth(2));
    let mut written: Vec<_> = text.lines().map(str::to_ascii_lowercase).collect();
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        format!("{name}: {}", value.to_str().unwrap()).to_ascii_lowercase()
    };
    let mut set: Vec<_> = fields.iter().map(line).collect();
    written.sort();
    set.sort();
    assert_eq!(written, set);
}

#[test]
fn what_is_for_us_ends_here() {
    let wardrobe = Wardrobe::new("/x");
    for (http2, sent, welcome) in [
        (true, Some("trailers"), true),
        (true, Some("gzip"), false),
        (true, None, false),
        (false, Some("trailers"), false),
    ] {
        let outfit = Outfit { http2, ..wardrobe.outfit() };
        let request = Request::post("/x").version(Version::HTTP_2).header("expect", "100-continue");
        let request = sent.into_iter().fold(request, |request, te| request.header("te", te));
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        outfit.put_on(&mut parts).unwrap();
        assert_eq!(parts.version, Version::HTTP_11);
        assert!(!parts.headers.contains_key("expect"));
        assert_eq!(parts.headers.contains_key("te"), welcome, "{http2} {sent:?}");
    }
}

#[test]
fn the_path_that_was_judged_is_sent_in_origin_form() {
    let rewrite = Rewrite::new(None, Some("/v1".to_owned()));
    for (target, rewrite, sent) in [
        ("/x", None, "/x"),
        ("/x?a=1&b", None, "/x?a=1&b"),
        ("/y/../x?a", None, "/x?a"),
        ("http://evil.test/x", None, "/x"),
        ("http://evil.test/x?a", None, "/x?a"),
        ("/x?a", rewrite.as_ref(), "/v1/x?a"),
    ] {
        let mut wardrobe = Wardrobe::new("/x");
        wardrobe.route.rewrite = rewrite.cloned();
        let (mut parts, ()) = Request::get(target).body(()).unwrap().into_parts();
        wardrobe.outfit().put_on(&mut parts).unwrap();
        assert_eq!(parts.uri.to_string(), sent, "{target}");
    }
}
