//! Which of the compressed siblings of a file a client takes.

use http::header::{self, HeaderMap};

/// How a file may lie beside itself: content coding and extension, the smaller one first.
pub(super) const CODINGS: [(&str, &str); 3] = [("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz")];

/// For each of [`CODINGS`], whether the client takes it. One that is not named is not taken: `*`
/// is what scanners send.
pub(super) fn accepted(headers: &HeaderMap) -> [bool; 3] {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let lists = values.filter_map(|value| value.to_str().ok());
    let mut taken = [false; 3];
    for entry in lists.flat_map(|list| list.split(',')) {
        let (coding, weight) = entry.split_once(';').unwrap_or((entry, ""));
        for ((known, _), taken) in CODINGS.iter().zip(&mut taken) {
            if coding.trim().eq_ignore_ascii_case(known) {
                *taken = !is_zero(weight);
            }
        }
    }
    taken
}

/// `q=0`, `q=0.000` (RFC 9110 section 12.4.2).
fn is_zero(weight: &str) -> bool {
    let weight = weight.split_once('=').filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weight.is_some_and(|(_, weight)| {
        let weight = weight.trim();
        weight.starts_with('0') && weight.bytes().all(|byte| matches!(byte, b'0' | b'.'))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_named_and_not_refused_is_taken() {
        for (value, taken) in [
            ("gzip, deflate, br, zstd", [true, true, true]),
            ("GZIP", [false, false, true]),
            ("br;q=0.001, gzip ; q=0", [true, false, false]),
            ("br;q=0.0, gzip;q=1.0", [false, false, true]),
            ("*", [false, false, false]),
            ("identity", [false, false, false]),
            ("", [false, false, false]),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(accepted(&headers), taken, "{value}");
        }
        assert_eq!(accepted(&HeaderMap::new()), [false; 3]);
    }
}
