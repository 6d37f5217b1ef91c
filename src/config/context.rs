//! What every check needs: a place for problems, and the world that relative paths and secret
//! sources speak of.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::diagnostic::{Problems, line_and_column};
use super::forms::Source;
use crate::secret::Secret;
use crate::small_file;

/// What every check needs.
pub(super) struct Context<'a> {
    /// What is wrong so far.
    pub(super) problems: Problems,
    text: &'a str,
    base: &'a Path,
    env: &'a dyn Fn(&str) -> Option<OsString>,
    /// Whether somebody sees the lines of the text.
    lines: bool,
}

impl<'a> Context<'a> {
    /// Relative paths hang under `base`; `env` looks up environment variables.
    pub(super) fn new(
        text: &'a str,
        base: &'a Path,
        env: &'a dyn Fn(&str) -> Option<OsString>,
    ) -> Self {
        Self { problems: Problems::default(), text, base, env, lines: true }
    }

    /// The same for a text that nobody has written: what has a place in it is known by its key.
    pub(super) fn without_lines(self) -> Self {
        Self { lines: false, ..self }
    }

    /// The line where that place is, for a message about another one.
    pub(super) fn line(&self, at: &Range<usize>) -> Option<usize> {
        self.lines.then(|| line_and_column(self.text, at.start).0)
    }

    /// Notes what keeps the file from being used.
    pub(super) fn error(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.problems.error(at, message);
    }

    /// A path as the file means it.
    pub(super) fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        self.base.join(written)
    }

    /// The path of a key, or its default.
    pub(super) fn path_or(
        &mut self,
        default: impl AsRef<Path>,
        written: Option<Spanned<String>>,
    ) -> PathBuf {
        let Some(written) = written else { return self.path(default) };
        if written.get_ref().is_empty() {
            self.error(written.span(), "an empty path; name a file, or leave the key out");
        }
        self.path(written.into_inner())
    }

    /// The value of one of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        slot: &mut T,
        written: Option<Spanned<String>>,
        words: &[(&str, T)],
    ) {
        let Some(written) = written else { return };
        if let Some((_, value)) = words.iter().find(|(word, _)| word == written.get_ref()) {
            *slot = *value;
            return;
        }
        let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.error(written.span(), format!("`{key}` must be {}", words.join(" or ")));
    }

    /// Reads a secret from where it is kept; `None` after a problem was noted.
    pub(super) fn secret(&mut self, key: &str, source: Spanned<Source>) -> Option<Secret> {
        let at = source.span();
        let found = match source.into_inner() {
            Source::Inline(secret) => {
                let warning = format!(
                    "`{key}` stands in the file itself, for everybody who may read it; \
                     use {{ file = \"...\" }} or {{ env = \"...\" }}"
                );
                self.problems.warn(at.clone(), warning);
                some(secret).ok_or_else(|| format!("`{key}` is empty; put the secret in it"))
            }
            Source::File(name) => self.file(&name).map(Secret::from),
            Source::Env(name) => match (self.env)(&name) {
                None => Err(format!("the variable `{name}` is not set; set it, or name another")),
                Some(value) => some(Secret::from(value.into_encoded_bytes()))
                    .ok_or_else(|| format!("the variable `{name}` is empty; put the secret in it")),
            },
            Source::Url(_) => Err(format!(
                "`{key}` must be {{ file = \"...\" }} or {{ env = \"...\" }}; secrets are not fetched"
            )),
        };
        found.map_err(|problem| self.error(at, problem)).ok()
    }

    /// The content of a file without its last line end.
    ///
    /// # Errors
    ///
    /// What to tell the operator: the name of the file and never its content.
    pub(super) fn file(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.path(name);
        let shown = path.display();
        let mut content = small_file::read(&path)
            .map_err(|error| format!("cannot read {shown} ({error}); mend or rename it"))?;
        if content.last() == Some(&b'\n') {
            content.pop();
            if content.last() == Some(&b'\r') {
                content.pop();
            }
        }
        if content.is_empty() {
            return Err(format!("{shown} is empty; put the secret in it"));
        }
        Ok(std::mem::take(&mut *content))
    }
}

fn some(secret: Secret) -> Option<Secret> {
    (!secret.expose().is_empty()).then_some(secret)
}

/// A table left out is an empty one.
pub(super) fn inner<T: Default>(table: Option<Spanned<T>>) -> T {
    table.map(Spanned::into_inner).unwrap_or_default()
}

/// Puts a written value in the place of its default.
pub(super) fn set<T>(slot: &mut T, written: Option<Spanned<impl Into<T>>>) {
    if let Some(written) = written {
        *slot = written.into_inner().into();
    }
}
