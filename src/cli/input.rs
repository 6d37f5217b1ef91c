//! Passwords on their way in: never an argument, for those are in everybody's process list.

use std::io::{self, IsTerminal, Read, Write};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

use crate::admin::NewPassword;
use crate::session::trim;

/// Longest input that is read for a password, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Letters and digits of a generated password: without those that look alike.
const SIGNS: [u8; 32] = *b"abcdefghijkmnpqrstuvwxyz23456789";
/// Groups of five: 125 bits.
const GROUPS: usize = 5;

/// Where a new password comes from.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct PasswordSource {
    /// Read the password from standard input; one line end is stripped
    #[arg(long)]
    stdin: bool,
    /// Make a strong password and print it
    #[arg(long)]
    generate: bool,
}

/// A new password, and whether the operator has yet to be told it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) password: NewPassword,
    pub(super) generated: Option<Zeroizing<String>>,
}

impl PasswordSource {
    pub(super) fn take(self) -> anyhow::Result<Chosen> {
        if self.generate {
            let made = generate()?;
            let password = NewPassword(made.as_str().to_owned().into());
            return Ok(Chosen { password, generated: Some(made) });
        }
        let text = if self.stdin { from_stdin()? } else { from_terminal()? };
        Ok(Chosen { password: NewPassword(text.into()), generated: None })
    }
}

fn from_stdin() -> anyhow::Result<String> {
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin().take(LONGEST + 1).read_to_end(&mut bytes).context("standard input")?;
    if bytes.len() as u64 > LONGEST {
        bail!("the password on standard input is longer than {LONGEST} bytes");
    }
    strip(&bytes).map(ToOwned::to_owned)
}

/// The password in what came from standard input.
fn strip(bytes: &[u8]) -> anyhow::Result<&str> {
    let text = std::str::from_utf8(bytes).ok().context("the password is not UTF-8")?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        bail!("the password on standard input is empty");
    }
    if trim(text) != text {
        bail!(
            "the password on standard input begins or ends with white space, which no client \
             could send; leave it out"
        );
    }
    if text.contains(['\n', '\r']) {
        bail!("standard input has more than one line; give the password alone");
    }
    Ok(text)
}

fn from_terminal() -> anyhow::Result<String> {
    if !io::stdin().is_terminal() {
        bail!(
            "there is no terminal to ask for a password; pass it with `--stdin`, or let one be \
             made with `--generate`"
        );
    }
    let first = rpassword::prompt_password("Password: ").context("no password")?;
    let first = Zeroizing::new(first);
    let again = rpassword::prompt_password("Again: ").map(Zeroizing::new).context("no password")?;
    if first != again {
        bail!("the two passwords differ; nothing was changed");
    }
    Ok(first.as_str().to_owned())
}

/// A password that nobody guesses and everybody can type.
pub(super) fn generate() -> anyhow::Result<Zeroizing<String>> {
    let mut bits = Zeroizing::new([0; GROUPS * 5]);
    getrandom::fill(bits.as_mut_slice()).context("no randomness from the operating system")?;
    let mut made = Zeroizing::new(String::with_capacity(GROUPS * 6));
    for (at, byte) in bits.iter().enumerate() {
        if at > 0 && at % 5 == 0 {
            made.push('-');
        }
        // 256 is a multiple of 32, so that every sign is as likely as any other.
        made.extend(SIGNS.get(usize::from(byte % 32)).map(|sign| char::from(*sign)));
    }
    Ok(made)
}

/// Asks before something that cannot be undone; without a terminal there is nobody to ask.
pub(super) fn confirm(question: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_stripped() {
        for text in ["Tr1cky phrase", "Tr1cky phrase\n", "Tr1cky phrase\r\n"] {
            assert_eq!(strip(text.as_bytes()).unwrap(), "Tr1cky phrase");
        }
        for text in ["", "\n", " x", "x ", "x\n\n", "x\r\r\n", "x\u{3000}\n", "x\ny\n"] {
            assert!(strip(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(strip(b"\xff").is_err());
    }

    #[test]
    fn a_generated_password_is_long_and_new() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 29);
        assert_eq!(one.split('-').count(), 5);
    }
}
