//! Answers of several lines, each with a word of what it is about.

use std::fmt::Write;

use crate::printable::Printable;

/// As wide as the longest label, and two spaces.
const LABEL: usize = 13;

/// Lines of a label and what it says.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn put(&mut self, label: &str, text: impl AsRef<str>) {
        let text = Printable(text.as_ref());
        // Writing to a String cannot fail.
        writeln!(self.0, "{label:LABEL$}{text}").ok();
    }

    /// Further lines of the label before.
    pub(super) fn more(&mut self, texts: impl IntoIterator<Item = String>) {
        for text in texts {
            self.put("", text);
        }
    }

    /// The first text beside the label, the others below it; a word for none.
    pub(super) fn list(&mut self, label: &str, texts: Vec<String>, none: &str) {
        let mut texts = texts.into_iter();
        self.put(label, texts.next().unwrap_or_else(|| none.to_owned()));
        self.more(texts);
    }

    /// All of it, with its line ends.
    pub(super) fn text(&self) -> String {
        let lines: Vec<_> = self.0.lines().map(str::trim_end).collect();
        lines.join("\n") + "\n"
    }
}
