//! What the operator decides about the operator's door.

use std::path::PathBuf;

/// `[admin]`, checked.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// The unix socket that the command line speaks to.
    pub socket: PathBuf,
    /// Whether a policy file that has changed is put in force by itself.
    pub watch: bool,
}

impl Default for AdminSettings {
    /// `portcullis.sock`, where the process runs.
    fn default() -> Self {
        Self { socket: "portcullis.sock".into(), watch: true }
    }
}
