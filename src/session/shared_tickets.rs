//! Tickets in a store that many gateways share: one of them gives a ticket out, and any of them takes it.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::lasting::{Basis, Proof};
use super::start::hex;
use super::tickets::OF_ONE_USER;
use super::uses::NextNote;
use super::{AuthError, Authenticated, Sessions, TICKET_LIFE};
use crate::clock::Timestamp;
use crate::identity::{Identity, SessionId, UserId};
use crate::store::{KeptTicket, StoreError, TicketStore};
use crate::token::TokenError;

/// What the owner of a ticket had shown: all that is needed to ask after it again. It may be a token of
/// another issuer, so it is sealed.
#[derive(Deserialize, Serialize)]
struct Shown {
    user: Option<u64>,
    expires: u64,
    until: u64,
    login: Option<u64>,
    by: By,
}

#[derive(Deserialize, Serialize)]
enum By {
    Session { number: u64, tag: u64, issued: u64 },
    Cookie { number: u64, tag: u64, issued: u64 },
    Token { jti: String, issued: u64 },
    Key([u8; 32]),
    UserKey { hash: [u8; 32], id: u64 },
    Issuer(Vec<u8>),
}

impl Sessions {
    pub(super) async fn share_ticket(
        &self,
        store: &dyn TicketStore,
        hash: [u8; 32],
        caller: &Authenticated,
        scope: &str,
    ) -> Result<(), AuthError> {
        let now = self.clock.now();
        let text = serde_json::to_vec(&Shown::of(caller));
        let text = text.map_err(|error| StoreError::Unavailable(error.into()))?;
        let ticket = KeptTicket {
            hash,
            owner: caller.identity.user_id.clone(),
            scope: scope.to_owned(),
            shown: self.keys.seal(&text, &context(hash))?,
            expires: now.plus(TICKET_LIFE),
        };
        Ok(store.keep_ticket(ticket, now, OF_ONE_USER).await?)
    }

    pub(super) async fn take_shared_ticket(
        &self,
        store: &dyn TicketStore,
        hash: [u8; 32],
        scope: &str,
    ) -> Result<Arc<Authenticated>, AuthError> {
        let ticket = store.take_ticket(hash).await?.ok_or(AuthError::Ticket)?;
        let now = self.clock.now();
        if ticket.expires <= now || ticket.scope != scope {
            return Err(AuthError::Ticket);
        }
        // Sealed under another ring: whoever gave it out has other keys.
        let text = self.keys.unseal(&ticket.shown, &context(hash)).ok_or(AuthError::Ticket)?;
        let shown: Shown = serde_json::from_slice(text.expose()).map_err(|_| AuthError::Ticket)?;
        let caller = Arc::new(shown.caller(self));
        if caller.basis.until <= now {
            return Err(TokenError::Expired.into());
        }
        if caller.user.is_some() {
            self.may_learn()?;
        }
        self.as_it_is(&caller).await
    }
}

/// No record can be passed off as another.
fn context(hash: [u8; 32]) -> String {
    format!("ticket {}", hex(&hash))
}

impl Shown {
    fn of(caller: &Authenticated) -> Self {
        let Authenticated { user, expires, basis, .. } = caller;
        let by = match &basis.proof {
            Proof::Session(SessionId { number, tag }, issued) => {
                By::Session { number: *number, tag: *tag, issued: issued.as_millis() }
            }
            Proof::Cookie(SessionId { number, tag }, issued) => {
                By::Cookie { number: *number, tag: *tag, issued: issued.as_millis() }
            }
            Proof::Token(jti, issued) => {
                By::Token { jti: jti.to_string(), issued: issued.as_millis() }
            }
            Proof::Key(hash) => By::Key(*hash),
            Proof::UserKey { hash, id } => By::UserKey { hash: *hash, id: *id },
            Proof::Issuer(token) => By::Issuer(token.to_vec()),
        };
        Self {
            user: user.map(|user| user.0),
            expires: expires.as_millis(),
            until: basis.until.as_millis(),
            login: basis.login.map(Timestamp::as_millis),
            by,
        }
    }

    /// Somebody of whom no more is known than what was shown.
    fn caller(self, sessions: &Sessions) -> Authenticated {
        let at = Timestamp::from_millis;
        let proof = match self.by {
            By::Session { number, tag, issued } => {
                Proof::Session(SessionId { number, tag }, at(issued))
            }
            By::Cookie { number, tag, issued } => {
                Proof::Cookie(SessionId { number, tag }, at(issued))
            }
            By::Token { jti, issued } => Proof::Token(jti.into(), at(issued)),
            By::Key(hash) => Proof::Key(hash),
            By::UserKey { hash, id } => Proof::UserKey { hash, id },
            By::Issuer(token) => Proof::Issuer(token.into()),
        };
        let revision = sessions.revisions.of_others();
        let basis = Basis { proof, revision, until: at(self.until), login: self.login.map(at) };
        Authenticated {
            identity: Identity::nobody(),
            user: self.user.map(UserId),
            headers: Vec::new(),
            lines: Bytes::new(),
            expires: at(self.expires),
            note: NextNote::default(),
            basis,
        }
    }
}
