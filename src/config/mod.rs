//! The policy file: text in, checked settings out. The only room that knows TOML.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::admin::AdminSettings;
use crate::endpoints::EndpointSettings;
use crate::keys::KeySettings;
use crate::password::PasswordSettings;
use crate::policy::{Expectation, Routes};
use crate::proxy::UpstreamSettings;
use crate::server::{ConnectionLimits, ListenAddr};
use crate::session::SessionSettings;
use crate::token::{IssuerSettings, TokenSettings};
use crate::web::{IdentityHeaders, MessageLimits};

/// Everything an operator decides, checked: a value of this type can be served.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Vec<ListenAddr>,
    /// `public`: the origin that links, cookies and the Host check use.
    pub public: Option<Public>,
    /// Peers whose forwarding headers count.
    pub trust: Vec<IpNet>,
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// The store file.
    pub store: PathBuf,
    /// Limits of connections.
    pub connections: ConnectionLimits,
    /// Limits of messages.
    pub messages: MessageLimits,
    /// The auth endpoints.
    pub endpoints: EndpointSettings,
    /// Tokens of our making.
    pub tokens: TokenSettings,
    /// Sessions.
    pub sessions: SessionSettings,
    /// Keys.
    pub keys: KeySettings,
    /// Passwords.
    pub passwords: PasswordSettings,
    /// Header = claim.
    pub identity: IdentityHeaders,
    /// Upstreams, in the order that [`crate::policy::Route::upstream`] counts.
    pub upstreams: Vec<UpstreamSettings>,
    /// Routes.
    pub routes: Routes,
    /// `expect`, parsed; all of them hold.
    pub expect: Vec<Expectation>,
    /// Other issuers.
    pub issuers: Vec<IssuerSettings>,
    /// The operator's door.
    pub admin: AdminSettings,
    /// Logs.
    pub log: Log,
}
