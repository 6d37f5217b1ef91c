//! Which policy file is meant.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::admin::AdminSettings;
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

/// What stood in it at one time.
#[derive(Clone)]
pub(super) enum PolicyText {
    /// A file, which may have secrets in it.
    Of { path: PathBuf, text: Zeroizing<String> },
    /// The text compiled in.
    BuiltIn,
}

impl PolicyText {
    pub(super) fn parse(&self) -> Result<Checked, ConfigError> {
        match self {
            Self::Of { path, text } => {
                let base = path.parent().unwrap_or_else(|| Path::new(""));
                Config::parse(&path.display().to_string(), text, base)
            }
            Self::BuiltIn => Config::built_in(Path::new("")),
        }
    }

    /// An empty file is one whose writer did not get to its end, on a full disk perhaps: served, it
    /// would take every route out of service.
    ///
    /// # Errors
    ///
    /// That it is empty.
    pub(super) fn unless_empty(self) -> Result<Self, ConfigError> {
        match self {
            Self::Of { path, text } if text.trim().is_empty() => {
                let source = io::Error::other("the file is empty; was there room to write it?");
                Err(ConfigError::Unreadable { path, source })
            }
            written @ (Self::Of { .. } | Self::BuiltIn) => Ok(written),
        }
    }
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
        self.read()?.parse()
    }

    /// What stands in it now.
    pub(super) fn read(&self) -> Result<PolicyText, ConfigError> {
        let Self::Named(path) = self else { return Ok(PolicyText::BuiltIn) };
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        Ok(PolicyText::Of { path: path.clone(), text })
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Named(path) => Some(path),
            Self::BuiltIn => None,
        }
    }

    /// Where the gateway of this file lets operators in, also where the file has mistakes now.
    ///
    /// # Errors
    ///
    /// What is wrong with a file that does not say so much.
    pub(super) fn socket(&self) -> Result<PathBuf, ConfigError> {
        let error = match self.load() {
            Ok(checked) => return Ok(checked.config.admin.socket),
            Err(error) => error,
        };
        let text = self.path().and_then(|path| std::fs::read_to_string(path).ok());
        let file: Option<toml::Table> = text.and_then(|text| text.parse().ok());
        let (Some(file), Some(path)) = (file, self.path()) else { return Err(error) };
        let written = file.get("admin").and_then(|admin| admin.get("socket"));
        let socket = match written.map(toml::Value::as_str) {
            None => AdminSettings::default().socket,
            Some(Some(socket)) => socket.into(),
            Some(None) => return Err(error),
        };
        Ok(path.parent().unwrap_or_else(|| Path::new("")).join(socket))
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
