//! `[routes]` and `expect`: who gets where, and what the file says must be so.

use std::sync::Arc;

use toml::Spanned;

use super::context::{Context, set};
use super::nearest::hint;
use super::raw;
use super::read::{Many, Named};
use super::route_keys;
use super::upstreams::Known;
use crate::policy::{
    Allow, Conflict, ConflictKind, CredentialPolicy, Expectation, Key, Owned, Route, Routes,
    Shadow, Underscores,
};

/// The path beside the endpoints' prefix that is the gateway's own.
const KEY_SET: &str = "/.well-known/jwks.json";

/// What the gateway keeps to itself.
#[derive(Clone, Copy)]
pub(super) struct Ours<'a> {
    /// Where the endpoints are.
    pub(super) endpoints: &'a str,
    /// Where the pages are, if there are any.
    pub(super) pages: Option<&'a str>,
    /// Where the admin site is, if there is one.
    pub(super) site: Option<&'a str>,
}

/// The routing table, if it is sound and does what the `expect` lines say. `upstreams` are the
/// names in the order of the configuration.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Named<raw::Route>,
    expect: Option<Spanned<Many<String>>>,
    upstreams: &[Known],
    ours: Ours<'_>,
) -> Option<(Routes, Vec<Expectation>)> {
    let written = raw.0.len();
    let mut keys = Vec::new();
    let mut routes = Vec::new();
    for (key, raw) in raw.0 {
        let at = key.span();
        if let Some(route) = route(cx, &key, raw, upstreams, ours) {
            keys.push(at);
            routes.push(route);
        }
    }
    let names: Vec<String> = routes.iter().map(|route| route.key.to_string()).collect();
    let prefixes = [Some(ours.endpoints), ours.pages, ours.site].into_iter().flatten();
    let prefixes = prefixes.map(str::to_owned).collect();
    let owned = Owned { prefixes, exact: vec![KEY_SET.to_owned()] };
    let complete = routes.len() == written;
    let made = Routes::new(routes, owned);
    let conflicts = match &made {
        Ok(routes) => routes.shadowed(),
        Err(conflicts) => conflicts,
    };
    for Conflict { first, second, kind } in conflicts {
        let (Some(first_at), Some(at)) = (keys.get(*first), keys.get(*second)) else { continue };
        let (Some(first), Some(second)) = (names.get(*first), names.get(*second)) else { continue };
        if matches!(kind, ConflictKind::Shadowed) {
            cx.problems.warn(at.clone(), format!("`{second}`: {kind}; remove it"));
        } else {
            let line = cx.line(first_at).map(|line| format!(" (line {line})")).unwrap_or_default();
            cx.error(at.clone(), format!("`{second}` and `{first}`{line}: {kind}"));
        }
    }
    let expect = expectations(cx, expect);
    let routes = made.ok().filter(|_| complete)?;
    // A table with holes would fail lines that have nothing to do with them.
    for (line, at) in &expect {
        if let Err(failed) = line.check(&routes) {
            cx.error(at.clone(), format!("expected {failed}"));
        }
    }
    Some((routes, expect.into_iter().map(|(line, _)| line).collect()))
}

fn route(
    cx: &mut Context<'_>,
    written: &Spanned<String>,
    raw: raw::Route,
    upstreams: &[Known],
    ours: Ours<'_>,
) -> Option<Route> {
    let key = Key::parse(written.get_ref()).map_err(|error| {
        cx.error(written.span(), format!("route `{}`: {error}", written.get_ref()));
    });
    let to = match raw.to {
        Some(to) => upstream(cx, &to, upstreams),
        None if raw.flawed => return None,
        None => nowhere(cx, written, upstreams),
    };
    let allow = match raw.allow {
        Some(written) => allow(cx, "allow", written),
        None => Some(Allow::user()),
    };
    let shadow = shadow(cx, raw.would_allow, allow.as_ref());
    let from = raw.from.map_or_else(|| Some(Vec::new()), |from| route_keys::from(cx, from));
    let pattern = key.as_ref().ok().map(|key| &key.pattern);
    let rewrite = route_keys::rewrite(cx, pattern, raw.strip, raw.prefix);
    let rates = raw.rate.map_or(Some(None), |rates| route_keys::rates(cx, rates));
    let response_headers = route_keys::response_headers(cx, raw.response_headers);
    let cors = route_keys::cors(cx, raw.cors, response_headers.as_ref());
    let known = to.and_then(|to| upstreams.get(to));
    let streams = route_keys::streams(cx, raw.websocket, raw.idle, known);
    let websocket = streams.as_ref().is_some_and(|streams| streams.websocket.is_some());
    let fresh = route_keys::fresh(cx, raw.fresh, allow.as_ref(), raw.tickets.as_ref());
    let tickets = websocket && !matches!(fresh, Some(Some(_)));
    let tickets = route_keys::tickets(cx, key.as_ref().ok(), raw.tickets, tickets);
    let browser = route_keys::browser(cx, raw.browser, ours.pages);
    let (credential, underscores) = passes(cx, raw.credential, raw.underscores);
    let mut route = Route {
        key: key.ok()?,
        line: cx.line(&written.span()),
        number: 0,
        upstream: to?,
        to: upstreams.get(to?)?.name.clone(),
        allow: allow?,
        shadow: shadow?,
        from: from?,
        rewrite: rewrite?,
        rates: rates?,
        fresh: fresh?,
        body: None,
        timeout: None,
        credential,
        underscores,
        response_headers: response_headers?,
        websocket: streams?.websocket,
        idle: streams?.idle,
        outlive: None,
        tickets: tickets?,
        browser: browser?,
        cors: cors?,
    };
    set(&mut route.body, raw.body);
    set(&mut route.timeout, raw.timeout);
    set(&mut route.outlive, raw.outlive);
    Some(route)
}

/// What becomes of the credential, and of names with underscores.
fn passes(
    cx: &mut Context<'_>,
    credential: Option<Spanned<String>>,
    underscores: Option<Spanned<String>>,
) -> (CredentialPolicy, Underscores) {
    let mut made = (CredentialPolicy::default(), Underscores::default());
    let words = [("strip", CredentialPolicy::Strip), ("forward", CredentialPolicy::Forward)];
    cx.choice("credential", &mut made.0, credential, &words);
    let words = [("drop", Underscores::Drop), ("forward", Underscores::Forward)];
    cx.choice("underscores", &mut made.1, underscores, &words);
    made
}

/// A route that names no upstream.
fn nowhere(cx: &mut Context<'_>, written: &Spanned<String>, upstreams: &[Known]) -> Option<usize> {
    let example = upstreams.first().map_or("whoami", |known| &known.name);
    let add = format!("add to = \"{example}\", the name of an upstream");
    cx.error(written.span(), format!("route `{}` goes nowhere; {add}", written.get_ref()));
    None
}

/// The number of the upstream of that name.
fn upstream(cx: &mut Context<'_>, to: &Spanned<String>, upstreams: &[Known]) -> Option<usize> {
    let name = to.get_ref();
    let found = upstreams.iter().position(|known| known.name == *name);
    if found.is_none() {
        let hint =
            hint(name, upstreams.iter().map(|known| known.name.as_str())).unwrap_or_else(|| {
                format!(
                    "add it to [upstreams], as in {name} = {{ to = \"http://127.0.0.1:8000\" }}"
                )
            });
        cx.error(to.span(), format!("there is no upstream `{name}`; {hint}"));
    }
    found
}

/// What `key` lets through: `allow`, or `would_allow`.
fn allow(cx: &mut Context<'_>, key: &str, written: Spanned<Many<String>>) -> Option<Allow> {
    let at = written.span();
    let written = written.into_inner();
    let mut rules = Vec::new();
    for rule in &written.entries {
        match Allow::parse_rule(rule.get_ref()) {
            Ok(rule) => rules.push(rule),
            Err(error) => cx.error(rule.span(), format!("`{key}`: {error}")),
        }
    }
    if !written.complete || rules.len() < written.entries.len() {
        return None;
    }
    Allow::any_of(rules).map_err(|error| cx.error(at, format!("`{key}`: {error}"))).ok()
}

/// `would_allow`; `None` after a problem was noted.
#[expect(clippy::option_option, reason = "no rule on trial is not a wrong one")]
fn shadow(
    cx: &mut Context<'_>,
    written: Option<Spanned<Many<String>>>,
    decides: Option<&Allow>,
) -> Option<Option<Arc<Shadow>>> {
    let Some(written) = written else { return Some(None) };
    let at = written.span();
    let rule = allow(cx, "would_allow", written)?;
    if decides == Some(&rule) {
        cx.problems.warn(at, "`would_allow` is what `allow` says; remove it, or try another rule");
    }
    Some(Some(Arc::new(Shadow::new(rule))))
}

type Placed = (Expectation, std::ops::Range<usize>);

fn expectations(cx: &mut Context<'_>, written: Option<Spanned<Many<String>>>) -> Vec<Placed> {
    let written = written.map(|many| many.into_inner().entries).unwrap_or_default();
    let mut lines = Vec::new();
    for line in written {
        match Expectation::parse(line.get_ref()) {
            Ok(expectation) => lines.push((expectation, line.span())),
            Err(error) => cx.error(line.span(), format!("`expect`: {error}")),
        }
    }
    lines
}
