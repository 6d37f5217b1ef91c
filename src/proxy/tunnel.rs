//! An open `WebSocket`: bytes both ways, until an end goes away, falls silent, or its caller may
//! not go on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::frames::{Code, Frames};
use super::send::Switched;
use super::watch::Watch;
use crate::web::Traffic;

/// Bytes held of each direction.
const BUFFER: usize = 8 << 10;
/// How long one direction may outlive the other: for what was on its way.
const LINGER: Duration = Duration::from_secs(2);
/// How long the ends have to answer a close frame.
const GOODBYE: Duration = Duration::from_secs(1);

/// Both ends of a tunnel that is about to open.
pub(super) struct Ends {
    pub(super) client: OnUpgrade,
    /// Cancelled when nothing more can be sent to the client, if somebody knows.
    pub(super) client_gone: Option<CancellationToken>,
    pub(super) upstream: Switched,
}

/// What a tunnel lives by.
pub(super) struct Terms {
    /// How long it may be silent.
    pub(super) idle: Duration,
    /// Its caller, if it has one.
    pub(super) watch: Option<Watch>,
    /// Where its bytes are counted.
    pub(super) traffic: Arc<Traffic>,
    /// The gateway ends.
    pub(super) leaving: CancellationToken,
}

impl Ends {
    /// Runs the tunnel to its end. Dropped, it closes both sides.
    pub(super) async fn run(self, terms: Terms) {
        let Self { client, client_gone, upstream } = self;
        let Ok(Ok(client)) = timeout(terms.idle, client).await else { return };
        terms.traffic.begun.store(true, Ordering::Relaxed);
        let client = TokioIo::new(client);
        match upstream {
            Switched::Connection(mut lease) => {
                tunnel(client, client_gone, &mut lease.connection.http, terms).await;
            }
            Switched::Stream(pipe) => tunnel(client, client_gone, pipe, terms).await,
        }
    }
}

/// Passes bytes between any two ends, and takes leave of both where it is not one of them that
/// goes.
async fn tunnel<C, U>(client: C, client_gone: Option<CancellationToken>, upstream: U, terms: Terms)
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let Terms { idle, mut watch, traffic, leaving } = terms;
    let (from_client, to_client) = split(client);
    let (from_upstream, to_upstream) = split(upstream);
    let mut up = Way::new(from_client, to_upstream);
    let mut down = Way::new(from_upstream, to_client);
    let pulse = Pulse { started: Instant::now(), last: AtomicU64::new(0) };
    let over = async {
        match &mut watch {
            Some(watch) => watch.lost().await,
            None => std::future::pending().await,
        }
    };
    let code = tokio::select! {
        passed = pass(&mut up, &mut down, client_gone, &traffic, &pulse) => {
            if let Err(error) = passed {
                tracing::debug!(%error, "WebSocket broken off");
            }
            return;
        }
        () = pulse.silent(idle) => {
            tracing::debug!("silent WebSocket closed");
            Code::GoingAway
        }
        lost = over => {
            tracing::debug!(code = lost.code(), "WebSocket closed: its caller may not go on");
            Code::Policy
        }
        () = leaving.cancelled() => Code::GoingAway,
    };
    take_leave(up, down, code).await;
}

/// When bytes went through last.
struct Pulse {
    started: Instant,
    /// Milliseconds after `started`.
    last: AtomicU64,
}

impl Pulse {
    fn beat(&self) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Ends when nothing went through for that long.
    async fn silent(&self, idle: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let deadline = self.started + last + idle;
            if deadline <= Instant::now() {
                return;
            }
            sleep_until(deadline).await;
        }
    }
}

/// One direction.
struct Way<F, T> {
    from: ReadHalf<F>,
    to: WriteHalf<T>,
    /// What was read last.
    buffer: Vec<u8>,
    /// How much of it was passed on.
    passed: usize,
    /// How far the frames have come that were passed on.
    frames: Frames,
}

impl<F: AsyncRead, T: AsyncWrite> Way<F, T> {
    fn new(from: ReadHalf<F>, to: WriteHalf<T>) -> Self {
        let buffer = Vec::with_capacity(BUFFER);
        Self { from, to, buffer, passed: 0, frames: Frames::default() }
    }

    /// Passes bytes on to their end. Dropped, it leaves what it knows of them right.
    async fn run(&mut self, count: &AtomicU64, pulse: &Pulse) -> io::Result<()> {
        loop {
            self.buffer.clear();
            self.passed = 0;
            let read = (&mut self.from).take(BUFFER as u64).read_buf(&mut self.buffer).await?;
            if read == 0 {
                return self.to.shutdown().await;
            }
            pulse.beat();
            while let Some(left) = self.buffer.get(self.passed..).filter(|left| !left.is_empty()) {
                let written = self.to.write(left).await?;
                if written == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                self.frames.pass(left.get(..written).unwrap_or_default());
                self.passed += written;
                count.fetch_add(written as u64, Ordering::Relaxed);
            }
            self.to.flush().await?;
        }
    }

    /// How far the frames have come that were read.
    fn heard(&self) -> Frames {
        let mut heard = self.frames.clone();
        heard.pass(self.buffer.get(self.passed..).unwrap_or_default());
        heard
    }
}

/// Passes bytes both ways. An end of one direction is passed on at once; the other may bring
/// what was on its way, such as the answer to a close frame.
async fn pass<C, U>(
    up: &mut Way<C, U>,
    down: &mut Way<U, C>,
    client_gone: Option<CancellationToken>,
    traffic: &Traffic,
    pulse: &Pulse,
) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let (up, down) = (up.run(&traffic.received, pulse), down.run(&traffic.sent, pulse));
    // Who can be sent nothing hears no answer either.
    let down = async {
        let Some(gone) = client_gone else { return down.await };
        tokio::select! {
            ended = down => ended,
            () = gone.cancelled() => Err(io::ErrorKind::ConnectionReset.into()),
        }
    };
    tokio::pin!(up, down);
    let other = tokio::select! {
        ended = &mut up => {
            ended?;
            timeout(LINGER, down).await
        }
        ended = &mut down => {
            ended?;
            timeout(LINGER, up).await
        }
    };
    other.unwrap_or(Ok(()))
}

/// Tells both ends why it is over, if they are not in the middle of a frame, and gives them a
/// moment to answer (RFC 6455 section 7.1.1). Nothing else passes any more.
async fn take_leave<C, U>(up: Way<C, U>, down: Way<U, C>, code: Code)
where
    C: AsyncRead + AsyncWrite,
    U: AsyncRead + AsyncWrite,
{
    let to_client = code.as_server();
    // Without randomness a mask of zeros is as good: it hides nothing.
    let to_upstream = code.as_client(getrandom::u32().unwrap_or_default().to_be_bytes());
    let (by_client, by_upstream) = (up.heard(), down.heard());
    let say_down = down.frames.may_close().then_some(to_client.as_slice());
    let say_up = up.frames.may_close().then_some(to_upstream.as_slice());
    let with_client = part(down.to, say_down, up.from, by_client);
    let with_upstream = part(up.to, say_up, down.from, by_upstream);
    let both = async { tokio::join!(with_client, with_upstream) };
    if let Ok((Err(error), _) | (_, Err(error))) = timeout(GOODBYE, both).await {
        tracing::debug!(%error, "WebSocket gone before its close frame");
    }
}

/// Says that frame and waits for one in return; then it is we who close.
async fn part<T: AsyncWrite, F: AsyncRead>(
    mut to: WriteHalf<T>,
    frame: Option<&[u8]>,
    mut from: ReadHalf<F>,
    mut heard: Frames,
) -> io::Result<()> {
    if let Some(frame) = frame {
        to.write_all(frame).await?;
        to.flush().await?;
        let mut buffer = Vec::with_capacity(BUFFER);
        while !heard.is_closed() {
            buffer.clear();
            if (&mut from).take(BUFFER as u64).read_buf(&mut buffer).await? == 0 {
                break;
            }
            heard.pass(&buffer);
        }
    }
    to.shutdown().await
}
