//! The few words that are said in clear before TLS (RFC 3207).
//!
//! They are read here, line by line, and not by the client that speaks afterwards: whatever
//! somebody in between adds to them would otherwise wait in its buffer and be taken for the
//! server's word behind the handshake.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Longest reply, in bytes.
const LONGEST: u64 = 16 * 1024;

/// Asks the server to begin TLS, and returns the connection on which it has agreed.
pub(super) async fn ask(stream: TcpStream, hello: &str) -> io::Result<TcpStream> {
    let mut stream = BufReader::new(stream);
    expect(&mut stream, "220").await?;
    say(&mut stream, &format!("EHLO {hello}\r\n")).await?;
    let offered = expect(&mut stream, "250").await?;
    if !offered.iter().any(|line| line.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(io::Error::other("the server offers no STARTTLS"));
    }
    say(&mut stream, "STARTTLS\r\n").await?;
    expect(&mut stream, "220").await?;
    if !stream.buffer().is_empty() {
        return Err(io::Error::other("somebody spoke between STARTTLS and the handshake"));
    }
    Ok(stream.into_inner())
}

async fn say(stream: &mut BufReader<TcpStream>, line: &str) -> io::Result<()> {
    stream.get_mut().write_all(line.as_bytes()).await
}

/// The lines of a reply, without their code, which has to be this one.
async fn expect(stream: &mut BufReader<TcpStream>, code: &str) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut reply = stream.take(LONGEST);
    loop {
        let mut line = String::new();
        reply.read_line(&mut line).await?;
        let Some(line) = line.strip_suffix('\n') else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server said no more"));
        };
        let line = line.trim_end_matches('\r');
        let Some(rest) = line.strip_prefix(code) else {
            let code: String = line.chars().take_while(char::is_ascii_digit).take(3).collect();
            return Err(io::Error::other(format!("the server answers {code:?} before TLS")));
        };
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if !rest.starts_with('-') {
            return Ok(lines);
        }
    }
}
