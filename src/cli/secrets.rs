//! Where a policy file has its secrets.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Keys whose value is a secret where it stands in the file itself; `*` is any key.
const INLINE: [&[&str]; 10] = [
    &["admin", "token"],
    &["admin", "feed_token"],
    &["auth", "signing", "secret"],
    &["auth", "signing", "key"],
    &["auth", "signing", "shared"],
    &["auth", "signing", "previous"],
    &["mail", "password"],
    &["otlp", "headers", "*"],
    &["store", "postgres", "direct"],
    &["store", "postgres", "url"],
];

/// The secrets of a policy file.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// The files that they are in.
    pub(super) files: Vec<PathBuf>,
    /// Whether one stands in the policy itself.
    pub(super) inline: bool,
}

/// Those of a file that has been checked; none where it cannot be read any more.
pub(super) fn secrets(path: &Path) -> Secrets {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let file: Table = text.parse().unwrap_or_default();
    let mut names = Vec::new();
    collect(&file, false, &mut names);
    names.sort_unstable();
    names.dedup();
    let base = path.parent().unwrap_or_else(|| Path::new(""));
    let files = names.into_iter().map(|name| base.join(name)).collect();
    Secrets { files, inline: INLINE.iter().any(|keys| is_text(&file, keys)) }
}

/// The names of files in `{ file = "..." }`, and of private keys of TLS. Key sets of issuers are
/// public.
fn collect(table: &Table, tls: bool, names: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::String(name) if key == "file" && table.len() == 1 => names.push(name.clone()),
            Value::String(name) if key == "key" && tls => names.push(name.clone()),
            Value::Table(_) if key == "jwks" => {}
            Value::Table(below) => collect(below, key == "tls", names),
            Value::Array(entries) => {
                // Those of `tls.certificates` are of the table that they stand in.
                let below = entries.iter().filter_map(Value::as_table);
                below.for_each(|below| collect(below, tls, names));
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => {}
        }
    }
}

fn is_text(file: &Table, keys: &[&str]) -> bool {
    let Some((last, tables)) = keys.split_last() else { return false };
    let mut table = Some(file);
    for key in tables {
        table = table.and_then(|table| table.get(*key)).and_then(Value::as_table);
    }
    let Some(table) = table else { return false };
    let is_text = |value: &Value| {
        let entries = value.as_array();
        value.is_str() || entries.is_some_and(|entries| entries.iter().any(Value::is_str))
    };
    if *last == "*" { table.values().any(is_text) } else { table.get(*last).is_some_and(is_text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_wherever_a_policy_may_have_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        let text = "auth.signing = { secret = { file = 'hs' }, previous = [{ file = 'old' }] }\n\
                    tls = { cert = 'c', key = 'k', certificates = [{ cert = 'd', key = 'l' }] }\n\
                    upstreams.a = { to = 'https://a', tls = { key = 'm', cert = 'n' } }\n\
                    otlp.headers.authorization = { file = 'otlp' }\n\
                    issuers = [{ jwks = { file = 'public' } }]\n\
                    routes.'/key' = { to = 'a' }\n";
        std::fs::write(&path, text).unwrap();
        let found = secrets(&path);
        let names: Vec<_> =
            found.files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(
            (names.as_slice(), found.inline),
            (&["hs", "k", "l", "m", "old", "otlp"][..], false)
        );
        for keys in INLINE {
            for value in ["'x'", "['x']"] {
                std::fs::write(
                    &path,
                    format!("{} = {value}\n", keys.join(".").replace('*', "any")),
                )
                .unwrap();
                assert!(secrets(&path).inline, "{keys:?} = {value}");
            }
        }
    }

    /// A secret that the policy file has a key for, and the list has not, would not be looked after.
    #[test]
    fn every_key_that_takes_a_secret_is_in_the_list() {
        let raw = include_str!("../config/raw.rs");
        let fields = raw.lines().filter_map(|line| line.trim().split_once(": "));
        let secret = fields.filter(|(_, kind)| kind.trim_end_matches(',').contains("Source"));
        let mut keys: Vec<_> = secret.map(|(key, _)| key).filter(|key| *key != "jwks").collect();
        let mut listed: Vec<_> = INLINE
            .iter()
            .filter_map(|keys| keys.iter().rfind(|key| **key != "*").copied())
            .collect();
        keys.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, keys);
    }
}
