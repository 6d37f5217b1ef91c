//! A QR code as the path of an SVG: nothing that a page of ours may not have in it.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around a code, which readers find it by (ISO/IEC 18004 section 6.3.8).
const QUIET: usize = 4;

/// How many modules wide a code is, and its dark ones as the path of an SVG.
pub(super) struct Drawn {
    pub(super) size: usize,
    pub(super) path: String,
}

/// The code of a text; `None` if no code is large enough.
pub(super) fn draw(text: &str) -> Option<Drawn> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let (width, colours) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, row) in colours.chunks(width).enumerate() {
        let mut x = 0;
        // One piece for each run: browsers would leave seams between single modules.
        for run in row.chunk_by(|one, next| one == next) {
            let (left, top, long) = (x + QUIET, y + QUIET, run.len());
            if run.first() == Some(&Color::Dark) {
                // Writing to a String cannot fail.
                write!(path, "M{left} {top}h{long}v1h-{long}z").ok()?;
            }
            x += long;
        }
    }
    Some(Drawn { size: width + 2 * QUIET, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dark modules that a path draws.
    fn drawn(path: &str) -> Vec<(usize, usize)> {
        let mut dark = Vec::new();
        for piece in path.split_terminator('z') {
            let (at, rest) = piece.strip_prefix('M').unwrap().split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let (long, back) = rest.split_once("v1h-").unwrap();
            assert_eq!(long, back);
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            dark.extend((0..long.parse::<usize>().unwrap()).map(|ahead| (x + ahead, y)));
        }
        dark
    }

    #[test]
    fn a_code_is_drawn_as_it_is() {
        let uri = "otpauth://totp/a.test:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
        let Drawn { size, path } = draw(uri).unwrap();
        let code = QrCode::with_error_correction_level(uri, EcLevel::M).unwrap();
        assert_eq!(size, code.width() + 8);
        let expected = (0..code.width()).flat_map(|y| (0..code.width()).map(move |x| (x, y)));
        let expected: Vec<_> = expected
            .filter(|at| code[*at] == Color::Dark)
            .map(|(x, y)| (x + QUIET, y + QUIET))
            .collect();
        assert_eq!(drawn(&path), expected);
        assert!(path.bytes().all(|byte| byte.is_ascii_digit() || b"Mhvz -".contains(&byte)));
        assert!(draw(&"x".repeat(5000)).is_none());
    }
}
