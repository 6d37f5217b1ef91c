//! The `Authorization` field, read once and in one way (RFC 9110 section 11.6.2).

use http::header::{AUTHORIZATION, HeaderMap};

/// What a request presents as its credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Authorization<'a> {
    /// Nothing, or an empty value.
    Absent,
    /// `Bearer <token>`: the token's bytes, not looked at yet.
    Bearer(&'a [u8]),
    /// `Bearer` with no token, or with more than one word.
    BrokenBearer,
    /// `Token <key>`.
    Token(&'a [u8]),
    /// `Token` with no key.
    EmptyToken,
    /// `Token` with more than one word.
    SpacedToken,
    /// Another scheme: none of ours.
    Other,
    /// More than one field: whoever reads only one of them would see another caller.
    Several,
}

impl<'a> Authorization<'a> {
    /// Reads the field. The scheme is compared without case.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Self::Absent };
        if values.next().is_some() {
            return Self::Several;
        }
        let value = value.as_bytes().trim_ascii();
        if value.is_empty() {
            return Self::Absent;
        }
        let end = value.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(value.len());
        let (scheme, rest) = value.split_at(end);
        let rest = rest.trim_ascii_start();
        // To the end in any case: a loop that may stop looks at one byte at a time.
        let spaced = |found, byte: &u8| found | u8::from(*byte == b' ') | u8::from(*byte == b'\t');
        let one_word = rest.iter().fold(0, spaced) == 0;
        if scheme.eq_ignore_ascii_case(b"Bearer") {
            if rest.is_empty() || !one_word { Self::BrokenBearer } else { Self::Bearer(rest) }
        } else if scheme.eq_ignore_ascii_case(b"Token") {
            match one_word {
                _ if rest.is_empty() => Self::EmptyToken,
                true => Self::Token(rest),
                false => Self::SpacedToken,
            }
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_credential_has_one_reading() {
        for (value, read) in [
            ("", Authorization::Absent),
            ("   ", Authorization::Absent),
            ("Bearer", Authorization::BrokenBearer),
            ("Bearer a b", Authorization::BrokenBearer),
            ("Bearer a, Bearer b", Authorization::BrokenBearer),
            ("bearer a", Authorization::Bearer(b"a")),
            ("Bearer\t a ", Authorization::Bearer(b"a")),
            ("BearerX a", Authorization::Other),
            ("Bearer: a", Authorization::Other),
            ("Bearer=a", Authorization::Other),
            ("a", Authorization::Other),
            ("Basic Bearer a", Authorization::Other),
            ("TOKEN k", Authorization::Token(b"k")),
            ("Token", Authorization::EmptyToken),
            ("Token a b", Authorization::SpacedToken),
        ] {
            assert_eq!(Authorization::of(&of(&[value])), read, "{value:?}");
        }
        assert_eq!(Authorization::of(&HeaderMap::new()), Authorization::Absent);
        assert_eq!(Authorization::of(&of(&["Bearer a", "Bearer a"])), Authorization::Several);
        assert_eq!(Authorization::of(&of(&["Basic a", "Bearer a"])), Authorization::Several);
    }
}
