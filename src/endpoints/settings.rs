//! What the operator decides about the auth endpoints.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::limit::Quota;

/// Who may make an account at `register/`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Registration {
    /// Anybody.
    #[default]
    Open,
    /// Whoever has an invitation of an operator's.
    Invite,
    /// Nobody: accounts come from the command line.
    Closed,
}

/// How a refused login at `token/` reads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LoginFailure {
    /// 400 `{"non_field_errors": ["Invalid credentials"]}`, as the original project has it.
    #[default]
    Original,
    /// 401 `{"detail": ...}`, as SimpleJWT's stock view has it.
    SimpleJwt,
}

/// The endpoint part of `[auth]`, checked.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// What the endpoints hang under, without a trailing slash: `/api/auth`.
    pub prefix: String,
    /// Who may register.
    pub register: Registration,
    /// How a refused login reads.
    pub login_failure: LoginFailure,
    /// Failed logins by normalised account name, existing or not; `None` is off.
    pub account: Option<Quota>,
    /// How long a device is known after a login there; `None` is off, and so it is without `account`.
    pub device: Option<Duration>,
    /// Whether clients come by https alone, so that cookies are for nothing else.
    pub secure: bool,
    /// Whether people log in on pages as well, which are not below the prefix.
    pub pages: bool,
    /// Failed logins by client address (an IPv6 /64 is one address); `None` is off.
    pub address: Option<Quota>,
    /// Registrations by client address; `None` is off.
    pub registrations: Option<Quota>,
    /// Letters asked for by client address; `None` is off.
    pub letters: Option<Quota>,
    /// Letters asked for by the address that they go to, known or not; `None` is off.
    pub recipient: Option<Quota>,
    /// API keys made by one user; `None` is off.
    pub keys: Option<Quota>,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        let quota = |count, per| {
            let count = NonZeroU32::new(count)?;
            Some(Quota { count, per })
        };
        Self {
            prefix: "/api/auth".to_owned(),
            register: Registration::default(),
            login_failure: LoginFailure::default(),
            account: quota(10, 15 * MINUTE),
            device: Some(90 * 24 * 60 * MINUTE),
            secure: false,
            pages: false,
            address: quota(100, 15 * MINUTE),
            registrations: quota(20, 60 * MINUTE),
            letters: quota(20, 60 * MINUTE),
            recipient: quota(5, 60 * MINUTE),
            keys: quota(20, 60 * MINUTE),
        }
    }
}
