//! What the operator decides about it.

use super::envoy;
use crate::web::below;

/// `[forward_auth]`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForwardAuthSettings {
    /// Where proxies ask, such as `/forward-auth`: canonical, without a slash at its end.
    pub path: String,
}

impl ForwardAuthSettings {
    /// What follows our path in one that was asked for: nothing, or the path of the request that
    /// is asked about. `None` if it is not ours.
    /// Envoy's gRPC has [a path of its own](envoy::CHECK).
    pub fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        below(&self.path, path)
    }

    /// Whether somebody who asks for that path asks for a second opinion.
    pub fn is_asked_at(&self, path: &str) -> bool {
        path == envoy::CHECK || self.rest(path).is_some()
    }
}
