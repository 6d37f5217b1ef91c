//! Who may go on: callers of live connections are asked for while bytes flow, and about once a
//! second while none do.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, sleep};

use super::caller::permit;
use super::{RefusedCredential, Rejection};
use crate::policy::{Route, Routes, authorize};
use crate::session::{AuthError, Authenticated, Sessions, Stance};
use crate::store::StoreError;
use crate::tls::ClientCertificate;
use crate::token::TokenError;

/// How often it is asked whether the caller of a silent connection may go on.
const LOOK: Duration = Duration::from_secs(1);
/// How long a response that nobody can take up again may go on after its credential ended, where
/// the route does not say: what began in time may be finished.
const FINISHING: Duration = Duration::from_secs(5 * 60);

/// What live connections are held to, whatever was in force when they began.
#[derive(Debug)]
pub struct InForce {
    /// Who is who.
    pub sessions: Arc<Sessions>,
    /// Who may go where.
    pub routes: Arc<Routes>,
}

/// What the live connections of one worker share.
#[derive(Debug)]
pub(super) struct Vigil {
    in_force: Arc<ArcSwap<InForce>>,
    rounds: Mutex<Rounds>,
}

/// Who is to be woken for the next look. One timer for all: a watch that ends before has cost
/// none.
#[derive(Debug, Default)]
struct Rounds {
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// Somebody goes the rounds.
    walking: bool,
}

/// A caller who was let in at a route, for as long as its connection lives.
///
/// Nothing is allocated, and no timer set, unless something about the caller changes.
pub(super) struct Watch {
    vigil: Arc<Vigil>,
    route: Arc<Route>,
    caller: Arc<Authenticated>,
    /// What its connection has shown.
    certificate: Option<ClientCertificate>,
    /// How long it may go on after its credential ended.
    grace: Duration,
    place: Option<usize>,
    asking: Option<Asking>,
    /// The store could not answer: not before this moment again.
    ask_after: Option<Instant>,
}

type Asking = Pin<Box<dyn Future<Output = Result<Arc<Authenticated>, AuthError>> + Send>>;

impl Watch {
    /// Gives no time beyond the end of the credential, where the route does not say: for a
    /// connection that its client opens again with a fresh one.
    pub(super) fn of_a_lasting_one(mut self) -> Self {
        self.grace = self.route.outlive.unwrap_or(Duration::ZERO);
        self
    }

    /// Another one over the same caller, with the time that the route gives.
    pub(super) fn again(&self) -> Self {
        self.vigil.over(&self.caller, &self.route, self.certificate.as_ref())
    }

    /// Whether the caller may go on now: a look at the clock and at a counter, and into the store
    /// only if something about its user changed. The error is what a request of the same caller
    /// would be refused with.
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        if let Some(asking) = &mut self.asking {
            let answer = ready!(asking.as_mut().poll(cx));
            self.asking = None;
            match answer {
                Ok(caller) => {
                    // The route as it is now: a reload may have taken it, or changed it.
                    let in_force = self.vigil.in_force.load();
                    let route = in_force.routes.of_key(&self.route.key);
                    self.route = Arc::clone(route.ok_or(Rejection::NoRoute)?);
                    let who = Some(&caller.identity);
                    permit(authorize(&self.route.allow, who, self.certificate.as_ref()))?;
                    self.caller = caller;
                }
                // What was true a moment ago stands until the next look.
                Err(error) if tells_nothing(&error) => {
                    self.ask_after = Some(Instant::now() + LOOK);
                }
                Err(error) => return Poll::Ready(Err(self.refused(error))),
            }
        }
        match self.vigil.in_force.load().sessions.stance(&self.caller, self.grace) {
            Stance::Unchanged => Poll::Ready(Ok(())),
            Stance::Expired => Poll::Ready(Err(self.refused(TokenError::Expired.into()))),
            Stance::InDoubt if self.ask_after.is_some_and(|then| Instant::now() < then) => {
                Poll::Ready(Ok(()))
            }
            Stance::InDoubt => {
                let sessions = Arc::clone(&self.vigil.in_force.load().sessions);
                let caller = Arc::clone(&self.caller);
                self.asking = Some(Box::pin(async move { sessions.reaffirm(&caller).await }));
                self.poll_look(cx)
            }
        }
    }

    /// Wakes the task for the next look, in about a second.
    pub(super) fn rest(&mut self, cx: &Context<'_>) {
        self.vigil.wait(&mut self.place, cx.waker());
    }

    /// Ends when the caller may not go on, with the reason.
    pub(super) async fn lost(&mut self) -> Rejection {
        poll_fn(|cx| match ready!(self.poll_look(cx)) {
            Ok(()) => {
                self.rest(cx);
                Poll::Pending
            }
            Err(lost) => Poll::Ready(lost),
        })
        .await
    }

    fn refused(&self, error: AuthError) -> Rejection {
        let presented = self.vigil.in_force.load().sessions.in_header();
        RefusedCredential { error, presented }.into()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.vigil.leave(place);
        }
    }
}

/// What comes of the work, unless the caller may not go on before that.
pub(super) async fn while_allowed<T, F: Future<Output = Result<T, Rejection>>>(
    watch: Option<Watch>,
    begin: impl FnOnce() -> F,
) -> Result<T, Rejection> {
    // Made where it stays: every move of it would be a copy of kilobytes.
    let mut work = pin!(begin());
    let Some(mut watch) = watch else { return work.await };
    tokio::select! {
        done = &mut work => done,
        lost = watch.lost() => Err(lost),
    }
}

/// Whether nothing was learnt of the caller. A record that cannot be read will not be readable
/// at the next look either.
const fn tells_nothing(error: &AuthError) -> bool {
    matches!(error, AuthError::Store(StoreError::Unavailable(_)) | AuthError::Keys(_))
}

impl Vigil {
    pub(super) fn new(in_force: Arc<ArcSwap<InForce>>) -> Self {
        Self { in_force, rounds: Mutex::default() }
    }

    /// A watch over a caller who was let in at `route` just now.
    pub(super) fn over(
        self: &Arc<Self>,
        caller: &Arc<Authenticated>,
        route: &Arc<Route>,
        certificate: Option<&ClientCertificate>,
    ) -> Watch {
        Watch {
            vigil: Arc::clone(self),
            route: Arc::clone(route),
            caller: Arc::clone(caller),
            certificate: certificate.cloned(),
            grace: route.outlive.unwrap_or(FINISHING),
            place: None,
            asking: None,
            ask_after: None,
        }
    }

    fn wait(self: &Arc<Self>, place: &mut Option<usize>, waker: &Waker) {
        let mut rounds = self.rounds();
        let at = *place.get_or_insert_with(|| rounds.take_place());
        if let Some(slot) = rounds.places.get_mut(at)
            && slot.as_ref().is_none_or(|known| !known.will_wake(waker))
        {
            *slot = Some(waker.clone());
        }
        if !rounds.walking {
            rounds.walking = true;
            drop(rounds);
            tokio::spawn(Walk(Some(Arc::downgrade(self))).rounds());
        }
    }

    fn leave(&self, place: usize) {
        let mut rounds = self.rounds();
        // What it held is dropped outside of the lock.
        let _waker = rounds.places.get_mut(place).and_then(Option::take);
        rounds.free.push(place);
        drop(rounds);
    }

    /// Wakes all who wait; `false` once there is nobody.
    fn wake_all(&self) -> bool {
        let mut rounds = self.rounds();
        if rounds.free.len() == rounds.places.len() {
            rounds.walking = false;
            return false;
        }
        let waiting: Vec<Waker> = rounds.places.iter_mut().filter_map(Option::take).collect();
        drop(rounds);
        waiting.into_iter().for_each(Waker::wake);
        true
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rounds {
    fn take_place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }
}

/// The one who goes the rounds, while there is anybody to be woken.
struct Walk(Option<Weak<Vigil>>);

impl Walk {
    async fn rounds(mut self) {
        loop {
            sleep(LOOK).await;
            let vigil = self.0.as_ref().and_then(Weak::upgrade);
            if !vigil.is_some_and(|vigil| vigil.wake_all()) {
                self.0 = None;
                return;
            }
        }
    }
}

impl Drop for Walk {
    /// Its runtime ends: the next one who waits needs another.
    fn drop(&mut self) {
        if let Some(vigil) = self.0.as_ref().and_then(Weak::upgrade) {
            vigil.rounds().walking = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_connection_outlives_a_store_that_cannot_answer_and_no_refusal() {
        assert!(tells_nothing(&StoreError::Unavailable("no disk".into()).into()));
        for refusal in [
            AuthError::Store(StoreError::HandedOver),
            AuthError::Token(TokenError::Expired),
            AuthError::UserNotFound,
            AuthError::UserInactive,
            AuthError::PasswordChanged,
            AuthError::Revoked,
            AuthError::UnknownKey,
            AuthError::KeyUserInactive,
        ] {
            assert!(!tells_nothing(&refusal), "{refusal}");
        }
    }
}
