//! `portcullis diff`: which real requests of an access log would end otherwise under another
//! policy.

mod compare;
mod line;
mod lines;
mod people;
mod report;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;

use super::judge::Judge;
use super::out::Out;
use super::policy_file::PolicyFile;
use super::progress::progress;
use super::reach::{Purpose, Reach};
use crate::config::Config;
use compare::{Compared, Judged, asks_who, compare, question, route};
use line::{Read, Request, Sender};
use lines::Next;
use people::People;
use report::Report;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy under which the log was written
    old: PathBuf,
    /// The policy to compare it with
    new: PathBuf,
    /// The access log, in JSON (`[log] format = "json"`); `-` is standard input
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// Exit with 1 if a request would end otherwise
    #[arg(long)]
    exit_code: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Both policies, and who may say what callers may do.
#[derive(Debug)]
struct Comparison {
    old: Judge,
    new: Judge,
    people: People,
    report: Report,
}

pub(super) async fn run(args: Args, out: &mut Out) -> anyhow::Result<ExitCode> {
    let load = |path: &Path| PolicyFile::Named(path.to_owned()).load();
    let people = Box::pin(people(load(&args.old)?.config, out)).await;
    let named = |path: &Path| path.display().to_string();
    let mut comparison = Comparison {
        old: Judge::new(load(&args.old)?.config),
        new: Judge::new(load(&args.new)?.config),
        report: Report::new(named(&args.old), named(&args.new), named(&args.log)),
        people,
    };
    comparison.report.callers_known = comparison.people.are_known();
    let place = || named(&args.log);
    if args.log == Path::new("-") {
        comparison.read(std::io::stdin().lock()).await?;
    } else {
        let file = File::open(&args.log).with_context(place)?;
        let bar = progress(file.metadata().with_context(place)?.len());
        let read = comparison.read(BufReader::new(bar.wrap_read(file))).await;
        bar.finish_and_clear();
        read.with_context(place)?;
    }
    let differs = comparison.report.differing > 0;
    comparison.report.tell(args.json, out)?;
    Ok(if differs && args.exit_code { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whoever knows the users of the old policy: its gateway, or its store. Without either, callers
/// are judged as any user.
async fn people(config: Config, out: &mut Out) -> People {
    let store = config.store.clone();
    match Reach::open(config, Purpose::Look, out).await {
        Ok(reach) => People::new(Some(reach)),
        Err(error) => {
            if store.file().is_none_or(Path::exists) {
                out.note(format_args!("roles of callers are not known: {error:#}"));
            }
            People::new(None)
        }
    }
}

impl Comparison {
    async fn read(&mut self, mut input: impl BufRead) -> anyhow::Result<()> {
        let (mut text, mut number) = (Vec::new(), 0_u64);
        loop {
            let next = lines::next(&mut input, &mut text)?;
            number += 1;
            match next {
                Next::End => return Ok(()),
                Next::TooLong => self.report.foreign += 1,
                Next::Line => self.line(number, &text).await?,
            }
        }
    }

    async fn line(&mut self, number: u64, text: &[u8]) -> anyhow::Result<()> {
        match Read::of(text) {
            Read::Request(request) => self.judge(number, *request).await?,
            Read::Before => self.report.malformed += 1,
            Read::Foreign if text.iter().all(u8::is_ascii_whitespace) => {}
            Read::Foreign => self.report.foreign += 1,
        }
        Ok(())
    }

    async fn judge(&mut self, number: u64, request: Request) -> anyhow::Result<()> {
        let judged = match request.line.sender() {
            Sender::User(id, key) => match self.people.user(id, key).await? {
                Some(identity) => Judged::Known(Some(identity)),
                None => Judged::AnyUser,
            },
            Sender::Nobody => Judged::Known(None),
            Sender::Broken => Judged::Broken,
            Sender::Foreign | Sender::Unasked => Judged::AnyUser,
        };
        let report = &mut self.report;
        let Some(question) = question(&request, &judged) else {
            report.malformed += 1;
            return Ok(());
        };
        report.requests += 1;
        let (before, after) = (self.old.ask(&question), self.new.ask(&question));
        let found = route(&before).map(|route| route.key.to_string());
        let was = &request.line.route;
        report.other_policy += u64::from(was.is_some() && *was != found);
        let depends = asks_who(&before) || asks_who(&after);
        let any_user = depends && matches!(judged, Judged::AnyUser);
        report.any_user += u64::from(any_user);
        match compare(&request, &judged, &before, &after) {
            Compared::Same => {}
            Compared::Certificate => report.certificate += 1,
            Compared::Preflight => report.preflights += 1,
            Compared::Other(ends) => report.differs(number, request, *ends, any_user),
        }
        Ok(())
    }
}
