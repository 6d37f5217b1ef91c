//! The real binary with a store in a database.
#![cfg(feature = "cli")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::postgres::{Cluster, PASSWORD};

/// How the binary ended, and all that it said.
fn run(folder: &Path, args: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(args).current_dir(folder).env_remove("PORTCULLIS_CONFIG");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    let ended = child.wait_with_output().unwrap();
    let mut said = String::from_utf8(ended.stdout).unwrap();
    said.push_str(&String::from_utf8(ended.stderr).unwrap());
    assert!(!said.contains(PASSWORD), "{said}");
    (ended.status.success(), said)
}

#[track_caller]
fn done(folder: &Path, args: &[&str], input: &str) -> String {
    let (good, said) = run(folder, args, input);
    assert!(good, "{said}");
    said
}

/// Sends one request, and returns the whole answer.
fn ask(address: &str, target: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = "Host: localhost\r\nContent-Type: application/json\r\nConnection: close";
    write!(stream, "POST {target} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_and_its_commands_live_on_a_database() {
    let cluster = Cluster::start();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("url"), cluster.url(&cluster.database().await)).unwrap();
    std::fs::copy(cluster.authority(), folder.join("ca.pem")).unwrap();
    let policy = "listen = ['127.0.0.1:0']\nworkers = 1\n\
                  store.postgres = { url = { file = 'url' }, ca = 'ca.pem' }\n\
                  upstreams.w.whoami = true\nroutes.'/*'.to = 'w'\n";
    std::fs::write(folder.join("portcullis.toml"), policy).unwrap();

    done(folder, &["check"], "");
    let (good, said) = run(folder, &["user", "list"], "");
    assert!(!good && said.contains("there is no store in it"), "{said}");
    let plan = done(folder, &["store", "migrate", "--plan"], "");
    assert!(plan.contains("to do: version 1") && plan.contains("CREATE TABLE"), "{plan}");
    assert!(done(folder, &["store", "migrate"], "").contains("done: version 1"));
    assert!(done(folder, &["store", "migrate"], "").contains("nothing to do"));
    done(folder, &["user", "add", "ada", "--stdin"], "Tr1cky-Phrase-77\n");
    for command in ["compact", "restore"] {
        let args = if command == "restore" { vec![command, "none"] } else { vec![command] };
        let (good, said) = run(folder, &args, "");
        assert!(!good && said.contains("by its own means"), "{said}");
    }

    let mut gateway = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    gateway.current_dir(folder).env_remove("PORTCULLIS_CONFIG").stdin(Stdio::null());
    let mut gateway = gateway.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(gateway.stdout.take().unwrap()).lines().map_while(Result::ok);
    let address = lines
        .find_map(|line| line.strip_prefix("listening on http://").map(|it| it.trim().to_owned()));
    let login = r#"{"username": "ada", "password": "Tr1cky-Phrase-77"}"#;
    let answer = ask(&address.unwrap(), "/api/auth/token/", login);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("refresh"), "{answer}");
    // By the gateway that runs.
    assert!(done(folder, &["session", "list", "ada"], "").contains("127.0.0.1"));
    gateway.kill().unwrap();
    gateway.wait().unwrap();
    assert!(done(folder, &["session", "list", "ada"], "").contains("127.0.0.1"));
}
