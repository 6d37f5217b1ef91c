//! `[tls.acme]`: who issues a certificate, and for which names.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use http::Uri;
use toml::Spanned;

use super::context::Context;
use super::raw;
use super::read::Many;
use super::upstreams::roots;
use crate::acme::{AcmeSettings, Proof};
use crate::server::{ListenAddr, ListenerSettings};
use crate::tls::Awaited;
use crate::web::HostName;

/// Reads the table; `None` after a problem was noted. What is issued is kept beside `store`.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Spanned<raw::Acme>,
    store: &Path,
    listeners: &[ListenerSettings],
) -> Option<AcmeSettings> {
    let at = raw.span();
    let raw = raw.into_inner();
    if !raw.flawed && raw.domains.is_none() {
        let form = "domains = [\"app.example.com\"]";
        cx.error(at.clone(), format!("no `domains`; name the hosts, as in {form}"));
    }
    if !raw.flawed && !raw.terms_accepted.is_some_and(Spanned::into_inner) {
        let message = "the authority issues certificates to those who accept its terms; read \
                       them, and write terms_accepted = true";
        cx.error(at.clone(), message);
    }
    let domains = raw.domains.and_then(|written| domains(cx, written));
    let email = raw.email.map(|written| email(cx, written));
    let directory = match raw.directory {
        Some(written) => directory(cx, written),
        None => Some(AcmeSettings::LETS_ENCRYPT.to_owned()),
    };
    let roots = roots(cx, raw.ca);
    let at = raw.challenge.as_ref().map_or(at, Spanned::span);
    let mut proof = Proof::default();
    let words = [("http-01", Proof::Http01), ("tls-alpn-01", Proof::TlsAlpn01)];
    cx.choice("challenge", &mut proof, raw.challenge, &words);
    reachable(cx, at, proof, listeners);
    let directory = directory?;
    Some(AcmeSettings {
        domains: domains?,
        proof,
        email: email.map_or(Some(None), |email| email.map(Some))?,
        folder: AcmeSettings::folder_beside(store, &directory),
        directory,
        roots: roots?,
    })
}

/// What was issued at an earlier run, if anything was.
pub(super) fn awaited(cx: &mut Context<'_>, at: &Range<usize>, acme: &AcmeSettings) -> Awaited {
    let (awaited, error) = Awaited::read(&acme.certificate());
    if let Some(error) = error {
        cx.problems.warn(at.clone(), format!("{error}; another certificate will be ordered"));
    }
    awaited
}

/// The authority has to find the proof.
fn reachable(cx: &mut Context<'_>, at: Range<usize>, proof: Proof, listeners: &[ListenerSettings]) {
    // Those of a file that cannot be read are no reason to say that there are none.
    if listeners.is_empty() {
        return;
    }
    let (tls, port, missing, elsewhere) = match proof {
        Proof::Http01 => (
            false,
            80,
            "the authority asks for a proof by plain HTTP, and no listener is in clear; add \
             { addr = \"0.0.0.0:80\", redirect = true } to `listen`, or write \
             challenge = \"tls-alpn-01\"",
            "the authority asks for a proof at port 80, and no listener in clear has it; something \
             before this gateway has to lead there",
        ),
        Proof::TlsAlpn01 => (
            true,
            443,
            "the authority asks for a proof in a TLS handshake, and no listener speaks TLS; add \
             { addr = \"0.0.0.0:443\", tls = true } to `listen`",
            "the authority asks for a proof at port 443, and no listener with TLS has it; something \
             before this gateway has to lead there, without ending TLS",
        ),
    };
    let mut asked = listeners.iter().filter(|listener| listener.tls == tls).peekable();
    if asked.peek().is_none() {
        cx.error(at, missing);
    } else if !asked.any(|listener| may_be_at(listener, port)) {
        cx.problems.warn(at, elsewhere);
    }
}

/// Nobody knows what is before a socket.
fn may_be_at(listener: &ListenerSettings, port: u16) -> bool {
    match listener.addr {
        ListenAddr::Tcp(addr) => addr.port() == port,
        ListenAddr::Unix(_) => true,
    }
}

fn domains(cx: &mut Context<'_>, written: Spanned<Many<String>>) -> Option<Vec<String>> {
    let at = written.span();
    let written = written.into_inner();
    if written.is_empty() {
        cx.error(at, "domains = [] would be for nobody; name the hosts");
        return None;
    }
    let mut complete = written.complete;
    let (mut domains, mut seen) = (Vec::new(), BTreeSet::new());
    for entry in written.entries {
        match domain(entry.get_ref()) {
            Ok(domain) if seen.insert(domain.clone()) => domains.push(domain),
            Ok(domain) => {
                cx.error(entry.span(), format!("`{domain}` is listed twice; remove one of them"));
            }
            Err(message) => {
                cx.error(entry.span(), message);
                complete = false;
            }
        }
    }
    complete.then_some(domains)
}

fn domain(text: &str) -> Result<String, &'static str> {
    if text.starts_with("*.") {
        return Err(
            "a wildcard needs a proof by DNS (DNS-01), which is not given; name each host, \
                    or the files of a certificate as `cert` and `key` in [tls]",
        );
    }
    let form = "`domains` must be host names such as \"app.example.com\", without a port, and in \
                ASCII (xn--)";
    let host = HostName::parse(text).map_err(|_| form)?;
    let name = host.name();
    let is_address = name.starts_with('[') || name.parse::<IpAddr>().is_ok();
    let plain = host.port().is_none() && !is_address && !name.contains('_');
    if plain { Ok(name.to_owned()) } else { Err(form) }
}

fn email(cx: &mut Context<'_>, written: Spanned<String>) -> Option<String> {
    let text = written.get_ref();
    // RFC 8555 section 7.3: one address, and nothing that a mailto URL has beside it.
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?,&%<>\"".contains(&byte);
    let sound = text.split_once('@').is_some_and(|(who, place)| {
        !who.is_empty() && !place.is_empty() && !place.contains('@') && text.bytes().all(plain)
    });
    if !sound {
        let form = "one address such as \"ops@example.com\"";
        cx.error(written.span(), format!("`email` must be {form}"));
    }
    sound.then(|| written.into_inner())
}

fn directory(cx: &mut Context<'_>, written: Spanned<String>) -> Option<String> {
    let text = written.get_ref();
    let sound = text.parse::<Uri>().is_ok_and(|uri| {
        let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        let host = HostName::parse(authority).is_ok();
        uri.scheme_str() == Some("https") && host && !text.contains('#')
    });
    if !sound {
        let form = format!("an https:// URL such as \"{}\"", AcmeSettings::LETS_ENCRYPT);
        cx.error(written.span(), format!("`directory` must be {form}"));
    }
    sound.then(|| written.into_inner())
}
