//! A connection beside its clock, and its part of the drain.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Incoming;
use hyper::server::conn::http1;

use super::pulse::Pulse;
use crate::clock::Alarm;
use crate::server::ConnectionLimits;
use crate::web::BodyError;

/// How a connection ended.
pub(super) enum End {
    Closed(hyper::Result<()>),
    Deadline,
    Drained,
}

/// A connection beside its clock.
pub(super) struct Timed<'a, C, D> {
    pub(super) connection: Pin<&'a mut C>,
    pub(super) alarm: Alarm,
    pub(super) pulse: &'a Pulse,
    pub(super) limits: &'a ConnectionLimits,
    pub(super) drain: Pin<&'a mut D>,
    pub(super) draining: bool,
}

/// hyper's connection, as far as it matters here.
pub(super) trait Graceful: Future<Output = hyper::Result<()>> {
    fn graceful_shutdown(self: Pin<&mut Self>);
}

impl<I, B, S> Graceful for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BodyError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: http_body::Body + 'static,
    B::Error: Into<BodyError>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

impl<C: Graceful, D: Future<Output = ()>> Future for Timed<'_, C, D> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = &mut *self;
        if !this.draining && this.drain.as_mut().poll(cx).is_ready() {
            this.draining = true;
            this.connection.as_mut().graceful_shutdown();
        }
        loop {
            if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
                return Poll::Ready(End::Closed(ended));
            }
            // The socket had nothing for it while a request ran, and will not wake it now.
            if !this.pulse.lets_go() {
                break;
            }
        }
        // A connection that never sent a byte is not idle to hyper, which would wait for it.
        if this.draining && this.pulse.is_fresh() {
            return Poll::Ready(End::Drained);
        }
        // Looked at after every poll: whatever moves the deadline happens inside one.
        if let Some(deadline) = this.pulse.deadline(this.limits) {
            ready!(this.alarm.poll_past(deadline, cx));
            return Poll::Ready(End::Deadline);
        }
        Poll::Pending
    }
}
