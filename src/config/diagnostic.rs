//! What is wrong with a policy file, and where: `portcullis.toml:6:12: ...`.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// One remark on the policy file, at the place it speaks of.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The file as it was named to [`Config::parse`](super::Config::parse); the key, where there is
    /// no file.
    pub file: Arc<str>,
    /// The line, from 1; 0 where there is no file.
    pub line: usize,
    /// The column in characters, from 1; 0 where there is no file.
    pub column: usize,
    /// What is wrong, and what to write instead. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message } = self;
        if *line == 0 {
            return write!(f, "{file}: {message}");
        }
        write!(f, "{file}:{line}:{column}: {message}")
    }
}

/// Why there is no [`Config`](super::Config). `Display` is for the operator.
///
/// ```
/// use std::path::Path;
///
/// use portcullis::{Config, ConfigError};
///
/// let text = "workers = 0\nlisten = []\n";
/// match Config::parse("portcullis.toml", text, Path::new(".")) {
///     Err(ConfigError::Invalid(problems)) => assert_eq!(problems.len(), 2),
///     other => panic!("both mistakes are told at once: {other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read; name another, or mend its permissions.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be used: every problem in it, sorted by place. Never empty.
    #[error("{}", lines(.0))]
    Invalid(Vec<Diagnostic>),
}

fn lines(problems: &[Diagnostic]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Collects what is found, so that an operator learns everything in one run.
#[derive(Debug, Default)]
pub(super) struct Problems {
    errors: Vec<Note>,
    warnings: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    at: usize,
    message: String,
}

impl Problems {
    /// Notes what keeps the file from being used.
    pub(super) fn error(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.errors.push(Note { at: at.start, message: message.into() });
    }

    /// Notes what the operator should know.
    pub(super) fn warn(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.warnings.push(Note { at: at.start, message: message.into() });
    }

    /// The warnings, or the errors if there are any; sorted by place.
    pub(super) fn finish(self, file: &str, text: &str) -> Result<Vec<Diagnostic>, ConfigError> {
        if self.errors.is_empty() {
            Ok(placed(self.warnings, file, text))
        } else {
            Err(ConfigError::Invalid(placed(self.errors, file, text)))
        }
    }
}

fn placed(mut notes: Vec<Note>, file: &str, text: &str) -> Vec<Diagnostic> {
    let file: Arc<str> = file.into();
    notes.sort_by_key(|note| note.at);
    notes
        .into_iter()
        .map(|Note { at, message }| {
            let (line, column) = line_and_column(text, at);
            Diagnostic { file: Arc::clone(&file), line, column, message }
        })
        .collect()
}

/// Both from 1; a column is a character, so that editors that count so jump to the right place.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.char_indices().take_while(|(at, _)| *at < offset).map(|(_, sign)| sign);
    before.fold((1, 1), |(line, column), sign| match sign {
        '\n' => (line + 1, 1),
        // A byte order mark is no character of the line.
        '\u{feff}' => (line, column),
        _ => (line, column + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_in_any_way() {
        let text = "\u{feff}a = 1\r\nñandú = \"é\" # x\n";
        let place = |needle: &str| line_and_column(text, text.find(needle).unwrap());
        assert_eq!(place("a"), (1, 1));
        assert_eq!(place("1"), (1, 5));
        assert_eq!(place("ñ"), (2, 1));
        assert_eq!(place("\""), (2, 9));
        assert_eq!(place("#"), (2, 13));
        assert_eq!(line_and_column(text, usize::MAX), (3, 1));
    }
}
