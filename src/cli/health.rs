//! `portcullis health`: for container health checks and people in a hurry.

use std::process::ExitCode;

use anyhow::bail;

use super::out::Out;
use super::policy_file::PolicyFile;
use crate::admin::{Client, Command, Reply};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Done if the gateway says that it is ready; anything else is a failure.
pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let socket = file.load()?.config.admin.socket;
    let reply = Client::connect(&socket).await?.send(&Command::Health).await?;
    let Reply::Health(health) = reply else {
        bail!("the gateway replied to another command");
    };
    if args.json {
        out.json(&health)?;
    } else {
        out.line(&health)?;
    }
    Ok(if health.ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
