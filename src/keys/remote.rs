//! Keys of another issuer that are fetched from it, and fetched again before they are old.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::fetch::{Document, FetchError, FetchUrl, FetchUrlError, get};
use super::{JwkSet, KeyError, Location, RemoteSettings};
use crate::clock::Timestamp;
use crate::tls::client_config;

/// Between two looks for a key that is not in the set: whoever invents key ids cannot make us
/// a burden to the issuer.
const COOL_DOWN: Duration = Duration::from_secs(30);
/// Between two attempts while there are no keys at all.
const RETRY: Duration = Duration::from_secs(5);
/// The same where it is no stranger who names them.
const MOMENT: Duration = Duration::from_millis(500);
/// How long a set is good if the issuer does not say, and the least and most it may say.
const AGE: Duration = Duration::from_secs(60 * 60);
const LEAST_AGE: Duration = Duration::from_secs(5 * 60);
const MOST_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The keys of an issuer as they were fetched last.
///
/// One fetch at a time, on the runtime of whoever asked first, and not ended with that request.
/// A failed one leaves what is known as it is.
pub struct RemoteKeys {
    issuer: String,
    settings: RemoteSettings,
    tls: OnceLock<Arc<ClientConfig>>,
    /// Moved when keys that verdicts rest on may be gone.
    changes: Arc<AtomicU64>,
    known: RwLock<Option<Arc<JwkSet>>>,
    /// In milliseconds: nothing is to be done before.
    due: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The fetch that is under way. Its other end is gone when the runtime of the fetch is.
    flight: Option<watch::Receiver<()>>,
    /// When the last one began.
    attempt: Option<Timestamp>,
    /// The last one failed.
    failing: bool,
    /// What is known, as it came.
    document: Bytes,
    /// What is known is believed until then.
    until: Option<Timestamp>,
}

impl RemoteKeys {
    /// No keys yet; [`RemoteKeys::tend`] fetches them. `changes` is bumped when keys are replaced
    /// or no longer believed.
    pub fn new(issuer: &str, settings: RemoteSettings, changes: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Self {
            issuer: issuer.to_owned(),
            settings,
            tls: OnceLock::new(),
            changes,
            known: RwLock::default(),
            due: AtomicU64::new(0),
            state: Mutex::default(),
        })
    }

    /// Whether these are the keys of that issuer, fetched in that way.
    pub fn are_of(&self, issuer: &str, settings: &RemoteSettings) -> bool {
        self.issuer == issuer && self.settings == *settings
    }

    /// The keys.
    pub fn known(&self) -> Option<Arc<JwkSet>> {
        // A set is replaced whole, so a poisoned lock is still good.
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a fetch if one is due, and forgets keys that are too old. Does not wait; to be
    /// called within a runtime.
    pub fn tend(self: &Arc<Self>, now: Timestamp) {
        if now.as_millis() < self.due.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state();
        if state.until.is_some_and(|until| now >= until) {
            state.until = None;
            self.replace(None);
            let issuer = &self.issuer;
            tracing::warn!(issuer, "keys of the issuer are too old to be believed");
        }
        if state.flight().is_none() {
            self.begin(&mut state, now);
        }
    }

    /// Looks for keys beyond those in `seen`, which did not verify a token that names `kid`.
    /// Says whether there are other keys now.
    ///
    /// # Errors
    ///
    /// [`KeyError::NotFetched`] if nobody can tell: there never were keys, or the issuer cannot be
    /// asked for new ones.
    pub async fn look_for(
        self: &Arc<Self>,
        seen: Option<&Arc<JwkSet>>,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, KeyError> {
        self.look_for_after(COOL_DOWN, seen, kid, now).await
    }

    /// The same a moment after the last look at the earliest, where whoever names `kid` may not do
    /// so at will.
    pub(crate) async fn look_for_at_once(
        self: &Arc<Self>,
        seen: Option<&Arc<JwkSet>>,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, KeyError> {
        self.look_for_after(MOMENT, seen, kid, now).await
    }

    async fn look_for_after(
        self: &Arc<Self>,
        pause: Duration,
        seen: Option<&Arc<JwkSet>>,
        kid: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, KeyError> {
        if let (Some(seen), Some(kid)) = (seen, kid)
            && seen.has(kid)
        {
            return Ok(false);
        }
        // A second time if the first fetch went down with its runtime.
        for _ in 0..2 {
            let Some(mut flight) = self.ask(pause, seen, now) else { break };
            // Its end is the answer. It has a limit of its own, unless its runtime stands still.
            let ended = timeout(self.settings.timeout.saturating_mul(2), flight.changed()).await;
            if ended.is_err() || self.state().flight.is_none() {
                break;
            }
        }
        let known = self.known();
        let same = match (&known, seen) {
            (Some(known), Some(seen)) => Arc::ptr_eq(known, seen),
            (known, seen) => known.is_none() && seen.is_none(),
        };
        if known.is_none() || (same && self.state().failing) {
            return Err(KeyError::NotFetched);
        }
        Ok(!same)
    }

    /// A fetch to wait for; `None` if there is something new already, or it is too early for
    /// another one.
    fn ask(
        self: &Arc<Self>,
        pause: Duration,
        seen: Option<&Arc<JwkSet>>,
        now: Timestamp,
    ) -> Option<watch::Receiver<()>> {
        let mut state = self.state();
        if let Some(flight) = state.flight() {
            return Some(flight);
        }
        let known = self.known();
        if let Some(known) = &known
            && seen.is_none_or(|seen| !Arc::ptr_eq(known, seen))
        {
            return None;
        }
        let pause = if known.is_some() { pause } else { pause.min(RETRY) };
        // A clock that was set back must not keep us from asking.
        let rests = |last: Timestamp| last <= now && now.since(last) < pause;
        (!state.attempt.is_some_and(rests)).then(|| self.begin(&mut state, now))
    }

    fn begin(self: &Arc<Self>, state: &mut State, now: Timestamp) -> watch::Receiver<()> {
        let (done, flight) = watch::channel(());
        state.flight = Some(flight.clone());
        state.attempt = Some(now);
        self.due.store(now.plus(RETRY).as_millis(), Ordering::Relaxed);
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            let patience = keys.settings.timeout;
            let fetched = timeout(patience, keys.fetch()).await;
            keys.settle(fetched.unwrap_or(Err(FetchError::Late(patience))), now);
            drop(done);
        });
        flight
    }

    async fn fetch(&self) -> Result<(JwkSet, Document), FetchError> {
        let tls = self.tls().await?;
        let discovered;
        let url = match &self.settings.location {
            Location::Jwks(url) => url,
            Location::Discovery(url) => {
                let document = get(url, &tls).await?;
                discovered = self.read(&document.content)?;
                // Nobody else's "this machine" is ours.
                if url.is_secure() && !discovered.is_secure() {
                    return Err(FetchError::JwksUri(FetchUrlError::Clear));
                }
                &discovered
            }
        };
        let document = get(url, &tls).await?;
        Ok((JwkSet::parse_public(&document.content)?, document))
    }

    fn read(&self, document: &[u8]) -> Result<FetchUrl, FetchError> {
        let found: Value = serde_json::from_slice(document).map_err(FetchError::Discovery)?;
        let text = |name| found.get(name).and_then(Value::as_str).unwrap_or_default();
        // Discovery 1.0 section 4.3: another one's document would bring another one's keys.
        if text("issuer") != self.issuer {
            return Err(FetchError::Issuer(text("issuer").to_owned()));
        }
        FetchUrl::parse(text("jwks_uri")).map_err(FetchError::JwksUri)
    }

    /// The machine's certificates are many files, and no runtime shall wait for them.
    pub(crate) async fn tls(&self) -> Result<Arc<ClientConfig>, FetchError> {
        if let Some(tls) = self.tls.get() {
            return Ok(Arc::clone(tls));
        }
        let roots = self.settings.roots.clone();
        let made = tokio::task::spawn_blocking(move || client_config(&roots, None, &[b"http/1.1"]));
        let made = made.await.map_err(|ended| FetchError::Connect(ended.into()))??;
        Ok(Arc::clone(self.tls.get_or_init(|| made)))
    }

    fn settle(&self, fetched: Result<(JwkSet, Document), FetchError>, began: Timestamp) {
        let mut state = self.state();
        state.flight = None;
        let issuer = &self.issuer;
        let next = match fetched {
            Ok((keys, document)) => {
                let age = document.age.unwrap_or(AGE).clamp(LEAST_AGE, MOST_AGE);
                if self.known().is_none() || state.document != document.content {
                    self.replace(Some(Arc::new(keys)));
                    state.document = document.content;
                    tracing::info!(issuer, "keys of the issuer fetched");
                } else if state.failing {
                    tracing::info!(issuer, "keys of the issuer can be fetched again");
                }
                state.failing = false;
                state.until = Some(began.plus(age).plus(self.settings.stale));
                began.plus(age.mul_f64(0.8))
            }
            Err(error) => {
                let error: &(dyn Error + 'static) = &error;
                if state.failing {
                    tracing::debug!(issuer, error, "keys of the issuer still not fetched");
                } else {
                    tracing::warn!(issuer, error, "keys of the issuer cannot be fetched");
                }
                state.failing = true;
                let pause = if state.until.is_some() { COOL_DOWN } else { RETRY };
                let again = began.plus(pause);
                state.until.map_or(again, |until| until.min(again))
            }
        };
        self.due.store(next.as_millis(), Ordering::Relaxed);
    }

    /// The keys first: whoever reads the old ones hereafter has read the old count as well.
    fn replace(&self, keys: Option<Arc<JwkSet>>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens between two writes to it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The fetch that is under way. One whose runtime has ended counts as never begun.
    fn flight(&mut self) -> Option<watch::Receiver<()>> {
        let flight = self.flight.take()?;
        if flight.has_changed().is_err() {
            self.attempt = None;
            return None;
        }
        self.flight = Some(flight.clone());
        Some(flight)
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
