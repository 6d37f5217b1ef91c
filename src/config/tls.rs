//! `[tls]`: who the gateway is to its clients.

use std::ops::Range;

use toml::Spanned;

use super::context::Context;
use super::raw;
use crate::tls::{Certified, TlsError};

/// Reads the certificate and its key, if a listener needs them: `asked` is where.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::Tls>>,
    asked: Option<Range<usize>>,
) -> Option<Certified> {
    let Some(raw) = raw else {
        if let Some(at) = asked {
            let form = "`cert = \"cert.pem\"` and `key = \"key.pem\"`";
            cx.error(at, format!("TLS needs a certificate; add a table [tls] with {form}"));
        }
        return None;
    };
    let at = raw.span();
    let raw::Tls { flawed, cert, key } = raw.into_inner();
    if asked.is_none() {
        let form = "`{ addr = \"0.0.0.0:443\", tls = true }` in `listen`";
        cx.problems.warn(at.clone(), format!("no listener speaks TLS; write {form}"));
    }
    for (name, missing) in [("cert", cert.is_none()), ("key", key.is_none())] {
        if missing && !flawed {
            cx.error(at.clone(), format!("no `{name}`; name the PEM file that holds it"));
        }
    }
    let cert = cert.and_then(|cert| content(cx, &cert));
    let key = key.and_then(|key| content(cx, &key));
    let ((cert_at, chain), (key_at, key)) = (cert?, key?);
    match Certified::from_pem(&chain, &key) {
        Ok(identity) => Some(identity),
        Err(error) => {
            let (at, problem) = match error {
                TlsError::Certificate(_) => (
                    cert_at,
                    "`cert` holds no certificate in PEM form; give the whole chain, its own first",
                ),
                TlsError::Key(_) => (
                    key_at,
                    "`key` holds no private key in PEM form; give one without a passphrase",
                ),
                TlsError::Mismatch(_)
                | TlsError::NoRoots
                | TlsError::NoIdentity
                | TlsError::Refused(_) => (
                    key_at,
                    "`key` does not fit `cert`; give the key that its first certificate was made for",
                ),
            };
            cx.error(at, problem);
            None
        }
    }
}

/// A file of the table and where it was named; `None` after a problem was noted.
fn content(cx: &mut Context<'_>, name: &Spanned<String>) -> Option<(Range<usize>, Vec<u8>)> {
    let at = name.span();
    match cx.file(name.get_ref()) {
        Ok(content) => Some((at, content)),
        Err(problem) => {
            cx.error(at, problem);
            None
        }
    }
}
