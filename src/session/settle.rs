//! Changes that are seen through, whoever goes away meanwhile.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::audit::Note;
use crate::identity::UserId;
use crate::mail::{Mailer, Notice};
use crate::store::{StoreError, User};
use crate::token::Revisions;

/// What follows a change that was made, once whoever remembers the user has heard of it: no letter
/// that waits for the store keeps an ended session alive.
#[derive(Default)]
pub(super) struct Sequel {
    /// What is recorded.
    pub note: Option<Note>,
    /// What is told by mail.
    pub letter: Option<Letter>,
}

/// A letter that is about to be queued.
pub(super) type Letter = Pin<Box<dyn Future<Output = ()> + Send>>;

impl From<Option<Note>> for Sequel {
    fn from(note: Option<Note>) -> Self {
        Self { note, letter: None }
    }
}

/// A letter to the user whose account was changed, where letters are sent.
pub(super) fn letter(mailer: Option<Arc<Mailer>>, notice: Notice, user: User) -> Option<Letter> {
    let mailer = mailer?;
    Some(Box::pin(async move { mailer.tell(notice, &user).await }))
}

/// Runs a change of a user to its end, says so to whoever remembers the user, and then sees to
/// what `follows` makes of it.
///
/// A client that hangs up drops the future that serves it. Were the change dropped with it after
/// the store had taken it, nobody would be told: a token of an ended session would go on opening
/// routes from memory. So the change runs in a task of its own, and all parts or none happen.
pub(super) async fn settle<T: Send + 'static, S: Into<Sequel>>(
    revisions: &Arc<Revisions>,
    user: UserId,
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    follows: impl FnOnce(&T) -> S + Send + 'static,
) -> Result<T, StoreError> {
    let revisions = Arc::clone(revisions);
    let bumped = async move {
        let outcome = change.await;
        // Also after a failure: what is not known to have happened may have happened.
        revisions.bump(user);
        outcome
    };
    see_through(bumped, follows).await
}

/// The same for a change that concerns many users.
pub(super) async fn settle_all<T: Send + 'static, S: Into<Sequel>>(
    revisions: &Arc<Revisions>,
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    follows: impl FnOnce(&T) -> S + Send + 'static,
) -> Result<T, StoreError> {
    let revisions = Arc::clone(revisions);
    let bumped = async move {
        let outcome = change.await;
        revisions.bump_all();
        outcome
    };
    see_through(bumped, follows).await
}

/// The same for what nobody remembers.
pub(super) async fn see_through<T: Send + 'static, S: Into<Sequel>>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    follows: impl FnOnce(&T) -> S + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    // Boxed, so that what tokio does for a task is compiled once and not for each change.
    let settled: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
        let outcome = change.await;
        let Sequel { note, letter } =
            outcome.as_ref().map(|made| follows(made).into()).unwrap_or_default();
        if let Some(letter) = letter {
            letter.await;
        }
        if let Some(note) = note {
            note.keep_or_count().await;
        }
        drop(answer.send(outcome));
    });
    tokio::spawn(settled);
    answered.await.unwrap_or_else(|panicked| Err(StoreError::Unavailable(panicked.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store that is slow to take a letter is no reason for a session that has ended to live on.
    #[tokio::test]
    async fn a_letter_that_waits_keeps_nobody_in() {
        let revisions = Arc::new(Revisions::default());
        let user = UserId(7);
        let seen = revisions.of(user);
        let (begun, begins) = oneshot::channel();
        let (go_on, goes_on) = oneshot::channel();
        let follows = move |_: &bool| {
            let letter: Letter = Box::pin(async move {
                begun.send(()).unwrap();
                goes_on.await.unwrap();
            });
            Sequel { note: None, letter: Some(letter) }
        };
        let settling = settle(&revisions, user, async { Ok(true) }, follows);
        let meanwhile = async {
            begins.await.unwrap();
            let holds = revisions.holds(seen);
            go_on.send(()).unwrap();
            holds
        };
        let (settled, held) = tokio::join!(settling, meanwhile);
        assert!(settled.unwrap() && !held);
    }

    #[tokio::test]
    async fn nothing_follows_what_was_not_done() {
        let revisions = Arc::new(Revisions::default());
        let failing = async { Err(StoreError::Unavailable("down".into())) };
        let follows = |_: &bool| -> Sequel { unreachable!() };
        let seen = revisions.of(UserId(7));
        assert!(settle(&revisions, UserId(7), failing, follows).await.is_err());
        // It may have happened all the same.
        assert!(!revisions.holds(seen));
    }
}
