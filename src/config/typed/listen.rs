//! Where a gateway listens, by what certificates, and how much it takes.

use super::item::{Entries, Item};
use super::table::{setter, typed};

typed! {
    /// An entry of `listen`.
    ///
    /// ```
    /// use portcullis::config::typed::Listener;
    ///
    /// let _ = [Listener::at("127.0.0.1:8080"), Listener::at("0.0.0.0:443").tls(true)];
    /// ```
    Listener is ListenEntry by hand [addr] {
        tls: flag,
        client_auth: text,
        redirect: flag,
        proxy_protocol: flag,
    }

    /// `[tls]`
    Tls is Tls by hand [] {
        cert: text,
        key: text,
        certificates: [Certificate],
        strict_sni: flag,
        min: text,
        client_ca: text,
        client_crl: texts,
        client_auth: text,
        poll: span,
        hsts: {Hsts},
        acme: {Acme},
    }

    /// `[tls.acme]`
    Acme is Acme by hand [] {
        domains: texts,
        email: text,
        directory: text,
        ca: text,
        challenge: text,
        terms_accepted: flag,
    }

    /// An entry of `[[tls.certificates]]`
    Certificate is TlsCertificate by hand [] {
        cert: text,
        key: text,
    }

    /// `hsts`
    Hsts is HstsTable by hand [] {
        max_age: span,
        include_subdomains: flag,
        preload: flag,
    }

    /// `[limits]`; sizes are in bytes, rates in bytes a second.
    Limits is Limits by hand [] {
        target: size,
        head: size,
        headers: count,
        head_timeout: span,
        body: size,
        auth_body: size,
        body_timeout: span,
        body_rate: byte_rate,
        idle_timeout: span,
        tls_timeout: span,
        h2_streams: count,
        connections: count,
        in_flight: count,
        memory: memory,
        drain: span,
        drain_delay: span,
        linger: span,
    }
}

impl Listener {
    /// An address and port, or `unix:/path`.
    pub fn at(addr: impl Into<String>) -> Self {
        Self(Entries::with("addr", addr.into()))
    }
}
