//! From the file as written to settings: one table after the other.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use toml::Spanned;

use super::context::{Context, inner, set};
use super::read::{Many, Named};
use super::{
    Config, Written, admin, audit, forward_auth, identity, import, issuers, limits, listen, log,
    otlp, own_path, people, raw, routes, store, tls, upstreams,
};
use crate::clock::CLOCKS;
use crate::forward_auth::ForwardAuthSettings;
use crate::keys::SharedKeys;
use crate::proxy::UpstreamSettings;
use crate::secret::Secret;
use crate::web::TrustHeaders;

/// Checks one table after the other: none hides the problems of another.
pub(super) fn check(cx: &mut Context<'_>, raw: raw::File) -> Option<Config> {
    let mut listen = listen::listen(cx, raw.listen);
    let store::Checked { store, beside, freshness } = store::check(cx, inner(raw.store));
    let tls = tls::check(cx, raw.tls, &mut listen, &beside);
    let public = listen::public(cx, raw.public);
    let peers = trusted(cx, raw.trust, raw.trust_headers, &listen);
    let (connections, messages) = limits::check(cx, inner(raw.limits));
    let written = people::Written { auth: raw.auth, mail: raw.mail, pages: raw.pages };
    let people = people::check(cx, written, &beside, public.as_ref(), &listen);
    let identity = identity::check(cx, raw.identity, people.keys.algorithm);
    let issuers = issuers::check(cx, inner(raw.issuers), people.tokens.issuer.as_deref());
    let admin = admin::check(cx, inner(raw.admin));
    let audit = audit::check(cx, inner(raw.audit), &beside, &people.keys.ring);
    let asked = forward_auth::check(cx, raw.forward_auth, &peers, &identity);
    let given = people.own_paths(cx, asked.as_ref(), &peers.0);
    let ours = [&*beside, &people.keys.ring, &audit.path];
    let (known, upstreams) = kept_apart(cx, inner(raw.upstreams), &ours, tls.as_ref());
    let routes = routes_or_warning(cx, raw.routes);
    let (routes, expect) = routes::check(cx, routes, raw.expect, &known, people.ours())?;
    own_path::hidden(cx, &given, &routes);
    tls::doubts(cx, tls.as_ref(), &listen, &routes, public.as_ref());
    listen::redirects(cx, &listen, &routes, public.as_ref());
    let pages = people.pages();
    let (tls, acme) = tls.map(|placed| (placed.settings, placed.acme)).unzip();
    Some(Config {
        listen: listen.settings,
        tls,
        acme: acme.flatten(),
        public,
        trust: peers.0,
        trust_headers: peers.1,
        workers: workers(raw.workers),
        store,
        freshness,
        connections,
        messages,
        endpoints: people.endpoints,
        accounts: people.accounts,
        endpoint_cors: people.endpoint_cors,
        tokens: people.tokens,
        sessions: people.sessions,
        keys: people.keys,
        shared_keys: shared_keys(people.shared_secret, freshness.staleness),
        passwords: people.passwords,
        identity,
        upstreams,
        routes,
        expect,
        issuers,
        import: import::check(cx, inner(raw.import)),
        admin,
        audit,
        log: log::check(cx, inner(raw.log)),
        traces: otlp::check(cx, raw.otlp),
        fingerprint: String::new(),
        written: Written::default(),
        links: people.links,
        mail: people.mail,
        forward_auth: asked.map(|own| ForwardAuthSettings { path: own.path }),
        pages,
    })
}

/// How keys are shared under that secret.
fn shared_keys(secret: Option<Secret>, staleness: Duration) -> Option<SharedKeys> {
    secret.map(|secret| SharedKeys { secret, lead: staleness + CLOCKS })
}

/// What routes may name, and the upstreams, none of which may serve files of ours.
fn kept_apart(
    cx: &mut Context<'_>,
    upstreams: Named<raw::Upstream>,
    ours: &[&Path],
    tls: Option<&tls::Placed>,
) -> (Vec<upstreams::Known>, Vec<UpstreamSettings>) {
    let known = upstreams::known(&upstreams);
    let issued = tls.and_then(tls::Placed::issued);
    let ours: Vec<_> = ours.iter().copied().chain(issued.as_deref()).collect();
    (known, upstreams::check(cx, upstreams, &ours))
}

fn trusted(
    cx: &mut Context<'_>,
    trust: Option<Spanned<Many<String>>>,
    headers: Option<Spanned<String>>,
    listeners: &listen::Listeners,
) -> (Vec<IpNet>, TrustHeaders) {
    let trusts = trust.as_ref().is_some_and(|trust| !trust.get_ref().is_empty());
    let trust = listen::trust(cx, trust);
    listen::reachable(cx, listeners.first_proxied.clone(), &trust);
    (trust, listen::trust_headers(cx, headers, trusts))
}

fn workers(written: Option<Spanned<NonZeroUsize>>) -> NonZeroUsize {
    let mut workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    set(&mut workers, written);
    workers
}

fn routes_or_warning(
    cx: &mut Context<'_>,
    written: Option<Spanned<Named<raw::Route>>>,
) -> Named<raw::Route> {
    if written.is_none() {
        let form = "add one as config.example.toml shows";
        cx.problems.warn(0..0, format!("no [routes]: nothing is forwarded; {form}"));
    }
    inner(written)
}
