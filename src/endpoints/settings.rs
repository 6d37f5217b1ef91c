//! What the operator decides about the auth endpoints.

use crate::limit::Quota;

/// Who may make an account at `register/`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Registration {
    /// Anybody.
    #[default]
    Open,
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
    /// Failed logins by client address (an IPv6 /64 is one address); `None` is off.
    pub address: Option<Quota>,
    /// Registrations by client address; `None` is off.
    pub registrations: Option<Quota>,
}
