//! Folders whose files take the place of built-in templates, each by its name.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::context::Context;
use super::nearest::hint;
use crate::template::TemplateError;

/// Largest template, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What `make` makes of an operator's templates, of which `files` are the names that count; `None`
/// after a problem was noted.
pub(super) fn replaced<T>(
    cx: &mut Context<'_>,
    folder: Option<Spanned<String>>,
    files: &[&str],
    make: impl FnOnce(&[(String, String)]) -> Result<T, Vec<TemplateError>>,
) -> Option<T> {
    let at = folder.as_ref().map(Spanned::span).unwrap_or_default();
    let folder = folder.map(|folder| cx.path(folder.get_ref()));
    let own = match &folder {
        None => Vec::new(),
        Some(folder) => match own_templates(cx, &at, folder, files) {
            Ok(own) => own,
            Err(error) => {
                let message =
                    format!("cannot read {} ({error}); mend or rename it", folder.display());
                cx.error(at, message);
                return None;
            }
        },
    };
    let folder = folder.unwrap_or_default();
    make(&own)
        .map_err(|problems| {
            for TemplateError { file, line, what } in problems {
                let path = folder.join(file);
                let message = format!("{}:{line}: {what}; mend the template", path.display());
                cx.error(at.clone(), message);
            }
        })
        .ok()
}

fn own_templates(
    cx: &mut Context<'_>,
    at: &Range<usize>,
    folder: &Path,
    files: &[&str],
) -> io::Result<Vec<(String, String)>> {
    let mut own = Vec::new();
    let mut strangers = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if !files.contains(&name.as_str()) {
            strangers.push(name);
            continue;
        }
        if entry.metadata()?.len() > LARGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
        }
        own.push((name, fs::read_to_string(entry.path())?));
    }
    strangers.sort_unstable();
    for name in strangers {
        let hint = hint(&name, files.iter().copied()).unwrap_or_else(|| "remove it".to_owned());
        let file = folder.join(&name);
        cx.problems.warn(at.clone(), format!("{} is no template; {hint}", file.display()));
    }
    Ok(own)
}
