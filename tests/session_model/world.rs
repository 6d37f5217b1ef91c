//! The real sessions over a real store, on a disk and under a clock of ours.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap};

use portcullis::clock::{Clock, ManualClock, Timestamp};
use portcullis::identity::{SessionId, UserId};
use portcullis::rooms::audit::Audit;
use portcullis::rooms::keys::{Algorithm, KeyRing, KeySettings, KeySource};
use portcullis::rooms::password::{PasswordSettings, Passwords};
use portcullis::rooms::session::{
    AccountRules, AuthError, Foundations, Rules, SessionSettings, Sessions,
};
use portcullis::rooms::token::{Revisions, TokenSettings};
use portcullis::rooms::web::IdentityHeaders;
use portcullis::store::{RedbStore, Store};
use portcullis::{Accounts, Secret};

use crate::disk::Disk;
use crate::model::{ACCESS, REFRESH, SESSION};
use crate::schedule::Down;

pub(crate) struct World {
    pub disk: Disk,
    pub clock: Arc<ManualClock>,
    pub audit: Audit,
    keys: Arc<KeyRing>,
    passwords: Arc<Passwords>,
    pub gateway: Gateway,
}

/// What goes down with the machine.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub sessions: Arc<Sessions>,
    pub accounts: Arc<Accounts>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_800_000_000_300)));
        let source = KeySource::Shared(Secret::from("0123456789abcdef0123456789abcdef".to_owned()));
        let ring = "unused.keys".into();
        let keys = KeySettings { algorithm: Algorithm::Hs256, source, previous: Vec::new(), ring };
        let keys = Arc::new(KeyRing::ephemeral(keys, clock.now()).unwrap());
        let memory = NonZeroU32::new(64).unwrap();
        let passwords = PasswordSettings { memory, ..PasswordSettings::default() };
        let passwords = Arc::new(Passwords::start(passwords).unwrap());
        let (disk, audit) = (Disk::default(), Audit::off());
        let gateway = Gateway::start(&disk, &clock, &keys, &passwords, &audit);
        Self { disk, clock, audit, keys, passwords, gateway }
    }

    /// The machine goes down, and the gateway is started again on what is left.
    pub(crate) fn crash(&mut self, down: Down, rotation: bool, grace: Duration) {
        // While it is open: a store that is closed has time to tidy up.
        self.disk = match down {
            Down::Killed => self.disk.after_kill(),
            Down::WithoutPower => self.disk.after_power_loss(),
        };
        let Self { disk, clock, keys, passwords, audit, .. } = self;
        self.gateway = Gateway::start(disk, clock, keys, passwords, audit);
        self.reload(rotation, grace);
    }

    pub(crate) fn reload(&mut self, rotation: bool, grace: Duration) {
        let settings = SessionSettings { rotation, grace, ..settings() };
        let sessions = &self.gateway.sessions;
        let sessions =
            sessions.successor(IdentityHeaders::default(), Vec::new(), settings, tokens());
        self.gateway.sessions = Arc::new(sessions);
    }
}

impl Gateway {
    fn start(
        disk: &Disk,
        clock: &Arc<ManualClock>,
        keys: &Arc<KeyRing>,
        passwords: &Arc<Passwords>,
        audit: &Audit,
    ) -> Self {
        let store: Arc<dyn Store> = Arc::new(RedbStore::with_backend(disk.clone()).unwrap());
        let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        let revisions = Arc::new(Revisions::default());
        let rules = Rules::new([], AccountRules::default(), None);
        let accounts = Accounts::new(
            Arc::clone(&store),
            Arc::clone(&time),
            Arc::clone(passwords),
            Arc::clone(&revisions),
            rules,
        );
        let foundations = Foundations {
            store,
            clock: time,
            keys: Arc::clone(keys),
            revisions,
            headers: IdentityHeaders::default(),
            issuers: Vec::new(),
        };
        let sessions = Sessions::new(foundations, settings(), tokens()).with_audit(audit.clone());
        let accounts = accounts.with_audit(audit.clone());
        Self { sessions: Arc::new(sessions), accounts: Arc::new(accounts) }
    }

    /// What is said of an access token, and the session that it is of.
    pub(crate) async fn access(&self, token: &str) -> (&'static str, Option<SessionId>) {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        match self.sessions.authenticate(&headers).await {
            Ok(caller) => ("good", caller.unwrap().identity.session),
            Err(error) => (error.code(), None),
        }
    }

    /// The numbers of the living sessions of a user.
    pub(crate) async fn living(&self, user: UserId) -> Vec<SessionId> {
        let sessions = self.accounts.sessions(user, 99).await.unwrap();
        sessions.into_iter().map(|session| session.id).collect()
    }

    pub(crate) async fn is_forgery(&self, token: &str) -> bool {
        let refused = |error: AuthError| error.code() == "token_not_valid";
        let renewed = self.sessions.refresh(token).await.is_err_and(refused);
        let found = self.sessions.check(token).await.is_err_and(refused);
        renewed && found && self.sessions.log_out_by(token).await.is_err_and(refused)
    }
}

fn settings() -> SessionSettings {
    SessionSettings { lifetime: SESSION, ..SessionSettings::default() }
}

fn tokens() -> TokenSettings {
    TokenSettings { access: ACCESS, refresh: REFRESH, ..TokenSettings::default() }
}
