//! Templates that are built in, each of which an operator may replace; and what is wrong with one, as
//! an operator is told.

use minijinja::{Environment, UndefinedBehavior};

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

/// The templates of a room: those that are built in, some of them replaced by `own`, all by name and
/// text. What a template does not know is an error and no gap.
///
/// # Errors
///
/// Every template that cannot be parsed.
pub(crate) fn environment(
    built_in: &'static [(&'static str, &'static str)],
    own: &[(String, String)],
) -> Result<Environment<'static>, Vec<TemplateError>> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut problems = Vec::new();
    for (name, text) in built_in {
        let own = own.iter().find(|(own, _)| own == name);
        let text = own.map_or_else(|| (*text).to_owned(), |(_, text)| text.clone());
        if let Err(error) = environment.add_template_owned(*name, text) {
            problems.push(TemplateError::of(name, &error));
        }
    }
    if problems.is_empty() { Ok(environment) } else { Err(problems) }
}
