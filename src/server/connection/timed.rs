//! A connection beside its clock, and its part of the drain.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Incoming;
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use tokio::time::Instant;

use crate::clock::Alarm;
use crate::server::ConnectionLimits;
use crate::web::BodyError;

/// How a connection ended.
pub(super) enum End {
    Closed(hyper::Result<()>),
    Deadline,
    Drained,
    /// Not at all: nothing is asked for, and what it takes to answer may be given back.
    Dozing,
}

/// What a connection is doing, as its deadlines see it.
pub(super) trait Deadlines {
    /// Whether nothing was ever asked for: such a connection may be closed at any time. An idle
    /// one may still have the end of its last response to send.
    fn is_fresh(&self) -> bool;

    /// The next deadline if nothing changes, and what it means.
    fn deadline(&self, limits: &ConnectionLimits) -> Option<(Instant, Passed)>;

    /// The client is being told that no further request is taken.
    fn farewell(&self);

    /// A deadline has passed that means nothing yet.
    fn go_on(&self);

    /// Whether bytes were held back while a request ran, and it is over.
    fn lets_go(&self) -> bool {
        false
    }
}

/// What becomes of a connection at a deadline.
#[derive(Clone, Copy)]
pub(super) enum Passed {
    /// It is closed.
    Close,
    /// The client is told, and gets time to leave.
    TellClient,
    /// It waits on, with nothing but its socket.
    Doze,
    /// Nothing: something goes on.
    GoOn,
}

/// A connection beside its clock.
pub(super) struct Timed<'a, C, D, P> {
    pub(super) connection: Pin<&'a mut C>,
    pub(super) alarm: Alarm,
    pub(super) pulse: &'a P,
    pub(super) limits: &'a ConnectionLimits,
    pub(super) drained: Pin<&'a mut D>,
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

impl<I, B, S, E> Graceful for http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<Incoming, ResBody = B>,
    S::Error: Into<BodyError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<BodyError>,
    E: Http2ServerConnExec<S::Future, B>,
{
    fn graceful_shutdown(self: Pin<&mut Self>) {
        Self::graceful_shutdown(self);
    }
}

impl<C: Graceful, D: Future<Output = ()>, P: Deadlines> Future for Timed<'_, C, D, P> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let this = &mut *self;
        if !this.draining && this.drained.as_mut().poll(cx).is_ready() {
            this.draining = true;
            this.pulse.farewell();
            this.connection.as_mut().graceful_shutdown();
        }
        loop {
            if let Poll::Ready(ended) = this.connection.as_mut().poll(cx) {
                return Poll::Ready(End::Closed(ended));
            }
            // The socket had nothing for it while a request ran, and will not wake it now.
            if this.pulse.lets_go() {
                continue;
            }
            // A connection that never sent a byte is not idle to hyper, which would wait for it.
            if this.draining && this.pulse.is_fresh() {
                return Poll::Ready(End::Drained);
            }
            // Looked at after every poll: whatever moves the deadline happens inside one.
            let next = this.pulse.deadline(this.limits);
            let Some((deadline, passed)) = next else { return Poll::Pending };
            ready!(this.alarm.poll_past(deadline, cx));
            match passed {
                Passed::Close => return Poll::Ready(End::Deadline),
                Passed::Doze => return Poll::Ready(End::Dozing),
                Passed::TellClient => {
                    this.pulse.farewell();
                    this.connection.as_mut().graceful_shutdown();
                }
                Passed::GoOn => this.pulse.go_on(),
            }
        }
    }
}
