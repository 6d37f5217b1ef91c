//! Changes that are seen through, whoever goes away meanwhile.

use std::sync::Arc;

use crate::identity::UserId;
use crate::store::StoreError;
use crate::token::Revisions;

/// Runs a change of a user to its end, and then says so to whoever remembers the user.
///
/// A client that hangs up drops the future that serves it. Were the change dropped with it after
/// the store had taken it, nobody would be told: a token of an ended session would go on opening
/// routes from memory. So the change runs in a task of its own, and both parts or neither happen.
pub(super) async fn settle<T: Send + 'static>(
    revisions: &Arc<Revisions>,
    user: UserId,
    change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let revisions = Arc::clone(revisions);
    let settled = tokio::spawn(async move {
        let outcome = change.await;
        // Also after a failure: what is not known to have happened may have happened.
        revisions.bump(user);
        outcome
    });
    settled.await.unwrap_or_else(|panicked| Err(StoreError::Unavailable(panicked.into())))
}
