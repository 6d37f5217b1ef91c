//! What is counted here, and with the other gateways where the store is shared.

use std::sync::Arc;

use std::time::Duration;

use aws_lc_rs::hmac;
use quick_cache::sync::Cache;

use super::key::Key;
use crate::clock::Timestamp;
use crate::endpoints::error::EndpointError;
use crate::keys::KeyRing;
use crate::limit::{Limiter, Quota};
use crate::session::{Accounts, AuthError};
use crate::store::{Charge, ChargeStore, Charged};

/// What was refused by the store that is remembered here; and for how long it is not asked again. So whoever
/// goes on at a door that is shut does not come as far as the database.
const REFUSALS: usize = 10_000;
const NOT_ASKED: Duration = Duration::from_secs(1);

/// The store in which all gateways count, and the key by which it learns nothing of what is counted.
#[derive(Clone, Debug)]
pub(in crate::endpoints) struct Shared {
    accounts: Arc<Accounts>,
    key: Arc<hmac::Key>,
}

/// A limit of the endpoints. What it allows is allowed once, however many gateways there are.
#[derive(Clone, Debug)]
pub(super) struct Count {
    quota: Quota,
    /// Asked first: what is too much for one gateway is too much for all, and costs the store nothing.
    limiter: Arc<Limiter>,
    shared: Option<(&'static str, Shared)>,
    refusals: Arc<Cache<[u8; 32], Refusal>>,
}

/// That the store has refused something.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    at: Timestamp,
    wait: Duration,
}

impl Refusal {
    /// How long there is still to wait, while that need not be asked.
    fn holds(self, now: Timestamp) -> Option<Duration> {
        let since = now.since(self.at);
        (since < NOT_ASKED.min(self.wait)).then(|| self.wait.saturating_sub(since))
    }
}

impl Shared {
    /// `None` where one process alone has the store.
    pub(in crate::endpoints) fn of(accounts: &Arc<Accounts>, keys: &KeyRing) -> Option<Self> {
        accounts.charges()?;
        let secret = keys.derive("limits of the endpoints");
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.expose()));
        Some(Self { accounts: Arc::clone(accounts), key })
    }

    fn store(&self) -> Option<&dyn ChargeStore> {
        self.accounts.charges()
    }
}

impl Count {
    /// That nothing was counted of yet. `name` tells it from all others.
    pub(super) fn new(quota: Quota, name: &'static str, shared: Option<&Shared>) -> Self {
        let shared = shared.map(|shared| (name, shared.clone()));
        let (limiter, refusals) = (Limiter::new(quota), Cache::new(REFUSALS));
        Self { quota, limiter: Arc::new(limiter), shared, refusals: Arc::new(refusals) }
    }

    /// The same with what `before` has counted, where as much was allowed.
    pub(super) fn inherit(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) if before.quota == self.quota => {
                let (limiter, refusals) = (&before.limiter, &before.refusals);
                Self { limiter: Arc::clone(limiter), refusals: Arc::clone(refusals), ..self }
            }
            _ => self,
        }
    }

    /// Takes one event of `key`.
    ///
    /// # Errors
    ///
    /// It is one too many, or nobody knows how many there were; nothing was taken.
    pub(super) async fn take<K: Key>(&self, key: &K, now: Timestamp) -> Result<(), EndpointError> {
        self.limiter.take(key, now)?;
        let Some((store, charge)) = self.charge(key) else { return Ok(()) };
        let known = self.refusals.get(&charge.key).and_then(|refusal| refusal.holds(now));
        let charged = match known {
            Some(wait) => Ok(Charged::Exceeded(wait)),
            None => store.charge(charge).await,
        };
        let refused = match charged {
            Ok(Charged::Taken) => return Ok(()),
            Ok(Charged::Exceeded(wait)) => {
                if known.is_none() {
                    self.refusals.insert(charge.key, Refusal { at: now, wait });
                }
                EndpointError::Throttled(wait)
            }
            Err(error) => AuthError::Store(error).into(),
        };
        self.limiter.give_back(key);
        Err(refused)
    }

    /// Gives back one event that was taken and did not count after all.
    pub(super) async fn give_back<K: Key>(&self, key: &K) {
        self.limiter.give_back(key);
        let Some((store, charge)) = self.charge(key) else { return };
        self.refusals.remove(&charge.key);
        if let Err(error) = store.refund(charge).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "an attempt that did not fail counts as one that did");
        }
    }

    /// What it is in the store, whatever else is counted there.
    fn charge<K: Key>(&self, key: &K) -> Option<(&dyn ChargeStore, Charge)> {
        let (name, shared) = self.shared.as_ref()?;
        let Quota { count, per } = self.quota;
        let mut digest = hmac::Context::with_key(&shared.key);
        // Gateways of another policy count for themselves, as one does after a reload.
        digest.update(format!("{name} {count}/{}\0", per.as_nanos()).as_bytes());
        key.write(&mut |part| digest.update(part));
        let (mut key, tag) = ([0; 32], digest.sign());
        key.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        let charge = Charge { key, cost: per / count.get(), burst: per };
        Some((shared.store()?, charge))
    }
}
