//! Values written down: the text that a policy file would have, one line a value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::item::{Entries, Item};
use super::source::Source;
use crate::secret::Secret;
use crate::session::hex;

/// The text of a policy, and what does not stand in it.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) toml: String,
    /// The key of each line.
    keys: Vec<String>,
    /// Secrets by the names that stand for them, as if they were variables of the environment.
    pub(super) secrets: BTreeMap<String, Secret>,
}

impl Text {
    pub(super) fn of(entries: &Entries) -> Self {
        let mut text = Self::default();
        text.table("", entries);
        text
    }

    /// The key whose value is on that line, from 1; none before all of them.
    pub(super) fn key(&self, line: usize) -> Option<&str> {
        self.keys.get(line.checked_sub(1)?).map(String::as_str)
    }

    fn table(&mut self, path: &str, Entries(entries): &Entries) {
        for (key, item) in entries {
            let key = if is_bare(key) { key.clone() } else { quoted(key) };
            let path = if path.is_empty() { key } else { format!("{path}.{key}") };
            match item {
                Item::Table(entries) if !entries.0.is_empty() => self.table(&path, entries),
                Item::List(items) if !items.is_empty() => {
                    self.line(&path, &format!("{path} = ["));
                    for (number, item) in items.iter().enumerate() {
                        let path = format!("{path}[{number}]");
                        let item = self.inline(&path, item);
                        self.line(&path, &format!("  {item},"));
                    }
                    self.line(&path, "]");
                }
                Item::Text(_)
                | Item::Plain(_)
                | Item::Secret(_)
                | Item::List(_)
                | Item::Table(_) => {
                    let item = self.inline(&path, item);
                    self.line(&path, &format!("{path} = {item}"));
                }
            }
        }
    }

    fn inline(&mut self, path: &str, item: &Item) -> String {
        match item {
            Item::Text(text) => quoted(text),
            Item::Plain(text) => text.clone(),
            Item::Secret(source) => self.source(path, source),
            Item::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.inline(path, item)).collect();
                format!("[{}]", items.join(", "))
            }
            Item::Table(Entries(entries)) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|(key, item)| {
                        let item = self.inline(&format!("{path}.{key}"), item);
                        format!("{} = {item}", quoted(key))
                    })
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }

    fn source(&mut self, path: &str, source: &Source) -> String {
        let (from, name) = match source {
            Source::Given(secret) => {
                let name = stand_in(path, secret);
                self.secrets.insert(name.clone(), secret.clone());
                ("env", Cow::Owned(name))
            }
            Source::File(name) => ("file", name.as_str().into()),
            Source::Env(name) => ("env", name.as_str().into()),
            Source::Url(url) => ("url", url.as_str().into()),
        };
        format!("{{ {from} = {} }}", quoted(&name))
    }

    fn line(&mut self, key: &str, text: &str) {
        self.toml.push_str(text);
        self.toml.push('\n');
        self.keys.push(key.to_owned());
    }
}

/// The name of a variable that a secret may come from, which changes with it: a reload compares
/// texts, and another secret is another policy.
fn stand_in(path: &str, secret: &Secret) -> String {
    let sign =
        |sign: char| if sign.is_ascii_alphanumeric() { sign.to_ascii_uppercase() } else { '_' };
    let path: String = path.chars().map(sign).collect();
    let digest = hex(digest(&SHA256, secret.expose()).as_ref());
    format!("PORTCULLIS_{path}_{}", digest.get(..16).unwrap_or_default().to_ascii_uppercase())
}

/// Whether a key is one without quotes (TOML 1.0, "Keys").
fn is_bare(key: &str) -> bool {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !key.is_empty() && key.bytes().all(bare)
}

/// On one line, whatever is in it (TOML 1.0, "String").
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for sign in text.chars() {
        match sign {
            '"' | '\\' => quoted.extend(['\\', sign]),
            _ if sign.is_control() => {
                quoted.extend(format!("\\u{:04X}", u32::from(sign)).chars());
            }
            _ => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}
