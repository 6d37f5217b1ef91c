//! The languages of pages. Texts are written in English where they are used; a catalogue has them
//! in another language.

mod pattern;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use http::header::{ACCEPT_LANGUAGE, HeaderMap};

use pattern::Pattern;

/// Most languages of a request that are looked at.
const MOST: usize = 16;

/// Most places in messages where one of them may end.
const MOST_PARTS: usize = 64;

/// A language, with its catalogue.
#[derive(Debug)]
pub(super) struct Language {
    /// As BCP 47 has it.
    pub(super) tag: &'static str,
    /// By the English text.
    texts: HashMap<String, String>,
    /// Those that have blanks, the most particular first.
    patterns: Vec<Pattern>,
}

macro_rules! languages {
    ($($tag:literal),* $(,)?) => {
        /// The catalogues, as they are written.
        const CATALOGUES: &[(&str, &str)] =
            &[$(($tag, include_str!(concat!("texts/", $tag, ".toml")))),*];
    };
}

languages!("de", "fr");

static ALL: LazyLock<Vec<Language>> = LazyLock::new(|| {
    let english = Language::new("en", HashMap::new());
    // A test reads each; one that cannot be read says everything in English.
    let others = CATALOGUES
        .iter()
        .map(|(tag, text)| Language::new(tag, toml::from_str(text).unwrap_or_default()));
    std::iter::once(english).chain(others).collect()
});

impl Language {
    fn new(tag: &'static str, texts: HashMap<String, String>) -> Self {
        let patterns = texts.iter().filter_map(|(english, other)| Pattern::new(english, other));
        let mut patterns: Vec<_> = patterns.collect();
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.weight()));
        Self { tag, texts, patterns }
    }

    /// The one that a reader likes best of those there are (RFC 9110 section 12.5.4); English
    /// where there is none.
    pub(super) fn choose(headers: &HeaderMap) -> &'static Self {
        let field = headers.get(ACCEPT_LANGUAGE).and_then(|field| field.to_str().ok());
        let ranges = field.unwrap_or_default().split(',').take(MOST);
        let mut liked: Vec<_> = ranges.filter_map(weighed).collect();
        // Stable: of equals the first.
        liked.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let known = liked.iter().find_map(|(range, _)| Self::named(range));
        known.unwrap_or_else(Self::english)
    }

    pub(super) fn english() -> &'static Self {
        static BARE: LazyLock<Language> = LazyLock::new(|| Language::new("en", HashMap::new()));
        ALL.first().unwrap_or(&BARE)
    }

    /// The language of a range such as `de-AT` (RFC 4647 section 3.4).
    pub(super) fn named(range: &str) -> Option<&'static Self> {
        let primary = range.split('-').next().unwrap_or(range);
        ALL.iter().find(|language| language.tag.eq_ignore_ascii_case(primary))
    }

    pub(super) fn all() -> impl Iterator<Item = &'static Self> {
        ALL.iter()
    }

    /// Each text that there is, in English: the catalogues have the same.
    pub(super) fn texts() -> impl Iterator<Item = &'static str> {
        let catalogue = ALL.iter().find(|language| !language.texts.is_empty());
        catalogue.into_iter().flat_map(|language| language.texts.keys()).map(String::as_str)
    }

    /// The same language, but for those texts.
    pub(super) fn but(&self, own: &HashMap<String, String>) -> Self {
        let own = own.iter().map(|(english, text)| (english.clone(), text.clone()));
        Self::new(self.tag, self.texts.clone().into_iter().chain(own).collect())
    }

    /// A text in this language; as it is where the catalogue does not have it.
    pub(super) fn say<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.known(text).map_or_else(|| text.into(), Cow::Owned)
    }

    fn known(&self, text: &str) -> Option<String> {
        let exact = self.texts.get(text).cloned();
        exact.or_else(|| self.patterns.iter().find_map(|pattern| pattern.say(text)))
    }

    /// What may be several messages, one after the other or one the reason of the other: each that
    /// the catalogue has is said in this language. What a system or a library said stays.
    pub(super) fn say_all(&self, text: &str) -> String {
        // What is of more parts was typed by somebody, and each of them costs a look at all.
        if self.texts.is_empty() || ends(text).len() > MOST_PARTS {
            return self.say(text).into_owned();
        }
        let (mut said, mut rest) = (String::new(), text);
        while !rest.is_empty() {
            let ends = ends(rest);
            let known = ends
                .iter()
                .find_map(|(end, next)| Some((self.known(rest.split_at(*end).0)?, *end, *next)));
            let (message, end, next) = known.unwrap_or_else(|| {
                let (end, next) = ends.last().copied().unwrap_or_default();
                (rest.split_at(end).0.to_owned(), end, next)
            });
            said.push_str(&message);
            let (before, after) = rest.split_at(next);
            said.push_str(before.split_at(end).1);
            rest = after;
        }
        said
    }
}

/// A range and its weight in thousandths; `None` for what is not wanted.
fn weighed(range: &str) -> Option<(&str, u16)> {
    let (range, weight) = range.split_once(';').unwrap_or((range, "q=1"));
    let weight: f32 = weight.trim().strip_prefix("q=")?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 1")]
    let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u16;
    (weight > 0).then_some((range.trim(), weight))
}

/// Where one of several messages ends, and where the next begins; the longest first.
fn ends(text: &str) -> Vec<(usize, usize)> {
    let mut ends = vec![(text.len(), text.len())];
    for (between, kept) in [(": ", 0), ("; ", 0), (". ", 1), (" (", 0)] {
        let next = if between == " (" { 1 } else { 2 };
        ends.extend(text.match_indices(between).map(|(at, _)| (at + kept, at + next)));
    }
    ends.sort_unstable_by_key(|(end, _)| std::cmp::Reverse(*end));
    ends
}

#[cfg(test)]
mod tests;
