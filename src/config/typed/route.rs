//! `[upstreams]` and `[routes]`.

use super::item::{Entries, Item};
use super::table::{setter, typed};

typed! {
    /// An entry of `[upstreams]`: what requests are forwarded to.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use portcullis::config::typed::{Health, Upstream};
    ///
    /// let _ = Upstream::to(["http://10.0.0.11:8000", "http://10.0.0.12:8000"])
    ///     .health(Health::at("/healthz").interval(Duration::from_secs(2)))
    ///     .timeout(Duration::from_secs(5));
    /// ```
    Upstream is Upstream by hand [to whoami inner dir] {
        weights: counts,
        spa: text,
        precompressed: flag,
        connect: span,
        timeout: span,
        idle: span,
        keep_alive: count,
        in_flight: count,
        queue: count,
        queue_wait: span,
        retries: count,
        health: {Health},
        h2: flag,
        tls: {UpstreamTls},
    }

    /// `tls` of an upstream.
    UpstreamTls is UpstreamTls by hand [] {
        ca: text,
        cert: text,
        key: text,
        name: text,
    }

    /// `health` of an upstream.
    Health is HealthCheck by hand [path] {
        interval: span,
        timeout: span,
        healthy: count,
        unhealthy: count,
        status: counts,
    }

    /// An entry of `[routes]`: who may use which paths, and where they lead. Without `allow` every
    /// user may.
    ///
    /// ```
    /// use std::num::NonZeroU32;
    /// use std::time::Duration;
    ///
    /// use portcullis::config::typed::{By, Quota, Rate, Route};
    ///
    /// let quota = Quota { count: NonZeroU32::MIN, per: Duration::from_secs(1) };
    /// let _ = Route::to("api")
    ///     .allow("role:admin")
    ///     .rate([Rate { quota, by: By::User, burst: None }])
    ///     .body(2_000_000);
    /// ```
    Route is Route by hand [to] {
        allow: rules,
        would_allow: rules,
        from: texts,
        strip: text,
        prefix: text,
        rate: rates,
        fresh: span,
        body: size,
        timeout: span,
        websocket: flag,
        idle: span,
        outlive: span,
        tickets: flag,
        browser: flag,
        credential: text,
        underscores: text,
        response_headers: named_texts,
        cors: {Cors},
    }

    /// `cors` of a route.
    Cors is Cors by hand [origins] {
        credentials: flag,
        headers: texts,
        expose: texts,
        max_age: span,
    }
}

impl Upstream {
    /// Servers, each as `http://host:port`, `https://host:port` or `unix:/path`.
    pub fn to(servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Entries::with("to", Item::list(servers.into_iter().map(Into::into))))
    }

    /// The program itself: its handlers, as [`AuthLayer`](crate::AuthLayer) or
    /// [`Builder::route_handler`](crate::Builder::route_handler) knows them.
    pub fn inner() -> Self {
        Self(Entries::with("inner", true))
    }

    /// Built in: it answers with the request as an upstream sees it.
    pub fn whoami() -> Self {
        Self(Entries::with("whoami", true))
    }

    /// The files of a folder.
    pub fn dir(folder: impl Into<String>) -> Self {
        Self(Entries::with("dir", folder.into()))
    }
}

impl Health {
    /// A server is well if it answers there.
    pub fn at(path: impl Into<String>) -> Self {
        Self(Entries::with("path", path.into()))
    }
}

impl Route {
    /// To the upstream of that name.
    pub fn to(upstream: impl Into<String>) -> Self {
        Self(Entries::with("to", upstream.into()))
    }
}

impl Cors {
    /// For pages of these origins.
    pub fn of(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Entries::with("origins", Item::list(origins.into_iter().map(Into::into))))
    }
}
