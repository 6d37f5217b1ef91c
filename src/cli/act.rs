//! The arguments of commands that have commands below them.

use clap::{Args, Subcommand};

/// What is to be done, and how it is told.
#[derive(Debug, Args)]
pub(super) struct Act<A: Subcommand> {
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) action: A,
}
