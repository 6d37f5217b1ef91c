//! From TOML to typed fields, without stopping at the first thing that is wrong.
//!
//! serde's derive would do this in less text, but it ends at the first error; an operator wants
//! all of them. It also quotes the offending value, which here may be a secret.

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::Problems;
use super::nearest::hint;
use super::schema::{Defs, named};

/// A value as the parser gives it.
pub(super) type Value<'i> = Spanned<DeValue<'i>>;

/// What can be read from the value of a key.
pub(super) trait Read: Sized {
    /// Reads the value of `key`; `None` after a problem was noted.
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self>;

    /// What may stand `at` that key, in the words of JSON Schema.
    fn schema(at: &str, defs: &mut Defs) -> Json;
}

/// What is one plain value.
pub(super) trait Scalar: Sized {
    /// Ends the sentence "`key` must be".
    const FORM: &'static str;

    /// The value, if it has that form.
    fn scalar(value: DeValue<'_>) -> Option<Self>;

    /// That form in the words of JSON Schema: never narrower, and wider only where it cannot say
    /// how large a number may become.
    fn form() -> Json;
}

impl<T: Scalar> Read for T {
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
        let at = value.span();
        let read = T::scalar(value.into_inner());
        if read.is_none() {
            problems.error(at, format!("`{key}` must be {}", T::FORM));
        }
        read
    }

    fn schema(_: &str, _: &mut Defs) -> Json {
        T::form()
    }
}

/// A value that keeps its place.
impl<T: Read> Read for Spanned<T> {
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
        let at = value.span();
        T::read(key, value, problems).map(|read| Self::new(at, read))
    }

    fn schema(at: &str, defs: &mut Defs) -> Json {
        T::schema(at, defs)
    }
}

/// One value, or a list of them.
#[derive(Debug)]
pub(super) struct Many<T> {
    /// Those that could be read.
    pub(super) entries: Vec<Spanned<T>>,
    /// Whether that is all of them.
    pub(super) complete: bool,
}

impl<T> Many<T> {
    /// Whether the list was written without anything in it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.complete
    }
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), complete: true }
    }
}

impl<T: Read> Read for Many<T> {
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
        let at = value.span();
        let values = match value.into_inner() {
            DeValue::Array(values) => values.into_iter().collect(),
            one @ (DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Table(_)) => vec![Spanned::new(at, one)],
        };
        let written = values.len();
        // A problem in one entry does not hide those of the next.
        let read = values.into_iter().filter_map(|value| Read::read(key, value, problems));
        let entries: Vec<_> = read.collect();
        Some(Self { complete: entries.len() == written, entries })
    }

    fn schema(at: &str, defs: &mut Defs) -> Json {
        let one = T::schema(&format!("{at}[]"), defs);
        json!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// A table whose keys the operator chooses, in the order of the file.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) Vec<(Spanned<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Read> Read for Named<T> {
    fn read(key: &str, value: Value<'_>, problems: &mut Problems) -> Option<Self> {
        let mut entries: Vec<_> = table(key, value, problems)?.into_iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let read = entries.into_iter().filter_map(|(name, value)| {
            let name = Spanned::new(name.span(), name.into_inner().into_owned());
            let value = T::read(name.get_ref(), value, problems)?;
            Some((name, value))
        });
        Some(Self(read.collect()))
    }

    fn schema(at: &str, defs: &mut Defs) -> Json {
        let each = T::schema(&named(at), defs);
        json!({ "type": "object", "additionalProperties": each })
    }
}

fn table<'i>(key: &str, value: Value<'i>, problems: &mut Problems) -> Option<DeTable<'i>> {
    let at = value.span();
    if let DeValue::Table(table) = value.into_inner() {
        return Some(table);
    }
    problems.error(at, format!("`{key}` must be a table, as config.example.toml shows"));
    None
}

/// A table with known keys, while it is taken apart.
pub(super) struct Fields<'i> {
    table: DeTable<'i>,
    /// Whether a key was unknown, or a value had another form: what seems to be missing may be
    /// just that, and is not worth a second message.
    pub(super) flawed: bool,
}

impl<'i> Fields<'i> {
    /// Opens a table and notes every key in it that is not `known`.
    pub(super) fn open(
        key: &str,
        value: Value<'i>,
        known: &[&str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let table = table(key, value, problems)?;
        let mut flawed = false;
        for typed in table.keys().filter(|typed| !known.contains(&typed.get_ref().as_ref())) {
            let name = typed.get_ref();
            let hint = hint(name, known.iter().copied()).unwrap_or_else(|| "remove it".to_owned());
            problems.error(typed.span(), format!("unknown key `{name}`; {hint}"));
            flawed = true;
        }
        Some(Self { table, flawed })
    }

    /// The value of a key, if it was written and is of its form.
    pub(super) fn take<T: Read>(&mut self, key: &str, problems: &mut Problems) -> Option<T> {
        let (_, value) = self.table.remove_entry(key)?;
        let read = T::read(key, value, problems);
        self.flawed |= read.is_none();
        read
    }
}
