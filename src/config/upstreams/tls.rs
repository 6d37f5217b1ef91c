//! `tls` of an upstream: whom to believe, and who we are.

use std::ops::Range;

use rustls::pki_types::ServerName;
use toml::Spanned;

use crate::causes::chain;
use crate::config::context::Context;
use crate::config::raw;
use crate::proxy::Address;
use crate::secret::Secret;
use crate::tls::{Certified, ClientTls, Roots, TlsError, certificates, client_config};

/// How to speak TLS to these servers; `Some(None)` where none of them asks for it, `None` after a
/// problem was noted. `to` is where they are written.
#[expect(clippy::option_option, reason = "no TLS is not a wrong one")]
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::UpstreamTls>>,
    servers: &[Address],
    to: &Range<usize>,
    h2: bool,
) -> Option<Option<ClientTls>> {
    let secure = servers.iter().filter(|server| matches!(server, Address::Tls { .. })).count();
    if secure == 0 {
        let Some(raw) = raw else { return Some(None) };
        let message = "`tls` is for servers at https://; write them so in `to`, or leave it out";
        cx.error(raw.span(), message);
        return None;
    }
    if secure < servers.len() {
        let message = "`to` mixes https with others, and some requests would go in clear; \
             write https for all, or make two upstreams";
        cx.error(to.clone(), message);
        return None;
    }
    let raw = raw.map(Spanned::into_inner).unwrap_or_default();
    let roots = roots(cx, raw.ca);
    let identity = identity(cx, raw.cert, raw.key);
    let name = name(cx, raw.name, servers, to);
    let protocol: &[u8] = if h2 { b"h2" } else { b"http/1.1" };
    let tls = ClientTls::new(roots?, identity?.as_ref(), &[protocol], name?);
    let tls = tls.map_err(|error| {
        let message = format!("{error}; name whom to believe with tls = {{ ca = \"ca.pem\" }}");
        cx.error(to.clone(), message);
    });
    tls.ok().map(Some)
}

/// Whom to believe: the authorities in a file, or whomever this machine does.
pub(in crate::config) fn roots(cx: &mut Context<'_>, ca: Option<Spanned<String>>) -> Option<Roots> {
    let Some(ca) = ca else { return Some(Roots::Machine) };
    let found = read(cx, &ca)?;
    let found = certificates(found.expose());
    let found = found.and_then(|found| {
        let roots = Roots::Only(found);
        // The same again later; but here it is known which file is wrong.
        client_config(&roots, None, &[]).map(|_| roots)
    });
    found.map_err(|error| unusable(cx, "ca", &ca, &error)).ok()
}

/// Who we are, for servers that ask.
#[expect(clippy::option_option, reason = "nobody in particular is not a wrong one")]
fn identity(
    cx: &mut Context<'_>,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
) -> Option<Option<Certified>> {
    let (cert, key) = match (cert, key) {
        (None, None) => return Some(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(cert), None) => {
            cx.error(cert.span(), "`cert` is of no use without its `key`; add key = \"...\"");
            return None;
        }
        (None, Some(key)) => {
            cx.error(key.span(), "`key` is of no use without its `cert`; add cert = \"...\"");
            return None;
        }
    };
    let (chain, secret) = (read(cx, &cert), read(cx, &key));
    let certified = Certified::from_pem(chain?.expose(), secret?.expose());
    let certified = certified.map_err(|error| {
        let of_cert = matches!(error, TlsError::Certificate(_));
        let (name, file) = if of_cert { ("cert", &cert) } else { ("key", &key) };
        unusable(cx, name, file, &error);
    });
    certified.ok().map(Some)
}

/// The name that the servers' certificates have to be for; `Some(None)` is the host of each.
#[expect(clippy::option_option, reason = "no name is not a wrong one")]
fn name(
    cx: &mut Context<'_>,
    name: Option<Spanned<String>>,
    servers: &[Address],
    to: &Range<usize>,
) -> Option<Option<ServerName<'static>>> {
    if let Some(name) = name {
        let parsed = ServerName::try_from(name.get_ref().clone());
        let message = "`name` must be a host name such as \"api.internal\", or an IP address";
        return parsed.map_err(|_| cx.error(name.span(), message)).ok().map(Some);
    }
    for server in servers {
        if let Address::Tls { host, .. } = server
            && ServerName::try_from(host.as_str()).is_err()
        {
            let message = format!(
                "no certificate can be for `{host}`; \
                 say what it is for with tls = {{ name = \"...\" }}"
            );
            cx.error(to.clone(), message);
            return None;
        }
    }
    Some(None)
}

fn read(cx: &mut Context<'_>, file: &Spanned<String>) -> Option<Secret> {
    let content = cx.file(file.get_ref());
    content.map(Secret::from).map_err(|problem| cx.error(file.span(), problem)).ok()
}

fn unusable(
    cx: &mut Context<'_>,
    key: &str,
    file: &Spanned<String>,
    error: &(dyn std::error::Error + 'static),
) {
    let path = cx.path(file.get_ref());
    let causes = chain(error);
    let message = format!("`{key}`: {}: {causes}; mend the file, or name another", path.display());
    cx.error(file.span(), message);
}
