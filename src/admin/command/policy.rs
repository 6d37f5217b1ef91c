//! The words about the policy file of a gateway that runs.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// What becomes of the policy.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum PolicyCommand {
    /// The file is read again; what it says is in force, unless something is wrong with it.
    Reload {
        /// Without [`PolicyCommand::Keep`] within so many seconds, the earlier policy comes back.
        #[serde(default)]
        confirm: Option<NonZeroU32>,
    },
    /// What waits to be confirmed stays.
    Keep,
    /// What waits to be confirmed goes, and the earlier policy comes back.
    Back,
}

impl PolicyCommand {
    /// Its name in the record.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Reload { .. } => "reload",
            Self::Keep => "reload --keep",
            Self::Back => "reload --back",
        }
    }
}

/// What there is to say about a policy that is in force now.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct PolicyView {
    /// Warnings about the file, each with its place.
    pub warnings: Vec<String>,
    /// Keys and tables that have changed and count from the next start on.
    pub at_next_start: Vec<String>,
}
