//! `portcullis init`: three questions, and a small policy file.

mod ask;
mod written;

use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::out::Out;
use crate::new_file::NewFile;
use ask::Ask;
use written::{Answers, Draft};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write; it must not be there
    #[arg(default_value = "portcullis.toml")]
    file: PathBuf,
    #[arg(
        long,
        value_name = "URL",
        help = "Where your server is: http://host:port, https://host or unix:/path"
    )]
    upstream: Option<String>,
    #[arg(
        long,
        value_name = "URL",
        help = "What clients call it: https://app.example.com, or \"\" for any name"
    )]
    public: Option<String>,
    /// Who may use it, as in `allow`: "user", "anyone", "role:x"
    #[arg(long, value_name = "WHO")]
    allow: Option<String>,
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
}

/// Writes a file that `check` calls good, or none.
pub(super) fn run(args: Args, out: &mut Out) -> anyhow::Result<ExitCode> {
    let named = args.file.display().to_string();
    // Before anything is asked. It is made sure of again when the file is written.
    if args.file.symlink_metadata().is_ok() {
        bail!("{named} is there, and nothing is ever overwritten; name another file");
    }
    let base = args.file.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let mut ask = Ask::new(out);
    let mut draft = Draft::new(base, Answers::at(args.listen));
    draft.check()?;
    ask.until_good(
        "Where is your server?",
        "http://127.0.0.1:8000",
        args.upstream,
        "--upstream",
        |text| draft.answer(|answers| answers.upstream = text),
    )?;
    ask.until_good(
        "What do clients call it, as in https://app.example.com? Empty for any name.",
        "",
        args.public,
        "--public",
        |text| draft.answer(|answers| answers.public = text),
    )?;
    ask.until_good(
        "Who may use it: user (who has logged in), anyone, role:x, ...?",
        "user",
        args.allow,
        "--allow",
        |text| draft.answer(|answers| answers.allow = text),
    )?;
    let text = draft.finish()?;
    write_new(&args.file, &text).with_context(|| named.clone())?;
    out.line(format_args!("wrote {named}"))?;
    let config =
        if named == "portcullis.toml" { String::new() } else { format!("--config {named} ") };
    out.line(format_args!("start it with `portcullis {config}serve`, and add a user with `portcullis {config}user add NAME`"))?;
    Ok(ExitCode::SUCCESS)
}

fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let new = NewFile::create(path)?;
    new.file().write_all(text.as_bytes())?;
    // There is no secret in it, and the gateway may run as somebody else.
    new.file().set_permissions(Permissions::from_mode(0o644))?;
    match new.publish() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("it is there by now, and nothing is ever overwritten")
        }
        published => Ok(published?),
    }
}
