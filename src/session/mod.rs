//! Sessions: started at login, renewed by refresh tokens, ended for good; and what a credential
//! says about its owner *now*.

mod accounts;
mod authenticate;
mod browser;
mod challenges;
mod credentials;
mod factors;
mod foreign;
mod groups;
mod invitations;
mod issue;
mod key_form;
mod lasting;
mod logins;
mod logout;
mod moving;
mod names;
mod passkeys;
mod recorded;
mod recovery;
mod recovery_codes;
mod refusal;
mod registration;
mod renew;
mod rules;
mod settings;
mod settle;
mod shared_tickets;
mod start;
mod tickets;
mod totp;
mod user_keys;
mod uses;
mod webauthn;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::keys::KeyRing;
use crate::mail::Mailer;
use crate::metrics::{BusyCounter, Counter};
use crate::store::Store;
use crate::token::{IssuerSettings, Revisions, Signer, TokenCache, TokenSettings, Verifier};
use crate::web::{IdentityHeaders, SessionCookie};

pub use accounts::{AccountError, Accounts, NewAccount, Registered};
pub use authenticate::Authenticated;
pub use browser::{Visit, Visitor};
pub use challenges::{CHALLENGE_LIFE, Challenge, ChallengeRef, Met, Reply, Wanted};
pub use credentials::Checked;
pub use factors::OfferedTotp;
pub use invitations::{Invited, Leave};
pub use key_form::{KeyPrefix, KeyPrefixFault};
pub use lasting::Stance;
pub use logins::Living;
pub use names::{
    EMAIL_LENGTH, EmailFault, NameFault, USERNAME_LENGTH, check_email, check_username,
    normalize_username, trim,
};
pub use passkeys::{NotAdded, PasskeyOptions, passkey_id};
pub use recovery_codes::{RECOVERY_CODES, RecoveryCodes};
pub use refusal::{Answer, AuthError, Presented};
pub use registration::{NameObjection, Objections};
pub use renew::Renewed;
pub use rules::Rules;
pub use settings::{AccountRules, FactorSettings, Lookalikes, SessionSettings};
pub(crate) use start::hex;
pub use start::{Client, Opened, Pair, seal_api_key};
pub use tickets::{TICKET_LIFE, Ticket};
pub use user_keys::{
    KEY_NAME_LENGTH, KeyMade, KeyNameFault, NewKey, ShownKey, UserKeySettings, check_key_name,
};
pub use webauthn::RelyingParty;

/// Everything that sessions stand on.
#[derive(Debug)]
pub struct Foundations {
    /// Where users and sessions are kept.
    pub store: Arc<dyn Store>,
    /// Where `now` comes from.
    pub clock: Arc<dyn Clock>,
    /// Our keys.
    pub keys: Arc<KeyRing>,
    /// Shared with [`Accounts`], so that a change of a user is seen at once.
    pub revisions: Arc<Revisions>,
    /// What is told to upstreams.
    pub headers: IdentityHeaders,
    /// Other issuers.
    pub issuers: Vec<IssuerSettings>,
}

/// How often a good credential was known already.
#[derive(Debug, Default)]
pub struct Lookups {
    /// A look-up in memory was all.
    pub known: BusyCounter,
    /// It was verified, and its user read from the store.
    pub learnt: Counter,
}

/// The sessions of all users, and the one place where a credential becomes an identity.
#[derive(Debug)]
pub struct Sessions {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyRing>,
    revisions: Arc<Revisions>,
    headers: IdentityHeaders,
    settings: SessionSettings,
    verifier: Verifier,
    signer: Signer,
    cache: TokenCache<Authenticated>,
    lookups: Arc<Lookups>,
    tickets: Arc<tickets::Tickets>,
    exchanges: Arc<browser::Exchanges>,
    uses: Arc<uses::Uses>,
    audit: Audit,
    mailer: Option<Arc<Mailer>>,
}

impl Sessions {
    /// Sessions on these foundations.
    pub fn new(foundations: Foundations, settings: SessionSettings, tokens: TokenSettings) -> Self {
        let Foundations { store, clock, keys, revisions, headers, issuers } = foundations;
        let verifier = Verifier::remembered(Arc::clone(&keys), tokens.clone(), issuers, &revisions);
        let signer = Signer::new(Arc::clone(&keys), tokens);
        let cache = TokenCache::new(settings.callers);
        let audit = Audit::off();
        Self {
            store,
            clock,
            keys,
            revisions,
            headers,
            settings,
            verifier,
            signer,
            cache,
            lookups: Arc::default(),
            tickets: Arc::default(),
            exchanges: Arc::default(),
            uses: Arc::default(),
            audit,
            mailer: None,
        }
    }

    /// Sessions in the place of these, under other settings: what is known of sessions, tickets
    /// and issuers goes on. What was remembered of callers does not, for it may be told otherwise
    /// now.
    #[must_use]
    pub fn successor(
        &self,
        headers: IdentityHeaders,
        issuers: Vec<IssuerSettings>,
        settings: SessionSettings,
        tokens: TokenSettings,
    ) -> Self {
        let verifier = self.verifier.successor(tokens.clone(), issuers, &self.revisions);
        let cache = TokenCache::new(settings.callers);
        Self {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            keys: Arc::clone(&self.keys),
            revisions: Arc::clone(&self.revisions),
            headers,
            settings,
            verifier,
            signer: Signer::new(Arc::clone(&self.keys), tokens),
            cache,
            lookups: Arc::clone(&self.lookups),
            tickets: Arc::clone(&self.tickets),
            exchanges: Arc::clone(&self.exchanges),
            uses: Arc::clone(&self.uses),
            audit: self.audit.clone(),
            mailer: self.mailer.clone(),
        }
    }

    /// Says that callers may have to be told otherwise, or have to go: live connections ask anew.
    pub fn doubt_everybody(&self) {
        self.revisions.bump_everybody();
    }

    /// Records logins and the ends of sessions.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Self {
        Self { audit, ..self }
    }

    /// How many gateways live on the store, with this one, as far as was heard.
    pub fn gateways(&self) -> NonZeroU32 {
        self.revisions.gateways()
    }

    /// Tells users by that mailer what was done to their accounts.
    #[must_use]
    pub fn with_mail(self, mailer: Option<Arc<Mailer>>) -> Self {
        Self { mailer, ..self }
    }

    /// Fetches keys of other issuers when they are due. Never ends; without it they are fetched
    /// when a request comes that needs them, or finds that they are due.
    pub async fn keep_keys(&self) {
        /// Nothing is fetched more often than every few seconds.
        const LOOK: Duration = Duration::from_secs(1);
        if !self.verifier.fetches() {
            return std::future::pending().await;
        }
        loop {
            self.verifier.tend(self.clock.now());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How long an access token lives.
    pub const fn longest_access(&self) -> Duration {
        self.signer.settings().access
    }

    /// Whether sliding tokens are issued and accepted.
    pub const fn sliding(&self) -> bool {
        self.signer.settings().sliding
    }

    /// How often a good credential was known already.
    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// How the refusal of a credential in the `Authorization` header reads.
    pub const fn in_header(&self) -> Presented {
        Presented::Header { sliding: self.sliding() }
    }

    /// What browsers hold their sessions by; `None` where nobody signs in on a page of ours.
    pub const fn cookie(&self) -> Option<SessionCookie> {
        self.settings.cookie
    }

    /// What is told to upstreams, header by header.
    pub const fn headers(&self) -> &IdentityHeaders {
        &self.headers
    }
}

#[cfg(test)]
pub(crate) mod tests;
