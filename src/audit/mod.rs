//! The audit record: who did what, in a file that cannot be altered without a trace.
//!
//! Each line is a JSON object that ends in a code (HMAC-SHA-256) over itself and names the code
//! of the line before it, across all files of the record. The key is the key ring's: a plain
//! hash would let everybody who may write the file chain it anew. How far the record goes is
//! told by a sealed file beside it, so that lines missing at its end are missed.
//!
//! [`Audit`] is the handle that everybody else holds; one that is [off](Audit::off) takes
//! everything and keeps nothing. Behind it a bounded queue leads to a thread that writes.
//!
//! A disk that takes no more stops nobody but operators: what cannot be written is counted, and
//! the count is the next line that can be. An operator's act is on disk before it is carried
//! out, or it is refused.

mod chain;
mod event;
mod files;
mod handle;
mod head;
mod kind;
mod line;
mod origin;
mod own;
mod read;
mod record;
mod search;
mod settings;
mod verify;
mod writer;

use std::io;
use std::path::PathBuf;

pub use event::Event;
pub use files::files_of;
pub use handle::{Audit, Note};
pub use kind::Kind;
pub use origin::{Actor, Origin, asked_by};
pub use own::{By, OwnLine};
pub use read::{Follower, Shown, last_lines};
pub use search::{Line, Lines};
pub use settings::AuditSettings;
pub use verify::{Fault, Verdict, verify};

/// What the key ring derives the record's key for: the same for ever.
pub const KEY_PURPOSE: &str = "audit record";

/// Why there is no record, or why something is not in it. `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Another process writes there: stop that one, or give this one another file.
    #[error("{}: another process writes this audit record; set `[audit] path` to another file", .0.display())]
    Locked(PathBuf),
    /// The operating system refused.
    #[error("{}: cannot keep the audit record: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Its answer.
        #[source]
        source: io::Error,
    },
    /// The line is not on disk, and will not be.
    #[error("the audit record cannot be written: {0}")]
    NotKept(String),
}

#[cfg(test)]
mod tests;
