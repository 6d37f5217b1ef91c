//! `portcullis man`: the manual pages of the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;

use super::out::Out;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder that the pages are written to, one for each command; it is made if need be.
    /// Left out: the first page is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// `command` is the whole command line.
pub(super) fn run(args: Args, mut command: Command, out: &mut Out) -> anyhow::Result<ExitCode> {
    // Names, arguments and the command's own `help` come down to every command below.
    command.build();
    let Some(folder) = args.folder else {
        out.text(&page(&command)?)?;
        return Ok(ExitCode::SUCCESS);
    };
    let place = || folder.display().to_string();
    fs::create_dir_all(&folder).with_context(place)?;
    let written = write(&command, &folder)?;
    out.line(format_args!("{written} pages in {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and of all below it; gives their number.
fn write(command: &Command, folder: &Path) -> anyhow::Result<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = folder.join(format!("{name}.1"));
    fs::write(&path, page(command)?).with_context(|| path.display().to_string())?;
    let mut written = 1;
    // `help` is a command of the command line, and no page tells more of it than itself.
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        written += write(below, folder)?;
    }
    Ok(written)
}

fn page(command: &Command) -> anyhow::Result<String> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(String::from_utf8(page)?)
}
