//! `dir`, `spa` and `precompressed`: files as answers.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::super::context::{Context, set};
use crate::proxy::FolderSettings;

pub(super) fn check(
    cx: &mut Context<'_>,
    dir: &Spanned<String>,
    spa: Option<Spanned<String>>,
    precompressed: Option<Spanned<bool>>,
    ours: &[&Path],
) -> Option<FolderSettings> {
    if dir.get_ref().is_empty() {
        cx.error(dir.span(), "an empty path; name a folder, such as dir = \"public\"");
        return None;
    }
    let path = cx.path(dir.get_ref());
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => {
            let message = format!("{} is no folder; name one", path.display());
            cx.error(dir.span(), message);
            return None;
        }
        Err(error) => {
            let message = format!("cannot open {} ({error}); make or rename it", path.display());
            cx.error(dir.span(), message);
            return None;
        }
    }
    let policy = cx.path("policy");
    let mut inside = ours.iter().copied().chain([policy.as_path()]);
    if let Some(found) = inside.find(|file| real(file.parent()).starts_with(real(Some(&path)))) {
        let what =
            if *found == *policy { "this file".to_owned() } else { found.display().to_string() };
        let message = format!("{what} is in that folder, for everybody to fetch; name another");
        cx.error(dir.span(), message);
        return None;
    }
    let mut folder = FolderSettings { dir: path, spa: None, precompressed: false };
    set(&mut folder.precompressed, precompressed);
    if let Some(spa) = spa {
        let (at, name) = (spa.span(), spa.into_inner());
        let is_name = |segment: &str| !segment.is_empty() && !segment.starts_with('.');
        if !name.split('/').all(is_name) {
            let form = "name a file in `dir`, such as \"index.html\", that is not hidden";
            cx.error(at, format!("`spa` leads nowhere; {form}"));
        } else if !folder.dir.join(&name).is_file() {
            let message = format!("there is no file {name} in {}; add it", folder.dir.display());
            cx.error(at, message);
        }
        folder.spa = Some(name);
    }
    Some(folder)
}

/// Where a folder really is. One that is not there has nothing in it.
fn real(folder: Option<&Path>) -> PathBuf {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}
