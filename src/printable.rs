//! Text of others, made fit for a terminal and a log line.

use std::fmt::{self, Write};

/// Shows text with everything escaped that could move a cursor, begin a new line, colour what
/// follows or turn the reading direction round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in self.0.chars() {
            if is_active(sign) {
                write!(f, "{}", sign.escape_default())?;
            } else {
                f.write_char(sign)?;
            }
        }
        Ok(())
    }
}

/// Whether a sign does something other than to be seen: controls (C0, DEL, C1), and the format
/// characters that order, hide or separate text (Unicode UAX 9, "Trojan Source").
pub(crate) fn is_active(sign: char) -> bool {
    sign.is_control()
        || matches!(
            sign,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_active_is_left() {
        let shown = |text| Printable(text).to_string();
        assert_eq!(shown("plain ünïcode 名"), "plain ünïcode 名");
        assert_eq!(shown("a\x1b[31m\r\nb\u{9b}\u{202e}"), r"a\u{1b}[31m\r\nb\u{9b}\u{202e}");
    }
}
