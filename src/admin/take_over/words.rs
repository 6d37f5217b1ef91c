//! What two gateways say to one another: a line of JSON each.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::identity::UserId;
use crate::token::Bumped;

/// Longest line, in bytes.
const LONGEST: usize = 1024;

/// One thing that is said.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(super) enum Word {
    /// Nothing but that what comes next will be read here: files that are sent before are lost in
    /// what has read the head of an answer.
    Hello,
    /// So many listening sockets come after this line.
    Sockets {
        /// How many.
        count: usize,
    },
    /// Let go of the store: it will be opened.
    LetGo,
    /// It is free.
    Free {
        /// What its file is like; whoever finds it otherwise was not the next one in it.
        store: String,
    },
    /// Connections are accepted again.
    Serving,
    /// Something about a user has changed.
    User {
        /// Who.
        id: u64,
    },
    /// Something about many users has changed.
    Everybody,
    /// What only a later version says.
    #[serde(other)]
    Unknown,
}

impl From<Bumped> for Word {
    fn from(bumped: Bumped) -> Self {
        match bumped {
            Bumped::User(user) => Self::User { id: user.0 },
            Bumped::Everybody => Self::Everybody,
        }
    }
}

impl Word {
    /// About whom something has changed: about everybody, if that is not understood.
    pub(super) fn bumped(self) -> Bumped {
        match self {
            Self::User { id } => Bumped::User(UserId(id)),
            Self::Everybody
            | Self::Unknown
            | Self::Hello
            | Self::Sockets { .. }
            | Self::LetGo
            | Self::Free { .. }
            | Self::Serving => Bumped::Everybody,
        }
    }
}

pub(super) async fn say(stream: &mut UnixStream, word: Word) -> io::Result<()> {
    let mut line = serde_json::to_vec(&word)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// The next thing that is said. Byte by byte: a read beyond the line would lose files that come
/// with what follows, and few lines are said.
pub(super) async fn hear(stream: &mut UnixStream) -> io::Result<Word> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return Ok(serde_json::from_slice(&line)?),
            byte if line.len() < LONGEST => line.push(byte),
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end")),
        }
    }
}

/// Hears one thing and no other.
pub(super) async fn expect(stream: &mut UnixStream, word: Word) -> io::Result<()> {
    let heard = hear(stream).await?;
    if heard == word { Ok(()) } else { Err(unexpected(&heard)) }
}

pub(super) fn unexpected(heard: &Word) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{heard:?} was said out of turn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn heard(bytes: &[u8]) -> io::Result<Word> {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        there.write_all(bytes).await.unwrap();
        drop(there);
        hear(&mut here).await
    }

    #[tokio::test]
    async fn what_is_said_is_heard_and_nothing_beyond_it() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let free = Word::Free { store: "a file".to_owned() };
        for word in [Word::Sockets { count: 3 }, free, Word::User { id: u64::MAX }] {
            say(&mut there, word.clone()).await.unwrap();
            assert_eq!(hear(&mut here).await.unwrap(), word);
        }
    }

    #[tokio::test]
    async fn what_is_not_understood_is_about_everybody_or_ends_it() {
        let later = heard(b"{\"say\":\"group\",\"id\":7}\n").await.unwrap();
        assert_eq!((later.clone(), later.bumped()), (Word::Unknown, Bumped::Everybody));
        for bytes in [&b"\n"[..], b"{}\n", b"{\"say\":\"free\"", &[b'x'; LONGEST + 1]] {
            assert!(heard(bytes).await.is_err(), "{bytes:?}");
        }
    }
}
