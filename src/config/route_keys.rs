//! The keys of a route that say more than who may use it.

use std::time::Duration;

use http::{HeaderName, Method};
use ipnet::IpNet;
use toml::Spanned;

use super::context::{Context, set};
use super::forms::{RouteRate, Span};
use super::listen::network;
use super::raw;
use super::read::{Many, Named};
use super::upstreams::Known;
use crate::policy::{
    Allow, Key, Pattern, Rate, Rates, ResponseHeaderError, ResponseHeaders, Rewrite,
};
use crate::web::{Cors, CorsSettings};

/// `from`; `None` after a problem was noted.
pub(super) fn from(cx: &mut Context<'_>, written: Spanned<Many<String>>) -> Option<Vec<IpNet>> {
    let at = written.span();
    let written = written.into_inner();
    if written.is_empty() {
        let instead = "list networks such as \"10.0.0.0/8\", or leave the key out";
        cx.error(at, format!("from = [] would let nobody in; {instead}"));
        return None;
    }
    let count = written.entries.len();
    let networks: Vec<_> =
        written.entries.iter().filter_map(|entry| network(cx, "from", entry)).collect();
    (written.complete && networks.len() == count).then_some(networks)
}

/// `strip` and `prefix`; `None` after a problem was noted. Without a `pattern` the route has a
/// problem of its own, and what is stripped cannot be judged.
#[expect(clippy::option_option, reason = "no rewrite is not a wrong one")]
pub(super) fn rewrite(
    cx: &mut Context<'_>,
    pattern: Option<&Pattern>,
    strip: Option<Spanned<String>>,
    prefix: Option<Spanned<String>>,
) -> Option<Option<Rewrite>> {
    let written = (strip.is_some(), prefix.is_some());
    let strip = strip.zip(pattern).and_then(|(text, pattern)| {
        let parsed = Rewrite::parse_strip(text.get_ref(), pattern);
        parsed.map_err(|error| cx.error(text.span(), format!("`strip`: {error}"))).ok()
    });
    let prefix = prefix.and_then(|text| {
        let parsed = Rewrite::parse_prefix(text.get_ref());
        parsed.map_err(|error| cx.error(text.span(), format!("`prefix`: {error}"))).ok()
    });
    (written == (strip.is_some(), prefix.is_some())).then(|| Rewrite::new(strip, prefix))
}

/// `rate`; `None` after a problem was noted.
#[expect(clippy::option_option, reason = "no rate is not a wrong one")]
pub(super) fn rates(
    cx: &mut Context<'_>,
    written: Spanned<Many<RouteRate>>,
) -> Option<Option<Rates>> {
    let at = written.span();
    let written = written.into_inner();
    if written.is_empty() {
        cx.error(at, "rate = [] limits nothing; write one such as \"600/m per user\"");
        return None;
    }
    let rates: Vec<Rate> = written.entries.iter().map(|rate| rate.get_ref().0).collect();
    written.complete.then(|| Rates::new(&rates))
}

/// `fresh`; `None` after a problem was noted. Whoever uses a ticket showed who it is some time
/// ago, and to somebody else.
#[expect(clippy::option_option, reason = "no time is not a wrong one")]
pub(super) fn fresh(
    cx: &mut Context<'_>,
    written: Option<Spanned<Span>>,
    allow: Option<&Allow>,
    tickets: Option<&Spanned<bool>>,
) -> Option<Option<Duration>> {
    let Some(written) = written else { return Some(None) };
    if matches!(allow, Some(Allow::Anyone)) {
        let message = "`fresh` asks for a login, and allow = \"anyone\" for nobody's; \
                       leave one of them out";
        cx.error(written.span(), message);
        return None;
    }
    if tickets.is_some_and(|tickets| *tickets.get_ref()) {
        let message = "`fresh` is shown by a token alone; leave `tickets` out, or `fresh`";
        cx.error(written.span(), message);
        return None;
    }
    Some(Some(written.into_inner().0))
}

/// `browser`; `None` after a problem was noted.
pub(super) fn browser(
    cx: &mut Context<'_>,
    written: Option<Spanned<bool>>,
    pages: Option<&str>,
) -> Option<bool> {
    let Some(written) = written else { return Some(false) };
    if *written.get_ref() && pages.is_none() {
        let message = "there is no page to sign in on; add [pages], or leave `browser` out";
        cx.error(written.span(), message);
        return None;
    }
    Some(written.into_inner())
}

/// `response_headers`; `None` after a problem was noted.
pub(super) fn response_headers(
    cx: &mut Context<'_>,
    written: Option<Spanned<Named<Spanned<String>>>>,
) -> Option<ResponseHeaders> {
    let mut made = ResponseHeaders::default();
    let mut good = true;
    for (name, value) in written.map(Spanned::into_inner).unwrap_or_default().0 {
        let Err(error) = made.add(name.get_ref(), value.get_ref()) else { continue };
        let at = match error {
            ResponseHeaderError::Value(_) => value.span(),
            ResponseHeaderError::Name(_)
            | ResponseHeaderError::Reserved(_)
            | ResponseHeaderError::Twice(_) => name.span(),
        };
        cx.error(at, format!("`response_headers`: {error}"));
        good = false;
    }
    good.then_some(made)
}

/// What a route says about streams that may be silent for long.
#[derive(Clone, Copy)]
pub(super) struct Streams {
    pub(super) websocket: Option<Duration>,
    pub(super) idle: Duration,
}

/// `websocket` and `idle`, on a route to `upstream`; `None` after a problem was noted.
pub(super) fn streams(
    cx: &mut Context<'_>,
    websocket: Option<Spanned<bool>>,
    idle: Option<Spanned<Span>>,
    upstream: Option<&Known>,
) -> Option<Streams> {
    const SILENCE: Duration = Duration::from_secs(5 * 60);
    let asked = websocket.filter(|websocket| *websocket.get_ref());
    if let Some(idle) = &idle
        && let Some(known) = upstream.filter(|known| known.is_built_in)
    {
        let name = &known.name;
        let message = format!(
            "`idle` is for the silence of servers, and `{name}` is built in; \
             leave it out, or name an upstream with `to`"
        );
        cx.error(idle.span(), message);
        return None;
    }
    let idle = idle.map_or(SILENCE, |idle| idle.into_inner().0);
    Some(Streams { websocket: asked.map(|_| idle), idle })
}

/// `tickets`, which are taken if `left_out` says so where nothing is written: a `WebSocket` cannot
/// do without them in a browser. `None` after a problem was noted; without a `key` the route has
/// one of its own.
pub(super) fn tickets(
    cx: &mut Context<'_>,
    key: Option<&Key>,
    written: Option<Spanned<bool>>,
    left_out: bool,
) -> Option<bool> {
    let Some(written) = written else { return Some(left_out) };
    if *written.get_ref() && key.is_some_and(|key| !key.methods.include(&Method::GET)) {
        let message = "`tickets` are for GET, which this key leaves out; \
                       make it a key for GET, or leave it out";
        cx.error(written.span(), message);
        return None;
    }
    Some(written.into_inner())
}

/// `cors` of a route; `None` after a problem was noted. What it says, `response_headers` cannot.
#[expect(clippy::option_option, reason = "no rule is not a wrong one")]
pub(super) fn cors(
    cx: &mut Context<'_>,
    written: Option<Spanned<raw::Cors>>,
    response_headers: Option<&ResponseHeaders>,
) -> Option<Option<Cors>> {
    let Some(written) = written else { return Some(None) };
    let mut at = written.span();
    let own = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    if let Some(name) = response_headers.and_then(|rules| rules.names().find(own)) {
        let message = format!("`cors` decides `{name}`; take it out of `response_headers`");
        cx.error(at, message);
        return None;
    }
    let raw = written.into_inner();
    let mut settings = CorsSettings::default();
    set(&mut settings.credentials, raw.credentials);
    set(&mut settings.max_age, raw.max_age);
    let mut good = !raw.flawed;
    good &= names(cx, "headers", &mut settings.headers, raw.headers);
    good &= names(cx, "expose", &mut settings.expose, raw.expose);
    if let Some(origins) = raw.origins {
        at = origins.span();
        let origins = origins.into_inner();
        good &= origins.complete;
        settings.origins = texts(origins);
    }
    if !good {
        return None;
    }
    Cors::new(settings).map_err(|error| cx.error(at, format!("`cors`: {error}"))).ok().map(Some)
}

/// `[auth] cors`: origins whose pages may use the endpoints.
pub(super) fn endpoint_cors(
    cx: &mut Context<'_>,
    written: Option<Spanned<Many<String>>>,
) -> Option<Cors> {
    let written = written?;
    let at = written.span();
    let origins = written.into_inner();
    if origins.is_empty() || !origins.complete {
        return None;
    }
    let settings = CorsSettings { origins: texts(origins), ..CorsSettings::default() };
    Cors::new(settings).map_err(|error| cx.error(at, format!("`cors`: {error}"))).ok()
}

fn texts(written: Many<String>) -> Vec<String> {
    written.entries.into_iter().map(Spanned::into_inner).collect()
}

/// Reads header names in the place of the default; `false` after a problem was noted.
fn names(
    cx: &mut Context<'_>,
    key: &str,
    slot: &mut Vec<HeaderName>,
    written: Option<Spanned<Many<String>>>,
) -> bool {
    let Some(written) = written else { return true };
    let written = written.into_inner();
    let mut good = written.complete;
    slot.clear();
    for name in written.entries {
        if let Ok(name) = name.get_ref().parse() {
            slot.push(name);
            continue;
        }
        let form = "write one such as `X-Request-Id`";
        cx.error(name.span(), format!("`{key}`: `{}` is no header name; {form}", name.get_ref()));
        good = false;
    }
    good
}
