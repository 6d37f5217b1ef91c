//! `init`: three answers become a file that is good, and no file is ever overwritten.

use std::process::Command;

use serde_json::Value;

use crate::harness::Folder;

fn check(folder: &Folder, file: &str) -> Value {
    serde_json::from_str(&folder.run(&["check", file, "--json"]).done()).unwrap()
}

#[test]
fn three_answers_from_a_pipe_become_a_good_file() {
    let folder = Folder::new();
    let answers = b"http://127.0.0.1:9000\nhttps://app.example.com\nrole:staff\n";
    let ran = folder.run_with(&["init"], answers);
    assert!(ran.err.contains("Where is your server?"), "{ran:?}");
    assert!(ran.done().starts_with("wrote portcullis.toml\n"));
    let told = check(&folder, "portcullis.toml");
    assert_eq!((&told["warnings"].as_array().unwrap().len(), &told["ok"]), (&0, &true.into()));
    assert_eq!(told["routes"][0]["allow"], "role:staff");
    let expected: Vec<_> =
        told["expect"].as_array().unwrap().iter().map(|line| line["line"].clone()).collect();
    assert_eq!(expected, ["anyone GET / -> 401", "user GET / -> 403", "role:staff GET / -> app"]);
    let text = std::fs::read_to_string(folder.file("portcullis.toml")).unwrap();
    assert!(text.contains("public = \"https://app.example.com\"\n"), "{text}");
    assert!(text.contains("app = { to = \"http://127.0.0.1:9000\" }\n"), "{text}");
    assert!(text.lines().count() < 40, "{text}");
}

#[test]
fn empty_answers_are_the_defaults_and_the_file_is_served() {
    let folder = Folder::new();
    folder.run_with(&["init"], b"\n\n\n").done();
    let told = check(&folder, "portcullis.toml");
    assert_eq!(told["routes"][0]["allow"], "user");
    let gateway = folder.serve();
    let answer = gateway.ask("GET / HTTP/1.1\r\nHost: any.test\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[test]
fn flags_answer_without_a_question() {
    let folder = Folder::new();
    let args = ["init", "deep.toml", "--upstream", "unix:/run/app.sock", "--public", ""];
    let ran = folder.run(&[&args[..], &["--allow", "anyone", "--listen", "[::1]:0"]].concat());
    assert_eq!(ran.err, "");
    assert!(ran.done().contains("portcullis --config deep.toml serve"));
    let told = check(&folder, "deep.toml");
    assert_eq!(
        (&told["routes"][0]["open"], &told["expect"][0]["line"]),
        (&true.into(), &"anyone GET / -> app".into())
    );
}

#[test]
fn a_wrong_answer_is_told_what_to_write_and_leaves_no_file() {
    let folder = Folder::new();
    for (args, input, part) in [
        (&["--upstream", "app:8000"][..], "", "`to` must be \"http://host:port\""),
        (&["--upstream", "http://a", "--public", "app"], "", "`public` must be scheme and host"),
        (&["--upstream", "http://a", "--public", "", "--allow", "admin"], "", "`admin` is no rule"),
        (&["--listen", "localhost"], "", "`listen` must be an IP address"),
        (&["--upstream", "http://a"], "", "say it with `--public`"),
        (&[], "ftp://a\n", "--upstream: `to` must be"),
        (&["--allow", "user & \"x"], "\n\n", "is no rule"),
    ] {
        let ran = folder.run_with(&[&["init"], args].concat(), input.as_bytes());
        let said = ran.failed(1);
        assert!(said.contains(part), "{args:?}: {said}");
        assert!(!folder.file("portcullis.toml").exists(), "{args:?}");
    }
}

#[test]
fn nothing_is_ever_overwritten() {
    let folder = Folder::new();
    folder.write("portcullis.toml", "# mine\n");
    let said = folder.run_with(&["init"], b"\n\n\n").failed(1);
    assert!(said.contains("portcullis.toml is there"), "{said}");
    assert!(!said.contains("Where"), "{said}");
    std::os::unix::fs::symlink("nowhere", folder.file("link.toml")).unwrap();
    folder.run_with(&["init", "link.toml"], b"\n\n\n").failed(1);
    assert_eq!(std::fs::read_to_string(folder.file("portcullis.toml")).unwrap(), "# mine\n");
    assert!(!folder.file("nowhere").exists());
}

/// `script` lends a terminal: there a wrong answer is asked for again.
#[test]
fn at_a_terminal_a_wrong_answer_is_asked_for_again() {
    let folder = Folder::new();
    let program = env!("CARGO_BIN_EXE_portcullis");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("{program} init"), "/dev/null"]).current_dir(folder.path());
    script.env_remove("PORTCULLIS_CONFIG");
    let mut script = script
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut terminal = script.stdin.take().unwrap();
    std::io::Write::write_all(&mut terminal, b"app:8000\nhttp://127.0.0.1:1\n\nuser\n").unwrap();
    let output = script.wait_with_output().unwrap();
    drop(terminal);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("Where is your server?").count(), 2, "{said}");
    assert!(said.contains("`to` must be"), "{said}");
    assert_eq!(check(&folder, "portcullis.toml")["ok"], true);
}
