//! A backup: everything that the gateway knows, as one stream of bytes that can be a file, or go
//! through a pipe to wherever backups are kept.

mod door;
mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::{Backup, BackupError, Part, Rows};

/// How each backup begins: what it is, and the number of its form.
const MAGIC: &[u8] = b"portcullis backup 1\n";

/// The part of [`MAGIC`] that is the same in every form.
const NAME: &[u8] = b"portcullis backup ";

/// Longest content of a frame that is read. A row larger than that is none of ours.
const LONGEST: u32 = 64 << 20;

/// What stands between the magic and the end: one byte that says what it is, four for the length
/// of the content (little-endian), and the content.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Frame {
    /// A [`Head`], in JSON.
    Head,
    /// The key file, as it is.
    Keys,
    /// The name of a table.
    Table,
    /// Rows: length and bytes of the key, length and bytes of the value.
    Rows,
    /// An [`End`], in JSON, and the SHA-256 of everything before this frame.
    End,
    /// In the place of an end: why there is none.
    Failed,
}

impl Frame {
    const fn sign(self) -> u8 {
        match self {
            Self::Head => b'h',
            Self::Keys => b'k',
            Self::Table => b't',
            Self::Rows => b'r',
            Self::End => b'e',
            Self::Failed => b'f',
        }
    }

    fn of(sign: u8) -> Option<Self> {
        let all = [Self::Head, Self::Keys, Self::Table, Self::Rows, Self::End, Self::Failed];
        all.into_iter().find(|frame| frame.sign() == sign)
    }
}

/// What a backup says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Head {
    /// The version of the gateway that wrote it.
    pub version: String,
    /// When, in seconds since 1970.
    pub made: u64,
    /// The form of the rows, as the store counts.
    pub store: u64,
    /// How many rows there are.
    pub rows: u64,
}

/// What a backup ends with.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct End {
    /// How many rows there were.
    rows: u64,
}

/// What an operator wants to have in a backup.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// The key file, too: without it, tokens and sealed keys of this store are void elsewhere.
    pub keys: bool,
}

#[cfg(test)]
mod tests;
