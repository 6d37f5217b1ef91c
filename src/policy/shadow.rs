//! `would_allow`: a rule that is asked beside `allow`, and decides nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use super::allow::{Allow, Verdict, authorize};
use crate::identity::Identity;
use crate::tls::ClientCertificate;

/// A rule on trial, with what it would have changed so far.
#[derive(Debug)]
pub struct Shadow {
    allow: Allow,
    would_refuse: AtomicU64,
    would_allow: AtomicU64,
}

/// What a rule on trial would have changed about a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Would {
    /// It was let through, and would not have been.
    Refuse,
    /// It was refused, and would have been let through.
    Allow,
}

impl Would {
    /// As the access log has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Allow => "allow",
        }
    }
}

impl Shadow {
    /// A rule that nobody has been judged by yet.
    pub const fn new(allow: Allow) -> Self {
        Self { allow, would_refuse: AtomicU64::new(0), would_allow: AtomicU64::new(0) }
    }

    /// The rule.
    pub const fn allow(&self) -> &Allow {
        &self.allow
    }

    /// What the rule would change about a request of that caller, on which `allow` of the route has
    /// said `verdict`. Counts nothing.
    pub fn compare(
        &self,
        verdict: Verdict,
        identity: Option<&Identity>,
        certificate: Option<&ClientCertificate>,
    ) -> Option<Would> {
        let other = authorize(&self.allow, identity, certificate);
        match (verdict, other) {
            (Verdict::Allowed, Verdict::Allowed) => None,
            (Verdict::Allowed, _) => Some(Would::Refuse),
            (_, Verdict::Allowed) => Some(Would::Allow),
            _ => None,
        }
    }

    /// The same, and counts it.
    pub fn judge(
        &self,
        verdict: Verdict,
        identity: Option<&Identity>,
        certificate: Option<&ClientCertificate>,
    ) -> Option<Would> {
        let would = self.compare(verdict, identity, certificate);
        let count = match would? {
            Would::Refuse => &self.would_refuse,
            Would::Allow => &self.would_allow,
        };
        count.fetch_add(1, Ordering::Relaxed);
        would
    }

    /// How many requests were let through that it would have refused.
    pub fn would_refuse(&self) -> u64 {
        self.would_refuse.load(Ordering::Relaxed)
    }

    /// How many requests were refused that it would have let through.
    pub fn would_allow(&self) -> u64 {
        self.would_allow.load(Ordering::Relaxed)
    }
}
