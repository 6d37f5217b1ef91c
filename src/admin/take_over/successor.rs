//! As the one that is there sees it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use super::files;
use super::words::{Word, expect, hear, say};
use crate::token::Bumped;

/// How long a process may take to say that it wants to go on with what it was given: it has read
/// its policy file before.
const DECIDING: Duration = Duration::from_secs(30);

/// How long it may take to open the store and to start: a store that was not closed in good order
/// is checked first.
const STARTING: Duration = Duration::from_secs(300);

/// A process that takes this one's place.
#[derive(Debug)]
pub struct Successor(UnixStream);

impl Successor {
    /// Gives it the sockets. Nothing has changed here by then.
    ///
    /// # Errors
    ///
    /// It did not take them; go on.
    pub async fn offer(mut stream: UnixStream, sockets: &[OwnedFd]) -> io::Result<Self> {
        let offering = async {
            expect(&mut stream, Word::Hello).await?;
            say(&mut stream, Word::Sockets { count: sockets.len() }).await?;
            files::send(&stream, sockets).await
        };
        timeout(DECIDING, offering).await??;
        Ok(Self(stream))
    }

    /// Waits until it wants to have the store.
    ///
    /// # Errors
    ///
    /// It has thought better of it; go on.
    pub async fn wants_it(mut self) -> io::Result<Self> {
        timeout(DECIDING, expect(&mut self.0, Word::LetGo)).await??;
        Ok(self)
    }

    /// Says that the store is free, and what its file is like then; waits until it serves.
    ///
    /// # Errors
    ///
    /// It does not, and never will: start again here.
    pub async fn take_over(&mut self, store: String) -> io::Result<()> {
        let starting = async {
            say(&mut self.0, Word::Free { store }).await?;
            expect(&mut self.0, Word::Serving).await
        };
        timeout(STARTING, starting).await?
    }

    /// What has changed there next. `None` when it has ended: nothing will be heard of any more.
    pub async fn change(&mut self) -> Option<Bumped> {
        hear(&mut self.0).await.ok().map(Word::bumped)
    }
}
