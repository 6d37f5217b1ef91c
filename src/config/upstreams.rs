//! `[upstreams]`: who answers.

mod folder;
mod health;
mod tls;

use std::num::NonZeroU32;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::context::{Context, set};
use super::raw;
use super::read::{Many, Named};
use crate::proxy::{Address, Backend, Target, UpstreamSettings};
use crate::web::HostName;

pub(super) use tls::roots;

/// What the routes have to know of an upstream.
pub(super) struct Known {
    pub(super) name: String,
    /// Whether it is built in, and so never silent.
    pub(super) is_built_in: bool,
}

/// Those of the file, also those that are wrong: a route to one of them is not one more mistake.
pub(super) fn known(raw: &Named<raw::Upstream>) -> Vec<Known> {
    let one = |(name, raw): &(Spanned<String>, raw::Upstream)| Known {
        name: name.get_ref().clone(),
        is_built_in: raw.dir.is_some()
            || [&raw.whoami, &raw.inner]
                .iter()
                .any(|own| own.as_ref().is_some_and(|own| *own.get_ref())),
    };
    raw.0.iter().map(one).collect()
}

/// `ours` are files that no folder may serve.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Named<raw::Upstream>,
    ours: &[&Path],
) -> Vec<UpstreamSettings> {
    raw.0.into_iter().filter_map(|(name, raw)| upstream(cx, name, raw, ours)).collect()
}

fn upstream(
    cx: &mut Context<'_>,
    name: Spanned<String>,
    mut raw: raw::Upstream,
    ours: &[&Path],
) -> Option<UpstreamSettings> {
    let at = name.span();
    let name = name.into_inner();
    // A name made of digits would read as a status in an `expect` line.
    let letters = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-');
    if !name.starts_with(|sign: char| sign.is_ascii_alphabetic()) || !name.chars().all(letters) {
        let form = "begin with a letter and go on with letters, digits, `_` and `-`";
        cx.error(at.clone(), format!("the name of an upstream must {form}"));
    }
    let to = raw.to.as_ref().map(Spanned::span).unwrap_or_default();
    let h2 = raw.h2.as_ref().is_some_and(|h2| *h2.get_ref());
    let target = target(cx, &name, at, &mut raw, ours)?;
    let tls = if let Target::Http(backends) = &target {
        let servers: Vec<_> = backends.iter().map(|one| one.address.clone()).collect();
        tls::check(cx, raw.tls, &servers, &to, h2)?
    } else {
        None
    };
    let health = raw.health.map(|health| health::check(cx, health));
    let mut upstream = UpstreamSettings::new(name, target);
    upstream.h2 = h2;
    upstream.tls = tls;
    set(&mut upstream.connect, raw.connect);
    set(&mut upstream.timeout, raw.timeout);
    set(&mut upstream.idle, raw.idle);
    set(&mut upstream.keep_alive, raw.keep_alive);
    set(&mut upstream.in_flight, raw.in_flight);
    set(&mut upstream.queue, raw.queue);
    set(&mut upstream.queue_wait, raw.queue_wait);
    upstream.health = health.flatten();
    if let Some(retries) = raw.retries {
        match retries.get_ref() {
            0 => upstream.send_again = false,
            1 => upstream.send_again = true,
            _ => cx.error(retries.span(), "`retries` must be 0 or 1; nothing is sent three times"),
        }
    }
    Some(upstream)
}

/// Exactly one of `to`, `dir`, `whoami` and `inner`, with the keys that go with it.
fn target(
    cx: &mut Context<'_>,
    name: &str,
    at: Range<usize>,
    raw: &mut raw::Upstream,
    ours: &[&Path],
) -> Option<Target> {
    let own = built_in(cx, raw);
    match (raw.to.take(), raw.dir.take(), own) {
        (Some(to), None, None) => {
            folder_keys(cx, raw);
            Some(Target::Http(backends(cx, to, raw.weights.take())?))
        }
        (None, Some(dir), None) => {
            server_keys(cx, raw);
            let (spa, precompressed) = (raw.spa.take(), raw.precompressed.take());
            folder::check(cx, &dir, spa, precompressed, ours).map(Target::Folder)
        }
        (None, None, Some((_, target))) => {
            server_keys(cx, raw);
            folder_keys(cx, raw);
            Some(target)
        }
        (Some(to), None, Some((key, _))) => {
            let message = format!("`to` and `{key} = true` exclude each other; keep one of them");
            cx.error(to.span(), message);
            None
        }
        (Some(_), Some(dir), _) => {
            cx.error(dir.span(), "`to` and `dir` exclude each other; keep one of them");
            None
        }
        (None, Some(dir), Some((key, _))) => {
            let message = format!("`dir` and `{key} = true` exclude each other; keep one of them");
            cx.error(dir.span(), message);
            None
        }
        (None, None, None) if raw.flawed => None,
        (None, None, None) => {
            let message = format!(
                "upstream `{name}` has no address; add to = \"http://127.0.0.1:8000\", \
                 or whoami = true"
            );
            cx.error(at, message);
            None
        }
    }
}

/// What needs neither servers nor files, by its key.
fn built_in(cx: &mut Context<'_>, raw: &mut raw::Upstream) -> Option<(&'static str, Target)> {
    let whoami = raw.whoami.take().is_some_and(Spanned::into_inner);
    let inner = raw.inner.take().filter(|inner| *inner.get_ref());
    match (whoami, inner) {
        (true, Some(inner)) => {
            let message = "`whoami = true` and `inner = true` exclude each other; keep one of them";
            cx.error(inner.span(), message);
            Some(("whoami", Target::Whoami))
        }
        (true, None) => Some(("whoami", Target::Whoami)),
        (false, Some(_)) => Some(("inner", Target::Inner)),
        (false, None) => None,
    }
}

/// What makes no sense without servers.
fn server_keys(cx: &mut Context<'_>, raw: &mut raw::Upstream) {
    let weights = raw.weights.take().map(|it| it.span());
    let health = raw.health.take().map(|it| it.span());
    let (h2, tls) = (raw.h2.take().map(|it| it.span()), raw.tls.take().map(|it| it.span()));
    for (key, at) in [("weights", weights), ("health", health), ("h2", h2), ("tls", tls)] {
        if let Some(at) = at {
            cx.error(at, format!("`{key}` goes with the servers of `to`; remove it"));
        }
    }
}

/// What makes no sense without a folder.
fn folder_keys(cx: &mut Context<'_>, raw: &mut raw::Upstream) {
    let spa = raw.spa.take().map(|it| it.span());
    let precompressed = raw.precompressed.take().map(|it| it.span());
    for (key, at) in [("spa", spa), ("precompressed", precompressed)] {
        if let Some(at) = at {
            cx.error(at, format!("`{key}` goes with the files of `dir`; remove it"));
        }
    }
}

fn backends(
    cx: &mut Context<'_>,
    to: Spanned<Many<String>>,
    weights: Option<Spanned<Many<NonZeroU32>>>,
) -> Option<Vec<Backend>> {
    let addresses = addresses(cx, to);
    let weights = match weights {
        Some(weights) => Some(weights_of(cx, addresses.as_deref(), weights)?),
        None => None,
    };
    let weights = weights.into_iter().flatten().chain(std::iter::repeat(NonZeroU32::MIN));
    let pairs = addresses?.into_iter().zip(weights);
    Some(pairs.map(|(address, weight)| Backend { address, weight }).collect())
}

/// A weight for each server; without servers, nothing can be said about their number.
fn weights_of(
    cx: &mut Context<'_>,
    servers: Option<&[Address]>,
    weights: Spanned<Many<NonZeroU32>>,
) -> Option<Vec<NonZeroU32>> {
    let at = weights.span();
    let weights = weights.into_inner();
    if !weights.complete {
        return None;
    }
    let (weighed, servers) = (weights.entries.len(), servers?.len());
    if weighed != servers {
        let message = format!(
            "`weights` has {weighed} and `to` has {servers}; write one weight for each server"
        );
        cx.error(at, message);
        return None;
    }
    Some(weights.entries.into_iter().map(Spanned::into_inner).collect())
}

fn addresses(cx: &mut Context<'_>, to: Spanned<Many<String>>) -> Option<Vec<Address>> {
    let at = to.span();
    let written = to.into_inner();
    if written.is_empty() {
        cx.error(at, "`to` is empty; write \"http://host:port\"");
        return None;
    }
    let mut addresses = Vec::new();
    for text in &written.entries {
        match address(cx, text.get_ref()) {
            Ok(address) => addresses.push(address),
            Err(problem) => cx.error(text.span(), problem),
        }
    }
    (written.complete && addresses.len() == written.entries.len()).then_some(addresses)
}

fn address(cx: &Context<'_>, text: &str) -> Result<Address, &'static str> {
    const FORM: &str =
        "`to` must be \"http://host:port\", \"https://host\" or \"unix:/run/app.sock\"";
    match text.strip_prefix("unix:") {
        Some("") => return Err(FORM),
        Some(path) => return Ok(Address::Unix(cx.path(path))),
        None => {}
    }
    let (secure, rest) = match text.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("http://").ok_or(FORM)?),
    };
    if rest.contains(['/', '?', '#']) {
        return Err("an upstream has no path; end `to` after the host and port");
    }
    let host = HostName::parse(rest).map_err(|_| FORM)?;
    let name = host.name().trim_matches(['[', ']']).to_owned();
    Ok(if secure {
        Address::Tls { host: name, port: host.port().unwrap_or(443) }
    } else {
        Address::Tcp { host: name, port: host.port().unwrap_or(80) }
    })
}
