//! `completions` and `man`: what shells and readers get, made of the command line itself.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::Folder;

/// Every command, as the pages are named.
fn commands(folder: &Folder, words: &[&str], found: &mut BTreeSet<String>) {
    found.insert([&["portcullis"], words].concat().join("-"));
    let help = folder.run(&[words, &["--help"]].concat()).done();
    let Some((_, list)) = help.split_once("Commands:\n") else { return };
    let lines = list.split("\n\n").next().unwrap_or_default().lines();
    for line in lines.filter_map(|line| line.strip_prefix("  ")) {
        let name = line.split(' ').next().unwrap_or_default();
        if !name.is_empty() && name != "help" {
            commands(folder, &[words, &[name]].concat(), found);
        }
    }
}

/// What bash offers for a line, with the cursor at its end.
fn offered(script: &str, words: &[&str]) -> Vec<String> {
    let all = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let [.., before, last] = words else { return Vec::new() };
    let at = words.len() - 1;
    let ask = format!(
        "COMP_WORDS=({all})\nCOMP_CWORD={at}\n\
         _portcullis portcullis '{last}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-s"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut bash = bash.spawn().unwrap();
    bash.stdin.take().unwrap().write_all(format!("{script}\n{ask}").as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_takes_the_script_and_completes_with_it() {
    let folder = Folder::new();
    let script = folder.run(&["completions", "bash"]).done();
    folder.write("script", &script);
    let syntax = Command::new("bash").arg("-n").arg(folder.file("script")).status().unwrap();
    assert!(syntax.success());
    assert_eq!(offered(&script, &["portcullis", "exp"]), ["explain", "export"]);
    assert_eq!(offered(&script, &["portcullis", "user", "role", "rem"]), ["remove"]);
    let options = offered(&script, &["portcullis", "diff", "--"]);
    for option in ["--log", "--exit-code", "--json", "--config"] {
        assert!(options.contains(&option.to_owned()), "{option}: {options:?}");
    }
}

#[test]
fn every_shell_has_a_script_that_names_the_commands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.run(&["completions", shell]).done();
        for word in ["explain", "set-password", "exit-code"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    assert!(!folder.run(&["completions", "tcsh"]).failed(2).is_empty());
}

#[test]
fn every_command_has_its_page() {
    let folder = Folder::new();
    let said = folder.run(&["man", "pages/man1"]).done();
    let mut wanted = BTreeSet::new();
    commands(&folder, &[], &mut wanted);
    assert_eq!(said, format!("{} pages in pages/man1\n", wanted.len()));
    let pages = std::fs::read_dir(folder.file("pages/man1")).unwrap();
    let pages: BTreeSet<_> = pages
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".1").unwrap().to_owned())
        .collect();
    assert_eq!(pages, wanted);
    let page = std::fs::read_to_string(folder.file("pages/man1/portcullis-explain.1")).unwrap();
    assert!(page.contains(".SH NAME") && page.contains("\\-\\-from"), "{page}");
    assert!(page.contains("portcullis explain"), "{page}");
    for name in &pages {
        let path = folder.file(&format!("pages/man1/{name}.1"));
        let page = std::fs::read_to_string(path).unwrap();
        for section in [".TH", ".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"] {
            assert!(page.contains(section), "{name} has no {section}:\n{page}");
        }
    }
    // What is printed without a folder is the first page.
    let first = folder.run(&["man"]).done();
    assert_eq!(std::fs::read_to_string(folder.file("pages/man1/portcullis.1")).unwrap(), first);
}
