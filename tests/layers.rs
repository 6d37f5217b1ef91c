//! Imports go downward only. The table is the whole rule; this test reads the sources.
#![expect(clippy::expect_used, reason = "a test that cannot read the sources has to fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the highest level to the lowest. A room may import those of lower lines.
const LEVELS: [&str; 10] = [
    "cli telemetry testing",
    "gateway",
    "config",
    "proxy endpoints admin pages forward_auth",
    "session policy verifier",
    "token",
    "keys limit password audit mail server acme trace",
    "store web",
    "tls",
    "identity secret clock causes metrics printable small_file new_file outbound template log_sink",
];

fn level(room: &str) -> Option<usize> {
    LEVELS.iter().rev().position(|line| line.split(' ').any(|known| known == room))
}

#[test]
fn imports_go_downward_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = BTreeSet::new();
    for file in rust_files(&source) {
        let module = module_of(file.strip_prefix(&source).expect("it is below src"));
        // main.rs and lib.rs name everything; tests may look anywhere.
        let Some(room) = module.first() else { continue };
        if module.last().is_some_and(|name| name == "tests") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file can be read");
        problems.extend(violations(room, module.len(), &text).into_iter().map(|problem| {
            format!("{}: {problem}", file.strip_prefix(&source).expect("below src").display())
        }));
    }
    let problems: Vec<_> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// What is wrong with the imports of a file, `depth` modules below the crate's root.
fn violations(room: &str, depth: usize, text: &str) -> BTreeSet<String> {
    let mut problems = BTreeSet::new();
    let Some(own) = level(room) else {
        problems.insert(format!(
            "the room `{room}` is not in the table; give it a level in LEVELS of tests/layers.rs, \
             and in the table of the design"
        ));
        return problems;
    };
    for imported in imports(depth, text) {
        match level(&imported) {
            _ if imported == room => {}
            Some(level) if level < own => {}
            Some(level) => {
                problems.insert(format!(
                    "`{room}` (level {}) imports `{imported}` (level {}); imports go downward \
                     only: move what both need into a lower room, or take it as an argument",
                    own + 1,
                    level + 1
                ));
            }
            None => {
                problems.insert(format!(
                    "`{imported}` is no room; import the name from the room that it lives in"
                ));
            }
        }
    }
    problems
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("src can be listed");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|file| file.extension().is_some_and(|it| it == "rs"));
    rust.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}

/// `policy/key.rs` is `[policy, key]`, `policy/mod.rs` is `[policy]`, `lib.rs` is nothing.
fn module_of(file: &Path) -> Vec<String> {
    let names = file.with_extension("");
    let mut names: Vec<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|name| name == "mod") || names == ["lib"] || names == ["main"] {
        names.pop();
    }
    names
}

/// The source with comments, strings and characters blanked, for they import nothing.
fn without_text(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::new(), 0);
    while i < chars.len() {
        let raw_hashes = (i + 1..chars.len()).take_while(|j| at(*j) == '#').count();
        let previous_is_name = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < chars.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                while i < chars.len() && !(at(i) == '*' && at(i + 1) == '/') {
                    i += 1;
                }
                i += 2;
            }
            'r' if at(i + 1 + raw_hashes) == '"' && (!previous_is_name || out.ends_with('b')) => {
                let end: String = format!("\"{}", "#".repeat(raw_hashes));
                i += 2 + raw_hashes;
                while i < chars.len() && !end.chars().enumerate().all(|(n, c)| at(i + n) == c) {
                    i += 1;
                }
                i += end.len();
            }
            '"' => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            '\'' if at(i + 1) == '\\' => {
                i += 3;
                while i < chars.len() && at(i) != '\'' {
                    i += 1;
                }
                i += 1;
            }
            '\'' if at(i + 2) == '\'' => i += 3,
            c => {
                out.push(c);
                i += 1;
                continue;
            }
        }
        out.push(' ');
    }
    out
}

/// The tokens without modules under `#[cfg(test)]`.
fn without_tests(mut tokens: &[String]) -> Vec<String> {
    let gate = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let mut kept = Vec::new();
    while let Some((first, rest)) = tokens.split_first() {
        let gated = tokens.len() > gate.len() && tokens.iter().zip(gate).all(|(a, b)| a == b);
        if gated && tokens.get(gate.len() + 1).is_some_and(|token| token == "{") {
            let mut depth = 0_usize;
            let inside = tokens.iter().skip(gate.len() + 1).take_while(|token| {
                depth = match token.as_str() {
                    "{" => depth + 1,
                    "}" => depth - 1,
                    _ => depth,
                };
                depth > 0
            });
            let end = gate.len() + 2 + inside.count();
            tokens = tokens.get(end..).unwrap_or_default();
        } else {
            kept.push(first.clone());
            tokens = rest;
        }
    }
    kept
}

/// The first names below the crate's root of all paths in the source of a module that is
/// `depth` modules below it.
fn imports(depth: usize, source: &str) -> BTreeSet<String> {
    let tokens = without_tests(&tokens(&without_text(source)));
    let mut found = BTreeSet::new();
    for (at, token) in tokens.iter().enumerate() {
        let starts = matches!(token.as_str(), "crate" | "super" | "self" | "$crate");
        let goes_on = tokens.get(at + 1).is_some_and(|next| next == "::");
        let within = at.checked_sub(1).and_then(|at| tokens.get(at)).is_some_and(|it| it == "::");
        if !starts || !goes_on || within {
            continue;
        }
        let mut paths = Vec::new();
        expand(&tokens, at, &mut Vec::new(), &mut paths);
        for path in paths {
            let names: Vec<_> = path.into_iter().filter(|name| *name != "self").collect();
            let supers = names.iter().take_while(|name| **name == "super").count();
            let root = match names.first() {
                Some(first) if first.ends_with("crate") => Some(1),
                _ => (supers >= depth).then_some(supers),
            };
            found.extend(root.and_then(|root| names.get(root)).map(|name| (*name).to_owned()));
        }
    }
    found
}

/// Names, `::`, and every other character but space by itself.
fn tokens(source: &str) -> Vec<String> {
    let (mut tokens, mut chars) = (Vec::new(), source.chars().peekable());
    while let Some(c) = chars.next() {
        let mut token = String::from(c);
        if c.is_alphanumeric() || c == '_' || c == '$' {
            while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                token.push(c);
            }
        } else if c == ':' {
            token.extend(chars.next_if_eq(&':'));
        }
        if !c.is_whitespace() {
            tokens.push(token);
        }
    }
    tokens
}

/// Collects all paths of the tree `a::{b, c::d}` that begins at a token; returns where it ends.
fn expand<'a>(
    tokens: &'a [String],
    mut at: usize,
    prefix: &mut Vec<&'a str>,
    paths: &mut Vec<Vec<&'a str>>,
) -> usize {
    let before = prefix.len();
    while let Some(token) = tokens.get(at) {
        if token == "{" {
            at += 1;
            while let Some(token) = tokens.get(at).filter(|token| *token != "}") {
                at = match token.as_str() {
                    "," => at + 1,
                    "as" => at + 2,
                    _ => expand(tokens, at, prefix, paths),
                };
            }
            prefix.truncate(before);
            return at + 1;
        }
        prefix.push(token);
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    paths.push(prefix.clone());
    prefix.truncate(before);
    at
}

#[test]
fn the_reader_sees_every_way_to_import() {
    let seen =
        |depth, source: &str| -> Vec<String> { imports(depth, source).into_iter().collect() };
    assert_eq!(seen(1, "use crate::web::X; fn f() { crate::clock::now() }"), ["clock", "web"]);
    assert_eq!(seen(1, "use crate::{web::{A, B}, clock, store::*};"), ["clock", "store", "web"]);
    assert_eq!(seen(1, "use crate :: {\n    web as w,\n};"), ["web"]);
    assert_eq!(seen(1, "use super::web; use self::child;"), ["web"]);
    assert_eq!(seen(2, "use super::sibling; use super::super::web;"), ["web"]);
    assert_eq!(seen(2, "use super::{sibling as s, super::{web, clock}};"), ["clock", "web"]);
    assert_eq!(seen(2, "use self::super::super::web; let x = self.a::<u8>();"), ["web"]);
    assert_eq!(seen(2, "pub(in crate::policy) fn f() {} pub(crate) fn g() {}"), ["policy"]);
    assert_eq!(seen(1, "use crate::*;"), ["*"]);
    assert_eq!(
        seen(
            1,
            "// crate::a\n/* crate::b */ fn f() { \"crate::c\"; r#\"\"crate::d\"#; '\"'; crate::e() }"
        ),
        ["e"]
    );
    assert_eq!(
        seen(1, "#[cfg(test)] mod tests { use crate::gateway; fn f() {} } use crate::web;"),
        ["web"]
    );
    assert_eq!(seen(1, "#[cfg(test)] use crate::gateway;"), ["gateway"]);
    assert_eq!(seen(1, "#[cfg(test)] mod tests; use crate::web;"), ["web"]);
}

#[test]
fn each_violation_is_found() {
    let told = |room: &str, source: &str| violations(room, 1, source).into_iter().next();
    assert_eq!(told("policy", "use crate::{web, identity, policy};"), None);
    for (room, source, words) in [
        ("policy", "use crate::session::X;", "`policy` (level 6) imports `session` (level 6)"),
        ("web", "use crate::proxy::X;", "`web` (level 3) imports `proxy` (level 7)"),
        ("web", "use super::config;", "`web` (level 3) imports `config` (level 8)"),
        ("web", "use crate::Secret;", "`Secret` is no room"),
        ("helpers", "", "the room `helpers` is not in the table; give it a level"),
    ] {
        let problem = told(room, source).unwrap_or_default();
        assert!(problem.contains(words), "{source}: {problem}");
    }
}

#[test]
fn no_room_is_in_the_table_twice() {
    let mut seen = BTreeSet::new();
    for room in LEVELS.iter().flat_map(|line| line.split(' ')) {
        assert!(seen.insert(room), "{room}");
    }
}
