//! `portcullis backup`: everything there is in one file, also while the gateway runs.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use bytes::{Buf, Bytes};
use indicatif::{HumanBytes, ProgressBar};
use serde::Serialize;
use tokio::sync::mpsc;

use super::contents::{Contents, ContentsView};
use super::out::Out;
use super::own_files::ours_at;
use super::policy_file::PolicyFile;
use super::progress::progress;
use super::reach::{Purpose, Reach};
use crate::admin::BackupRequest;
use crate::config::Config;
use crate::new_file::NewFile;

/// The file that stands for standard output, or input.
pub(super) const STREAM: &str = "-";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to make; `-` for standard output
    file: PathBuf,
    /// Take the place of a file that is there
    #[arg(long)]
    force: bool,
    /// Leave the key file out: keep it elsewhere
    #[arg(long)]
    without_keys: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was made, for machines.
#[derive(Serialize)]
struct Made<'a> {
    file: &'a Path,
    bytes: u64,
    #[serde(flatten)]
    contents: ContentsView<'a>,
}

pub(super) async fn run(args: Args, file: &PolicyFile, out: &mut Out) -> anyhow::Result<ExitCode> {
    let to_stream = args.file.as_os_str() == STREAM;
    if to_stream && io::stdout().is_terminal() {
        bail!("a backup is nothing to read: name a file, or lead standard output elsewhere");
    }
    if to_stream && args.json {
        bail!("standard output is the backup; `--json` goes with a file");
    }
    let named = args.file.display().to_string();
    let config = file.load()?.config;
    if !to_stream {
        judge(&args, &config, file).with_context(|| named.clone())?;
    }
    let reach = Reach::open(config, Purpose::Backup, out).await?;
    let parts = reach.back_up(&BackupRequest { keys: !args.without_keys }).await?;
    let incoming = Incoming::new(parts);
    if to_stream {
        let taken = tokio::task::spawn_blocking(move || {
            let mut out = BufWriter::new(io::stdout());
            let taken = take(incoming, &mut out)?;
            out.flush()?;
            anyhow::Ok(taken)
        });
        let (contents, bytes) = taken.await??;
        note(&contents, bytes, None, out);
        return Ok(ExitCode::SUCCESS);
    }
    let (path, force) = (args.file.clone(), args.force);
    let kept = tokio::task::spawn_blocking(move || keep(incoming, &path, force));
    let (contents, bytes) = kept.await?.with_context(|| named)?;
    if args.json {
        out.json(&Made { file: &args.file, bytes, contents: contents.view() })?;
    }
    note(&contents, bytes, Some(&args.file), out);
    Ok(ExitCode::SUCCESS)
}

/// Whether the file can be made, before anything is asked for.
fn judge(args: &Args, config: &Config, file: &PolicyFile) -> anyhow::Result<()> {
    if let Some(what) = ours_at(&args.file, config, file)? {
        bail!("this is the place of {what}, which no backup takes; name another file");
    }
    match args.file.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
        Ok(found) if found.is_dir() => bail!("this is a folder; name a file"),
        Ok(_) if args.force => Ok(()),
        Ok(_) => bail!("there is a file already; `--force` takes its place"),
    }
}

/// Writes the file, reads it again, and gives it its name.
fn keep(incoming: Incoming, path: &Path, force: bool) -> anyhow::Result<(Contents, u64)> {
    let new = NewFile::create(path)?;
    let mut target = BufWriter::new(new.file());
    let (contents, bytes) = take(incoming, &mut target)?;
    target.flush()?;
    drop(target);
    new.file().sync_all()?;
    // From the disk, as whoever restores it will: what counts is what is there.
    let read = File::open(new.draft())?;
    let again = Contents::read(BufReader::new(read), &ProgressBar::hidden(), |_, _| Ok(()))?;
    if again != contents {
        bail!("what was written is not what came");
    }
    if force { new.replace() } else { new.publish() }?;
    Ok((contents, bytes))
}

/// Passes a backup on while it is read, and says what is in it.
fn take(incoming: Incoming, to: &mut impl Write) -> anyhow::Result<(Contents, u64)> {
    let bar = progress(0);
    let mut tee = Tee { from: incoming, to, bytes: 0 };
    let contents = Contents::read(&mut tee, &bar, |_, _| Ok(()));
    bar.finish_and_clear();
    Ok((contents?, tee.bytes))
}

fn note(contents: &Contents, bytes: u64, path: Option<&Path>, out: &mut Out) {
    let place = path.map_or_else(String::new, |path| format!(" to {}", path.display()));
    let size = HumanBytes(bytes);
    if contents.keys {
        out.note(format_args!(
            "backed up {contents}{place} ({size}); password hashes and the keys that sign tokens \
             are in it, so keep it as you keep the store"
        ));
    } else {
        out.note(format_args!(
            "backed up {contents}{place} ({size}); password hashes are in it, so keep it as you \
             keep the store; the key file is not in it, and without it tokens and sealed keys of \
             this store are void elsewhere"
        ));
    }
    out.note("not in it: the policy file and what it names, and the audit record");
}

/// Parts of a backup, as one stream. To be read where one may block.
pub(super) struct Incoming {
    parts: mpsc::Receiver<Bytes>,
    part: Bytes,
}

impl Incoming {
    pub(super) const fn new(parts: mpsc::Receiver<Bytes>) -> Self {
        Self { parts, part: Bytes::new() }
    }
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part,
                None => return Ok(0),
            }
        }
        let count = self.part.len().min(into.len());
        self.part
            .try_copy_to_slice(into.get_mut(..count).unwrap_or_default())
            .map_err(io::Error::other)?;
        Ok(count)
    }
}

/// A stream that is written elsewhere as it is read.
struct Tee<R, W> {
    from: R,
    to: W,
    bytes: u64,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.to.write_all(into.get(..count).unwrap_or_default())?;
        self.bytes += count as u64;
        Ok(count)
    }
}
