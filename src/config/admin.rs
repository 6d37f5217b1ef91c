//! `[admin]`: the operator's door.

use std::net::SocketAddr;

use toml::Spanned;

use super::context::{Context, set};
use super::forms::Source;
use super::raw;
use crate::admin::{AdminSettings, AdminTcp, SHORTEST_TOKEN};
use crate::secret::Secret;

/// Most requests that a worker remembers.
const MOST_RECENT: usize = 100_000;

pub(super) fn check(cx: &mut Context<'_>, raw: raw::Admin) -> AdminSettings {
    let AdminSettings { socket, mut watch, mut recent, .. } = AdminSettings::default();
    let socket = cx.path_or(socket, raw.socket);
    set(&mut watch, raw.watch);
    recent_requests(cx, &mut recent, raw.recent);
    AdminSettings { socket, watch, recent, tcp: tcp(cx, raw.listen, raw.token, raw.feed_token) }
}

fn recent_requests(cx: &mut Context<'_>, recent: &mut usize, raw: Option<Spanned<usize>>) {
    let Some(raw) = raw else { return };
    if *raw.get_ref() > MOST_RECENT {
        cx.error(
            raw.span(),
            format!(
                "`recent` is more than {MOST_RECENT}; each takes about 2 KiB of memory, at each \
                 worker: older requests are in the access log"
            ),
        );
        return;
    }
    *recent = raw.into_inner();
}

fn tcp(
    cx: &mut Context<'_>,
    listen: Option<Spanned<String>>,
    token: Option<Spanned<Source>>,
    feed_token: Option<Spanned<Source>>,
) -> Option<AdminTcp> {
    if let (None, Some(feed_token)) = (&listen, &feed_token) {
        let form = "listen = \"127.0.0.1:9901\"";
        let problem = format!("`feed_token` is for `listen`, which is not there; add {form}");
        cx.error(feed_token.span(), problem);
    }
    let (listen, token) = match (listen, token) {
        (None, None) => return None,
        (Some(listen), Some(token)) => (listen, token),
        (Some(listen), None) => {
            let form = "token = { file = \"admin.token\" }";
            let problem = format!("`listen` opens the operator's door; add {form}");
            cx.error(listen.span(), problem);
            return None;
        }
        (None, Some(token)) => {
            let form = "listen = \"127.0.0.1:9901\"";
            cx.error(
                token.span(),
                format!("`token` is for `listen`, which is not there; add {form}"),
            );
            return None;
        }
    };
    let addr = addr(cx, &listen);
    let token = long_enough(cx, "token", token);
    let feed = feed_token.map(|written| {
        let at = written.span();
        let feed = long_enough(cx, "feed_token", written)?;
        let same = token.as_ref().is_some_and(|token| token.matches(feed.expose()));
        if same {
            let problem =
                "`feed_token` is the same as `token`, which opens everything; make another";
            cx.error(at, problem);
        }
        (!same).then_some(feed)
    });
    let feed_token = match feed {
        Some(feed) => Some(feed?),
        None => None,
    };
    Some(AdminTcp { addr: addr?, token: token?, feed_token })
}

/// A token that nobody guesses.
fn long_enough(cx: &mut Context<'_>, key: &str, written: Spanned<Source>) -> Option<Secret> {
    let at = written.span();
    let token = cx.secret(key, written)?;
    if token.expose().len() >= SHORTEST_TOKEN {
        return Some(token);
    }
    let problem = format!(
        "`{key}` is shorter than {SHORTEST_TOKEN} bytes, and could be guessed; make one with \
         `openssl rand -hex 32`"
    );
    cx.error(at, problem);
    None
}

fn addr(cx: &mut Context<'_>, listen: &Spanned<String>) -> Option<SocketAddr> {
    let at = listen.span();
    let Ok(addr) = listen.get_ref().parse::<SocketAddr>() else {
        cx.error(at, "`listen` must be an IP address and port, as in \"127.0.0.1:9901\"");
        return None;
    };
    if !addr.ip().is_loopback() {
        let warning = "others than this machine can reach the operator's door, and the token \
                       goes there in clear; listen at 127.0.0.1, or see to it that only the \
                       monitoring network reaches it";
        cx.problems.warn(at, warning);
    }
    Some(addr)
}
