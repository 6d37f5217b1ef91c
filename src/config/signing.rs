//! `[auth.signing]`: what our tokens are signed with.

use std::path::PathBuf;

use toml::Spanned;

use super::context::Context;
use super::forms::Source;
use super::raw;
use crate::clock::Timestamp;
use crate::keys::{Algorithm, KeyError, KeyRing, KeySettings, KeySource, VerifyingKey};
use crate::secret::Secret;

/// The keys, and what they are sealed under where gateways share them.
pub(super) fn check(
    cx: &mut Context<'_>,
    mut raw: raw::Signing,
    ring: PathBuf,
) -> (KeySettings, Option<Secret>) {
    let shared = raw.shared.take().and_then(|source| shared(cx, source));
    (own(cx, raw, ring), shared)
}

/// Shortest secret that a ring is sealed under, in bytes.
const SHORTEST: usize = 32;

/// `None` after a problem was noted.
fn shared(cx: &mut Context<'_>, source: Spanned<Source>) -> Option<Secret> {
    let at = source.span();
    let secret = cx.secret("shared", source)?;
    if secret.expose().len() < SHORTEST {
        let form = "make one with `openssl rand -base64 48`";
        cx.error(at, format!("`shared` is shorter than {SHORTEST} bytes; {form}"));
        return None;
    }
    Some(secret)
}

fn own(cx: &mut Context<'_>, raw: raw::Signing, ring: PathBuf) -> KeySettings {
    let mut settings = KeySettings::new(ring);
    if let Some(written) = raw.algorithm {
        let own = written.get_ref().parse().ok().filter(|it| Algorithm::OWN.contains(it));
        let Some(own) = own else {
            let names = Algorithm::OWN.map(Algorithm::as_str).join(", ");
            cx.error(written.span(), format!("`algorithm` must be one of {names}"));
            return settings;
        };
        settings.algorithm = own;
        if own.is_hmac() && raw.secret.is_none() && raw.key.is_none() && !raw.flawed {
            let message = format!("{own} needs the shared secret; add {}", form("secret"));
            cx.error(written.span(), message);
        }
    }
    let algorithm = settings.algorithm;
    let (ours, other) = if algorithm.is_hmac() {
        (("secret", raw.secret), ("key", raw.key))
    } else {
        (("key", raw.key), ("secret", raw.secret))
    };
    if let (key, Some(source)) = other {
        let or = if algorithm.is_hmac() { "" } else { ", or leave both out" };
        let instead = format!("{}{or}", form(ours.0));
        cx.error(source.span(), format!("{algorithm} takes no `{key}`; write {instead}"));
    }
    if let (key, Some(source)) = ours {
        let at = source.span();
        if let Some(secret) = cx.secret(key, source) {
            let hmac = algorithm.is_hmac();
            settings.source = if hmac { KeySource::Shared(secret) } else { KeySource::Pem(secret) };
            if let Err(error) = usable(settings.clone()) {
                cx.error(at, format!("`{key}`: {error}"));
            }
        }
    }
    for source in raw.previous.map(|many| many.into_inner().entries).unwrap_or_default() {
        let at = source.span();
        let Some(secret) = cx.secret("previous", source) else { continue };
        match VerifyingKey::read(algorithm, &secret) {
            Ok(_) => settings.previous.push(secret),
            Err(error) => cx.error(at, format!("`previous`: {error}")),
        }
    }
    settings
}

fn form(key: &str) -> String {
    match key {
        "secret" => "secret = { env = \"SIGNING_KEY\" }".to_owned(),
        _ => format!("{key} = {{ file = \"signing.pem\" }}"),
    }
}

/// Whether those settings make a key ring, found out here so that `check` can tell the place.
fn usable(settings: KeySettings) -> Result<(), KeyError> {
    KeyRing::ephemeral(settings, Timestamp::default()).map(drop)
}
