//! Questions to whoever sits at the terminal, or at the other end of a pipe.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, anyhow};

use crate::cli::out::Out;

/// Longest answer, in bytes.
const LONGEST: u64 = 4096;

/// Whoever answers.
#[derive(Debug)]
pub(super) struct Ask<'o> {
    out: &'o mut Out,
    /// Whether somebody is there who can answer again.
    patient: bool,
}

impl<'o> Ask<'o> {
    pub(super) fn new(out: &'o mut Out) -> Self {
        Self { out, patient: io::stdin().is_terminal() }
    }

    /// Takes the answer that was `given` with the command, or asks until one is good. What is wrong
    /// with an answer is said; where nobody can answer again, that is the end.
    pub(super) fn until_good(
        &mut self,
        question: &str,
        default: &str,
        given: Option<String>,
        flag: &str,
        mut take: impl FnMut(String) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if let Some(given) = given {
            return take(given).with_context(|| flag.to_owned());
        }
        loop {
            let answer = self.ask(question, default, flag)?;
            match take(answer) {
                Ok(()) => return Ok(()),
                Err(error) if self.patient => self.out.note(format_args!("{error:#}")),
                Err(error) => return Err(error.context(flag.to_owned())),
            }
        }
    }

    fn ask(&mut self, question: &str, default: &str, flag: &str) -> anyhow::Result<String> {
        let hint = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        self.out.note(format_args!("{question}{hint}"));
        let mut answer = String::new();
        let read = io::Read::take(io::stdin().lock(), LONGEST).read_line(&mut answer)?;
        if read == 0 {
            return Err(anyhow!("nobody answers; say it with `{flag}`"));
        }
        let answer = answer.trim();
        Ok(if answer.is_empty() { default.to_owned() } else { answer.to_owned() })
    }
}
