//! `[auth]`, and whom else tokens and users come from.

use super::item::{Entries, Item};
use super::table::{setter, typed};

typed! {
    /// `[auth]`: the auth endpoints, tokens and sessions.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use portcullis::config::typed::{Auth, Password};
    ///
    /// let _ = Auth::default()
    ///     .register("closed")
    ///     .access(Duration::from_secs(15 * 60))
    ///     .callers(256 << 20)
    ///     .password(Password::default().min(12).common(true));
    /// ```
    Auth is Auth by hand [] {
        prefix: text,
        register: text,
        reserved: texts,
        lookalikes: text,
        unique_email: flag,
        access: span,
        refresh: span,
        session: span,
        rotation: flag,
        grace: span,
        leeway: span,
        login_failure: text,
        token_scheme: flag,
        sliding: flag,
        callers: size,
        issuer: text,
        audience: text,
        cors: texts,
        reset: span,
        reset_page: text,
        verify: span,
        verify_page: text,
        signing: {Signing},
        password: {Password},
        throttle: {Throttles},
        keys: {UserKeys},
        factors: {Factors},
    }

    /// `[auth.signing]`
    Signing is Signing by hand [] {
        algorithm: text,
        secret: source,
        key: source,
        previous: sources,
        shared: source,
    }

    /// `[auth.password]`
    Password is Password by hand [] {
        min: count,
        max: count,
        common: flag,
        numeric: flag,
        similarity: flag,
        memory: size,
        passes: count,
        lanes: count,
        at_once: count,
        queue: count,
        queue_wait: span,
    }

    /// `[auth.throttle]`; `None` is `"off"`.
    Throttles is Throttles by hand [] {
        account: quota,
        address: quota,
        device: lasting,
        register: quota,
        mail: quota,
        recipient: quota,
        keys: quota,
    }

    /// `[auth.keys]`: API keys of users, which are there where the table is.
    UserKeys is UserKeys by hand [] {
        prefix: text,
        life: lasting,
        per_user: count,
        fresh: lasting,
    }

    /// `[auth.factors]`: second factors of users.
    Factors is Factors by hand [] {
        enrol: flag,
        issuer: text,
        passkeys: flag,
    }

    /// An entry of `[[issuers]]`: tokens of somebody else.
    Issuer is IssuerEntry by hand [] {
        name: text,
        issuer: text,
        audience: text,
        claims: named_texts,
        roles: named_texts,
        jwks: source,
        ca: text,
        timeout: span,
        stale: span,
        algorithms: texts,
        roles_claim: text,
        leeway: span,
    }

    /// `[import]`
    Import is Import by hand [] {
        roles: {ImportFlags},
        groups: named_lists,
    }

    /// `[import.roles]`
    ImportFlags is ImportFlags by hand [] {
        is_staff: texts,
        is_superuser: texts,
    }
}
