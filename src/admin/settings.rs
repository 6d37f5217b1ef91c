//! What the operator decides about the operator's door.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::secret::Secret;

/// Fewest bytes of the token: more than anybody guesses.
pub(crate) const SHORTEST_TOKEN: usize = 32;

/// `[admin]`, checked.
#[derive(Clone, Debug)]
pub struct AdminSettings {
    /// The unix socket that the command line speaks to.
    pub socket: PathBuf,
    /// Whether a policy file that has changed is put in force by itself.
    pub watch: bool,
    /// How many of the last requests each worker remembers, for whoever asks why.
    pub recent: usize,
    /// Where the door is open over the network, too.
    pub tcp: Option<AdminTcp>,
}

/// The operator's door over the network.
#[derive(Clone, Debug)]
pub struct AdminTcp {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What whoever comes in has to show.
    pub token: Secret,
    /// What services show that verify tokens themselves: for the feed and nothing else.
    pub feed_token: Option<Secret>,
}

impl Default for AdminSettings {
    /// `portcullis.sock`, where the process runs.
    fn default() -> Self {
        Self { socket: "portcullis.sock".into(), watch: true, recent: 1000, tcp: None }
    }
}
