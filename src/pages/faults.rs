//! What an endpoint found wrong, as a form shows it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Answer;
use super::language::Language;

/// Texts about the whole, and about each field, in the reader's language.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) general: Vec<String>,
    fields: BTreeMap<String, Vec<String>>,
}

impl Faults {
    /// Reads the body of a refusal: `{"detail": ...}`, `{"field": ["..."]}`.
    pub(super) fn of(answer: &Answer, language: &Language) -> Self {
        let mut faults = Self::default();
        let texts = |value: &Value| match value {
            Value::String(text) => vec![language.say(text).into_owned()],
            Value::Array(texts) => {
                let texts = texts.iter().filter_map(Value::as_str);
                texts.map(|text| language.say(text).into_owned()).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        };
        for (name, value) in answer.body.as_object().into_iter().flatten() {
            match name.as_str() {
                "code" => {}
                "detail" | "non_field_errors" => faults.general.extend(texts(value)),
                _ => drop(faults.fields.insert(name.clone(), texts(value))),
            }
        }
        faults
    }

    /// One about the whole, in English.
    pub(super) fn told(text: &str, language: &Language) -> Self {
        Self { general: vec![language.say(text).into_owned()], ..Self::default() }
    }

    /// Those of a field, which are shown beside it and no more.
    pub(super) fn take(&mut self, field: &str) -> Vec<String> {
        self.fields.remove(field).unwrap_or_default()
    }

    /// All that is left, of fields that the form does not show.
    pub(super) fn rest(mut self) -> Vec<String> {
        self.general.extend(self.fields.into_values().flatten());
        self.general
    }
}
