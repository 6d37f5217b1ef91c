//! What the operator decides about the audit record.

use std::path::PathBuf;

/// `[audit]`, checked.
#[derive(Clone, Debug)]
pub struct AuditSettings {
    /// Whether there is a record at all.
    pub enabled: bool,
    /// The file that is written now. Older ones and the sealed head stand beside it, under its
    /// name and an ending.
    pub path: PathBuf,
    /// Most bytes of one file.
    pub size: u64,
    /// How many older files are kept beside the current one.
    pub keep: usize,
}

impl AuditSettings {
    /// A record at that path, with the usual bounds.
    pub const fn at(path: PathBuf) -> Self {
        Self { enabled: true, path, size: 64 * 1024 * 1024, keep: 8 }
    }
}
