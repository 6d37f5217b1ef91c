//! What becomes of the key file.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::set_aside;
use crate::clock::Timestamp;
use crate::keys::{KeySettings, KeysInPlace, ReturnedKeys};

/// What is to be done about the key file, and why.
pub(super) struct KeysPlan {
    /// Where it is, or will be.
    path: PathBuf,
    what: What,
}

enum What {
    /// It is not in the backup.
    NotThere {
        /// Whether there is one in its place.
        present: bool,
    },
    /// The one in its place goes with the backup. It may be later, and a key that was retired
    /// since must not come back.
    Stays,
    /// There is none.
    Comes(ReturnedKeys),
    /// There is an earlier one, which is set aside: with it, the key that signed last would be lost.
    Renews(ReturnedKeys),
    /// There is another one, which is set aside.
    Replaces(ReturnedKeys),
}

impl KeysPlan {
    pub(super) fn without(path: &Path) -> Self {
        Self { path: path.to_owned(), what: What::NotThere { present: path.exists() } }
    }

    /// Decides, before anything is touched, and only what a gateway can go on with.
    pub(super) fn new(
        keys: ReturnedKeys,
        settings: &KeySettings,
        force: bool,
        now: Timestamp,
    ) -> anyhow::Result<Self> {
        let path = &settings.ring;
        let in_place = keys.in_place(path)?;
        if in_place != KeysInPlace::Same {
            keys.suit(settings, now).context("its keys cannot be used with the policy file")?;
        }
        let what = match in_place {
            KeysInPlace::None => What::Comes(keys),
            KeysInPlace::Same => What::Stays,
            KeysInPlace::Earlier => What::Renews(keys),
            KeysInPlace::Others if force => What::Replaces(keys),
            KeysInPlace::Others => bail!(
                "{}: this is the key file of another store; `--force` puts that of the backup in \
                 its place, and keeps it beside",
                path.display()
            ),
        };
        Ok(Self { path: path.to_owned(), what })
    }

    /// Whether the store that is there may be a later state of the one that comes back.
    pub(super) const fn may_be_the_same(&self) -> bool {
        matches!(self.what, What::Stays | What::Renews(_) | What::NotThere { .. })
    }

    pub(super) fn carry_out(&self, now: Timestamp) -> anyhow::Result<()> {
        match &self.what {
            What::NotThere { .. } | What::Stays => {}
            What::Comes(keys) => keys.publish(&self.path)?,
            What::Renews(keys) | What::Replaces(keys) => {
                set_aside(&self.path, now).with_context(|| self.path.display().to_string())?;
                keys.replace(&self.path)?;
            }
        }
        Ok(())
    }

    /// What was done, for machines.
    pub(super) const fn told(&self) -> &'static str {
        match &self.what {
            What::NotThere { .. } => "not in the backup",
            What::Stays => "kept",
            What::Comes(_) => "restored",
            What::Renews(_) | What::Replaces(_) => "replaced",
        }
    }
}

impl fmt::Display for KeysPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.what {
            What::NotThere { present: true } => {
                write!(f, "the key file was not in the backup; {path} stays as it is")
            }
            What::NotThere { present: false } => write!(
                f,
                "the key file was not in the backup: put it back as {path} before the gateway \
                 starts, which would make a new one otherwise"
            ),
            What::Stays => write!(f, "the key file {path} goes with the backup, and stays"),
            What::Comes(_) => write!(
                f,
                "the key file is back as {path}; if one of its keys was retired because others \
                 knew it, run `portcullis key rotate`"
            ),
            What::Renews(_) => write!(
                f,
                "the key file is back as {path}; the one that was there was older, and is kept \
                 beside it"
            ),
            What::Replaces(_) => {
                write!(f, "the key file is back as {path}; the other one is kept beside it")
            }
        }
    }
}
