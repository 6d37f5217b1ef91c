//! What is recorded.

use std::borrow::Cow;

use super::Kind;
use crate::identity::UserId;
use crate::store::User;

/// Most characters of a text that somebody else wrote.
const LONGEST: usize = 200;

/// Something that happened, to whom, and what is to be known about it.
///
/// Never put a secret in it, nor what somebody typed where a name belongs and that is none: it
/// may be a password. Texts are cut to 200 characters.
#[derive(Clone, Debug)]
pub struct Event {
    pub(super) kind: Kind,
    pub(super) id: Option<UserId>,
    pub(super) name: Option<String>,
    pub(super) facts: Vec<(&'static str, String)>,
}

impl Event {
    /// Something that happened.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, id: None, name: None, facts: Vec::new() }
    }

    /// It happened to that user.
    #[must_use]
    pub fn to_user(self, user: &User) -> Self {
        Self { id: Some(user.id), ..self }.to_name(&user.username)
    }

    /// It happened to the user of that id.
    #[must_use]
    pub fn to_id(self, id: UserId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// It happened to whatever is called so.
    #[must_use]
    pub fn to_name(self, name: &str) -> Self {
        Self { name: Some(cut(name).into_owned()), ..self }
    }

    /// One thing more to be known about it.
    #[must_use]
    pub fn with(mut self, fact: &'static str, value: impl AsRef<str>) -> Self {
        self.facts.push((fact, cut(value.as_ref()).into_owned()));
        self
    }
}

/// The beginning of a text of any length.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
    }
}
