//! The languages of pages. Texts are written in English where they are used; a catalogue has them
//! in another language.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use http::header::{ACCEPT_LANGUAGE, HeaderMap};

/// Most languages of a request that are looked at.
const MOST: usize = 16;

/// A language, with its catalogue.
#[derive(Debug)]
pub(super) struct Language {
    /// As BCP 47 has it.
    pub(super) tag: &'static str,
    /// By the English text. A number in a text stands there as `{n}`.
    texts: HashMap<String, String>,
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
    let english = Language { tag: "en", texts: HashMap::new() };
    let others = CATALOGUES.iter().map(|(tag, text)| Language {
        tag,
        // A test reads each; one that cannot be read says everything in English.
        texts: toml::from_str(text).unwrap_or_default(),
    });
    std::iter::once(english).chain(others).collect()
});

impl Language {
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
        static BARE: LazyLock<Language> =
            LazyLock::new(|| Language { tag: "en", texts: HashMap::new() });
        ALL.first().unwrap_or(&BARE)
    }

    /// The language of a range such as `de-AT` (RFC 4647 section 3.4).
    pub(super) fn named(range: &str) -> Option<&'static Self> {
        let primary = range.split('-').next().unwrap_or(range);
        ALL.iter().find(|language| language.tag.eq_ignore_ascii_case(primary))
    }

    /// A text in this language; as it is where the catalogue does not have it.
    pub(super) fn say<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if let Some(said) = self.texts.get(text) {
            return said.clone().into();
        }
        let (form, numbers) = without_numbers(text);
        let Some(said) = self.texts.get(&form).filter(|_| !numbers.is_empty()) else {
            return text.into();
        };
        numbers.iter().fold(said.clone(), |said, number| said.replacen("{n}", number, 1)).into()
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

/// The text with `{n}` for each number, and the numbers.
fn without_numbers(text: &str) -> (String, Vec<&str>) {
    let (mut form, mut numbers, mut rest) = (String::with_capacity(text.len()), Vec::new(), text);
    while let Some(start) = rest.find(|sign: char| sign.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(from.len());
        let (number, after) = from.split_at(end);
        form.push_str(before);
        form.push_str("{n}");
        numbers.push(number);
        rest = after;
    }
    form.push_str(rest);
    (form, numbers)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::HeaderValue;

    use super::*;

    fn chosen(field: &'static str) -> &'static str {
        let headers = [(ACCEPT_LANGUAGE, HeaderValue::from_static(field))].into_iter().collect();
        Language::choose(&headers).tag
    }

    #[test]
    fn the_reader_chooses() {
        for (field, tag) in [
            ("de", "de"),
            ("de-AT,en;q=0.5", "de"),
            ("en;q=0.5, FR-ca;q=0.8", "fr"),
            ("pl, de;q=0", "en"),
            ("pl;q=1, *;q=0.1", "en"),
            ("de;q=x", "en"),
            ("", "en"),
        ] {
            assert_eq!(chosen(field), tag, "{field}");
        }
        assert_eq!(Language::choose(&HeaderMap::new()).tag, "en");
    }

    #[test]
    fn numbers_come_through() {
        let texts = [("at most {n} of {n}".to_owned(), "höchstens {n} von {n}".to_owned())].into();
        let language = Language { tag: "xx", texts };
        assert_eq!(language.say("at most 12 of 345"), "höchstens 12 von 345");
        assert_eq!(language.say("at least 12"), "at least 12");
    }

    /// Every text that pages say, as they are written: in templates, and in calls beside them.
    fn said() -> BTreeSet<String> {
        let mut said = BTreeSet::new();
        for (_, template) in super::super::look::BUILT_IN {
            let parts: Vec<_> = template.split("\"|t").collect();
            let quoted = parts.iter().rev().skip(1).filter_map(|part| part.rsplit('"').next());
            said.extend(quoted.map(str::to_owned));
        }
        said.extend(super::super::table::texts().map(str::to_owned));
        said
    }

    #[test]
    fn every_catalogue_has_every_text_of_the_pages() {
        let said = said();
        assert!(said.len() > 20, "{said:?}");
        for (tag, text) in CATALOGUES {
            let texts: HashMap<String, String> = toml::from_str(text).unwrap();
            let missing: Vec<_> = said.iter().filter(|text| !texts.contains_key(*text)).collect();
            assert!(missing.is_empty(), "{tag}: {missing:#?}");
            for (english, other) in &texts {
                let numbers = |text: &str| text.matches("{n}").count();
                assert_eq!(numbers(english), numbers(other), "{tag}: {english}");
                assert!(!other.trim().is_empty(), "{tag}: {english}");
            }
        }
    }

    #[test]
    fn the_catalogues_are_of_the_same_texts() {
        let keys: Vec<BTreeSet<String>> = CATALOGUES
            .iter()
            .map(|(_, text)| toml::from_str::<HashMap<String, String>>(text).unwrap())
            .map(|texts| texts.into_keys().collect())
            .collect();
        for pair in keys.windows(2) {
            let differ: Vec<_> = pair[0].symmetric_difference(&pair[1]).collect();
            assert!(differ.is_empty(), "{differ:#?}");
        }
    }
}
