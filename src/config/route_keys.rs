//! The keys of a route that say more than who may use it.

use ipnet::IpNet;
use toml::Spanned;

use super::context::Context;
use super::forms::RouteRate;
use super::listen::network;
use super::read::{Many, Named};
use crate::policy::{Pattern, Rate, Rates, ResponseHeaderError, ResponseHeaders, Rewrite};

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
