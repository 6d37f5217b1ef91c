//! `[[issuers]]`: others whose tokens open our routes.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use super::context::{Context, set};
use super::forms::{Source, Span};
use super::raw;
use super::read::{Many, Named};
use crate::identity::is_role_name;
use crate::keys::{Algorithm, FetchUrl, JwkSet, Location, RemoteSettings};
use crate::tls::{Roots, certificates};
use crate::token::{IssuerKeys, IssuerSettings};

pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Many<raw::IssuerEntry>,
    own: Option<&str>,
) -> Vec<IssuerSettings> {
    let mut issuers: Vec<IssuerSettings> = Vec::new();
    for raw in raw.entries {
        let at = raw.span();
        let raw = raw.into_inner();
        let [name_at, issuer_at] = [&raw.name, &raw.issuer]
            .map(|key| key.as_ref().map_or_else(|| at.clone(), Spanned::span));
        let Some(issuer) = issuer(cx, at, raw) else { continue };
        if issuers.iter().any(|other| other.name == issuer.name) {
            let message = format!("two issuers are named `{}`; rename one of them", issuer.name);
            cx.error(name_at, message);
        }
        if issuers.iter().any(|other| other.issuer == issuer.issuer) {
            let message = "two entries have this `issuer`; one entry judges all of its tokens, remove the other";
            cx.error(issuer_at.clone(), message);
        }
        if own == Some(issuer.issuer.as_str()) {
            let message = "this is `issuer` of [auth], whose tokens our own keys judge; \
                           write the other side's `iss`";
            cx.error(issuer_at, message);
        }
        issuers.push(issuer);
    }
    issuers
}

fn issuer(cx: &mut Context<'_>, at: Range<usize>, raw: raw::IssuerEntry) -> Option<IssuerSettings> {
    let missing = Missing { at, silent: raw.flawed };
    let name = required(cx, &missing, "name", "name = \"corp\"", raw.name);
    let form = "issuer = \"https://id.example.com\"";
    let issuer = required(cx, &missing, "issuer", form, raw.issuer);
    let audience = required(cx, &missing, "audience", "audience = \"portcullis\"", raw.audience);
    let algorithms_at = raw.algorithms.as_ref().map(Spanned::span);
    let algorithms = raw.algorithms.map(|written| algorithms(cx, written));
    let fetching = Fetching { ca: raw.ca, timeout: raw.timeout, stale: raw.stale };
    let keys = match (raw.jwks, &issuer) {
        (Some(source), _) => keys(cx, source, fetching),
        (None, Some(issuer)) if !raw.flawed => discovery(cx, issuer, fetching),
        (None, _) => None,
    };
    if let (Some(IssuerKeys::Fetched(_)), Some(list), Some(at)) =
        (&keys, &algorithms, algorithms_at)
        && list.iter().any(|algorithm| algorithm.is_hmac())
    {
        let message = "shared secrets are never fetched, so HS* would verify nothing; leave it \
                       out, or write jwks = { file = \"jwks.json\" }";
        cx.error(at, message);
    }
    let name = name.filter(|name| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let fits = name.get_ref().bytes().all(plain);
        if !fits {
            let message = "`name` begins the user ids of this issuer; \
                           use letters, digits, `.`, `_` and `-` only";
            cx.error(name.span(), message);
        }
        fits
    });
    let roles = raw.roles.map(|written| roles(cx, written.into_inner()));
    let (name, issuer, audience) = (name?, issuer?, audience?);
    let mut settings =
        IssuerSettings::new(name.into_inner(), issuer.into_inner(), audience.into_inner(), keys?);
    settings.algorithms = algorithms.unwrap_or(settings.algorithms);
    settings.roles = roles.unwrap_or_default();
    let claims = raw.claims.map(|claims| claims.into_inner().0).unwrap_or_default();
    settings.claims.extend(claims.into_iter().map(|(ours, theirs)| (ours.into_inner(), theirs)));
    set(&mut settings.roles_claim, raw.roles_claim);
    set(&mut settings.leeway, raw.leeway);
    Some(settings)
}

/// Where and whether to say that a key is missing.
struct Missing {
    at: Range<usize>,
    silent: bool,
}

impl Missing {
    fn report<T>(&self, cx: &mut Context<'_>, key: &str, form: &str) -> Option<T> {
        if !self.silent {
            cx.error(self.at.clone(), format!("this issuer has no `{key}`; add {form}"));
        }
        None
    }
}

fn required(
    cx: &mut Context<'_>,
    missing: &Missing,
    key: &str,
    form: &str,
    written: Option<Spanned<String>>,
) -> Option<Spanned<String>> {
    let Some(written) = written else { return missing.report(cx, key, form) };
    if written.get_ref().is_empty() {
        cx.error(written.span(), format!("`{key}` is empty; write one such as {form}"));
        return None;
    }
    Some(written)
}

/// How keys are fetched.
struct Fetching {
    ca: Option<Spanned<String>>,
    timeout: Option<Spanned<Span>>,
    stale: Option<Spanned<Duration>>,
}

impl Fetching {
    /// Settings for keys at that place.
    fn from(self, cx: &mut Context<'_>, location: Location) -> Option<IssuerKeys> {
        let mut settings = RemoteSettings::new(location);
        set(&mut settings.timeout, self.timeout);
        set(&mut settings.stale, self.stale);
        if let Some(ca) = self.ca {
            settings.roots = roots(cx, &ca)?;
        }
        Some(settings.into())
    }

    /// Nothing is fetched: these keys would do nothing.
    fn refuse(self, cx: &mut Context<'_>) {
        let written = [
            ("ca", self.ca.map(|it| it.span())),
            ("timeout", self.timeout.map(|it| it.span())),
            ("stale", self.stale.map(|it| it.span())),
        ];
        for (key, at) in written {
            let Some(at) = at else { continue };
            cx.error(
                at,
                format!(
                    "`{key}` is about keys that are fetched, and these are in a file; remove it"
                ),
            );
        }
    }
}

fn roots(cx: &mut Context<'_>, ca: &Spanned<String>) -> Option<Roots> {
    let name = ca.get_ref();
    let read = cx.file(name).and_then(|pem| {
        let instead = "put the PEM certificates of the issuer's own authority there";
        certificates(&pem).map_err(|error| format!("{name}: {error}; {instead}"))
    });
    read.map(Roots::Only).map_err(|problem| cx.error(ca.span(), problem)).ok()
}

fn keys(cx: &mut Context<'_>, source: Spanned<Source>, fetching: Fetching) -> Option<IssuerKeys> {
    let at = source.span();
    let problem = match source.into_inner() {
        Source::File(name) => {
            fetching.refuse(cx);
            match key_set(cx, &name) {
                Ok(keys) => return Some(keys.into()),
                Err(problem) => problem,
            }
        }
        Source::Url(url) => match FetchUrl::parse(&url) {
            Ok(url) => return fetching.from(cx, Location::Jwks(url)),
            Err(error) => error.to_string(),
        },
        Source::Inline(_) | Source::Env(_) => {
            "`jwks` must be { url = \"https://id.example.com/keys\" } or { file = \"jwks.json\" }"
                .to_owned()
        }
    };
    cx.error(at, problem);
    None
}

fn discovery(
    cx: &mut Context<'_>,
    issuer: &Spanned<String>,
    fetching: Fetching,
) -> Option<IssuerKeys> {
    let Ok(location) = Location::discovery(issuer.get_ref()) else {
        let message = "without `jwks` the keys are found by OpenID discovery, for which `issuer` \
                       must be an https URL; add jwks = { url = \"...\" } or \
                       { file = \"jwks.json\" }";
        cx.error(issuer.span(), message);
        return None;
    };
    fetching.from(cx, location)
}

fn key_set(cx: &Context<'_>, name: &str) -> Result<JwkSet, String> {
    let content = cx.file(name)?;
    let instead = "put the issuer's key set (RFC 7517) there";
    JwkSet::parse(&String::from_utf8_lossy(&content))
        .map_err(|error| format!("{name}: {error}; {instead}"))
}

fn algorithms(cx: &mut Context<'_>, written: Spanned<Many<String>>) -> Vec<Algorithm> {
    let at = written.span();
    let written = written.into_inner();
    if written.is_empty() {
        cx.error(at, "algorithms = [] would refuse every token; name one such as \"RS256\"");
    }
    let mut algorithms = Vec::new();
    for name in written.entries {
        match name.get_ref().parse() {
            Ok(algorithm) => algorithms.push(algorithm),
            Err(unknown) => {
                let form = "use names of RFC 7518 such as \"RS256\" or \"ES256\"";
                cx.error(name.span(), format!("{unknown}; {form}"));
            }
        }
    }
    algorithms
}

fn roles(cx: &mut Context<'_>, written: Named<Spanned<String>>) -> BTreeMap<String, String> {
    let mut roles = BTreeMap::new();
    for (theirs, ours) in written.0 {
        if !is_role_name(ours.get_ref()) {
            let form = "1 to 64 of a-z, 0-9, `_`, `.`, `:` and `-`";
            cx.error(ours.span(), format!("{:?} is no role name; use {form}", ours.get_ref()));
        }
        roles.insert(theirs.into_inner(), ours.into_inner());
    }
    roles
}
