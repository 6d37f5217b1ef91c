//! A folder to run the binary in, and a gateway that ends with its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output of a run that has to have succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Standard error of a run that has to have failed with that code, and printed no result.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(code), ""), "{self:?}");
        self.err
    }
}

/// An empty folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// The binary with these arguments, here, untouched by the environment of the tests.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(args).current_dir(self.path());
        command.env_remove("RUST_LOG").env_remove("PORTCULLIS_CONFIG").stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, b"")
    }

    /// Runs the binary to its end, with that on standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &[u8]) -> Ran {
        Self::end_of(self.command(args), input)
    }

    /// What a command left behind, with that on its standard input.
    pub(crate) fn end_of(mut command: Command, input: &[u8]) -> Ran {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may end without reading, and that is its right.
        drop(child.stdin.take().unwrap().write_all(input));
        Self::left_by(child.wait_with_output().unwrap())
    }

    /// What a command left behind, with the standard input that it has.
    pub(crate) fn end_of_given(mut command: Command) -> Ran {
        Self::left_by(command.output().unwrap())
    }

    fn left_by(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn add(&self, name: &str) -> Ran {
        self.run_with(&["user", "add", name, "--stdin"], b"Tr1cky-Phrase-77\n")
    }

    /// Starts a gateway that listens on a free port, and waits until it says so.
    pub(crate) fn serve(&self) -> Gateway {
        self.start(&["serve", "--listen", "127.0.0.1:0"])
    }

    /// At the addresses of the file, of which one is TCP.
    pub(crate) fn serve_as_written(&self) -> Gateway {
        self.start(&["serve"])
    }

    fn start(&self, args: &[&str]) -> Gateway {
        Self::start_as(self.command(args))
    }

    /// Starts a gateway on a free port with limits as the shell's `ulimit` has them. What goes
    /// beyond them fails, and ends nobody.
    pub(crate) fn serve_within(&self, limits: &str) -> Gateway {
        Self::start_as(self.command_within(limits, &["serve", "--listen", "127.0.0.1:0"]))
    }

    /// The binary with these arguments, within such limits.
    pub(crate) fn command_within(&self, limits: &str, args: &[&str]) -> Command {
        let mut command = Command::new("bash");
        let script = format!("trap '' XFSZ; ulimit {limits}; exec \"$0\" \"$@\"");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_portcullis")]);
        command.args(args).current_dir(self.path());
        command.env_remove("RUST_LOG").env_remove("PORTCULLIS_CONFIG").stdin(Stdio::null());
        command
    }

    /// Starts a gateway by that command, and waits until it says where it listens.
    pub(crate) fn start_as(mut command: Command) -> Gateway {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let err = BufReader::new(child.stderr.take().unwrap());
        let (address, said) = (String::new(), String::new());
        let mut gateway = Gateway { child, out, err, address, said };
        let line = gateway.out_line("listening on http://");
        gateway.address.push_str(line.trim_start_matches("listening on http://"));
        gateway
    }
}

/// A gateway that is killed with its test, unless it has ended before.
pub(crate) struct Gateway {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    pub(crate) address: String,
    /// What it printed, as far as anybody asked.
    said: String,
}

impl Gateway {
    /// The next line of standard output that begins so.
    pub(crate) fn out_line(&mut self, start: &str) -> String {
        find(&mut self.out, &mut self.said, |line| line.starts_with(start))
    }

    /// The next line of the log that holds that.
    pub(crate) fn log_line(&mut self, part: &str) -> String {
        find(&mut self.err, &mut String::new(), |line| line.contains(part))
    }

    /// Everything that was printed up to the last line that was asked for.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// Lets it write files of any size again.
    pub(crate) fn lift_file_size(&self) {
        self.limit_file_size("unlimited");
    }

    /// Makes every write fail that would be behind so many bytes of a file, as on a full disk.
    /// It has to have been started within limits.
    pub(crate) fn limit_file_size(&self, bytes: &str) {
        let pid = self.child.id().to_string();
        let mut limit = Command::new("prlimit");
        let size = format!("--fsize={bytes}:");
        assert!(limit.args(["--pid", &pid, &size]).status().unwrap().success());
    }

    /// The answer to these bytes.
    pub(crate) fn ask(&self, request: &str) -> String {
        ask_at(&self.address, request)
    }

    /// A POST of JSON to one of the gateway's own endpoints.
    pub(crate) fn post(&self, path: &str, body: &str) -> String {
        post_to(&self.address, path, body)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The answer to a GET with a token.
    pub(crate) fn get(&self, path: &str, token: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        ))
    }

    /// The cookie of a browser in which somebody signs in who has to succeed.
    pub(crate) fn sign_in(&self, name: &str) -> String {
        let form = format!("username={name}&password=Tr1cky-Phrase-77");
        let reply = self.ask(&format!(
            "POST /auth/sign-in/ HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        ));
        let cookie = reply.split("portcullis=").nth(1).unwrap().split(';').next().unwrap();
        cookie.to_owned()
    }

    /// A page as a browser with that cookie gets it.
    pub(crate) fn page(&self, target: &str, cookie: &str) -> String {
        self.ask(&format!(
            "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Cookie: portcullis={cookie}\r\n\r\n"
        ))
    }

    /// The access and refresh token of a login that has to succeed.
    pub(crate) fn log_in(&self, name: &str) -> [String; 2] {
        let body = format!(r#"{{"username": "{name}", "password": "Tr1cky-Phrase-77"}}"#);
        let answer = self.post("token/", &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let tokens: serde_json::Value = serde_json::from_str(body).unwrap();
        ["access", "refresh"].map(|kind| tokens.get(kind).unwrap().as_str().unwrap().to_owned())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

pub(crate) fn ask_at(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The answer of the gateway at that address to a POST of JSON to one of its own endpoints.
pub(crate) fn post_to(address: &str, path: &str, body: &str) -> String {
    let request = format!(
        "POST /api/auth/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    ask_at(address, &request)
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn find(from: &mut impl BufRead, seen: &mut String, wanted: impl Fn(&str) -> bool) -> String {
    loop {
        let mut line = String::new();
        assert!(from.read_line(&mut line).unwrap() > 0, "not to be found in:\n{seen}");
        seen.push_str(&line);
        if wanted(&line) {
            return line.trim_end().to_owned();
        }
    }
}
