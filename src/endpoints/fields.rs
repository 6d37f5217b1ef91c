//! What a field may be, and what is said of one that may not be that: the rules of DRF's
//! `CharField` and `EmailField`.

use super::Row;
use super::error::{EndpointError, Faults};
use super::parse::{Sent, Value};
use crate::identity::is_role_name;
use crate::session::{
    EMAIL_LENGTH, KEY_NAME_LENGTH, USERNAME_LENGTH, check_email, check_key_name, check_username,
    trim,
};

pub(super) const REQUIRED: &str = "This field is required.";
const NULL: &str = "This field may not be null.";
pub(super) const BLANK: &str = "This field may not be blank.";
const NO_TEXT: &str = "Not a valid string.";
const NO_ADDRESS: &str = "Enter a valid email address.";
const NO_NUMBER: &str = "A valid integer is required.";
const TOO_LITTLE: &str = "Ensure this value is greater than or equal to 1.";
const NO_ROLE: &str = "Only names of roles are allowed.";
const NUL: &str = "Null characters are not allowed.";

/// One field of an endpoint.
#[derive(Clone, Copy)]
pub(super) struct Field {
    /// As it is sent.
    pub(super) name: &'static str,
    /// As `OPTIONS` tells it.
    pub(super) label: &'static str,
    /// What it may be.
    pub(super) rule: Rule,
    /// Whether it must be there, and not blank.
    pub(super) required: bool,
}

/// What a field may be.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Rule {
    /// Any text, trimmed.
    Text,
    /// Any text, as it was typed.
    Untrimmed,
    /// The name of an account to be made.
    Username,
    /// The password of an account to be made.
    NewPassword,
    /// An address.
    Email,
    /// The name of an API key to be made.
    KeyName,
    /// Names of roles: a list, or a text of them with spaces between. One text with spaces it is
    /// when it has been read.
    Roles,
    /// A whole number, not zero.
    Seconds,
    /// Nothing: it is in the answer only.
    Answered,
}

/// The fields of a call, each checked on its own.
pub(super) struct Form(Vec<Checked>);

struct Checked {
    name: &'static str,
    value: Result<Option<String>, Vec<String>>,
}

/// The fields of a call, all of them in order.
pub(super) struct Values(Vec<(&'static str, String)>);

impl Field {
    /// A required field.
    pub(super) const fn new(name: &'static str, label: &'static str, rule: Rule) -> Self {
        Self { name, label, rule, required: !matches!(rule, Rule::Answered) }
    }

    /// The same, not required.
    pub(super) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    fn check(
        &self,
        sent: Option<Value>,
        longest_password: usize,
    ) -> Result<Option<String>, Vec<String>> {
        let one = |text: &str| Err(vec![text.to_owned()]);
        let text = match sent {
            Some(Value::Text(text)) => text,
            Some(Value::Null) => return one(NULL),
            Some(Value::List(items)) if self.rule == Rule::Roles => return roles(&items),
            Some(Value::Other | Value::List(_)) => {
                return one(match self.rule {
                    Rule::Email => NO_ADDRESS,
                    Rule::Seconds => NO_NUMBER,
                    Rule::Roles => NO_ROLE,
                    Rule::Text
                    | Rule::Untrimmed
                    | Rule::Username
                    | Rule::NewPassword
                    | Rule::KeyName
                    | Rule::Answered => NO_TEXT,
                });
            }
            None if self.required => return one(REQUIRED),
            None => return Ok(None),
        };
        let text = if self.rule == Rule::Untrimmed { &text } else { trim(&text) };
        match (text.is_empty(), self.required) {
            (true, true) => one(BLANK),
            (true, false) => Ok(Some(String::new())),
            (false, _) => self.judge(text, longest_password).map(Some),
        }
    }

    fn judge(&self, text: &str, longest_password: usize) -> Result<String, Vec<String>> {
        match self.rule {
            Rule::Username => check_username(text).map_err(texts),
            Rule::Email => check_email(text).map_err(texts),
            Rule::Text | Rule::Untrimmed | Rule::Answered => plain(text, usize::MAX),
            Rule::NewPassword => plain(text, longest_password),
            Rule::KeyName => check_key_name(text).map_err(|fault| vec![fault.to_string()]),
            Rule::Roles => roles(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .map(Option::unwrap_or_default),
            Rule::Seconds => seconds(text),
        }
    }
}

impl Rule {
    /// Most characters of such a field, if there is a bound.
    pub(super) const fn longest(self, longest_password: usize) -> Option<usize> {
        match self {
            Self::Text | Self::Untrimmed | Self::Roles | Self::Seconds | Self::Answered => None,
            Self::KeyName => Some(KEY_NAME_LENGTH),
            Self::Username => Some(USERNAME_LENGTH),
            Self::NewPassword => Some(longest_password),
            Self::Email => Some(EMAIL_LENGTH),
        }
    }
}

impl Form {
    /// Checks every field of the endpoint.
    pub(super) fn read(row: &Row, mut sent: Sent, longest_password: usize) -> Self {
        let read = row.fields.iter().filter(|field| field.rule != Rule::Answered);
        Self(
            read.map(|field| Checked {
                name: field.name,
                value: field.check(sent.take(field.name), longest_password),
            })
            .collect(),
        )
    }

    /// A field that was sent and has nothing wrong with it.
    pub(super) fn good(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|field| field.name == name)?;
        field.value.as_ref().ok()?.as_deref()
    }

    /// Finds something wrong with a field.
    pub(super) fn refuse<T: ToString>(&mut self, name: &str, faults: Vec<T>) {
        if faults.is_empty() {
            return;
        }
        if let Some(field) = self.0.iter_mut().find(|field| field.name == name) {
            field.value = Err(texts(faults));
        }
    }

    /// Requires a field that the table calls optional. It is told as the original tells such.
    pub(super) fn demand(&mut self, name: &str) {
        let Some(field) = self.0.iter_mut().find(|field| field.name == name) else { return };
        match &field.value {
            Ok(None) => field.value = Err(vec![REQUIRED.to_owned()]),
            Ok(Some(text)) if text.is_empty() => field.value = Err(vec![BLANK.to_owned()]),
            Ok(Some(_)) | Err(_) => {}
        }
    }

    /// All values, or all faults.
    pub(super) fn finish(self) -> Result<Values, EndpointError> {
        let (mut values, mut faults) = (Vec::new(), Faults::new());
        for Checked { name, value } in self.0 {
            match value {
                Ok(value) => values.extend(value.map(|value| (name, value))),
                Err(texts) => faults.push((name, texts)),
            }
        }
        if faults.is_empty() { Ok(Values(values)) } else { Err(EndpointError::Fields(faults)) }
    }
}

impl Values {
    /// Takes a value out; empty if an optional field was not sent.
    pub(super) fn take(&mut self, name: &str) -> String {
        let found = self.0.iter_mut().find(|(found, _)| *found == name);
        found.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }
}

/// Names of roles as one text: none has a space in it.
fn roles(items: &[String]) -> Result<Option<String>, Vec<String>> {
    let items: Vec<_> = items.iter().map(|item| trim(item)).collect();
    if items.iter().all(|item| is_role_name(item)) {
        return Ok(Some(items.join(" ")));
    }
    Err(vec![NO_ROLE.to_owned()])
}

fn seconds(text: &str) -> Result<String, Vec<String>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(vec![NO_NUMBER.to_owned()]);
    }
    if digits != text || digits.bytes().all(|byte| byte == b'0') {
        return Err(vec![TOO_LITTLE.to_owned()]);
    }
    // More than any clock counts is as much as it counts.
    Ok(text.parse().unwrap_or(u64::MAX).to_string())
}

fn plain(text: &str, longest: usize) -> Result<String, Vec<String>> {
    let mut faults = Vec::new();
    if text.chars().count() > longest {
        faults.push(format!("Ensure this field has no more than {longest} characters."));
    }
    if text.contains('\0') {
        faults.push(NUL.to_owned());
    }
    if faults.is_empty() { Ok(text.to_owned()) } else { Err(faults) }
}

#[expect(clippy::needless_pass_by_value, reason = "called as map_err(texts)")]
fn texts<T: ToString>(faults: Vec<T>) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
