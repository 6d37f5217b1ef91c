//! What is wrong with a template, as an operator is told.

/// A template that cannot be used. No value that it was filled with is in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct TemplateError {
    /// The file, by its name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl TemplateError {
    /// What an operator is told of an error of the engine's. Not the whole of it: that may quote
    /// the values.
    pub(crate) fn of(file: &str, error: &minijinja::Error) -> Self {
        let kind = error.kind().to_string();
        let what = error.detail().map_or_else(|| kind.clone(), |it| format!("{kind}: {it}"));
        Self { file: file.to_owned(), line: error.line().unwrap_or(1), what }
    }
}
