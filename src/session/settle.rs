//! Changes that are seen through, whoever goes away meanwhile.

use std::sync::Arc;

use crate::audit::Note;
use crate::identity::UserId;
use crate::store::StoreError;
use crate::token::Revisions;

/// Runs a change of a user to its end, says so to whoever remembers the user, and then records
/// what `noted` makes of it.
///
/// A client that hangs up drops the future that serves it. Were the change dropped with it after
/// the store had taken it, nobody would be told: a token of an ended session would go on opening
/// routes from memory. So the change runs in a task of its own, and all parts or none happen.
pub(super) async fn settle<T: Send + 'static>(
    revisions: &Arc<Revisions>,
    user: UserId,
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    noted: impl FnOnce(&T) -> Option<Note> + Send + 'static,
) -> Result<T, StoreError> {
    let revisions = Arc::clone(revisions);
    let bumped = async move {
        let outcome = change.await;
        // Also after a failure: what is not known to have happened may have happened.
        revisions.bump(user);
        outcome
    };
    see_through(bumped, noted).await
}

/// The same for a change that concerns many users.
pub(super) async fn settle_all<T: Send + 'static>(
    revisions: &Arc<Revisions>,
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    noted: impl FnOnce(&T) -> Option<Note> + Send + 'static,
) -> Result<T, StoreError> {
    let revisions = Arc::clone(revisions);
    let bumped = async move {
        let outcome = change.await;
        revisions.bump_all();
        outcome
    };
    see_through(bumped, noted).await
}

/// The same for what nobody remembers.
pub(super) async fn see_through<T: Send + 'static>(
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    noted: impl FnOnce(&T) -> Option<Note> + Send + 'static,
) -> Result<T, StoreError> {
    let settled = tokio::spawn(async move {
        let outcome = change.await;
        let note = outcome.as_ref().ok().and_then(noted);
        if let Some(note) = note {
            note.keep_or_count().await;
        }
        outcome
    });
    settled.await.unwrap_or_else(|panicked| Err(StoreError::Unavailable(panicked.into())))
}
