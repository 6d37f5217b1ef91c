//! `[tls]`: who the gateway is to its clients, and who they are to it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use super::context::{Context, set};
use super::listen::Listeners;
use super::read::Many;
use super::{acme, clients, hsts, raw};
use crate::acme::AcmeSettings;
use crate::clock::{Clock, SystemClock};
use crate::policy::{Route, Routes};
use crate::tls::{
    ClientAuth, FileError, FileFault, MinVersion, Pair, Standing, TlsError, TlsSettings, twice,
};
use crate::web::Public;

/// The words of `client_auth`.
pub(super) const CLIENT_AUTH: [(&str, ClientAuth); 3] = [
    ("off", ClientAuth::Off),
    ("optional", ClientAuth::Optional),
    ("required", ClientAuth::Required),
];

/// The settings, and where the table stands.
#[derive(Debug)]
pub(super) struct Placed {
    at: Range<usize>,
    pub(super) settings: TlsSettings,
    pub(super) acme: Option<AcmeSettings>,
}

impl Placed {
    /// The file of the certificate that an authority issues.
    pub(super) fn issued(&self) -> Option<PathBuf> {
        self.acme.as_ref().map(AcmeSettings::certificate)
    }
}

/// Reads the certificates and their keys, and tells the listeners what of the table is theirs.
pub(super) fn check(
    cx: &mut Context<'_>,
    raw: Option<Spanned<raw::Tls>>,
    listeners: &mut Listeners,
    store: &Path,
) -> Option<Placed> {
    let asked = listeners.first_tls.clone();
    let Some(raw) = raw else {
        if let Some(at) = asked {
            let message = "TLS needs a certificate; add a table [tls] with `cert = \"cert.pem\"` \
                           and `key = \"key.pem\"`, or a table [tls.acme]";
            cx.error(at, message);
        }
        return None;
    };
    let at = raw.span();
    let mut raw = raw.into_inner();
    if asked.is_none() {
        let form = "`{ addr = \"0.0.0.0:443\", tls = true }` in `listen`";
        cx.problems.warn(at.clone(), format!("no listener speaks TLS; write {form}"));
    }
    let nobody = raw.client_ca.is_none();
    let client_ca = clients::check(cx, raw.client_ca.take(), raw.client_crl.take());
    let mut usual = ClientAuth::Off;
    let usual_at = raw.client_auth.as_ref().map(Spanned::span);
    cx.choice("client_auth", &mut usual, raw.client_auth.take(), &CLIENT_AUTH);
    listeners.ask_for_certificates(usual);
    if nobody && listeners.ask() {
        let message = "whose word does a client's certificate need? name the PEM file of that \
                       authority as `client_ca` in [tls]";
        let asks = listeners.first_to_ask().or(usual_at);
        cx.error(asks.unwrap_or_else(|| at.clone()), message);
    }
    let issued = raw.acme.take().map(|raw| acme::check(cx, raw, store, &listeners.settings));
    let default = if issued.is_some() && raw.cert.is_none() && raw.key.is_none() {
        None
    } else {
        Some(pair(cx, at.clone(), raw.flawed, raw.cert.take(), raw.key.take()))
    };
    let more = more(cx, raw.certificates.take());
    let acme = issued.map_or(Some(None), |acme| acme.map(Some))?;
    let awaited = acme.as_ref().map(|acme| acme::awaited(cx, &at, acme));
    let mut settings = match (default, awaited.clone()) {
        (None, Some(awaited)) => TlsSettings::awaiting(awaited),
        (default, _) => TlsSettings::new(default??),
    };
    settings.awaited = awaited;
    settings.more = more?;
    settings.client_ca = client_ca;
    set(&mut settings.strict_sni, raw.strict_sni);
    let words = [("1.2", MinVersion::Tls12), ("1.3", MinVersion::Tls13)];
    cx.choice("min", &mut settings.min, raw.min, &words);
    set::<Duration>(&mut settings.poll, raw.poll);
    settings.hsts = raw.hsts.and_then(|hsts| hsts::value(cx, hsts));
    let pairs: Vec<_> = settings.pairs().cloned().collect();
    for again in twice(&pairs) {
        let hidden = pairs.get(again.hidden).map_or_else(String::new, shown);
        let name = again.name;
        let message = format!("{hidden} is not shown for `{name}`: one before it is for it, too");
        cx.problems.warn(at.clone(), message);
    }
    Some(Placed { at, settings, acme })
}

/// What is likely to be a mistake once it is known which hosts there are and who may what.
pub(super) fn doubts(
    cx: &mut Context<'_>,
    tls: Option<&Placed>,
    listeners: &Listeners,
    routes: &Routes,
    public: Option<&Public>,
) {
    if !listeners.ask() {
        unmet_rules(cx, routes);
    }
    let Some(tls) = tls.filter(|_| listeners.first_tls.is_some()) else { return };
    let Placed { at, settings, acme } = tls;
    let issued = |host: &str| {
        acme.as_ref().is_some_and(|acme| acme.domains.iter().any(|domain| domain == host))
    };
    let covered =
        |host: &str| issued(host) || settings.pairs().any(|pair| pair.leaf().covers(host));
    let named = routes.iter().filter_map(|route| route.key.host.as_deref());
    let public = public.filter(|public| public.https).map(|public| public.host.as_str());
    let mut hosts: Vec<_> = named.chain(public).filter(|host| !covered(host)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    for host in hosts {
        let message = format!("no certificate is for `{host}`, and clients will refuse it there");
        cx.problems.warn(at.clone(), message);
    }
}

/// `cert:` rules that nobody can meet.
fn unmet_rules(cx: &mut Context<'_>, routes: &Routes) {
    let on_trial = |route: &Route| {
        route.shadow.as_ref().is_some_and(|shadow| shadow.allow().asks_for_certificate())
    };
    let asks = |route: &Route| route.allow.asks_for_certificate() || on_trial(route);
    for route in routes.iter().filter(|route| asks(route)) {
        let message = format!(
            "route `{}`: no listener asks for certificates, so nobody meets its `cert:`; \
             set `client_auth` in [tls] or at a listener",
            route.key
        );
        cx.problems.warn(0..0, message);
    }
}

fn more(
    cx: &mut Context<'_>,
    written: Option<Spanned<Many<raw::TlsCertificate>>>,
) -> Option<Vec<Pair>> {
    let Some(written) = written else { return Some(Vec::new()) };
    let written = written.into_inner();
    let mut complete = written.complete;
    let mut pairs = Vec::new();
    for entry in written.entries {
        let at = entry.span();
        let raw::TlsCertificate { flawed, cert, key } = entry.into_inner();
        match pair(cx, at.clone(), flawed, cert, key) {
            Some(pair) => {
                if pair.leaf().names().next().is_none() {
                    let message = format!(
                        "{} names no host as a subject alternative name, so it is never shown",
                        shown(&pair)
                    );
                    cx.problems.warn(at, message);
                }
                pairs.push(pair);
            }
            None => complete = false,
        }
    }
    complete.then_some(pairs)
}

/// One certificate and its key; `None` after a problem was noted.
fn pair(
    cx: &mut Context<'_>,
    at: Range<usize>,
    flawed: bool,
    cert: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
) -> Option<Pair> {
    for (name, missing) in [("cert", cert.is_none()), ("key", key.is_none())] {
        if missing && !flawed {
            cx.error(at.clone(), format!("no `{name}`; name the PEM file that holds it"));
        }
    }
    let (cert, key) = (cert?, key?);
    let path = cx.path(cert.get_ref());
    match Pair::read(&path, &cx.path(key.get_ref())) {
        Ok(pair) => {
            let standing = pair.leaf().standing(SystemClock.now());
            if standing != Standing::Good {
                cx.problems.warn(cert.span(), format!("{}: {standing}", shown(&pair)));
            }
            Some(pair)
        }
        Err(error) => {
            let at = if is_about_key(&error, &path) { key.span() } else { cert.span() };
            let message = unreadable(&error).unwrap_or_else(|| wrong(&error).to_owned());
            cx.error(at, message);
            None
        }
    }
}

/// Both may be one file.
fn is_about_key(error: &FileError, cert: &Path) -> bool {
    match &error.error {
        FileFault::Read(_) => error.path != cert,
        FileFault::Content(TlsError::Certificate(_) | TlsError::Unreadable) => false,
        FileFault::Content(_) => true,
    }
}

fn shown(pair: &Pair) -> String {
    pair.path().display().to_string()
}

pub(super) fn unreadable(error: &FileError) -> Option<String> {
    let FileFault::Read(cause) = &error.error else { return None };
    Some(format!("cannot read {} ({cause}); mend or rename it", error.path.display()))
}

const fn wrong(error: &FileError) -> &'static str {
    match &error.error {
        FileFault::Content(TlsError::Certificate(_)) => {
            "`cert` holds no certificate in PEM form; give the whole chain, its own first"
        }
        FileFault::Content(TlsError::Key(_)) => {
            "`key` holds no private key in PEM form; give one without a passphrase"
        }
        FileFault::Content(TlsError::Unreadable) => {
            "the first certificate of `cert` cannot be understood; have it made again"
        }
        FileFault::Read(_) | FileFault::Content(_) => {
            "`key` does not fit `cert`; give the key that its first certificate was made for"
        }
    }
}
