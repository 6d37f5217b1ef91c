//! A connection to a server that speaks HTTP/1.1: one request at a time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::send::Outgoing;

/// What moves the bytes of a connection. Ends when the connection does.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection, and who drives it.
///
/// For a request without a body that is whoever waits for the answer: to wake another task for
/// each half of it costs more than the work does. A request body must move on its own, because
/// an answer that came early may be read when all of it is sent, and not before.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Outgoing>,
    /// `None` once it runs in a task of its own.
    driver: Option<Driver>,
}

impl Connection {
    /// Begins to speak HTTP on a stream.
    pub(super) async fn begin<S>(stream: S) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let driver = Box::pin(async move {
            // Whoever waits for a response hears of it; an idle connection may end as it likes.
            if let Err(error) = connection.with_upgrades().await {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "upstream connection ended");
            }
        });
        Ok(Self { sender, driver: Some(driver) })
    }

    /// Does what there is to do on the connection, in the current task.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            self.driver = None;
        }
    }

    /// Lets the connection move by itself from now on.
    pub(super) fn detach(&mut self) {
        if let Some(driver) = self.driver.take() {
            tokio::spawn(driver);
        }
    }

    /// Whether a request can be sent at once. Nobody may have looked at the connection for a
    /// while: what came meanwhile is its end, or bytes that nobody asked for and that end it.
    pub(super) fn is_ready(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.sender.is_ready()
    }

    /// Whether it has ended, as far as was seen.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}
