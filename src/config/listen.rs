//! The keys above all tables: where to listen, under which name, whom to trust.

use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use serde_json::{Value as Json, json};
use toml::Spanned;

use super::context::Context;
use super::diagnostic::Problems;
use super::raw;
use super::read::{Many, Read, Scalar, Value};
use super::schema::Defs;
use super::tls::CLIENT_AUTH;
use crate::policy::Routes;
use crate::server::{ListenAddr, ListenerSettings};
use crate::tls::ClientAuth;
use crate::web::{HostName, Public, TrustHeaders};

/// All of `listen`.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) settings: Vec<ListenerSettings>,
    /// Where TLS is first asked for.
    pub(super) first_tls: Option<Range<usize>>,
    /// Where the first of them asks for the PROXY protocol.
    pub(super) first_proxied: Option<Range<usize>>,
    /// Where the first of them only redirects.
    first_redirect: Option<Range<usize>>,
    /// Where each of them says whether clients show certificates, if it does.
    client_auth: Vec<Option<Range<usize>>>,
}

impl Listeners {
    /// What holds where a listener with TLS says nothing of the kind.
    pub(super) fn ask_for_certificates(&mut self, usual: ClientAuth) {
        for (settings, written) in self.settings.iter_mut().zip(&self.client_auth) {
            if settings.tls && written.is_none() {
                settings.client_auth = usual;
            }
        }
    }

    /// Whether any of them asks for certificates.
    pub(super) fn ask(&self) -> bool {
        self.settings.iter().any(asks)
    }

    /// Where the first of those says so, unless it is the usual.
    pub(super) fn first_to_ask(&self) -> Option<Range<usize>> {
        let first = self.settings.iter().position(asks)?;
        self.client_auth.get(first).cloned().flatten()
    }
}

fn asks(settings: &ListenerSettings) -> bool {
    settings.client_auth != ClientAuth::Off
}

/// An entry of `listen`: an address, or a table with one.
#[derive(Debug)]
pub(super) enum Listener {
    Addr(String),
    Table(raw::ListenEntry),
}

impl Read for Listener {
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
        if value.get_ref().is_table() {
            return raw::ListenEntry::read(key, value, problems).map(Self::Table);
        }
        String::read(key, value, problems).map(Self::Addr)
    }

    fn schema(at: &str, defs: &mut Defs) -> Json {
        json!({ "anyOf": [String::form(), raw::ListenEntry::schema(at, defs)] })
    }
}

pub(super) fn listen(cx: &mut Context<'_>, raw: Option<Spanned<Many<Listener>>>) -> Listeners {
    let mut listeners = Listeners::default();
    let Some(raw) = raw else {
        listeners.settings.push(ListenerSettings::default());
        listeners.client_auth.push(None);
        return listeners;
    };
    let at = raw.span();
    let written = raw.into_inner();
    if written.is_empty() {
        cx.error(at, "listen = [] would serve nobody; write an address such as \"127.0.0.1:8080\"");
    }
    for entry in written.entries {
        if let Listener::Table(table) = entry.get_ref()
            && let Some(tls) = table.tls.as_ref().filter(|tls| *tls.get_ref())
        {
            listeners.first_tls.get_or_insert_with(|| tls.span());
        }
        if let Listener::Table(table) = entry.get_ref()
            && let Some(proxied) = table.proxy_protocol.as_ref().filter(|key| *key.get_ref())
        {
            listeners.first_proxied.get_or_insert_with(|| proxied.span());
        }
        if let Listener::Table(table) = entry.get_ref()
            && let Some(redirect) = table.redirect.as_ref().filter(|key| *key.get_ref())
            && !table.tls.as_ref().is_some_and(|tls| *tls.get_ref())
        {
            listeners.first_redirect.get_or_insert_with(|| redirect.span());
        }
        let client_auth = match entry.get_ref() {
            Listener::Table(table) => table.client_auth.as_ref().map(Spanned::span),
            Listener::Addr(_) => None,
        };
        let Some((at, listener)) = listener(cx, entry) else { continue };
        // Port 0 is another port each time.
        let fixed = !matches!(listener.addr, ListenAddr::Tcp(addr) if addr.port() == 0);
        if fixed && listeners.settings.iter().any(|other| other.addr == listener.addr) {
            cx.error(at, format!("{} is listed twice; remove one of them", listener.addr));
        }
        listeners.settings.push(listener);
        listeners.client_auth.push(client_auth);
    }
    listeners
}

/// One entry, and where its address stands; `None` after a problem was noted.
fn listener(
    cx: &mut Context<'_>,
    entry: Spanned<Listener>,
) -> Option<(Range<usize>, ListenerSettings)> {
    let whole = entry.span();
    let mut settings = ListenerSettings::default();
    let addr = match entry.into_inner() {
        Listener::Addr(addr) => Spanned::new(whole, addr),
        Listener::Table(table) => {
            let on = |key: Option<Spanned<bool>>| key.is_some_and(Spanned::into_inner);
            let Some(addr) = table.addr else {
                if !table.flawed {
                    cx.error(whole, "no `addr`; add one such as \"0.0.0.0:443\"");
                }
                return None;
            };
            settings.tls = on(table.tls);
            settings.proxy_protocol = on(table.proxy_protocol);
            if let Some(redirect) = table.redirect.filter(|key| *key.get_ref()) {
                settings.redirect = true;
                if settings.tls {
                    let message = "a listener with TLS has nowhere better to send its clients; \
                                   remove `redirect`, or `tls`";
                    cx.error(redirect.span(), message);
                }
            }
            if let Some(written) = table.client_auth {
                if !settings.tls {
                    let message = "certificates are shown over TLS; add tls = true, or remove \
                                   `client_auth`";
                    cx.error(written.span(), message);
                }
                cx.choice("client_auth", &mut settings.client_auth, Some(written), &CLIENT_AUTH);
            }
            addr
        }
    };
    let at = addr.span();
    let Some(addr) = listen_addr(cx, addr.get_ref()) else {
        let forms = "\"127.0.0.1:8080\", \"[::1]:8080\" or \"unix:/run/portcullis.sock\"";
        cx.error(at, format!("`listen` must be an IP address and port, or a socket: {forms}"));
        return None;
    };
    settings.addr = addr;
    Some((at, settings))
}

fn listen_addr(cx: &Context<'_>, text: &str) -> Option<ListenAddr> {
    match text.strip_prefix("unix:") {
        Some("") => None,
        Some(path) => Some(ListenAddr::Unix(cx.path(path))),
        None => text.parse().ok().map(ListenAddr::Tcp),
    }
}

pub(super) fn public(cx: &mut Context<'_>, raw: Option<Spanned<String>>) -> Option<Public> {
    let raw = raw?;
    let public = origin(raw.get_ref());
    if public.is_none() {
        let form = "scheme and host and nothing else, such as \"https://app.example.com\"";
        cx.error(raw.span(), format!("`public` must be {form}"));
    }
    public
}

fn origin(text: &str) -> Option<Public> {
    let (scheme, rest) = text.split_once("://")?;
    let (https, usual) = match scheme {
        "https" => (true, 443),
        "http" => (false, 80),
        _ => return None,
    };
    let host = HostName::parse(rest).ok()?;
    let port = host.port().filter(|port| *port != usual);
    Some(Public { https, host: host.name().to_owned(), port })
}

pub(super) fn trust(cx: &mut Context<'_>, raw: Option<Spanned<Many<String>>>) -> Vec<IpNet> {
    let entries = raw.map(|raw| raw.into_inner().entries).unwrap_or_default();
    let mut nets = Vec::new();
    for entry in entries {
        let Some(net) = network(cx, "trust", &entry) else { continue };
        if net.prefix_len() == 0 {
            let warning = "everybody may choose its own client address by `X-Forwarded-For`; \
                           list the proxies before this gateway instead";
            cx.problems.warn(entry.span(), warning);
        }
        nets.push(net);
    }
    nets
}

/// Which fields of trusted peers count, if there may be `any` such peers.
pub(super) fn trust_headers(
    cx: &mut Context<'_>,
    written: Option<Spanned<String>>,
    any: bool,
) -> TrustHeaders {
    let at = written.as_ref().map(Spanned::span);
    let mut headers = TrustHeaders::default();
    let words = [("x-forwarded", TrustHeaders::XForwarded), ("forwarded", TrustHeaders::Forwarded)];
    cx.choice("trust_headers", &mut headers, written, &words);
    if let Some(at) = at.filter(|_| !any && headers != TrustHeaders::default()) {
        let message = "`trust_headers` is for the peers in `trust`, and there are none; \
                       list the proxies before this gateway there, or leave it out";
        cx.error(at, message);
    }
    headers
}

/// A listener at `at` takes connections from trusted peers alone, so there must be some.
pub(super) fn reachable(cx: &mut Context<'_>, at: Option<Range<usize>>, trust: &[IpNet]) {
    if let Some(at) = at.filter(|_| trust.is_empty()) {
        let message = "nobody could connect: with `proxy_protocol` connections are taken from \
                       peers in `trust` alone; list the load balancers there";
        cx.error(at, message);
    }
}

/// A listener that redirects needs hosts of ours to redirect to, and somewhere that they are
/// served over TLS.
pub(super) fn redirects(
    cx: &mut Context<'_>,
    listeners: &Listeners,
    routes: &Routes,
    public: Option<&Public>,
) {
    let Some(at) = listeners.first_redirect.clone() else { return };
    let message = if public.is_some_and(|public| !public.https) {
        "`redirect` sends clients to https://, and `public` is http://; change one of them"
    } else if public.is_none() && routes.iter().all(|route| route.key.host.is_none()) {
        "`redirect` sends clients to the hosts that are ours, and none is named; set `public`, or \
         name hosts in [routes]"
    } else if public.is_none() && listeners.first_tls.is_none() {
        "`redirect` has nowhere to send clients; add a listener with tls = true, or set `public` \
         to an https:// name"
    } else {
        return;
    };
    cx.error(at, message);
}

/// A network, or one address, of the list `key`; `None` after a problem was noted.
pub(super) fn network(cx: &mut Context<'_>, key: &str, entry: &Spanned<String>) -> Option<IpNet> {
    let text = entry.get_ref();
    let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match net {
        Ok(net) if net != net.trunc() => {
            let message = format!("`{net}` has bits beyond its prefix; write \"{}\"", net.trunc());
            cx.error(entry.span(), message);
            None
        }
        Ok(net) => {
            let plain = unmapped(net);
            if let Some(plain) = plain {
                let message = format!("IPv4 clients are IPv4 here; write \"{plain}\"");
                cx.error(entry.span(), message);
            }
            plain.is_none().then_some(net)
        }
        Err(_) => {
            let form = "a network or an address such as \"10.0.0.0/8\" or \"192.0.2.7\"";
            cx.error(entry.span(), format!("`{key}` must be {form}"));
            None
        }
    }
}

/// The IPv4 network that one of `::ffff:0:0/96` stands for (RFC 4291 section 2.5.5.2): no client
/// has such an address once it is here.
fn unmapped(net: IpNet) -> Option<IpNet> {
    let IpNet::V6(net) = net else { return None };
    let prefix = net.prefix_len().checked_sub(96)?;
    IpNet::new(net.addr().to_ipv4_mapped()?.into(), prefix).ok()
}
