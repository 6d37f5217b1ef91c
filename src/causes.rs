//! Errors with what is behind them.

use std::error::Error;

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        // Some say themselves what their cause says.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn what_was_said_already_is_not_said_again() {
        let told = |texts: &[&'static str]| {
            let mut error = None;
            for text in texts.iter().rev() {
                error = Some(Box::new(Link { text, source: error }));
            }
            chain(&*error.unwrap())
        };
        assert_eq!(told(&["cannot read", "disk", "I/O error 5"]), "cannot read: disk: I/O error 5");
        assert_eq!(
            told(&["refused: no token", "refused: no token", "no token"]),
            "refused: no token"
        );
    }
}
