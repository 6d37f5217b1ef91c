//! A JSON Schema of the policy file, for editors: made of the same forms that read it.
//!
//! What a key means and what it is when it is left out stand in one place, the table of keys in
//! the manual, and are taken from there.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};

use super::raw::File;
use super::read::Read;

/// The page with the table of keys.
const MANUAL: &str = include_str!("../../docs/configuration.md");

/// Keys that the table tells of in the row of another.
const OTHERS: [(&str, &str); 12] = [
    ("store", "where users and sessions are"),
    ("listen[].addr", "an address and port, or \"unix:/path\""),
    ("listen[].tls", "true: TLS, with the certificates of [tls]"),
    ("listen[].client_auth", "in place of that of [tls]"),
    ("listen[].redirect", "true: 308 to https://, for hosts of ours and no others"),
    (
        "listen[].proxy_protocol",
        "true: connections begin with a PROXY header; only peers in `trust` may connect",
    ),
    ("tls.hsts.max_age", "how long browsers come back by https:// alone"),
    ("tls.hsts.include_subdomains", "true: to hosts below this one as well"),
    ("tls.hsts.preload", "true: the host may be put on the lists that browsers come with"),
    ("auth.keys", "API keys that users make for their programs; an empty table switches them on"),
    ("mail", "letters; without this table none are sent"),
    ("otlp", "traces; without this table there are none"),
];

/// Keys whose value is one of a few words.
pub(super) const WORDS: [(&str, &[&str]); 11] = [
    ("listen[].client_auth", &["off", "optional", "required"]),
    ("tls.client_auth", &["off", "optional", "required"]),
    ("tls.min", &["1.2", "1.3"]),
    ("trust_headers", &["x-forwarded", "forwarded"]),
    ("routes.KEY.credential", &["strip", "forward"]),
    ("routes.KEY.underscores", &["drop", "forward"]),
    ("auth.register", &["open", "invite", "closed"]),
    ("auth.lookalikes", &["allow", "refuse"]),
    ("auth.login_failure", &["original", "simplejwt"]),
    ("auth.signing.algorithm", &["ES256", "EdDSA", "RS256", "HS256", "HS384", "HS512"]),
    ("log.format", &["text", "json"]),
];

/// The tables that were met, by their names.
pub(super) type Defs = Map<String, Json>;

/// A JSON Schema (draft 2020-12) of the policy file: every key, its form, its default and what it
/// is for. It knows nothing of what keys say about one another; `portcullis check` does.
///
/// ```
/// let schema = portcullis::config::schema();
/// assert_eq!(schema["properties"]["public"]["type"], "string");
/// assert_eq!(schema["additionalProperties"], false);
/// ```
pub fn schema() -> Json {
    let mut defs = Defs::new();
    File::schema("", &mut defs);
    let file = defs.remove("File").unwrap_or_default();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "portcullis.toml",
        "description": "The policy file of portcullis.",
    });
    if let (Some(schema), Json::Object(file)) = (schema.as_object_mut(), file) {
        schema.extend(file);
        schema.insert("$defs".to_owned(), defs.into());
    }
    schema
}

/// Where the entries of a table are whose keys the operator chooses.
pub(super) fn named(at: &str) -> String {
    let name = match at {
        "upstreams" => "NAME",
        "routes" => "KEY",
        "identity" => "HEADER",
        "import.groups" => "GROUP",
        _ => "*",
    };
    format!("{at}.{name}")
}

/// The keys of a table, while they are put together.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    at: &'a str,
    properties: Map<String, Json>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(at: &'a str) -> Self {
        Self { at, properties: Map::new() }
    }

    /// Adds a key, with what the manual says of it.
    pub(super) fn add(
        &mut self,
        key: &str,
        form: impl FnOnce(&str, &mut Defs) -> Json,
        defs: &mut Defs,
    ) {
        let at = if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) };
        let mut form = form(&at, defs);
        if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == at) {
            form = json!({ "enum": words });
        }
        if let Some(form) = form.as_object_mut() {
            describe(&at, form);
        }
        self.properties.insert(key.to_owned(), form);
    }

    /// Puts the table beside the others, and gives what refers to it.
    pub(super) fn define(self, name: &str, defs: &mut Defs) -> Json {
        let table = json!({
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
        });
        defs.insert(name.to_owned(), table);
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

fn describe(at: &str, form: &mut Map<String, Json>) {
    // A table whose keys the operator chooses has one row for all of them.
    let row = ROWS.get(at).or_else(|| ROWS.get(&named(at)));
    let other = || OTHERS.iter().find(|(key, _)| *key == at).map(|(_, text)| (*text).to_owned());
    if let Some(meaning) = row.map(|row| row.meaning.clone()).or_else(other) {
        form.insert("description".to_owned(), meaning.into());
    }
    if let Some(default) = row.and_then(|row| row.default.clone()) {
        form.insert("default".to_owned(), default);
    }
}

/// What the manual says of a key.
#[derive(Debug)]
struct Row {
    meaning: String,
    /// `None` where there is none, or where it is told in words.
    default: Option<Json>,
}

static ROWS: LazyLock<HashMap<String, Row>> = LazyLock::new(|| {
    let rows = MANUAL.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(row).collect()
});

fn row(line: &str) -> Option<(String, Row)> {
    let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
    let key = cells.next()?.trim_matches('`').to_owned();
    let default = cells.next()?.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
    let meaning = without_links(&cells.collect::<Vec<_>>().join(" | "));
    Some((key, Row { meaning, default: default.and_then(value) }))
}

/// A default as the table has it, if it is a value of TOML.
fn value(text: &str) -> Option<Json> {
    let parsed: toml::Table = format!("it = {text}").parse().ok()?;
    serde_json::to_value(parsed.get("it")?).ok()
}

/// A text with the words of its links alone.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (lead, words) = before.rsplit_once('[').unwrap_or(("", before));
        plain.extend([lead, words]);
        rest = after.split_once(')').map_or(after, |(_target, rest)| rest);
    }
    plain + rest
}
