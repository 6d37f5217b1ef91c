//! `[forward_auth]`: where other proxies ask.

use ipnet::IpNet;
use toml::Spanned;

use super::context::Context;
use super::own_path::{OwnPath, is_plain};
use super::raw;
use crate::web::{IdentityHeaders, TrustHeaders};

/// Where they ask. Whom it answers (`trust`), and what it is to tell (`identity`) stand elsewhere in
/// the file.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::ForwardAuth>>,
    (trust, family): &(Vec<IpNet>, TrustHeaders),
    identity: &IdentityHeaders,
) -> Option<OwnPath> {
    let raw = raw?;
    let table = raw.span();
    let raw = raw.into_inner();
    let Some(path) = raw.path else {
        if !raw.flawed {
            cx.error(table, "[forward_auth] needs `path`, as in path = \"/forward-auth\"");
        }
        return None;
    };
    let (at, path) = (path.span(), path.into_inner());
    if !is_plain(&path) {
        cx.error(
            at,
            "`path` must be a plain path such as \"/forward-auth\", with no slash at its end",
        );
        return None;
    }
    if trust.is_empty() {
        cx.error(
            at.clone(),
            "whoever asks here is told who a credential belongs to, so that only peers in `trust` are \
             answered, and there are none; add their addresses, as in trust = [\"10.0.0.7\"]",
        );
    }
    if *family == TrustHeaders::Forwarded {
        cx.error(
            at.clone(),
            "the proxies that ask say where a request is from in X-Forwarded-For; leave `trust_headers` \
             out, or their clients could choose",
        );
    }
    if !identity.signed().is_empty() {
        cx.error(
            at.clone(),
            "\"@signed\" in [identity] is made for the request that is forwarded, which is not ours \
             here; take one of them out",
        );
    }
    Some(OwnPath { key: "path", path, at })
}
