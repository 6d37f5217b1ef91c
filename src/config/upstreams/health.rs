//! `health`: how servers are asked whether they are well.

use http::StatusCode;
use http::uri::PathAndQuery;
use toml::Spanned;

use super::super::context::{Context, set};
use super::super::raw::{Health, HealthCheck};
use crate::proxy::HealthSettings;

pub(super) fn check(cx: &mut Context<'_>, health: Spanned<Health>) -> Option<HealthSettings> {
    let at = health.span();
    let raw = match health.into_inner() {
        Health::Path(path) => {
            let path = Some(Spanned::new(at.clone(), path));
            HealthCheck { path, ..HealthCheck::default() }
        }
        Health::Table(raw) => raw,
    };
    let Some(path) = raw.path else {
        if !raw.flawed {
            cx.error(at, "`health` has no path; add path = \"/healthz\"");
        }
        return None;
    };
    let parsed = Some(path.get_ref()).filter(|path| path.starts_with('/'));
    let Some(parsed) = parsed.and_then(|path| path.parse::<PathAndQuery>().ok()) else {
        cx.error(path.span(), "`health` asks for a path; write it as \"/healthz\"");
        return None;
    };
    let mut settings = HealthSettings::new(parsed);
    set(&mut settings.interval, raw.interval);
    set(&mut settings.timeout, raw.timeout);
    set(&mut settings.healthy, raw.healthy);
    set(&mut settings.unhealthy, raw.unhealthy);
    for code in raw.status.map(|codes| codes.into_inner().entries).unwrap_or_default() {
        let status = u16::try_from(*code.get_ref()).ok().filter(|code| (200..600).contains(code));
        match status.and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(status) => settings.status.push(status),
            None => cx.error(code.span(), "`status` has final status codes, such as 200 or 204"),
        }
    }
    Some(settings)
}
