//! A file as a response body, piece by piece as the client takes it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::Semaphore;

use super::super::upstream::Flight;

/// How much of a file is in memory for one client.
pub(super) const PIECE: u64 = 64 * 1024;

/// How many reads may be under way at once, of all folders and workers: fewer than a worker has
/// threads for what blocks, so that a disk that hangs keeps nobody from logging in.
static READS: Semaphore = Semaphore::const_new(8);

type Reading = Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>;

/// What is left of a file, or of a part of it.
pub(super) struct Pieces {
    file: Arc<File>,
    at: u64,
    left: u64,
    reading: Option<Reading>,
    /// The request's place at the upstream, until the last byte is out.
    _flight: Flight,
}

impl Pieces {
    pub(super) fn new(file: File, at: u64, length: u64, flight: Flight) -> Self {
        Self { file: Arc::new(file), at, left: length, reading: None, _flight: flight }
    }
}

/// Does something that may block where that disturbs nobody. Dropped, it is done nevertheless,
/// and counts until then.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let place = READS.acquire().await.map_err(io::Error::other)?;
    let working = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    working.await.map_err(io::Error::other)?
}

/// Reads exactly so many bytes.
///
/// # Errors
///
/// The file has become shorter than it was, or the disk fails.
pub(super) fn read(file: &File, at: u64, count: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; usize::try_from(count).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.into())
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let (at, count) = (self.at, self.left.min(PIECE));
        let file = Arc::clone(&self.file);
        let reading =
            self.reading.get_or_insert_with(|| Box::pin(blocking(move || read(&file, at, count))));
        let piece = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        match piece {
            Ok(piece) => {
                self.at += count;
                self.left -= count;
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Err(error) => {
                // What was announced cannot be kept: the connection ends here.
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
