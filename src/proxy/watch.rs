//! Who may go on: callers of live connections are asked for while bytes flow, and about once a
//! second while none do.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::caller::permit;
use super::vigil::{InForce, LOOK, Vigil};
use super::{RefusedCredential, Rejection};
use crate::policy::{Route, authorize};
use crate::session::{AuthError, Authenticated, Stance};
use crate::store::StoreError;
use crate::tls::ClientCertificate;
use crate::token::TokenError;

/// How long a response that nobody can take up again may go on after its credential ended, where
/// the route does not say: what began in time may be finished.
const FINISHING: Duration = Duration::from_secs(5 * 60);

/// A caller who was let in at a route, for as long as its connection lives.
///
/// Nothing is allocated, and no timer set, unless something about the caller changes.
pub(super) struct Watch {
    vigil: Arc<Vigil>,
    route: Arc<Route>,
    /// `None`: somebody of whom no more is known than the certificate.
    caller: Option<Arc<Authenticated>>,
    /// What its connection has shown.
    certificate: Option<ClientCertificate>,
    /// By what somebody was judged who is no caller.
    judged_by: Option<Arc<InForce>>,
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
        self.vigil.watch(self.caller.as_ref(), &self.route, self.certificate.as_ref())
    }

    /// Whether the caller may go on now: a look at the clock and at a counter, and into the store
    /// only if something about its user changed. The error is what a request of the same caller
    /// would be refused with.
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        // No time is given beyond its end: it may have ended because it was taken back.
        if let Some(certificate) = &self.certificate
            && !certificate.is_good(self.vigil.clock.now())
        {
            return Poll::Ready(Err(Rejection::Certificate));
        }
        self.poll_caller(cx)
    }

    /// The same for somebody who is nobody's account: what changes is the route, by a reload.
    fn look_at_rules(&mut self) -> Result<(), Rejection> {
        let in_force = self.vigil.in_force.load();
        if self.judged_by.as_ref().is_some_and(|by| Arc::ptr_eq(by, &in_force)) {
            return Ok(());
        }
        let route = in_force.routes.of_key(&self.route.key);
        self.route = Arc::clone(route.ok_or(Rejection::NoRoute)?);
        permit(authorize(&self.route.allow, None, self.certificate.as_ref()))?;
        self.judged_by = Some(Arc::clone(&in_force));
        Ok(())
    }

    fn poll_caller(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        if let Some(asking) = &mut self.asking {
            let answer = ready!(asking.as_mut().poll(cx));
            self.asking = None;
            match answer {
                Ok(caller) => {
                    // The route as it is now: a reload may have taken it, or changed it.
                    let in_force = self.vigil.in_force.load();
                    let route = in_force.routes.of_key(&self.route.key);
                    self.route = Arc::clone(route.ok_or(Rejection::NoRoute)?);
                    if caller.came_by_cookie() && !self.route.browser {
                        return Poll::Ready(Err(Rejection::NoCredentials));
                    }
                    let who = Some(&caller.identity);
                    permit(authorize(&self.route.allow, who, self.certificate.as_ref()))?;
                    self.caller = Some(caller);
                }
                // What was true a moment ago stands until the next look.
                Err(error) if tells_nothing(&error) => {
                    self.ask_after = Some(Instant::now() + LOOK);
                }
                Err(error) => return Poll::Ready(Err(self.refused(error))),
            }
        }
        let Some(caller) = &self.caller else { return Poll::Ready(self.look_at_rules()) };
        let in_force = self.vigil.in_force.load();
        match in_force.sessions.stance(caller, self.grace) {
            Stance::Unchanged => Poll::Ready(Ok(())),
            Stance::Expired => Poll::Ready(Err(self.refused(TokenError::Expired.into()))),
            Stance::Stale => Poll::Ready(Err(self.refused(AuthError::Stale))),
            Stance::InDoubt if self.ask_after.is_some_and(|then| Instant::now() < then) => {
                Poll::Ready(Ok(()))
            }
            Stance::InDoubt => {
                let (sessions, caller) = (Arc::clone(&in_force.sessions), Arc::clone(caller));
                self.asking = Some(Box::pin(async move { sessions.reaffirm(&caller).await }));
                self.poll_caller(cx)
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
    /// A watch over who was let in at `route` just now: a caller, the holder of a certificate, or
    /// both. Nobody in particular needs none.
    pub(super) fn over(
        self: &Arc<Self>,
        caller: Option<&Arc<Authenticated>>,
        route: &Arc<Route>,
        certificate: Option<&ClientCertificate>,
    ) -> Option<Watch> {
        let is_known = caller.is_some() || certificate.is_some();
        is_known.then(|| self.watch(caller, route, certificate))
    }

    fn watch(
        self: &Arc<Self>,
        caller: Option<&Arc<Authenticated>>,
        route: &Arc<Route>,
        certificate: Option<&ClientCertificate>,
    ) -> Watch {
        Watch {
            vigil: Arc::clone(self),
            route: Arc::clone(route),
            caller: caller.cloned(),
            certificate: certificate.cloned(),
            judged_by: None,
            grace: route.outlive.unwrap_or(FINISHING),
            place: None,
            asking: None,
            ask_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::live::Live;
    use super::*;
    use crate::store::UserChange;
    use crate::token::TokenSettings;

    async fn look(watch: &mut Watch) -> Result<(), &'static str> {
        poll_fn(|cx| watch.poll_look(cx)).await.map_err(|lost| lost.code())
    }

    #[tokio::test]
    async fn a_store_that_cannot_answer_is_asked_again_at_the_next_look_and_no_sooner() {
        let live = Live::new().await;
        let (mut watch, began) = (live.watch(), Instant::now());
        live.store.fail();
        // Something may have changed, and nobody can say what.
        let ada = live.caller.user.unwrap();
        live.accounts.change(ada, UserChange::Active(false)).await.unwrap_err();
        let before = live.store.calls();
        let calls = || live.store.calls() - before;
        assert_eq!((look(&mut watch).await, calls()), (Ok(()), 1));
        assert!(watch.ask_after.unwrap() >= began + LOOK);
        watch.ask_after = Some(began + Duration::from_secs(60 * 60));
        assert_eq!((look(&mut watch).await, calls()), (Ok(()), 1));
        watch.ask_after = Some(began);
        assert_eq!((look(&mut watch).await, calls()), (Ok(()), 2));
    }

    #[tokio::test]
    async fn what_is_opened_again_ends_with_its_credential_and_the_rest_may_be_finished() {
        let live = Live::new().await;
        let (mut lasting, mut other) = (live.watch().of_a_lasting_one(), live.watch());
        live.clock.advance(TokenSettings::default().access);
        assert_eq!(look(&mut lasting).await, Err("token_expired"));
        assert_eq!(look(&mut other).await, Ok(()));
        live.clock.advance(FINISHING);
        assert_eq!(look(&mut other).await, Err("token_expired"));
    }

    #[tokio::test]
    async fn who_goes_leaves_a_place_to_be_woken_at() {
        let live = Live::new().await;
        let cx = Context::from_waker(std::task::Waker::noop());
        let [mut first, mut second, mut third] = [live.watch(), live.watch(), live.watch()];
        first.rest(&cx);
        second.rest(&cx);
        assert_eq!((first.place, second.place), (Some(0), Some(1)));
        drop(first);
        third.rest(&cx);
        assert_eq!(third.place, Some(0));
    }

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
