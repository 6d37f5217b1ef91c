//! One server's turn with a request in HTTP/1.1: connections that were waiting, then a new one.

use std::future::poll_fn;
use std::task::{Poll, ready};

use http::{Method, Version};
use tokio::time::{Instant, timeout};

use super::connect::{connect_http1, is_ours};
use super::http1::{Broken, Head, Message};
use super::pool::{Connection, Shelf};
use super::progress::Progress;
use super::send::{Failure, Sending};
use super::tries::Tries;
use super::upstream::Server;
use super::{Address, Rejection};
use crate::trace::Attempt;

/// A response head, and the connection that brings the rest.
pub(super) struct Answer {
    pub(super) connection: Connection,
    pub(super) head: Head,
    /// Whether all of the request went out.
    pub(super) is_sent: bool,
}

/// One server's turn.
pub(super) struct Turn<'a> {
    pub(super) sending: &'a Sending<'a>,
    pub(super) number: usize,
    pub(super) server: &'a Server,
    pub(super) method: &'a Method,
    pub(super) progress: Option<&'a Progress>,
    /// Where each has a span.
    pub(super) tries: Option<&'a Tries<'a>>,
}

impl Turn<'_> {
    pub(super) async fn run(&self, message: &mut Message) -> Result<Answer, Failure> {
        let idle = self.sending.pool.shelf(self.sending.number, self.number);
        // Connections that were waiting, as long as they turn out to be closed.
        while let Some(mut connection) = idle.and_then(Shelf::take) {
            if !connection.peer.as_mut().is_none_or(|to| self.server.resolver.still_means(to)) {
                continue;
            }
            let attempt = self.begin(message);
            match end(attempt, self.exchange(&mut connection, message).await) {
                Ok((head, is_sent)) => return Ok(Answer { connection, head, is_sent }),
                Err(Undone::Late(why)) => return Err(Failure::Final(why)),
                Err(Undone::Broken(Broken::Io(_) | Broken::Closed)) if self.is_unsent(message) => {}
                Err(Undone::Broken(why @ (Broken::Io(_) | Broken::Closed)))
                    if connection.http.is_silent() =>
                {
                    if !self.may_go_again(message) {
                        return Err(Failure::Stale(failed(why)));
                    }
                    message.rewind();
                    break;
                }
                Err(Undone::Broken(why)) => return Err(Failure::Final(failed(why))),
            }
        }
        let attempt = self.begin(message);
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(why) => {
                if let Some(attempt) = attempt {
                    attempt.failed(why.code());
                }
                return Err(Failure::Unsent(why));
            }
        };
        match end(attempt, self.exchange(&mut connection, message).await) {
            Ok((head, is_sent)) => Ok(Answer { connection, head, is_sent }),
            Err(Undone::Late(why)) => Err(Failure::Final(why)),
            Err(Undone::Broken(why @ (Broken::Io(_) | Broken::Closed)))
                if self.is_unsent(message) =>
            {
                Err(Failure::Unsent(Rejection::UpstreamUnreachable(Some(why.into()))))
            }
            Err(Undone::Broken(why)) => Err(Failure::Final(failed(why))),
        }
    }

    async fn connect(&self) -> Result<Connection, Rejection> {
        let settings = &self.sending.upstream.settings;
        // Seldom, and as large as all the rest.
        let connecting = Box::pin(connect_http1(settings, self.server));
        match timeout(settings.connect, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) if is_ours(&error) => Err(Rejection::OutOfFiles(error.into())),
            Ok(Err(error)) => Err(Rejection::UpstreamUnreachable(Some(error.into()))),
            Err(_late) => {
                let late = format!("no connection in {:?}", settings.connect);
                Err(Rejection::UpstreamUnreachable(Some(late.into())))
            }
        }
    }

    /// A try begins, which the server follows.
    fn begin(&self, message: &mut Message) -> Option<Attempt> {
        let attempt = self.tries?.begin(self.server, Version::HTTP_11)?;
        message.follow(attempt.context().span);
        Some(attempt)
    }

    /// Whether nothing of the request can have gone out. A write through TLS that fails may have
    /// sent its first records.
    fn is_unsent(&self, message: &Message) -> bool {
        message.is_unsent() && !matches!(self.server.address, Address::Tls { .. })
    }

    fn may_go_again(&self, message: &Message) -> bool {
        message.is_whole() && self.sending.may_go_again(self.method, self.progress)
    }

    /// One request on one connection, up to the response head. The second of what it returns
    /// says whether all of the request went out.
    async fn exchange(
        &self,
        connection: &mut Connection,
        message: &mut Message,
    ) -> Result<(Head, bool), Undone> {
        let patience = self.sending.patience;
        let to_head = *self.method == Method::HEAD;
        let Connection { http, alarm, .. } = connection;
        let mut deadline = Instant::now() + patience;
        let (mut is_sent, mut is_broken) = (false, false);
        poll_fn(|cx| {
            if !is_sent && !is_broken {
                match http.poll_send(message, cx) {
                    Poll::Ready(Ok(())) => is_sent = true,
                    // It may have answered before it closed: let us see.
                    Poll::Ready(Err(Broken::Io(_))) if !message.is_unsent() => is_broken = true,
                    Poll::Ready(Err(why)) => return Poll::Ready(Err(Undone::Broken(why))),
                    Poll::Pending => {}
                }
            }
            if let Poll::Ready(head) = http.poll_head(to_head, cx) {
                return Poll::Ready(head.map(|head| (head, is_sent)).map_err(Undone::Broken));
            }
            loop {
                ready!(alarm.poll_past(deadline, cx));
                // The wait counts from the last byte that the upstream took, and not while
                // it is the client we wait for.
                let since = self.progress.map(Progress::waiting_since);
                match since.map(|since| since + patience) {
                    Some(later) if !is_broken && later > Instant::now() => deadline = later,
                    _ => {
                        let late = Rejection::UpstreamTimeout(patience);
                        return Poll::Ready(Err(Undone::Late(late)));
                    }
                }
            }
        })
        .await
    }
}

/// Why there is no response head.
enum Undone {
    Broken(Broken),
    Late(Rejection),
}

/// A try is over.
fn end(
    attempt: Option<Attempt>,
    done: Result<(Head, bool), Undone>,
) -> Result<(Head, bool), Undone> {
    if let Some(attempt) = attempt {
        match &done {
            Ok((head, _)) => attempt.answered(head.status),
            Err(Undone::Late(why)) => attempt.failed(why.code()),
            Err(Undone::Broken(_)) => {
                attempt.failed(Rejection::UpstreamFailed("broken off".into()).code());
            }
        }
    }
    done
}

fn failed(why: Broken) -> Rejection {
    Rejection::UpstreamFailed(why.into())
}
