//! What is there for who operates a gateway, and for what stands around it.

use super::item::{Entries, Item};
use super::table::{setter, typed};

typed! {
    /// `[store] postgres`
    Postgres is Postgres by hand [] {
        url: source,
        direct: source,
        ca: text,
        danger_clear: flag,
        prepared: flag,
        connections: count,
        timeout: span,
    }

    /// `[admin]`
    Admin is Admin by hand [] {
        socket: text,
        watch: flag,
        recent: count,
        listen: text,
        token: source,
        feed_token: source,
    }

    /// `[audit]`
    Audit is Audit by hand [] {
        enabled: flag,
        path: text,
        size: size,
        keep: count,
    }

    /// `[log]`
    Log is Log by hand [] {
        format: text,
        access: flag,
        filter: text,
    }

    /// `[otlp]`
    Otlp is Otlp by hand [] {
        endpoint: text,
        headers: named_sources,
        ca: text,
        service: text,
        sample: share,
        user: flag,
        timeout: span,
        queue: count,
    }

    /// `[mail]`
    Mail is Mail by hand [] {
        smtp: text,
        user: text,
        password: source,
        from: text,
        ca: text,
        danger_clear: flag,
        templates: text,
        timeout: span,
        retry: span,
        give_up: span,
        queue: count,
        recipient: count,
        notices: flag,
    }

    /// `[pages]`
    Pages is Pages by hand [] {
        prefix: text,
        name: text,
        accent: text,
        api: flag,
        logo: text,
        templates: text,
        texts: {Texts},
        admin: {Site},
    }

    /// `[pages.texts]`: what pages say in other words, by what it is in English.
    Texts is Texts by hand [] {
        en: named_texts,
        de: named_texts,
        fr: named_texts,
    }

    /// `[pages.admin]`: the admin site.
    Site is Site by hand [] {
        path: text,
        from: texts,
        fresh: span,
    }

    /// `[forward_auth]`
    ForwardAuth is ForwardAuth by hand [] {
        path: text,
    }
}
