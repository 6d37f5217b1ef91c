//! A timer for deadlines that move often and seldom come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes its task at a deadline. One that moved away is noticed only when the timer fires for
/// the old one, so that a new deadline for every request costs no timer a request.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `deadline` is past. Another deadline may be given at each call.
    pub(crate) fn poll_past(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_deadline_may_move_either_way_at_any_time() {
        let mut alarm = Alarm::default();
        let start = Instant::now();
        // Nearer than before, then farther, then one that fired meanwhile is set anew.
        for (first, then) in [(60_000, 10), (20, 40), (30, 50)] {
            let after = |millis| start + Duration::from_millis(millis);
            let _either = poll_fn(|cx| Poll::Ready(alarm.poll_past(after(first), cx))).await;
            poll_fn(|cx| alarm.poll_past(after(then), cx)).await;
            assert!(start.elapsed() >= Duration::from_millis(then));
            assert!(start.elapsed() < Duration::from_secs(30));
        }
    }
}
