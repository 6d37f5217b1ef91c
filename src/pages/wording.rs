//! What an operator has pages say in other words than ours.

use std::collections::HashMap;

use super::language::Language;

/// Texts in the place of built-in ones: by the language, and by what they are in English.
#[derive(Clone, Debug, Default)]
pub struct Wording(Vec<(&'static str, HashMap<String, String>)>);

/// Why a text takes the place of none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WordingFault {
    /// Pages have no such text.
    Unknown,
    /// It says nothing.
    Empty,
    /// It has other blanks (`{n}`, `{t}`) than the one that it stands for.
    Blanks,
}

impl Wording {
    /// Each text of the pages, in English.
    pub fn texts() -> impl Iterator<Item = &'static str> {
        Language::texts()
    }

    /// Has pages in the language of that tag say `text` where they would say `english`, or its
    /// translation.
    ///
    /// # Errors
    ///
    /// [`WordingFault`]; pages say what they said.
    pub fn add(&mut self, tag: &str, english: &str, text: &str) -> Result<(), WordingFault> {
        let language = Language::named(tag).ok_or(WordingFault::Unknown)?;
        if !Self::texts().any(|known| known == english) {
            return Err(WordingFault::Unknown);
        }
        if text.trim().is_empty() {
            return Err(WordingFault::Empty);
        }
        let blanks = |text: &str| ["{n}", "{t}"].map(|blank| text.matches(blank).count());
        if blanks(english) != blanks(text) {
            return Err(WordingFault::Blanks);
        }
        let known = self.0.iter().position(|(known, _)| *known == language.tag);
        let place = known.unwrap_or_else(|| {
            self.0.push((language.tag, HashMap::new()));
            self.0.len() - 1
        });
        if let Some((_, texts)) = self.0.get_mut(place) {
            texts.insert(english.to_owned(), text.to_owned());
        }
        Ok(())
    }

    /// The languages that say something else than they do by themselves.
    pub(super) fn languages(&self) -> Vec<Language> {
        let named = self.0.iter().filter_map(|(tag, own)| Some((Language::named(tag)?, own)));
        named.map(|(language, own)| language.but(own)).collect()
    }
}
