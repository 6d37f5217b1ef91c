//! A connection that nobody asks anything on.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::judged::Judged;
use super::pulse::Pulse;
use super::timed::{Deadlines, End};
use crate::clock::Alarm;
use crate::server::ConnectionLimits;

/// Most bytes of the read that ends it. A whole head is usually less.
const FIRST: usize = 4096;

/// Waits for the next request with nothing but the socket: hyper's buffers, and the room for a
/// request being answered, are more than ten times what is left. How it ended, if that is the end
/// of the connection.
pub(super) async fn doze<S: AsyncRead + Unpin, D: Future<Output = ()>>(
    stream: &mut Judged<S>,
    pulse: &Pulse,
    alarm: &mut Alarm,
    limits: &ConnectionLimits,
    mut drained: Pin<&mut D>,
) -> Option<End> {
    pulse.doze();
    poll_fn(|cx| {
        let mut first = [const { MaybeUninit::uninit() }; FIRST];
        let mut first = ReadBuf::uninit(&mut first);
        if Pin::new(&mut *stream).poll_read(cx, &mut first).is_ready() {
            // Its end, too, is for those who know what to do about it: they are told again.
            stream.put_back(first.filled());
            return Poll::Ready(None);
        }
        if drained.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(End::Drained));
        }
        if let Some((deadline, _)) = pulse.deadline(limits) {
            ready!(alarm.poll_past(deadline, cx));
            return Poll::Ready(Some(End::Deadline));
        }
        Poll::Pending
    })
    .await
}
