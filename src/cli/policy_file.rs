//! Which policy file is meant.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{Checked, Config, ConfigError};

/// Taken when no file is named and it is here.
const USUAL: &str = "portcullis.toml";

/// Where the settings come from.
#[derive(Clone, Debug)]
pub(super) enum PolicyFile {
    /// A file.
    Named(PathBuf),
    /// The text compiled in; store and socket are in the current folder.
    BuiltIn,
}

impl PolicyFile {
    pub(super) fn find(named: Option<PathBuf>) -> Self {
        match named {
            Some(path) => Self::Named(path),
            // Also where it cannot be read: going on without it would be a surprise.
            None if Path::new(USUAL).symlink_metadata().is_ok() => Self::Named(USUAL.into()),
            None => Self::BuiltIn,
        }
    }

    pub(super) fn load(&self) -> Result<Checked, ConfigError> {
        match self {
            Self::Named(path) => Config::load(path),
            Self::BuiltIn => Config::built_in(Path::new("")),
        }
    }

    pub(super) const fn is_built_in(&self) -> bool {
        matches!(self, Self::BuiltIn)
    }
}

impl fmt::Display for PolicyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(path) => path.display().fmt(f),
            Self::BuiltIn => f.write_str("built-in defaults"),
        }
    }
}
