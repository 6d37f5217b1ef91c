//! `[otlp]`: where traces go, and which.

use std::ops::Range;

use http::header::{self, HeaderName, HeaderValue};
use toml::Spanned;

use super::context::{Context, set};
use super::forms::Source;
use super::raw;
use super::read::Named;
use super::upstreams;
use crate::tls::ClientTls;
use crate::trace::{Collector, TraceSettings};
use crate::web::is_framing;

/// `None` where there is no such table, or after a problem was noted.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::Otlp>>,
) -> Option<TraceSettings> {
    let raw = raw?;
    let at = raw.span();
    let raw = raw.into_inner();
    let has_headers = raw.headers.as_ref().is_some_and(|headers| !headers.get_ref().0.is_empty());
    let collector = collector(cx, &at, raw.flawed, raw.endpoint, has_headers);
    let tls = tls(cx, &at, collector.as_ref(), raw.ca);
    let headers = headers(cx, raw.headers.map(Spanned::into_inner).unwrap_or_default());
    if let Some(service) = raw.service.as_ref().filter(|it| it.get_ref().trim().is_empty()) {
        cx.error(service.span(), "`service` is empty; name the gateway, or leave the key out");
    }
    let (tls, headers) = (tls?, headers?);
    let mut settings = TraceSettings { tls, headers, ..TraceSettings::to(collector?) };
    set(&mut settings.service, raw.service);
    set(&mut settings.share, raw.sample);
    set(&mut settings.users, raw.user);
    set(&mut settings.timeout, raw.timeout);
    set(&mut settings.queue, raw.queue);
    Some(settings)
}

fn collector(
    cx: &mut Context<'_>,
    at: &Range<usize>,
    flawed: bool,
    endpoint: Option<Spanned<String>>,
    has_headers: bool,
) -> Option<Collector> {
    let Some(endpoint) = endpoint else {
        if !flawed {
            let form = "endpoint = \"http://localhost:4318\"";
            cx.error(at.clone(), format!("[otlp] has no `endpoint`; add {form}"));
        }
        return None;
    };
    match Collector::parse(endpoint.get_ref()) {
        Ok(collector) => {
            if has_headers && !collector.is_secure() && !collector.is_here() {
                let warning = "`headers` go to the collector in clear, for everybody on the way to \
                               read; use https";
                cx.problems.warn(endpoint.span(), warning);
            }
            Some(collector)
        }
        Err(error) => {
            cx.error(endpoint.span(), error.to_string());
            None
        }
    }
}

/// `Some(None)`: there is none.
#[expect(clippy::option_option, reason = "no TLS is not a wrong one")]
fn tls(
    cx: &mut Context<'_>,
    at: &Range<usize>,
    collector: Option<&Collector>,
    ca: Option<Spanned<String>>,
) -> Option<Option<ClientTls>> {
    if !collector?.is_secure() {
        if let Some(ca) = ca {
            cx.error(ca.span(), "`ca` is about TLS, and http:// has none; remove it");
            return None;
        }
        return Some(None);
    }
    let roots = upstreams::roots(cx, ca)?;
    let made = ClientTls::new(roots, None, &[], None).map_err(|error| {
        cx.error(at.clone(), format!("{error}; name whom to believe with ca = \"ca.pem\""));
    });
    made.ok().map(Some)
}

fn headers(
    cx: &mut Context<'_>,
    written: Named<Spanned<Source>>,
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let (count, mut headers) = (written.0.len(), Vec::new());
    for (name, source) in written.0 {
        let at = source.span();
        let value = cx.secret(name.get_ref(), source);
        let Some(parsed) = own_name(name.get_ref()) else {
            let message = format!("`{}` is no header of a request to add here", name.get_ref());
            cx.error(name.span(), format!("{message}; write one such as `authorization`"));
            continue;
        };
        let Some(value) = value else { continue };
        let Ok(mut value) = HeaderValue::from_bytes(value.expose()) else {
            let message =
                format!("`{}` has a line end or another control byte in it", name.get_ref());
            cx.error(at, format!("{message}; give it without"));
            continue;
        };
        value.set_sensitive(true);
        headers.push((parsed, value));
    }
    (headers.len() == count).then_some(headers)
}

/// A name that is not for us to set.
fn own_name(name: &str) -> Option<HeaderName> {
    let name: HeaderName = name.parse().ok()?;
    let ours = [header::HOST, header::CONTENT_TYPE, header::CONTENT_ENCODING, header::USER_AGENT];
    (!is_framing(&name) && !ours.contains(&name)).then_some(name)
}
