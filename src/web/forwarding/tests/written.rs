//! How the next server is told.

use super::*;

/// A host that would end its quotes is left out of the element, whoever sent it.
#[test]
fn no_host_writes_an_element_of_its_own() {
    for host in ["a\";for=1.1.1.1;x=\"", "a\\", "a b"] {
        let mut map = HeaderMap::new();
        let host = HeaderValue::try_from(host).unwrap();
        Origin::direct(&peer()).write(&peer(), Some(&host), &mut map);
        assert_eq!(map[header::FORWARDED], "for=10.0.0.9;proto=http", "{host:?}");
    }
}

#[test]
fn each_request_of_a_trusted_peer_is_written_anew() {
    let (peer, trust) = (peer(), trusting(TrustHeaders::XForwarded));
    let host = HeaderValue::from_static("a.test");
    for client in ["1.1.1.1", "2.2.2.2"] {
        let mut map = headers(&[("x-forwarded-for", client)]);
        let lines = trust.take(&peer, &mut map).lines(&peer, Some(&host));
        let lines = String::from_utf8(lines.to_vec()).unwrap();
        assert!(lines.contains(&format!("x-real-ip: {client}\r\n")), "{lines}");
    }
}

#[test]
fn of_each_request_its_own_host_is_told() {
    let peer = peer();
    for name in ["a.test", "b.test", "a.test"] {
        let host = HeaderValue::from_static(name);
        let lines = Origin::direct(&peer).lines(&peer, Some(&host));
        let lines = String::from_utf8(lines.to_vec()).unwrap();
        assert!(lines.contains(&format!("x-forwarded-host: {name}\r\n")), "{lines}");
    }
}

/// The word of a trusted peer about the scheme counts, and for want of a clear one its connection.
#[test]
fn a_scheme_is_what_a_trusted_peer_says_or_how_it_comes_itself() {
    for (proto, in_clear, over_tls) in [
        ("https", "https", "https"),
        ("http", "http", "http"),
        ("ftp", "http", "https"),
        ("\"\"", "http", "https"),
    ] {
        for family in [TrustHeaders::XForwarded, TrustHeaders::Forwarded] {
            for (peer, scheme) in [(peer(), in_clear), (peer().over_tls(None), over_tls)] {
                let mut map = HeaderMap::new();
                map.insert(PROTO, HeaderValue::from_static(proto));
                let forwarded = HeaderValue::try_from(format!("for=1.1.1.1;proto={proto}"));
                map.insert(header::FORWARDED, forwarded.unwrap());
                let origin = trusting(family).take(&peer, &mut map);
                assert_eq!(origin.scheme(&peer), scheme, "{family:?} {proto}");
            }
        }
    }
}
