//! Texts with blanks in them: `{n}` is a number, `{t}` whatever stands there, such as a name.

/// A text of a catalogue that has blanks, and what it is in another language.
#[derive(Debug)]
pub(super) struct Pattern {
    english: Vec<Piece>,
    other: Vec<Piece>,
}

#[derive(Debug, Eq, PartialEq)]
enum Piece {
    Words(String),
    Number,
    Text,
}

/// What stood in the blanks, each kind in order.
#[derive(Default)]
struct Values<'t> {
    numbers: Vec<&'t str>,
    texts: Vec<&'t str>,
}

impl Pattern {
    /// `None` of a text without blanks.
    pub(super) fn new(english: &str, other: &str) -> Option<Self> {
        let (english, other) = (pieces(english), pieces(other));
        let has_blanks = english.iter().any(|piece| piece.words().is_none());
        has_blanks.then_some(Self { english, other })
    }

    /// How much of it is words: of two that fit, the one with more is meant.
    pub(super) fn weight(&self) -> usize {
        self.english.iter().filter_map(Piece::words).map(str::len).sum()
    }

    /// The text in the other language, if it is of this pattern.
    pub(super) fn say(&self, text: &str) -> Option<String> {
        let values = self.values(text)?;
        let (mut numbers, mut texts) = (values.numbers.into_iter(), values.texts.into_iter());
        let pieces = self.other.iter().map(|piece| match piece {
            Piece::Words(words) => Some(words.as_str()),
            Piece::Number => numbers.next(),
            Piece::Text => texts.next(),
        });
        pieces.collect()
    }

    fn values<'t>(&self, text: &'t str) -> Option<Values<'t>> {
        let (mut values, mut rest) = (Values::default(), text);
        let mut pieces = self.english.iter().peekable();
        while let Some(piece) = pieces.next() {
            let kept = match piece {
                Piece::Words(words) => {
                    rest = rest.strip_prefix(words.as_str())?;
                    continue;
                }
                Piece::Number => &mut values.numbers,
                Piece::Text => &mut values.texts,
            };
            let words = pieces.next_if(|piece| piece.words().is_some()).and_then(Piece::words);
            let (value, after) = match words {
                None => (rest, ""),
                Some(words) if pieces.peek().is_some() => rest.split_once(words)?,
                Some(words) => (rest.strip_suffix(words)?, ""),
            };
            if matches!(piece, Piece::Number) && !is_number(value) {
                return None;
            }
            kept.push(value);
            rest = after;
        }
        rest.is_empty().then_some(values)
    }
}

impl Piece {
    fn words(&self) -> Option<&str> {
        if let Self::Words(words) = self { Some(words) } else { None }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn pieces(text: &str) -> Vec<Piece> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    loop {
        let found = [("{n}", Piece::Number), ("{t}", Piece::Text)]
            .into_iter()
            .filter_map(|(sign, piece)| Some((rest.split_once(sign)?, piece)))
            .min_by_key(|((before, _), _)| before.len());
        let Some(((before, after), piece)) = found else { break };
        if !before.is_empty() {
            pieces.push(Piece::Words(before.to_owned()));
        }
        pieces.push(piece);
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Words(rest.to_owned()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_blanks_comes_through() {
        let of = |english, other| Pattern::new(english, other).unwrap();
        let pattern = of("at most {n} of {n}", "höchstens {n} von {n}");
        assert_eq!(pattern.say("at most 12 of 345").unwrap(), "höchstens 12 von 345");
        for text in ["at most 12 of", "at most 12 of x", "at most 1 of 2.", "At most 1 of 2", ""] {
            assert_eq!(pattern.say(text), None, "{text}");
        }
        let pattern = of("`{t}` has {n} keys already", "Schon {n} Schlüssel hat `{t}`");
        assert_eq!(
            pattern.say("`a {n} b` has 7 keys already").unwrap(),
            "Schon 7 Schlüssel hat `a {n} b`"
        );
        assert_eq!(pattern.say("`` has 7 keys already").unwrap(), "Schon 7 Schlüssel hat ``");
        assert_eq!(pattern.say("`x` has `y` keys already"), None);
        let pattern = of("there is no group `{t}`", "es gibt keine Gruppe `{t}`");
        assert_eq!(pattern.say("there is no group `x` y`").unwrap(), "es gibt keine Gruppe `x` y`");
        assert!(Pattern::new("no blank", "kein Feld").is_none());
    }
}
