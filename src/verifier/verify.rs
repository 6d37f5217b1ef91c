//! The verifier itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::known::{Digest, Known, Standing};
use super::{VerifyError, ask, follow};
use crate::clock::{Clock, Timestamp};
use crate::identity::Identity;
use crate::keys::{FetchUrl, RemoteKeys};
use crate::secret::Secret;
use crate::token::{Caller, Claims, Demands, News, PublishedToken, TokenError};

/// Questions to the gateway at once.
const QUESTIONS: usize = 8;
/// Answers that may be out of date before they are there.
const ATTEMPTS: usize = 3;

/// Verifies the gateway's access tokens in another process. Clones are one.
///
/// ```no_run
/// use portcullis::verifier::{SourceError, Verifier};
/// use portcullis::{Identity, Secret};
///
/// # async fn run(token: &[u8]) -> Result<(), SourceError> {
/// let feed = Secret::from("that of [admin] feed_token".to_owned());
/// let verifier = Verifier::from_jwks_url("https://app.example.com/.well-known/jwks.json")?
///     .feed("http://127.0.0.1:9901", feed)?
///     .start();
/// match verifier.verify(token).await {
///     Ok(Identity { username, .. }) => println!("hello {username}"),
///     Err(error) => println!("{}", error.status()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
    /// Ends with the last clone.
    _work: Arc<JoinSet<()>>,
}

/// What the verifier and who follows have in common.
pub(super) struct Shared {
    pub(super) keys: Arc<RemoteKeys>,
    demands: Demands,
    pub(super) door: Option<Door>,
    pub(super) clock: Arc<dyn Clock>,
    known: Mutex<Known>,
    /// Moved at each word of the feed.
    words: watch::Sender<()>,
}

/// Where the feed is.
pub(super) struct Door {
    pub(super) url: FetchUrl,
    pub(super) token: Secret,
    pub(super) patience: Duration,
    pub(super) questions: Semaphore,
}

impl Door {
    pub(super) fn new(url: FetchUrl, token: Secret, patience: Duration) -> Self {
        Self { url, token, patience, questions: Semaphore::new(QUESTIONS) }
    }
}

impl Verifier {
    pub(super) fn new(
        keys: Arc<RemoteKeys>,
        demands: Demands,
        door: Option<Door>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let known = Mutex::new(Known::new(demands.leeway));
        let words = watch::Sender::new(());
        let shared = Arc::new(Shared { keys, demands, door, clock, known, words });
        let mut work = JoinSet::new();
        work.spawn(follow::tend(Arc::clone(&shared)));
        work.spawn(follow::follow(Arc::clone(&shared)));
        Self { shared, _work: Arc::new(work) }
    }

    /// Who the token speaks for, if it is good now: signed with a key that counts, in its time, and
    /// not taken back. A dropped call has no effect.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; refuse the request as its `status` says, or decide otherwise.
    pub async fn verify(&self, token: &[u8]) -> Result<Identity, VerifyError> {
        let Some(door) = &self.shared.door else { return self.verify_signature(token).await };
        let parsed = PublishedToken::parse(token)?;
        {
            let known = self.shared.known();
            known.is_heard(door.patience)?;
            // The feed knows the keys: who invents others has nothing fetched by that.
            if !known.has_key(parsed.key()) {
                return Err(TokenError::Invalid.into());
            }
        }
        let claims = self.genuine(&parsed).await?;
        let (user, issued, digest) = (claims.user()?, claims.issued(), digest_of(token));
        for _ in 0..ATTEMPTS {
            let standing = {
                let known = self.shared.known();
                // Only now: keys and answers may have been waited for.
                known.is_heard(door.patience)?;
                known.standing(user, issued, &digest)
            };
            match standing {
                Standing::Good => return Ok(claims.identity()?),
                Standing::Answered(None) => return Err(VerifyError::Revoked),
                Standing::Answered(Some(caller)) => return Ok(up_to_date(&claims, &caller)?),
                Standing::Unknown => {
                    let verdict = ask::ask(&self.shared, door, token).await;
                    let verdict = verdict.map_err(|error| {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "token not asked about"
                        );
                        VerifyError::Unasked
                    })?;
                    self.shared.known().learn(digest, verdict);
                }
            }
        }
        Err(VerifyError::Unasked)
    }

    /// Who the token says that it speaks for, if it is signed with a published key and in its time.
    /// Whether it was taken back is not looked at.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Token`] or [`VerifyError::NoKeys`].
    pub async fn verify_signature(&self, token: &[u8]) -> Result<Identity, VerifyError> {
        let parsed = PublishedToken::parse(token)?;
        Ok(self.genuine(&parsed).await?.identity()?)
    }

    /// How long the feed has been silent; `None` where nothing was heard of it yet, or none is
    /// followed. For whoever watches over the service.
    pub fn silence(&self) -> Option<Duration> {
        self.shared.known().silence()
    }

    /// Waits for the first word of the feed, from which on tokens are judged; forever where none is
    /// followed. For the start of a service, under a limit of its own.
    pub async fn ready(&self) {
        let mut words = self.shared.words.subscribe();
        while self.silence().is_none() {
            if words.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    async fn genuine(&self, token: &PublishedToken<'_>) -> Result<Claims, VerifyError> {
        let now = self.shared.clock.now();
        if self.is_signed(token, now).await? {
            Ok(token.claims(&self.shared.demands, now)?)
        } else {
            Err(TokenError::Invalid.into())
        }
    }

    async fn is_signed(
        &self,
        token: &PublishedToken<'_>,
        now: Timestamp,
    ) -> Result<bool, VerifyError> {
        let keys = &self.shared.keys;
        let seen = keys.known();
        if seen.as_ref().is_some_and(|seen| token.is_signed_by(seen)) {
            return Ok(true);
        }
        let looked = keys.look_for(seen.as_ref(), token.key(), now).await;
        let is_new = looked.map_err(|_not_fetched| VerifyError::NoKeys)?;
        Ok(is_new && keys.known().is_some_and(|keys| token.is_signed_by(&keys)))
    }
}

impl Shared {
    /// Takes a word of the feed in that is genuine, and was made no earlier than `made`.
    pub(super) fn hear(&self, news: News, made: Instant) {
        self.known().hear(news, made);
        self.words.send_replace(());
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing in it is half done where a panic could have left it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the gateway says now counts, and not what the token said.
fn up_to_date(claims: &Claims, caller: &Caller) -> Result<Identity, TokenError> {
    Ok(Identity {
        user_id: caller.user_id.clone(),
        username: caller.username.clone(),
        email: caller.email.clone(),
        roles: caller.roles.clone(),
        amr: caller.amr.clone(),
        ..claims.identity()?
    })
}

fn digest_of(token: &[u8]) -> Digest {
    digest(&SHA256, token).as_ref().try_into().unwrap_or_default()
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.shared.keys).finish_non_exhaustive()
    }
}
