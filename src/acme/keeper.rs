//! Keeps a certificate that is good.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::challenges::Challenges;
use super::http::{Client, Patience};
use super::schedule::{self, FIRST_WAIT, WHOLE};
use super::{AcmeError, AcmeSettings, files, order};
use crate::clock::{Clock, Timestamp};
use crate::metrics::Tally;
use crate::tls::{Leaf, ServerTls, Standing, TlsError, client_config};

const ISSUED: &str = "issued";
const FAILED: &str = "failed";

/// How often the clock is looked at while there is nothing to do: it may be set, and a machine may
/// sleep.
const LOOK: Duration = Duration::from_secs(10 * 60);
/// The longest that one order may take.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Has certificates issued, and renewed in time.
#[derive(Debug)]
pub struct Acme {
    settings: AcmeSettings,
    client: Client,
    clock: Arc<dyn Clock>,
    challenges: Arc<Challenges>,
    patience: Arc<Patience>,
    outcomes: Tally,
    /// In milliseconds since 1970.
    last_failure: AtomicU64,
}

impl Acme {
    /// As the settings say. Nothing is asked for yet.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if there is nobody whose word on the authority would count.
    pub fn new(settings: AcmeSettings, clock: Arc<dyn Clock>) -> Result<Self, TlsError> {
        let patience = Arc::<Patience>::default();
        let tls = client_config(&settings.roots, None, &[])?;
        Ok(Self {
            client: Client::new(tls, Arc::clone(&clock), Arc::clone(&patience)),
            settings,
            clock,
            challenges: Arc::default(),
            patience,
            outcomes: Tally::of([ISSUED, FAILED]),
            last_failure: AtomicU64::default(),
        })
    }

    /// What has to be answered in clear.
    pub const fn challenges(&self) -> &Arc<Challenges> {
        &self.challenges
    }

    /// How many orders came to which end.
    pub fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.outcomes.so_far()
    }

    /// When an order has failed last; `None` if none has since the start.
    pub fn last_failure(&self) -> Option<Timestamp> {
        let at = self.last_failure.load(Ordering::Relaxed);
        (at > 0).then(|| Timestamp::from_millis(at))
    }

    /// Orders a certificate whenever one is due, and has it shown. Never ends.
    pub async fn keep(&self, tls: &Arc<ServerTls>) {
        let mut due = self.first(tls.awaited().as_deref());
        let mut failures = 0;
        loop {
            self.wait_until(due).await;
            due = match self.order(tls).await {
                Ok(leaf) => {
                    failures = 0;
                    schedule::next(&leaf, self.clock.now(), chance())
                }
                Err(error) => {
                    failures += 1;
                    self.failed(&error, failures, tls.awaited().as_deref())
                }
            };
        }
    }

    /// When the first order of this process is due.
    fn first(&self, kept: Option<&Leaf>) -> Timestamp {
        let now = self.clock.now();
        let due = match kept {
            Some(leaf) if self.is_for_all(leaf) => schedule::renewal(leaf, chance()),
            Some(_) => {
                tracing::info!("the certificate that is kept is for other names");
                now
            }
            None => {
                tracing::warn!("no certificate yet: handshakes are refused until one is issued");
                now
            }
        };
        // Whoever is started again and again does not ask each time.
        let failed = files::written(&self.settings.failure());
        let rest = failed.map(|at| at.plus(FIRST_WAIT).min(now.plus(FIRST_WAIT)));
        rest.map_or(due, |rest| due.max(rest))
    }

    /// Whether a certificate is for the names that the policy has, and for no others.
    fn is_for_all(&self, leaf: &Leaf) -> bool {
        let names: BTreeSet<_> = leaf.names().collect();
        names == self.settings.domains.iter().cloned().collect()
    }

    async fn wait_until(&self, due: Timestamp) {
        loop {
            let rest = due.since(self.clock.now());
            if rest.is_zero() {
                return;
            }
            tokio::time::sleep(rest.min(LOOK)).await;
        }
    }

    async fn order(&self, tls: &Arc<ServerTls>) -> Result<Arc<Leaf>, AcmeError> {
        let domains = self.settings.domains.join(", ");
        let AcmeSettings { directory, proof, .. } = &self.settings;
        tracing::info!(%directory, %domains, %proof, "certificate ordered");
        let obtained = order::obtain(&self.settings, &self.client, &self.challenges, tls);
        tokio::time::timeout(LONGEST, obtained).await.unwrap_or(Err(AcmeError::Late))?;
        self.outcomes.count(ISSUED);
        files::forget(&self.settings.failure());
        let (shown, now) = (Arc::clone(tls), self.clock.now());
        // Were it to panic, the next look at the files finds it.
        let taken = tokio::task::spawn_blocking(move || shown.take_up(now)).await;
        let leaf = taken.ok().and_then(|()| tls.awaited());
        leaf.ok_or(AcmeError::Unusable(TlsError::Unreadable))
    }

    /// Says why there is no certificate, and when the next order is due.
    fn failed(&self, error: &AcmeError, failures: u32, kept: Option<&Leaf>) -> Timestamp {
        let now = self.clock.now();
        self.outcomes.count(FAILED);
        self.last_failure.store(now.as_millis(), Ordering::Relaxed);
        let wait = schedule::wait(failures, self.patience.left(now), chance());
        let next = now.plus(wait);
        let cause = error as &dyn Error;
        if kept.is_some_and(|leaf| leaf.standing(now) == Standing::Good) {
            tracing::warn!(error = cause, %next, "no new certificate; the old one stays");
        } else {
            tracing::error!(error = cause, %next, "no certificate");
        }
        let note = format!("{now} {error}\n");
        if let Err(error) = files::write(&self.settings.failure(), note.as_bytes()) {
            tracing::debug!(error = &error as &dyn Error, "the failure cannot be noted");
        }
        next
    }
}

/// From nothing to [`WHOLE`]. Without randomness there is none: that harms nobody.
fn chance() -> u32 {
    getrandom::u32().unwrap_or_default() % (WHOLE + 1)
}
