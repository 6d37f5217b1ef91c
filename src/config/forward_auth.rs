//! `[forward_auth]`: where other proxies ask.

use std::ops::Range;

use ipnet::IpNet;
use toml::Spanned;

use super::context::Context;
use super::raw;
use crate::forward_auth::ForwardAuthSettings;
use crate::policy::Routes;
use crate::web::{CanonicalPath, IdentityHeaders, TrustHeaders};

/// Settings, and where their path is written.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) settings: ForwardAuthSettings,
    at: Range<usize>,
}

/// Whom it answers (`trust`), what it must not hide (`prefix` of the auth endpoints), and what it is
/// to tell (`identity`) stand elsewhere in the file.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::ForwardAuth>>,
    (trust, family): &(Vec<IpNet>, TrustHeaders),
    prefix: &str,
    identity: &IdentityHeaders,
) -> Option<Placed> {
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
    let canonical = CanonicalPath::parse(&path).is_ok_and(|parsed| parsed.as_str() == path);
    if !canonical || path.len() < 2 || path.ends_with('/') || path.contains(['*', '{', '?', '#']) {
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
    let settings = ForwardAuthSettings { path };
    let endpoints = ForwardAuthSettings { path: prefix.to_owned() };
    let holds_ours = !prefix.is_empty() && endpoints.rest(&settings.path).is_some();
    if holds_ours || settings.rest(prefix).is_some() {
        let message = format!("`path` and [auth] prefix (\"{prefix}\") overlap; choose another");
        cx.error(at.clone(), message);
    }
    if !identity.signed().is_empty() {
        cx.error(
            at.clone(),
            "\"@signed\" in [identity] is made for the request that is forwarded, which is not ours \
             here; take one of them out",
        );
    }
    Some(Placed { settings, at })
}

/// Routes that nobody would ever reach.
pub(super) fn hidden(cx: &mut Context<'_>, placed: Option<&Placed>, routes: &Routes) {
    let Some(Placed { settings, at }) = placed else { return };
    for route in routes.iter().filter(|route| route.key.pattern.is_below(&settings.path)) {
        let message = format!("`path` hides route `{}`; choose another", route.key);
        cx.error(at.clone(), message);
    }
}
