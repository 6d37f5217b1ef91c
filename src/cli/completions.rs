//! `portcullis completions`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use super::out::Out;

#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Args {
    /// The shell that is to read it
    #[arg(value_enum)]
    shell: Shell,
}

/// `command` is the whole command line.
pub(super) fn run(args: Args, mut command: Command, out: &mut Out) -> anyhow::Result<ExitCode> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    out.text(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
