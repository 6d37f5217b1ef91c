//! What an operator sees of a folder that cannot be served.

use std::path::PathBuf;

use super::*;

/// A policy's folder with a folder to be served, and one for the store.
fn base() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let base = dir.path().canonicalize().expect("a folder");
    fs::create_dir_all(base.join("site/sub")).expect("a folder");
    fs::write(base.join("site/index.html"), "").expect("a file");
    fs::create_dir(base.join("data")).expect("a folder");
    std::os::unix::fs::symlink("..", base.join("data/up")).expect("a link");
    (dir, base)
}

#[track_caller]
fn says(base: &Path, cases: &[(&str, String)]) {
    for (lines, message) in cases {
        let text = format!("[upstreams]\n{lines}\n[store]\npath = 'data/users.redb'\n");
        let error = parse_at(base, &text).expect_err(&text).to_string();
        assert_eq!(error, format!("p.toml:{message}"), "{text}");
    }
}

#[test]
fn a_folder_has_to_be_there() {
    let (_dir, base) = base();
    let shown = base.display();
    let cases = [
        ("a = { dir = '' }", "2:13: an empty path; name a folder, such as dir = \"public\"".to_owned()),
        (
            "a = { dir = 'none' }",
            format!(
                "2:13: cannot open {shown}/none (No such file or directory (os error 2)); make or rename it"
            ),
        ),
        (
            "a = { dir = 'site/index.html' }",
            format!("2:13: {shown}/site/index.html is no folder; name one"),
        ),
        (
            "a = { dir = 'data' }",
            format!("2:13: {shown}/data/users.redb is in that folder, for everybody to fetch; name another"),
        ),
        (
            "a = { dir = '.' }",
            format!("2:13: {shown}/data/users.redb is in that folder, for everybody to fetch; name another"),
        ),
        (
            "a = { dir = 'site', spa = 'app.html' }",
            format!("2:27: there is no file app.html in {shown}/site; add it"),
        ),
        (
            "a = { dir = 'site', spa = 'sub' }",
            format!("2:27: there is no file sub in {shown}/site; add it"),
        ),
        (
            "a = { dir = 'site', spa = '../site/index.html' }",
            "2:27: `spa` leads nowhere; name a file in `dir`, such as \"index.html\", that is not hidden"
                .to_owned(),
        ),
    ];
    says(&base, &cases);
}

#[test]
fn the_keys_of_a_folder_are_no_servers() {
    let (_dir, base) = base();
    let cases = [
        (
            "a = { dir = 'site', weights = [1], health = '/' }",
            "2:31: `weights` goes with the servers of `to`; remove it\n\
             p.toml:2:45: `health` goes with the servers of `to`; remove it"
                .to_owned(),
        ),
        (
            "a = { dir = 'site', to = 'http://a' }",
            "2:13: `to` and `dir` exclude each other; keep one of them".to_owned(),
        ),
        (
            "a = { dir = 'site', whoami = true }",
            "2:13: `dir` and `whoami = true` exclude each other; keep one of them".to_owned(),
        ),
        (
            "a = { to = 'http://a', spa = 'index.html', precompressed = true }",
            "2:30: `spa` goes with the files of `dir`; remove it\n\
             p.toml:2:60: `precompressed` goes with the files of `dir`; remove it"
                .to_owned(),
        ),
    ];
    says(&base, &cases);
}

#[test]
fn no_folder_has_the_gateways_own_files_in_it() {
    let (_dir, base) = base();
    let text = "[upstreams]\na.dir = '.'\n[store]\npath = '/elsewhere/users.redb'\n";
    assert_eq!(
        parse_at(&base, text).expect_err(text).to_string(),
        "p.toml:2:9: this file is in that folder, for everybody to fetch; name another"
    );
    let text = "[upstreams]\na.dir = 'data/up'\n";
    let error = parse_at(&base, text).expect_err(text).to_string();
    let expected = "is in that folder, for everybody to fetch; name another";
    assert!(error.starts_with("p.toml:2:9: ") && error.ends_with(expected), "{error}");
}
