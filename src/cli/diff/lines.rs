//! The lines of a file of any size, each bounded.

use std::io::{self, BufRead, Read};

/// Longer than any line of ours: targets are bounded by `[limits] target`.
const LONGEST: u64 = 1 << 20;

/// Whether the next line was read.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// It is there, without its end.
    Line,
    /// It is longer than any line of ours, and was read over.
    TooLong,
    /// There is none.
    End,
}

/// Reads the next line.
pub(super) fn next(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Next> {
    line.clear();
    if input.by_ref().take(LONGEST).read_until(b'\n', line)? == 0 {
        return Ok(Next::End);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 >= LONGEST {
        skip(input)?;
        return Ok(Next::TooLong);
    }
    Ok(Next::Line)
}

/// Reads to the end of the line and keeps nothing.
fn skip(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let read = end.map_or(buffer.len(), |at| at + 1);
        input.consume(read);
        if end.is_some() || read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whole_or_read_over() {
        let long = "x".repeat(3 << 20);
        let text = format!("a\n\n{long}\nb\r\n{long}");
        let mut input = text.as_bytes();
        let (mut line, mut lines) = (Vec::new(), Vec::new());
        loop {
            match next(&mut input, &mut line).unwrap() {
                Next::Line => lines.push(String::from_utf8(line.clone()).unwrap()),
                Next::TooLong => lines.push("too long".to_owned()),
                Next::End => break,
            }
        }
        assert_eq!(lines, ["a", "", "too long", "b\r", "too long"]);
    }
}
