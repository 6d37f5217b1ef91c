//! One worker: a thread with a runtime, listeners and upstream connections of its own.

use std::io;
use std::sync::Arc;

use tokio::runtime;
use tokio_util::sync::CancellationToken;

use super::front::Front;
use super::lingering::Patience;
use super::redirect::Redirect;
use super::run::{ServeError, report};
use crate::server::{Acceptor, ConnectionLimits, Handler, Preamble, Slots, Sockets};

/// Threads of one worker for what blocks: reading the store.
const BLOCKING_THREADS: usize = 16;

/// What one worker serves.
pub(super) struct Worker {
    pub(super) front: Arc<Front>,
    pub(super) redirect: Arc<Redirect>,
    pub(super) limits: Arc<ConnectionLimits>,
    pub(super) slots: Slots,
    pub(super) drain: CancellationToken,
    pub(super) patience: Patience,
    /// Where the front answers.
    pub(super) serving: Listening,
    /// Where clients are only sent to TLS.
    pub(super) redirecting: Listening,
}

/// Sockets of one worker.
#[derive(Default)]
pub(super) struct Listening {
    tcp: Vec<(std::net::TcpListener, Preamble)>,
    unix: Vec<(std::os::unix::net::UnixListener, Preamble)>,
}

impl Worker {
    /// Gives each worker its part of the sockets of one entry of `listen`.
    pub(super) fn deal(
        workers: &mut [Self],
        sockets: Sockets,
        redirect: bool,
        preamble: &Preamble,
    ) -> io::Result<()> {
        match sockets {
            Sockets::Tcp(sockets) => {
                // Of those of an earlier gateway none may be left out: connections wait in each.
                let most = workers.len().max(1);
                for (number, socket) in sockets.into_iter().enumerate() {
                    if let Some(worker) = workers.get_mut(number % most) {
                        worker.listening(redirect).tcp.push((socket, preamble.clone()));
                    }
                }
            }
            // One queue for all workers: whoever is free takes the next connection.
            Sockets::Unix(socket) => {
                for worker in workers {
                    let socket = socket.try_clone()?;
                    worker.listening(redirect).unix.push((socket, preamble.clone()));
                }
            }
        }
        Ok(())
    }

    const fn listening(&mut self, redirect: bool) -> &mut Listening {
        if redirect { &mut self.redirecting } else { &mut self.serving }
    }

    /// Serves until the drain is over.
    pub(super) fn run(self) -> Result<(), ServeError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .map_err(ServeError::Worker)?;
        let served = runtime.block_on(self.serve());
        // What is still open after the drain is cut; a store read is not waited for.
        runtime.shutdown_background();
        served
    }

    async fn serve(self) -> Result<(), ServeError> {
        let Self { front, redirect, limits, slots, drain, patience, serving, redirecting } = self;
        tokio::spawn(Front::keep_house(Arc::downgrade(&front)));
        let front = Acceptor::new(front, Arc::clone(&limits), slots.clone(), drain.clone());
        let redirect = Acceptor::new(redirect, limits, slots, drain);
        let accepted =
            futures_util::future::try_join(accept(&front, serving), accept(&redirect, redirecting));
        accepted.await.map_err(ServeError::Worker)?;
        let (front, redirect) = futures_util::future::join(
            front.drained(patience.over()),
            redirect.drained(patience.over()),
        )
        .await;
        report(front + redirect);
        Ok(())
    }
}

async fn accept<H: Handler>(acceptor: &Acceptor<H>, at: Listening) -> io::Result<()> {
    let tcp = at.tcp.into_iter().map(|(socket, preamble)| acceptor.accept_tcp(socket, preamble));
    let unix = at.unix.into_iter().map(|(socket, preamble)| acceptor.accept_unix(socket, preamble));
    let accepted = futures_util::future::try_join(
        futures_util::future::try_join_all(tcp),
        futures_util::future::try_join_all(unix),
    );
    accepted.await.map(|_| ())
}
