//! `Vary`: what an answer depends on (RFC 9110 section 12.5.5).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Adds a name to `Vary`, unless it is there or the answer varies by everything.
pub fn vary_by(name: &'static str, headers: &mut HeaderMap) {
    if lists(headers, &header::VARY, &["*", name]) {
        return;
    }
    let mut fields = headers.get_all(header::VARY).iter();
    let joined = match (fields.next(), fields.next()) {
        // In one line: not every cache looks for a second.
        (Some(one), None) if !one.is_empty() => {
            HeaderValue::from_bytes(&[one.as_bytes(), b", ", name.as_bytes()].concat()).ok()
        }
        _ => None,
    };
    if let Some(joined) = joined {
        headers.insert(header::VARY, joined);
    } else {
        headers.append(header::VARY, HeaderValue::from_static(name));
    }
}

/// Whether a list field has one of these words, in any case.
pub fn lists(headers: &HeaderMap, name: &HeaderName, words: &[&str]) -> bool {
    headers.get_all(name).iter().any(|value| {
        let mut parts = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        parts.any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_all_that_an_answer_varies_by() {
        for (said, says) in [
            (&[][..], &["Origin"][..]),
            (&["Accept"], &["Accept, Origin"]),
            (&["accept,ORIGIN"], &["accept,ORIGIN"]),
            (&["*"], &["*"]),
            // A list that is empty is not gone on with.
            (&[""], &["", "Origin"]),
            (&["Accept", "Cookie"], &["Accept", "Cookie", "Origin"]),
        ] {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append(header::VARY, HeaderValue::from_static(value));
            }
            vary_by("Origin", &mut headers);
            let found: Vec<_> = headers.get_all(header::VARY).iter().collect();
            assert_eq!(found, says, "{said:?}");
        }
    }
}
