//! Who can read and write the files that everything hangs on.

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::finding::{Findings, Level};
use crate::cli::own_files::private_files;
use crate::cli::policy_file::PolicyFile;
use crate::cli::secrets::{Secrets, secrets};
use crate::config::Config;

const OTHERS: u32 = 0o007;
const GROUP: u32 = 0o070;
const WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

pub(super) fn look(config: &Config, file: &PolicyFile, findings: &mut Findings) {
    let ours = private_files(config);
    for (what, path) in &ours {
        private(what, path, findings);
    }
    let secrets = file.path().map(secrets).unwrap_or_default();
    for path in &secrets.files {
        private("a secret", path, findings);
    }
    if let Some(path) = file.path() {
        policy(path, &secrets, findings);
    }
    let mut folders: Vec<&Path> = ours
        .iter()
        .map(|(_, path)| path)
        .chain(&secrets.files)
        .filter_map(|path| path.parent())
        .chain(file.path().and_then(Path::parent))
        .collect();
    folders.sort_unstable();
    folders.dedup();
    for path in folders {
        folder(path, findings);
    }
}

fn look_at(path: &Path) -> Option<Metadata> {
    fs::metadata(path).ok()
}

fn mode(found: &Metadata) -> u32 {
    found.permissions().mode() & 0o7777
}

/// What nobody but the gateway should read. What is not there is made by it, with the right mode.
fn private(what: &str, path: &Path, findings: &mut Findings) {
    let Some(found) = look_at(path) else { return };
    let (mode, shown) = (mode(&found), path.display());
    let who = match mode {
        _ if mode & OTHERS != 0 => Some((Level::Problem, "everybody on this machine")),
        _ if mode & GROUP != 0 => Some((Level::Warning, "its group")),
        _ => None,
    };
    match who {
        None => findings.ok("files", format!("{shown}, {what}, is its owner's alone")),
        Some((level, who)) => findings.add(
            level,
            "files",
            format!("{shown}, {what}, is open to {who} (mode {mode:04o})"),
            format!("chmod go= {shown}"),
        ),
    }
}

fn policy(path: &Path, secrets: &Secrets, findings: &mut Findings) {
    let Some(found) = look_at(path) else { return };
    let (mode, shown) = (mode(&found), path.display());
    if mode & WRITE != 0 {
        findings.add(
            Level::Problem,
            "files",
            format!(
                "{shown} can be written by others (mode {mode:04o}), who then decide who gets in"
            ),
            format!("chmod go-w {shown}"),
        );
    }
    if secrets.inline && mode & (OTHERS | GROUP) != 0 {
        let level = if mode & OTHERS != 0 { Level::Problem } else { Level::Warning };
        findings.add(
            level,
            "files",
            format!("{shown} holds a secret, and others can read it (mode {mode:04o})"),
            "move the secret to { file = \"...\" } or { env = \"...\" }, and change it",
        );
    }
}

fn folder(path: &Path, findings: &mut Findings) {
    let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() };
    let Some(found) = look_at(&path) else { return };
    let mode = mode(&found);
    if mode & 0o002 != 0 && mode & STICKY == 0 {
        findings.add(
            Level::Problem,
            "files",
            format!(
                "everybody may put files of their own into {} (mode {mode:04o})",
                path.display()
            ),
            format!("chmod o-w {}", path.display()),
        );
    }
}
