//! `[auth]`: endpoints, tokens, sessions, passwords.

use std::num::NonZeroU32;

use humantime::format_duration;
use toml::Spanned;

use super::context::{Context, set};
use super::forms::Size;
use super::raw;
use crate::endpoints::{EndpointSettings, LoginFailure, Registration};
use crate::password::PasswordSettings;
use crate::session::{
    AccountRules, FactorSettings, KeyPrefix, Lookalikes, RelyingParty, SessionSettings,
    UserKeySettings, check_username,
};
use crate::token::TokenSettings;
use crate::web::Public;

/// Memory for callers that are known, in bytes: what is less is none.
const LEAST_CALLERS: u64 = 1 << 20;
/// Keys that one user may have at most: all of them are listed at once.
const MOST_KEYS: usize = 1000;

pub(super) fn endpoints(
    cx: &mut Context<'_>,
    raw: &mut raw::Auth,
    public: Option<&Public>,
) -> EndpointSettings {
    let secure = public.is_some_and(|public| public.https);
    let mut settings = EndpointSettings { secure, ..EndpointSettings::default() };
    if let Some(prefix) = raw.prefix.take() {
        if !is_plain_path(prefix.get_ref()) {
            let form = "a plain path without a slash at its end, such as \"/api/auth\"";
            cx.error(prefix.span(), format!("`prefix` must be {form}"));
        }
        settings.prefix = prefix.into_inner();
    }
    cx.choice(
        "register",
        &mut settings.register,
        raw.register.take(),
        &[
            ("open", Registration::Open),
            ("invite", Registration::Invite),
            ("closed", Registration::Closed),
        ],
    );
    cx.choice(
        "login_failure",
        &mut settings.login_failure,
        raw.login_failure.take(),
        &[("original", LoginFailure::Original), ("simplejwt", LoginFailure::SimpleJwt)],
    );
    let throttle = raw.throttle.take().map(Spanned::into_inner).unwrap_or_default();
    for (key, written) in [("account", &throttle.account), ("address", &throttle.address)] {
        if let Some(written) = written
            && written.get_ref().0.is_none()
        {
            let warning = format!("`{key}` is off: guessing of passwords is not slowed down by it");
            cx.problems.warn(written.span(), warning);
        }
    }
    set(&mut settings.account, throttle.account);
    set(&mut settings.address, throttle.address);
    set(&mut settings.device, throttle.device);
    set(&mut settings.registrations, throttle.register);
    set(&mut settings.letters, throttle.mail);
    set(&mut settings.recipient, throttle.recipient);
    set(&mut settings.keys, throttle.keys);
    settings
}

pub(super) fn accounts(cx: &mut Context<'_>, raw: &mut raw::Auth) -> AccountRules {
    let mut rules = AccountRules::default();
    set(&mut rules.unique_email, raw.unique_email.take());
    cx.choice(
        "lookalikes",
        &mut rules.lookalikes,
        raw.lookalikes.take(),
        &[("allow", Lookalikes::Allow), ("refuse", Lookalikes::Refuse)],
    );
    let Some(reserved) = raw.reserved.take() else { return rules };
    rules.reserved.clear();
    for name in reserved.into_inner().entries {
        if check_username(name.get_ref()).is_err() {
            let message = "this is no username, so that nobody could register it; leave it out";
            cx.error(name.span(), message);
        }
        rules.reserved.push(name.into_inner());
    }
    rules
}

/// A path that has one spelling and that no server reads in another way.
fn is_plain_path(path: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|segment| {
            !segment.is_empty() && !segment.ends_with('.') && segment.bytes().all(plain)
        })
    })
}

pub(super) fn tokens_and_sessions(
    cx: &mut Context<'_>,
    raw: raw::Auth,
    public: Option<&Public>,
) -> (TokenSettings, SessionSettings) {
    let host = public.map(|public| public.host.clone());
    let relying_party = public.and_then(RelyingParty::of);
    let public = public.map(ToString::to_string);
    let mut tokens = TokenSettings { public, ..TokenSettings::default() };
    let mut sessions = SessionSettings::default();
    let [access, refresh, session] =
        [&raw.access, &raw.refresh, &raw.session].map(|life| life.as_ref().map(Spanned::span));
    set(&mut tokens.access, raw.access);
    set(&mut tokens.refresh, raw.refresh);
    set(&mut tokens.leeway, raw.leeway);
    set(&mut tokens.sliding, raw.sliding);
    set(&mut sessions.lifetime, raw.session);
    set(&mut sessions.rotation, raw.rotation);
    set(&mut sessions.grace, raw.grace);
    set(&mut sessions.token_scheme, raw.token_scheme);
    if let Some(callers) = &raw.callers
        && callers.get_ref().0 < LEAST_CALLERS
    {
        let message = "`callers` below 1MiB is room for a thousand tokens; use at least \"1MiB\"";
        cx.error(callers.span(), message.to_owned());
    }
    set(&mut sessions.callers, raw.callers);
    let written = raw.factors.map(Spanned::into_inner).unwrap_or_default();
    sessions.factors = FactorSettings { relying_party, ..factors(cx, host, written) };
    sessions.user_keys = raw.keys.map(|written| user_keys(cx, written.into_inner()));
    tokens.issuer = filled(cx, "issuer", raw.issuer);
    tokens.audience = filled(cx, "audience", raw.audience);
    let (access_is, refresh_is, session_is) = (
        format_duration(tokens.access),
        format_duration(tokens.refresh),
        format_duration(sessions.lifetime),
    );
    // Reported at whichever of the two was written.
    if tokens.access >= tokens.refresh {
        let message = format!(
            "access = \"{access_is}\" does not end before refresh = \"{refresh_is}\"; \
             make `access` the shorter one"
        );
        cx.error(access.or_else(|| refresh.clone()).unwrap_or_default(), message);
    }
    if tokens.refresh > sessions.lifetime {
        let message = format!(
            "refresh = \"{refresh_is}\" lasts longer than session = \"{session_is}\"; \
             make `session` as long at least"
        );
        cx.error(refresh.or(session).unwrap_or_default(), message);
    }
    (tokens, sessions)
}

/// Keys of users are there where the table is, if there is nothing in it.
fn user_keys(cx: &mut Context<'_>, raw: raw::UserKeys) -> UserKeySettings {
    let mut settings = UserKeySettings::default();
    if let Some(written) = raw.prefix {
        match KeyPrefix::new(written.get_ref()) {
            Ok(prefix) => settings.prefix = prefix,
            Err(fault) => cx.error(written.span(), format!("`prefix` must be {fault}")),
        }
    }
    set(&mut settings.life, raw.life);
    set(&mut settings.fresh, raw.fresh);
    if let Some(most) = &raw.per_user
        && most.get_ref().get() > MOST_KEYS
    {
        let message = format!("`per_user` must be a whole number from 1 to {MOST_KEYS}");
        cx.error(most.span(), message);
    }
    set(&mut settings.per_user, raw.per_user);
    settings
}

/// Authenticator apps show where an account is: by what they are told, else by the public name.
fn factors(cx: &mut Context<'_>, host: Option<String>, raw: raw::Factors) -> FactorSettings {
    let mut settings = FactorSettings::default();
    set(&mut settings.enrol, raw.enrol);
    set(&mut settings.passkeys, raw.passkeys);
    if let Some(issuer) = filled(cx, "issuer", raw.issuer).or(host) {
        settings.issuer = issuer;
    }
    settings
}

/// A text that says something.
fn filled(cx: &mut Context<'_>, key: &str, written: Option<Spanned<String>>) -> Option<String> {
    let written = written?;
    if written.get_ref().is_empty() {
        cx.error(written.span(), format!("`{key}` is empty; write a value, or leave the key out"));
    }
    Some(written.into_inner())
}

/// `public` says whether strangers can reach the endpoints: common passwords are refused then.
pub(super) fn passwords(
    cx: &mut Context<'_>,
    raw: raw::Password,
    public: bool,
) -> PasswordSettings {
    let mut settings = PasswordSettings { common: public, ..PasswordSettings::default() };
    let [min, max] = [&raw.min, &raw.max].map(|key| key.as_ref().map(Spanned::span));
    set(&mut settings.min, raw.min);
    set(&mut settings.max, raw.max);
    set(&mut settings.common, raw.common);
    set(&mut settings.numeric, raw.numeric);
    set(&mut settings.similarity, raw.similarity);
    set(&mut settings.passes, raw.passes);
    set(&mut settings.lanes, raw.lanes);
    set(&mut settings.at_once, raw.at_once);
    set(&mut settings.queue, raw.queue);
    set(&mut settings.queue_wait, raw.queue_wait);
    if settings.min > settings.max {
        let (min_is, max_is) = (settings.min, settings.max);
        let message = format!(
            "min = {min_is} is above max = {max_is}, so that no password would do; lower `min`"
        );
        cx.error(min.or(max).unwrap_or_default(), message);
    }
    if let Some(memory) = raw.memory {
        // RFC 9106 section 3.1: at least 8 KiB a lane.
        let least = settings.lanes.saturating_mul(NonZeroU32::MIN.saturating_add(7));
        let Size(bytes) = *memory.get_ref();
        match u32::try_from(bytes / 1024).ok().and_then(NonZeroU32::new) {
            Some(kib) if kib >= least => settings.memory = kib,
            Some(_) | None => cx.error(
                memory.span(),
                format!("`memory` must be from \"{least}KiB\" (8KiB a lane) to \"4095GiB\""),
            ),
        }
    }
    settings
}
