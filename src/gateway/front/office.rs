//! Where pages ask the operators' door: in the name of whoever looks.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderValue;
use serde::Serialize;
use serde_json::Value;

use crate::admin::{Command, Door, Refusal, RefusalKind};
use crate::audit::{Actor, Origin, asked_by};
use crate::gateway::shared::Shared;
use crate::identity::UserId;
use crate::pages::{Commanded, Denied, Office};

/// Lines of the record that a user is shown of the own account.
const LATELY: usize = 10;

/// A browser's way to the operators' door.
pub(super) struct Bureau {
    door: Arc<Door>,
    client: IpAddr,
    request: HeaderValue,
}

impl Bureau {
    pub(super) fn new(shared: &Shared, client: IpAddr, request: HeaderValue) -> Self {
        Self { door: shared.operators.door(), client, request }
    }

    async fn run(&self, command: Value, user: UserId) -> Result<Value, Denied> {
        // Serde's words may quote the value, which may be a password.
        let command: Command = serde_json::from_value(command)
            .map_err(|_| Refusal::new(RefusalKind::BadRequest, "this is no command"))?;
        let origin = Origin {
            actor: Actor::User(user),
            address: Some(self.client),
            request: Some(self.request.clone()),
        };
        told(asked_by(origin, self.door.run(command)).await?)
    }
}

impl Office for Bureau {
    fn command(&self, command: Value, user: UserId) -> Commanded<'_> {
        Box::pin(self.run(command, user))
    }

    fn lately(&self, user: UserId) -> Commanded<'_> {
        Box::pin(async move { told(self.door.lines_of(user, LATELY).await?) })
    }
}

fn told(reply: impl Serialize) -> Result<Value, Denied> {
    serde_json::to_value(reply).map_err(|error| {
        Refusal::new(RefusalKind::Unavailable, format!("no reply: {error}")).into()
    })
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        let Refusal { detail, kind } = refusal;
        Self { status: kind.status(), code: kind.as_str(), detail }
    }
}
