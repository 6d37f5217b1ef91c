//! A mail server that does as it is told, and shows what it was given.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::soon;

/// What it does with a letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Manner {
    /// Takes it.
    Takes,
    /// Hangs up at once.
    Down,
    /// Knows no such recipient, for ever.
    Refuses,
    /// Asks to come back later.
    Later,
    /// Says nothing after the letter.
    Silent,
}

/// A letter as it came.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// `RCPT TO`, without brackets.
    pub(crate) to: Vec<String>,
    /// Header and body as they came.
    pub(crate) raw: String,
}

impl Mail {
    /// The value of a header field, unfolded.
    pub(crate) fn field(&self, name: &str) -> String {
        let head = self.raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let found: Vec<_> = head
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
            .collect();
        assert_eq!(found.len(), 1, "{name} in {head}");
        found[0].clone()
    }

    /// Both parts, decoded.
    pub(crate) fn text(&self) -> String {
        assert!(!self.raw.contains("base64"), "{}", self.raw);
        let soft = self.raw.replace("=\r\n", "");
        if !self.raw.contains("quoted-printable") {
            return soft;
        }
        let mut bytes = Vec::new();
        let mut rest = soft.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let hex = (*first == b'=').then(|| after.get(..2)).flatten();
            let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
            if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                bytes.push(byte);
                rest = &after[2..];
            } else {
                bytes.push(*first);
                rest = after;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    /// The `uid` and `token` of the link in the plain part.
    pub(crate) fn link(&self) -> (String, String) {
        let text = self.text();
        let query = text.split("?uid=").nth(1).unwrap_or_else(|| panic!("no link in {text}"));
        let link = query.split_whitespace().next().unwrap();
        let (uid, token) = link.split_once("&token=").unwrap();
        (uid.to_owned(), token.to_owned())
    }
}

/// The server.
pub(crate) struct Smtp {
    pub(crate) addr: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    mails: mpsc::UnboundedReceiver<Mail>,
    attempts: mpsc::UnboundedReceiver<()>,
}

impl Smtp {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let manner = Arc::new(Mutex::new(Manner::Takes));
        let (sender, mails) = mpsc::unbounded_channel();
        let (tried, attempts) = mpsc::unbounded_channel();
        let told = Arc::clone(&manner);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let manner = *told.lock().unwrap();
                tokio::spawn(serve(stream, manner, sender.clone(), tried.clone()));
            }
        });
        Self { addr, manner, mails, attempts }
    }

    /// What it does with connections from now on.
    pub(crate) fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// The next letter that it took.
    pub(crate) async fn mail(&mut self) -> Mail {
        soon("a letter", self.mails.recv()).await.unwrap()
    }

    /// The next connection or letter that it did not take.
    pub(crate) async fn attempt(&mut self) {
        soon("an attempt", self.attempts.recv()).await.unwrap();
    }

    /// Whether it was given nothing that nobody has looked at.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.mails.try_recv().is_err()
    }

    /// `[mail]` for this server, and what it needs.
    pub(crate) fn policy(&self) -> String {
        let addr = self.addr;
        format!(
            "[mail]\nsmtp = \"smtp+clear://{addr}\"\nfrom = \"Shop <no-reply@app.test>\"\n\
             timeout = \"1s\"\nretry = \"50ms\"\n"
        )
    }
}

async fn serve(
    stream: TcpStream,
    manner: Manner,
    mails: mpsc::UnboundedSender<Mail>,
    tried: mpsc::UnboundedSender<()>,
) {
    if manner == Manner::Down {
        drop(stream);
        tried.send(()).ok();
        return;
    }
    let mut stream = BufReader::new(stream);
    let mut to = Vec::new();
    reply(&mut stream, "220 app.test").await;
    while let Some(line) = line(&mut stream).await {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => reply(&mut stream, "250 app.test").await,
            "RCPT" if manner == Manner::Refuses => {
                reply(&mut stream, "550 5.1.1 no such user").await;
                tried.send(()).ok();
            }
            "RCPT" if manner == Manner::Later => {
                reply(&mut stream, "451 4.7.1 come back later").await;
                tried.send(()).ok();
            }
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                to.push(address.to_owned());
                reply(&mut stream, "250 ok").await;
            }
            "DATA" => {
                reply(&mut stream, "354 go on").await;
                let raw = data(&mut stream).await;
                if manner == Manner::Silent {
                    tried.send(()).ok();
                    std::future::pending::<()>().await;
                }
                mails.send(Mail { to: std::mem::take(&mut to), raw }).ok();
                reply(&mut stream, "250 taken").await;
            }
            "QUIT" => {
                reply(&mut stream, "221 bye").await;
                return;
            }
            _ => reply(&mut stream, "250 ok").await,
        }
    }
}

async fn reply(stream: &mut BufReader<TcpStream>, text: &str) {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.ok();
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}

async fn data(stream: &mut BufReader<TcpStream>) -> String {
    let mut raw = String::new();
    while stream.read_line(&mut raw).await.is_ok_and(|read| read > 0) {
        if raw.ends_with("\r\n.\r\n") {
            break;
        }
    }
    raw.truncate(raw.len() - ".\r\n".len());
    raw.replace("\r\n..", "\r\n.")
}
