//! Who asks for what is recorded. It travels with the task that serves the question, so that no
//! room in between has to hand it on.

use std::fmt;
use std::net::IpAddr;

use http::HeaderValue;

use crate::identity::UserId;

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Where a question came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Who asks.
    pub actor: Actor,
    /// The client address, behind trusted proxies.
    pub address: Option<IpAddr>,
    /// The request's id, as the access log has it.
    pub request: Option<HeaderValue>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Actor {
    /// The gateway itself, or the program that embeds it.
    Gateway,
    /// Whoever sent a request, without a credential that was looked at.
    Client,
    /// A user who showed a credential.
    User(UserId),
    /// An operator, by the uid of the process that asks.
    Operator(u32),
    /// An operator who showed the token, over the network.
    RemoteOperator,
}

impl Origin {
    /// An operator's.
    pub const fn operator(uid: u32) -> Self {
        Self { actor: Actor::Operator(uid), address: None, request: None }
    }

    /// An operator's who comes over the network.
    pub const fn remote_operator(address: IpAddr) -> Self {
        Self { actor: Actor::RemoteOperator, address: Some(address), request: None }
    }

    /// That of the task that runs now; the gateway's own where nobody asks.
    pub(super) fn current() -> Self {
        let own = Self { actor: Actor::Gateway, address: None, request: None };
        ORIGIN.try_with(Self::clone).unwrap_or(own)
    }

    /// The same question, now that the caller is known.
    #[must_use]
    pub fn of_user(user: UserId) -> Self {
        Self { actor: Actor::User(user), ..Self::current() }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Client => f.write_str("client"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Operator(uid) => write!(f, "uid:{uid}"),
            Self::RemoteOperator => f.write_str("operator"),
        }
    }
}

/// Runs `work` as what `origin` asks for. Tasks that it spawns know nothing of it: make the
/// [`Note`](super::Note) before.
pub async fn asked_by<F: Future>(origin: Origin, work: F) -> F::Output {
    ORIGIN.scope(origin, work).await
}
