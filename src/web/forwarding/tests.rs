//! What is believed of whom, and what the next server is told.

mod written;

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let mut map = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        map.append(name, value);
    }
    map
}

fn peer() -> Peer {
    Peer::tcp("10.0.0.9:1234".parse().unwrap(), Some("10.0.0.1:8080".parse().unwrap()))
}

fn trusting(family: TrustHeaders) -> Trust {
    Trust::new(vec!["10.0.0.0/8".parse().unwrap()], family)
}

fn told(trust: &Trust, sent: &[(&'static str, &'static str)]) -> (IpAddr, Vec<String>) {
    let mut map = headers(sent);
    let origin = trust.take(&peer(), &mut map);
    assert!(map.keys().all(|name| !is_forwarding(name)), "{map:?}");
    origin.write(&peer(), Some(&HeaderValue::from_static("a.test")), &mut map);
    let mut lines: Vec<_> = map
        .iter()
        .filter(|(name, _)| is_forwarding(name))
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort_unstable();
    (origin.client, lines)
}

const LIES: &[(&str, &str)] = &[
    ("x-forwarded-for", "1.1.1.1, 10.0.0.7"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-prefix", "/evil"),
    ("x-forwarded-anything", "x"),
    ("forwarded", "for=1.1.1.1"),
    ("x-real-ip", "1.1.1.1"),
    ("x-original-url", "/admin"),
    ("x-rewrite-url", "/admin"),
    ("x-http-method-override", "DELETE"),
    ("x-http-method", "DELETE"),
    ("x-method-override", "DELETE"),
    ("x_forwarded_for", "1.1.1.1"),
    ("x.forwarded.for", "1.1.1.1"),
    ("x_http_method_override", "DELETE"),
    ("x~original~url", "/admin"),
    ("x-original-uri", "/admin"),
    ("x-original-host", "evil.test"),
    ("x-override-url", "/admin"),
    ("x.real.ip", "1.1.1.1"),
    ("proxy", "http://evil.test"),
];

#[test]
fn an_untrusted_peer_is_believed_nothing() {
    let (client, lines) = told(&Trust::default(), LIES);
    assert_eq!(client, "10.0.0.9".parse::<IpAddr>().unwrap());
    assert_eq!(
        lines,
        [
            "forwarded: for=10.0.0.9;host=\"a.test\";proto=http",
            "x-forwarded-for: 10.0.0.9",
            "x-forwarded-host: a.test",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
            "x-real-ip: 10.0.0.9",
        ]
    );
}

#[test]
fn a_trusted_peer_is_believed_in_everything_but_steering() {
    let trust = trusting(TrustHeaders::XForwarded);
    let (client, lines) = told(&trust, LIES);
    assert_eq!(client, "1.1.1.1".parse::<IpAddr>().unwrap());
    assert_eq!(
        lines,
        [
            "forwarded: for=1.1.1.1;host=\"evil.test\";proto=https",
            "x-forwarded-for: 1.1.1.1, 10.0.0.7, 10.0.0.9",
            "x-forwarded-host: evil.test",
            "x-forwarded-port: 443",
            "x-forwarded-proto: https",
            "x-real-ip: 1.1.1.1",
        ]
    );
}

#[test]
fn what_other_proxies_call_the_client_is_kept_from_a_trusted_peer_alone() {
    for name in ["true-client-ip", "client_ip", "cf-connecting-ip", "x_client_ip", "x-forwarded"] {
        let name = HeaderName::from_static(name);
        for (trust, kept) in [
            (Trust::default(), false),
            (trusting(TrustHeaders::XForwarded), true),
            (trusting(TrustHeaders::Forwarded), true),
        ] {
            let mut sent = HeaderMap::new();
            sent.insert(name.clone(), HeaderValue::from_static("1.1.1.1"));
            let origin = trust.take(&peer(), &mut sent);
            assert_eq!(sent.contains_key(&name), kept, "{name}");
            // It counts for nothing here.
            assert_eq!(origin.client, "10.0.0.9".parse::<IpAddr>().unwrap(), "{name}");
        }
    }
    // Names that only look like one.
    for name in ["client-ipx", "x-client", "content-type", "cookie", "true-client"] {
        assert!(!tells_client(&HeaderName::from_static(name)), "{name}");
    }
}

#[test]
fn a_trusted_peer_names_a_host_and_a_port_or_nothing() {
    let trust = trusting(TrustHeaders::XForwarded);
    for (name, wrong) in [
        ("x-forwarded-host", "shop.test, evil.test"),
        ("x-forwarded-host", "a b"),
        ("x-forwarded-host", "shop.test/x"),
        ("x-forwarded-port", "+443"),
        ("x-forwarded-port", "65536"),
    ] {
        let (_, lines) = told(&trust, &[(name, wrong)]);
        assert!(lines.contains(&"x-forwarded-host: a.test".to_owned()), "{wrong}: {lines:?}");
        assert!(lines.contains(&"x-forwarded-port: 8080".to_owned()), "{wrong}: {lines:?}");
    }
}

const FIELD: &str = "for=6.6.6.6;host=evil.test;proto=http, \
                     for=1.1.1.1;host=shop.test;proto=HTTPS, for=10.0.0.7";

#[test]
fn the_standards_own_field_is_believed_likewise() {
    let trust = trusting(TrustHeaders::Forwarded);
    // What stands beside it is whatever the client sent.
    let others = LIES.iter().copied().filter(|(name, _)| *name != "forwarded");
    for beside in [Vec::new(), others.collect()] {
        let sent = [beside.as_slice(), &[("forwarded", FIELD)]].concat();
        let (client, lines) = told(&trust, &sent);
        assert_eq!(client, "1.1.1.1".parse::<IpAddr>().unwrap());
        assert_eq!(
            lines,
            [
                "forwarded: for=1.1.1.1;host=\"shop.test\";proto=https",
                "x-forwarded-for: 6.6.6.6, 1.1.1.1, 10.0.0.7, 10.0.0.9",
                "x-forwarded-host: shop.test",
                "x-forwarded-port: 8080",
                "x-forwarded-proto: https",
                "x-real-ip: 1.1.1.1",
            ]
        );
    }
    let (client, _) = told(&trust, &[("forwarded", "for=\"1.1.1.1")]);
    assert_eq!(client, "10.0.0.9".parse::<IpAddr>().unwrap());
    let (client, _) = told(&Trust::default(), &[("forwarded", FIELD)]);
    assert_eq!(client, "10.0.0.9".parse::<IpAddr>().unwrap());
}

/// A proxy that writes one family passes the other on as its client sent it, also where that one
/// is all there is.
#[test]
fn each_family_counts_alone() {
    let (x, own) = (("x-forwarded-for", "2.2.2.2"), ("forwarded", "for=3.3.3.3"));
    for (family, sent, client) in [
        (TrustHeaders::XForwarded, vec![x, own], "2.2.2.2"),
        (TrustHeaders::XForwarded, vec![own], "10.0.0.9"),
        (TrustHeaders::Forwarded, vec![x, own], "3.3.3.3"),
        (TrustHeaders::Forwarded, vec![x], "10.0.0.9"),
    ] {
        let (found, lines) = told(&trusting(family), &sent);
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{family:?} {sent:?}");
        assert!(lines.contains(&format!("x-real-ip: {client}")), "{lines:?}");
    }
}

#[test]
fn a_peer_that_speaks_for_somebody_is_believed_nothing() {
    for family in [TrustHeaders::XForwarded, TrustHeaders::Forwarded] {
        let mut map = headers(LIES);
        let origin = trusting(family).take(&peer().for_somebody(), &mut map);
        assert_eq!(origin, Origin::direct(&peer()), "{family:?}");
    }
}

#[test]
fn the_client_is_the_last_hop_that_nobody_vouches_for() {
    let trust = trusting(TrustHeaders::XForwarded);
    for (chain, client) in [
        ("6.6.6.6, 1.1.1.1, 10.0.0.7", "1.1.1.1"),
        ("1.1.1.1:5000", "1.1.1.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("10.0.0.5, 10.0.0.7", "10.0.0.5"),
        ("1.1.1.1, unknown, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.7, unknown", "10.0.0.9"),
        ("", "10.0.0.9"),
    ] {
        let value = Box::leak(chain.to_owned().into_boxed_str());
        let (found, _) = told(&trust, &[("x-forwarded-for", value)]);
        assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{chain}");
    }
}

/// A trusted proxy writes its own client behind whatever that client sent: nothing there may
/// make the client look like the proxy, whose address `from` may let in.
#[test]
fn a_client_cannot_hide_behind_a_chain_that_it_began() {
    let trust = trusting(TrustHeaders::XForwarded);
    let client = "6.6.6.6".parse::<IpAddr>().unwrap();
    let long = "10.0.0.5, ".repeat(40);
    for begun in ["x, ", "unknown, ", "10.0.0.5, _a, ", "\", ", long.as_str()] {
        let chain = Box::leak(format!("{begun}6.6.6.6, 10.0.0.7").into_boxed_str());
        let (found, lines) = told(&trust, &[("x-forwarded-for", chain)]);
        assert_eq!(found, client, "{begun}");
        let kept = lines.iter().find(|line| line.starts_with("x-forwarded-for")).unwrap();
        assert!(kept.ends_with("6.6.6.6, 10.0.0.7, 10.0.0.9"), "{kept}");
        assert!(kept.len() < 400, "{kept}");
    }
    let trust = trusting(TrustHeaders::Forwarded);
    let long = "for=10.0.0.5, ".repeat(40);
    for begun in ["for=x, ", "for=unknown, ", "for, ", long.as_str()] {
        let line = Box::leak(format!("{begun}for=6.6.6.6, for=10.0.0.7").into_boxed_str());
        assert_eq!(told(&trust, &[("forwarded", line)]).0, client, "{begun}");
    }
    let lines = [("forwarded", "for=\"10.0.0.5"), ("forwarded", "for=6.6.6.6, for=10.0.0.7")];
    assert_eq!(told(&trust, &lines).0, client);
    // The quote of one swallows what a proxy joins to it.
    let line = [("forwarded", "for=\"10.0.0.5, for=6.6.6.6;proto=https, for=\"10.0.0.7\"")];
    assert_eq!(told(&trust, &line).0, client);
}

/// What a trusted proxy would never write is somebody else's, and nothing of it is passed on.
#[test]
fn of_a_trusted_peer_too_only_what_is_clear_is_believed() {
    let trust = trusting(TrustHeaders::XForwarded);
    let plain = told(&trust, &[]).1;
    let http = ("x-forwarded-proto", "http");
    for sent in [
        &[("x-forwarded-proto", "https"), http][..],
        &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")],
        &[("x-forwarded-proto", "")],
        &[("x-forwarded-proto", "ftp")],
        &[("x-forwarded-host", "a.test"), ("x-forwarded-host", "evil.test")],
        &[("x-forwarded-host", "evil.test\"")],
        &[("x-forwarded-port", "443"), ("x-forwarded-port", "80")],
        &[("x-forwarded-port", "+443")],
    ] {
        assert_eq!(told(&trust, sent).1, plain, "{sent:?}");
    }
    let trust = trusting(TrustHeaders::Forwarded);
    for proto in ["ftp", "httpss", "\"\""] {
        let line = Box::leak(format!("for=1.1.1.1;proto={proto}").into_boxed_str());
        let lines = told(&trust, &[("forwarded", line)]).1;
        assert!(lines.contains(&"x-forwarded-proto: http".to_owned()), "{lines:?}");
    }
}

#[test]
fn no_lie_is_left_of_an_untrusted_peer() {
    let mut map = headers(LIES);
    Trust::default().take(&peer(), &mut map);
    assert!(map.is_empty(), "{map:?}");
}
