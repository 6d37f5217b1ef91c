//! A file to import is read to its end, or refused with words for the operator.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use portcullis::cli::read_whole;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// The first byte says which source the rest is a file of.
pub(crate) fn run(bytes: &[u8]) {
    let Some((source, file)) = bytes.split_first() else { return };
    let path: PathBuf = FOLDER.path().join(format!("{:?}", std::thread::current().id()));
    fs::write(&path, file).expect("a file");
    match read_whole(source % 4, &path) {
        Ok(records) => assert!(records <= file.len(), "more records than bytes"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
