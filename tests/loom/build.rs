//! Takes the very sources that are checked, and puts loom's locks and atomics in the place of std's: so
//! portcullis itself knows nothing of loom.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What is checked, with what is made smaller in it so that all orders can be tried.
const SOURCES: [(&str, &[(&str, &str)]); 6] = [
    ("proxy/gate.rs", &[]),
    ("proxy/standing.rs", &[]),
    ("limit.rs", &[]),
    (
        "token/revision.rs",
        &[
            ("SLOTS: usize = 4096;", "SLOTS: usize = 2;"),
            ("SLOTS: usize = 1 << 20;", "SLOTS: usize = 2;"),
        ],
    ),
    ("token/freshness.rs", &[]),
    ("token/journal.rs", &[]),
];

/// Paths, and what stands for them here.
const INSTEAD: [(&str, &str); 4] = [
    ("std::sync::", "crate::instead::"),
    ("tokio::sync::", "crate::instead::"),
    ("quick_cache::sync::", "crate::instead::"),
    ("pub(super)", "pub(crate)"),
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for (source, smaller) in SOURCES {
        let path = here.join("../../src").join(source);
        println!("cargo::rerun-if-changed={}", path.display());
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{source}: {error}"));
        let name = Path::new(source).file_name().expect("it is a file");
        fs::write(out.join(name), substituted(source, &text, smaller)).expect("it can be written");
    }
}

fn substituted(source: &str, text: &str, smaller: &[(&str, &str)]) -> String {
    let (code, _tests) =
        text.split_once("#[cfg(test)]\nmod tests").expect("it has tests of its own");
    // What is included cannot have documentation of the whole file.
    let code: Vec<_> = code.lines().filter(|line| !line.starts_with("//!")).collect();
    let mut code = code.join("\n");
    for (old, new) in smaller {
        assert!(code.contains(old), "{source} has no `{old}`; say here what stands there now");
        code = code.replace(old, new);
    }
    INSTEAD.iter().fold(code, |code, (old, new)| code.replace(old, new))
}
