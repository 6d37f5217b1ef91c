//! The policy file as it is written: right keys, right forms, nothing checked across them.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml::Spanned;

use super::diagnostic::Problems;
use super::forms::{Lasting, Memory, Part, Rate, RouteRate, Size, Source, Span, Throttle};
use super::hsts::Hsts;
use super::listen::Listener;
use super::read::{Fields, Many, Named, Read, Scalar, Value};
use super::schema::{Defs, Keys};

/// `health` of an upstream: a path, or a table with one.
#[derive(Debug)]
pub(super) enum Health {
    Path(String),
    Table(HealthCheck),
}

impl Read for Health {
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
        if value.get_ref().as_str().is_some() {
            return String::read(key, value, problems).map(Self::Path);
        }
        HealthCheck::read(key, value, problems).map(Self::Table)
    }

    fn schema(at: &str, defs: &mut Defs) -> Json {
        json!({ "anyOf": [String::form(), HealthCheck::schema(at, defs)] })
    }
}

/// Tables with known keys. A key left out is `None`, and the room's `Default` stands. `flawed`
/// keeps whether something in the table could not be read, where a missing key matters.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident $($flawed:ident)? { $($key:ident: $form:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default)]
            pub(super) struct $name {
                $(pub(super) $flawed: bool,)?
                $(pub(super) $key: Option<Spanned<$form>>,)*
            }

            impl Read for $name {
                fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
                    let known = &[$(stringify!($key)),*];
                    let mut fields = Fields::open(key, value, known, problems)?;
                    $(let $key = fields.take(stringify!($key), problems);)*
                    Some(Self { $($flawed: fields.$flawed,)? $($key,)* })
                }

                fn schema(at: &str, defs: &mut Defs) -> Json {
                    let mut keys = Keys::new(at);
                    $(keys.add(stringify!($key), <$form>::schema, defs);)*
                    keys.define(stringify!($name), defs)
                }
            }
        )*

        /// Every key there is, by the table it belongs to.
        #[cfg(test)]
        pub(super) const KEYS: &[(&str, &[&str])] =
            &[$((stringify!($name), &[$(stringify!($key)),*])),*];
    };
}

tables! {
    /// The whole file.
    File {
        listen: Many<Listener>,
        public: String,
        trust: Many<String>,
        trust_headers: String,
        expect: Many<String>,
        workers: NonZeroUsize,
        store: Store,
        tls: Tls,
        limits: Limits,
        upstreams: Named<Upstream>,
        routes: Named<Route>,
        auth: Auth,
        identity: Named<Spanned<String>>,
        issuers: Many<IssuerEntry>,
        import: Import,
        admin: Admin,
        audit: Audit,
        log: Log,
        otlp: Otlp,
        mail: Mail,
        forward_auth: ForwardAuth,
        pages: Pages,
    }

    /// `[pages]`
    Pages {
        prefix: String,
        name: String,
        accent: String,
        api: bool,
        logo: String,
        templates: String,
        texts: Texts,
        admin: Site,
    }

    /// `[pages.texts]`
    Texts {
        en: Named<Spanned<String>>,
        de: Named<Spanned<String>>,
        fr: Named<Spanned<String>>,
    }

    /// `[pages.admin]`
    Site {
        path: String,
        from: Many<String>,
        fresh: Span,
    }

    /// `[forward_auth]`
    ForwardAuth flawed {
        path: String,
    }

    /// The table form of an entry of `listen`
    ListenEntry flawed {
        addr: String,
        tls: bool,
        client_auth: String,
        redirect: bool,
        proxy_protocol: bool,
    }

    /// `[store]`
    Store {
        path: String,
        postgres: Postgres,
        staleness: Span,
        when_stale: String,
    }

    /// `[store] postgres`
    Postgres flawed {
        url: Source,
        direct: Source,
        ca: String,
        danger_clear: bool,
        prepared: bool,
        connections: NonZeroUsize,
        timeout: Span,
    }

    /// `[tls]`
    Tls flawed {
        cert: String,
        key: String,
        certificates: Many<TlsCertificate>,
        strict_sni: bool,
        min: String,
        client_ca: String,
        client_crl: Many<String>,
        client_auth: String,
        poll: Span,
        hsts: Hsts,
        acme: Acme,
    }

    /// `[tls.acme]`
    Acme flawed {
        domains: Many<String>,
        email: String,
        directory: String,
        ca: String,
        challenge: String,
        terms_accepted: bool,
    }

    /// An entry of `[[tls.certificates]]`
    TlsCertificate flawed {
        cert: String,
        key: String,
    }

    /// The table form of `hsts`
    HstsTable flawed {
        max_age: Duration,
        include_subdomains: bool,
        preload: bool,
    }

    /// `[limits]`
    Limits {
        target: Size,
        head: Size,
        headers: NonZeroUsize,
        head_timeout: Span,
        body: Size,
        auth_body: Size,
        body_timeout: Span,
        body_rate: Rate,
        idle_timeout: Span,
        tls_timeout: Span,
        h2_streams: NonZeroU32,
        connections: NonZeroUsize,
        in_flight: NonZeroUsize,
        memory: Memory,
        drain: Duration,
        drain_delay: Duration,
        linger: Duration,
    }

    /// An entry of `[upstreams]`
    Upstream flawed {
        to: Many<String>,
        weights: Many<NonZeroU32>,
        whoami: bool,
        inner: bool,
        dir: String,
        spa: String,
        precompressed: bool,
        connect: Span,
        timeout: Span,
        idle: Duration,
        keep_alive: usize,
        in_flight: NonZeroUsize,
        queue: usize,
        queue_wait: Span,
        retries: usize,
        health: Health,
        h2: bool,
        tls: UpstreamTls,
    }

    /// `tls` of an upstream
    UpstreamTls {
        ca: String,
        cert: String,
        key: String,
        name: String,
    }

    /// `health` of an upstream
    HealthCheck flawed {
        path: String,
        interval: Span,
        timeout: Span,
        healthy: NonZeroU32,
        unhealthy: NonZeroU32,
        status: Many<usize>,
    }

    /// An entry of `[routes]`
    Route flawed {
        to: String,
        allow: Many<String>,
        would_allow: Many<String>,
        from: Many<String>,
        strip: String,
        prefix: String,
        rate: Many<RouteRate>,
        fresh: Span,
        body: Size,
        timeout: Span,
        websocket: bool,
        idle: Span,
        outlive: Duration,
        tickets: bool,
        browser: bool,
        credential: String,
        underscores: String,
        response_headers: Named<Spanned<String>>,
        cors: Cors,
    }

    /// `cors` of a route
    Cors flawed {
        origins: Many<String>,
        credentials: bool,
        headers: Many<String>,
        expose: Many<String>,
        max_age: Duration,
    }

    /// `[auth]`
    Auth {
        prefix: String,
        register: String,
        reserved: Many<String>,
        lookalikes: String,
        unique_email: bool,
        access: Span,
        refresh: Span,
        session: Span,
        rotation: bool,
        grace: Duration,
        leeway: Duration,
        login_failure: String,
        token_scheme: bool,
        sliding: bool,
        callers: Size,
        issuer: String,
        audience: String,
        cors: Many<String>,
        reset: Span,
        reset_page: String,
        verify: Span,
        verify_page: String,
        signing: Signing,
        password: Password,
        throttle: Throttles,
        keys: UserKeys,
        factors: Factors,
    }

    /// `[auth.signing]`
    Signing flawed {
        algorithm: String,
        secret: Source,
        key: Source,
        previous: Many<Source>,
        shared: Source,
    }

    /// `[auth.password]`
    Password {
        min: NonZeroUsize,
        max: NonZeroUsize,
        common: bool,
        numeric: bool,
        similarity: bool,
        memory: Size,
        passes: NonZeroU32,
        lanes: NonZeroU32,
        at_once: NonZeroUsize,
        queue: usize,
        queue_wait: Duration,
    }

    /// `[auth.throttle]`
    Throttles {
        account: Throttle,
        address: Throttle,
        device: Lasting,
        register: Throttle,
        mail: Throttle,
        recipient: Throttle,
        keys: Throttle,
    }

    /// `[auth.keys]`
    UserKeys {
        prefix: String,
        life: Lasting,
        per_user: NonZeroUsize,
        fresh: Lasting,
    }

    /// `[auth.factors]`
    Factors {
        enrol: bool,
        issuer: String,
        passkeys: bool,
    }

    /// An entry of `[[issuers]]`
    IssuerEntry flawed {
        name: String,
        issuer: String,
        audience: String,
        claims: Named<String>,
        roles: Named<Spanned<String>>,
        jwks: Source,
        ca: String,
        timeout: Span,
        stale: Duration,
        algorithms: Many<String>,
        roles_claim: String,
        leeway: Duration,
    }

    /// `[import]`
    Import {
        roles: ImportFlags,
        groups: Named<Many<String>>,
    }

    /// `[import.roles]`
    ImportFlags {
        is_staff: Many<String>,
        is_superuser: Many<String>,
    }

    /// `[admin]`
    Admin {
        socket: String,
        watch: bool,
        recent: usize,
        listen: String,
        token: Source,
        feed_token: Source,
    }

    /// `[mail]`
    Mail flawed {
        smtp: String,
        user: String,
        password: Source,
        from: String,
        ca: String,
        danger_clear: bool,
        templates: String,
        timeout: Span,
        retry: Span,
        give_up: Span,
        queue: NonZeroUsize,
        recipient: NonZeroUsize,
        notices: bool,
    }

    /// `[audit]`
    Audit {
        enabled: bool,
        path: String,
        size: Size,
        keep: usize,
    }

    /// `[otlp]`
    Otlp flawed {
        endpoint: String,
        headers: Named<Spanned<Source>>,
        ca: String,
        service: String,
        sample: Part,
        user: bool,
        timeout: Span,
        queue: NonZeroUsize,
    }

    /// `[log]`
    Log {
        format: String,
        access: bool,
        filter: String,
    }
}
