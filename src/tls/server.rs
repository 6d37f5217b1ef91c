//! The side that is called: listeners with TLS, and the files that they are made from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::ClientHello;
use tokio::sync::Notify;

use super::TlsError;
use super::authorities::{Authorities, Over};
use super::files::{Awaited, FileError, Pair};
use super::leaf::{Leaf, Standing};
use super::proofs::{Proofs, Proving, Sought};
use super::settings::{ClientAuth, TlsSettings};
use super::terms::{Fixed, Shown, Terms, twice};
use crate::clock::{Clock, Timestamp};

/// How often a certificate that ends soon is complained of.
const COMPLAINT: Duration = Duration::from_secs(24 * 60 * 60);

/// How all listeners speak TLS. What its files hold is taken up while connections go on.
///
/// A client may resume a session with a ticket that it keeps itself, for half a day at most, at
/// whichever worker; the keys of the tickets never leave the process.
pub struct ServerTls {
    fixed: Fixed,
    poll: Duration,
    /// With what the files hold now.
    settings: Mutex<TlsSettings>,
    terms: RwLock<Arc<Terms>>,
    proofs: Proofs,
    again: Notify,
}

impl ServerTls {
    /// As the settings say.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if the machine gives no random bytes, or the authorities cannot be used.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let fixed = Fixed {
            min: settings.min,
            strict_sni: settings.strict_sni,
            ticketer: Ticketer::new()?,
            bench: Arc::default(),
        };
        let terms = terms(&fixed, settings)?;
        fixed.bench.store(terms.judge());
        Ok(Self {
            fixed,
            poll: settings.poll,
            settings: Mutex::new(settings.clone()),
            terms: RwLock::new(Arc::new(terms)),
            proofs: Proofs::default(),
            again: Notify::new(),
        })
    }

    /// When each certificate that is shown ends, by its file.
    pub fn ends(&self) -> Vec<(PathBuf, Timestamp)> {
        let settings = self.settings();
        settings.pairs().map(|pair| (pair.path().to_owned(), pair.leaf().ends())).collect()
    }

    /// When the first revocation list of each file ends.
    pub fn lists_end(&self) -> Vec<(PathBuf, Timestamp)> {
        let settings = self.settings();
        settings.client_ca.iter().flat_map(Authorities::lists_end).collect()
    }

    /// What the certificate says that was [awaited](TlsSettings::awaited), once it is there.
    pub fn awaited(&self) -> Option<Arc<Leaf>> {
        let settings = self.settings();
        let pair = settings.awaited.as_ref().and_then(Awaited::pair);
        pair.map(|pair| Arc::clone(pair.leaf()))
    }

    /// Begins to prove names in handshakes, for as long as what this returns is kept. One order at a
    /// time: the end of one takes away the proofs of all.
    pub const fn prove(&self) -> Proving<'_> {
        self.proofs.begin(self.fixed.min)
    }

    /// Has the files read again, whether they seem to have changed or not, by whoever
    /// [keeps](Self::keep) this.
    pub fn read_again(&self) {
        self.again.notify_one();
    }

    /// Looks at the files now and then, away from the threads that serve. Never ends.
    pub async fn keep(self: &Arc<Self>, clock: &Arc<dyn Clock>) {
        // The check of the policy has complained of what it began with.
        let mut complained = clock.now();
        loop {
            let always = tokio::select! {
                () = tokio::time::sleep(self.poll) => false,
                () = self.again.notified() => true,
            };
            let now = clock.now();
            let due = now.since(complained) >= COMPLAINT;
            if due {
                complained = now;
            }
            let tls = Arc::clone(self);
            let looked = tokio::task::spawn_blocking(move || {
                tls.look(always, now);
                if due {
                    tls.complain(now);
                }
            });
            if looked.await.is_err() {
                tracing::error!("the certificate files could not be looked at");
            }
        }
    }

    /// Takes up the files that have changed at once, for who has written one. It blocks.
    pub fn take_up(&self, now: Timestamp) {
        self.look(false, now);
    }

    /// Takes up the files that have changed. A pair that is broken, or half written, stays what it
    /// was until it changes again.
    fn look(&self, always: bool, now: Timestamp) {
        let mut settings = self.settings();
        let TlsSettings { default, more, awaited, client_ca, .. } = &mut *settings;
        let mut changed = false;
        for pair in default.iter_mut().chain(more) {
            let read = pair.again(always);
            changed |= taken(read, Some(pair), now);
        }
        if let Some(awaited) = awaited {
            let read = awaited.again(always);
            changed |= taken(read, awaited.pair(), now);
        }
        if let Some(authorities) = client_ca {
            for read in authorities.again(always) {
                match read {
                    Ok(file) => {
                        changed = true;
                        let file = file.display();
                        tracing::info!(%file, "file about client certificates read");
                    }
                    Err(error) => kept(&error),
                }
            }
            authorities.newly_over(now).iter().for_each(complain_of_list);
        }
        if !changed {
            return;
        }
        let pairs: Vec<_> = settings.pairs().cloned().collect();
        for twice in twice(&pairs) {
            let hidden = pairs.get(twice.hidden).map_or_else(|| Path::new(""), Pair::path);
            let file = hidden.display();
            tracing::warn!(name = %twice.name, %file, "another certificate is for that name, too");
        }
        match terms(&self.fixed, &settings) {
            Ok(terms) => {
                // First who judges: whoever shakes hands by the new terms is judged by them.
                self.fixed.bench.store(terms.judge());
                *self.terms.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(terms);
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "new certificates cannot be used; the old ones stay");
            }
        }
    }

    fn complain(&self, now: Timestamp) {
        let settings = self.settings();
        settings.pairs().for_each(|pair| complain(pair, now));
        let over = settings.client_ca.iter().flat_map(|authorities| authorities.over(now));
        over.for_each(|over| complain_of_list(&over));
    }

    fn settings(&self) -> MutexGuard<'_, TlsSettings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How one listener speaks TLS.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    tls: Arc<ServerTls>,
    client_auth: ClientAuth,
}

impl ListenerTls {
    /// A listener whose clients are asked for certificates, or not.
    ///
    /// # Errors
    ///
    /// [`TlsError::NoAuthorities`] if they are asked and nobody's word would count.
    pub fn new(tls: &Arc<ServerTls>, client_auth: ClientAuth) -> Result<Self, TlsError> {
        let listener = Self { tls: Arc::clone(tls), client_auth };
        if client_auth != ClientAuth::Off && tls.settings().client_ca.is_none() {
            return Err(TlsError::NoAuthorities);
        }
        Ok(listener)
    }

    /// What becomes of a client that says hello so.
    pub fn choose(&self, hello: &ClientHello<'_>) -> Choice {
        let asked = hello.server_name();
        if self.tls.proofs.are_kept()
            && let Some(offered) = hello.alpn()
            && let Some(sought) = self.tls.proofs.seek(asked, offered)
        {
            return match sought {
                Sought::Proof(config) => Choice::Proof(config),
                Sought::Nothing => Choice::NoProof,
            };
        }
        self.tls.now().choose(self.client_auth, asked).map_or(Choice::UnknownName, Choice::Shown)
    }
}

/// What becomes of a client, by its first words.
#[derive(Debug)]
pub enum Choice {
    /// It is shown a certificate of ours, and served.
    Shown(Arc<Shown>),
    /// It is an authority, and sees that a name is ours: when hands are shaken all is said
    /// (RFC 8737 section 4).
    Proof(Arc<ServerConfig>),
    /// It looks for a proof, and there is none for what it asks.
    NoProof,
    /// Nothing is there for the host that it asks for.
    UnknownName,
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("poll", &self.poll).finish_non_exhaustive()
    }
}

fn terms(fixed: &Fixed, settings: &TlsSettings) -> Result<Terms, TlsError> {
    let pairs: Vec<_> = settings.pairs().cloned().collect();
    Terms::new(fixed, &pairs, settings.has_default(), settings.client_ca.as_ref())
}

/// Says what became of a pair that was looked at, and whether it is another one.
fn taken(read: Option<Result<(), FileError>>, pair: Option<&Pair>, now: Timestamp) -> bool {
    match (read, pair) {
        (Some(Ok(())), Some(pair)) => {
            let ends = pair.leaf().ends();
            tracing::info!(file = %pair.path().display(), %ends, "certificate read");
            complain(pair, now);
            true
        }
        (Some(Err(error)), _) => {
            kept(&error);
            false
        }
        (Some(Ok(())) | None, _) => false,
    }
}

fn kept(error: &FileError) {
    let file = error.path.display();
    tracing::error!(%file, error = %error.error, "new file not taken; the old one stays");
}

fn complain(pair: &Pair, now: Timestamp) {
    let standing = pair.leaf().standing(now);
    if standing != Standing::Good {
        tracing::warn!(file = %pair.path().display(), "{standing}");
    }
}

fn complain_of_list(over: &Over) {
    let (file, since) = (over.path.display(), over.since);
    tracing::error!(%file, %since, "revocation list over; who needs it is refused until another is there");
}

#[cfg(test)]
mod tests;
