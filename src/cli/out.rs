//! The one handle that the command line prints to.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::printable::Printable;

/// Standard output for results, standard error for everything said about them.
///
/// A reader that goes away (`| head`) is no error: what follows is not written, and the command
/// ends as it would have ended.
#[derive(Debug)]
pub(super) struct Out {
    stdout: io::Stdout,
    closed: bool,
}

/// An array for machines that may be longer than fits in memory.
#[derive(Debug, Default)]
pub(super) struct Array {
    is_begun: bool,
}

impl Out {
    pub(super) fn new() -> Self {
        Self { stdout: io::stdout(), closed: false }
    }

    /// Whether nobody reads any more.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// A line of the result.
    pub(super) fn line(&mut self, line: impl fmt::Display) -> io::Result<()> {
        self.write(&format!("{line}\n"))
    }

    /// Lines of the result, with their ends.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    /// The result, for machines: one document on one line.
    pub(super) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line(serde_json::to_string(value)?)
    }

    /// More items of an array that is printed piece by piece.
    pub(super) fn items<T: Serialize>(&mut self, array: &mut Array, items: &[T]) -> io::Result<()> {
        for item in items {
            let before = if array.is_begun { ',' } else { '[' };
            self.line(format_args!("{before}{}", serde_json::to_string(item)?))?;
            array.is_begun = true;
        }
        Ok(())
    }

    /// There are no more of them.
    pub(super) fn end(&mut self, array: &Array) -> io::Result<()> {
        self.line(if array.is_begun { "]" } else { "[]" })
    }

    /// Rows under heads, each column as wide as it needs to be. Cells are made fit for a
    /// terminal.
    pub(super) fn table<const N: usize>(
        &mut self,
        heads: [&str; N],
        rows: Vec<[String; N]>,
    ) -> io::Result<()> {
        let heads = heads.map(ToOwned::to_owned);
        let shown = rows.into_iter().map(|row| row.map(|cell| Printable(&cell).to_string()));
        let lines: Vec<_> = std::iter::once(heads).chain(shown).collect();
        let mut widths = [0; N];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        self.write(&text)
    }

    /// Something about the result, or in its place; never part of it.
    #[expect(clippy::unused_self, reason = "everything printed goes through this handle")]
    pub(super) fn note(&mut self, text: impl fmt::Display) {
        // There is nowhere to say that standard error is closed.
        drop(writeln!(io::stderr(), "{text}"));
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }
}
