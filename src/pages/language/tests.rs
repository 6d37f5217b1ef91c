use std::collections::BTreeSet;
use std::path::Path;

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

fn language(texts: &[(&str, &str)]) -> Language {
    let owned = |(english, other): &(&str, &str)| ((*english).to_owned(), (*other).to_owned());
    Language::new("xx", texts.iter().map(owned).collect())
}

#[test]
fn what_is_particular_goes_before_what_is_general() {
    let language = language(&[
        ("`{t}` is no host ({t})", "general"),
        ("`{t}` is no host (empty)", "empty"),
        ("`a` is no host (empty)", "exact"),
    ]);
    for (text, said) in [
        ("`b` is no host (x)", "general"),
        ("`b` is no host (empty)", "empty"),
        ("`a` is no host (empty)", "exact"),
        ("`b` is a host", "`b` is a host"),
    ] {
        assert_eq!(language.say(text), said);
    }
}

#[test]
fn of_several_messages_each_that_is_known_is_said() {
    let language = language(&[
        ("email", "Adresse"),
        ("Too short. At least {n}.", "Zu kurz. {n}."),
        ("Too common.", "Zu häufig."),
        ("(`--force` takes it)", "(trotzdem: `--force`)"),
        ("cannot write", "kann nicht schreiben"),
        ("nothing was changed", "nichts geändert"),
    ]);
    for (text, said) in [
        ("email: Too common.", "Adresse: Zu häufig."),
        (
            "Too short. At least 8. Too common. (`--force` takes it)",
            "Zu kurz. 8. Zu häufig. (trotzdem: `--force`)",
        ),
        (
            "cannot write: disk full: No space. (os error 28); nothing was changed",
            "kann nicht schreiben: disk full: No space. (os error 28); nichts geändert",
        ),
        ("unknown", "unknown"),
        ("", ""),
    ] {
        assert_eq!(language.say_all(text), said);
        assert_eq!(Language::english().say_all(text), text);
    }
    // What somebody typed is no message, and takes no time.
    let typed = "email: ; ".repeat(20_000);
    assert_eq!(language.say_all(&typed), typed);
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
            for blank in ["{n}", "{t}"] {
                let count = |text: &str| text.matches(blank).count();
                assert_eq!(count(english), count(other), "{tag}: {english}");
            }
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

/// Where messages are written that pages show and that are not the pages' own: files, and folders
/// with all that is in them.
const WRITTEN: [&str; 19] = [
    "admin/checks.rs",
    "admin/command/session.rs",
    "admin/door",
    "admin/door.rs",
    "admin/refusal.rs",
    "admin/sessions.rs",
    "endpoints/about.rs",
    "endpoints/error.rs",
    "endpoints/factor_error.rs",
    "endpoints/fields.rs",
    "endpoints/keys.rs",
    "endpoints/register.rs",
    "endpoints/table",
    "endpoints/table.rs",
    "gateway/explain",
    "gateway/front/office.rs",
    "pages/site",
    "password/policy.rs",
    "session/names.rs",
];

/// Those of them that no page shows, by how they begin: of commands that the admin site does not
/// give, and of requests that no page sends.
const UNSEEN: [&str; 12] = [
    "Could not satisfy",
    "Method \"{}\"",
    "Unsupported ",
    "`{}` does not have the role",
    "`{}` has {} API keys already",
    "a key lives for",
    "no request `{}`",
    "the key could not",
    "the key's name",
    "the keys are not open",
    "there are no API keys",
    "{}: {}",
];

/// What is written in between, in the sources of what a page shows.
const BEFORE_NO_MESSAGE: [&str; 4] = ["name:", "#[error(", "page!(x,", "reason ="];

#[test]
fn every_catalogue_has_every_message_that_pages_show() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut messages = BTreeSet::new();
    for place in WRITTEN {
        let place = source.join(place);
        let files = if place.is_dir() { files(&place) } else { vec![place] };
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            messages.extend(literals(code));
        }
    }
    // Errors whose own words are shown.
    let faults = std::fs::read_to_string(source.join("session/user_keys.rs")).unwrap();
    let faults = faults.split("#[error(\"").skip(1).filter_map(|text| text.split('"').next());
    messages.extend(faults.map(bare));
    assert!(messages.len() > 150, "{messages:#?}");
    for sure in ["there is no user `{}`", "Makes an account.", "Old password", "no route matches"] {
        assert!(messages.contains(sure), "{sure}");
    }
    for (tag, text) in CATALOGUES {
        let texts: HashMap<String, String> = toml::from_str(text).unwrap();
        let known: BTreeSet<_> = texts.keys().map(|text| bare(text)).collect();
        let is_seen = |text: &&String| !UNSEEN.iter().any(|start| text.starts_with(start));
        let missing: Vec<_> = messages
            .iter()
            .filter(is_seen)
            .filter(|text| !parts(text).iter().any(|text| known.contains(*text)))
            .collect();
        assert!(missing.is_empty(), "{tag}: {missing:#?}");
    }
    let stale: Vec<_> =
        UNSEEN.iter().filter(|start| !messages.iter().any(|it| it.starts_with(**start))).collect();
    assert!(stale.is_empty(), "{stale:?}");
}

/// The text, and the same without what comes before or after it from elsewhere.
fn parts(text: &str) -> [&str; 4] {
    let after = ["{}; ", "{} "].map(|start| text.strip_prefix(start).unwrap_or(text));
    [text, after[0], after[1], text.strip_suffix(": {}").unwrap_or(text)]
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| !path.ends_with("tests.rs") && path.is_file()).collect()
}

/// The same text with every blank and every number empty.
fn bare(text: &str) -> String {
    let mut bare = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, after) = after.split_once('}').unwrap_or(("", ""));
        bare.push_str(before);
        bare.push('0');
        rest = after;
    }
    bare.push_str(rest);
    let mut signs = bare.chars().peekable();
    let mut bare = String::new();
    while let Some(sign) = signs.next() {
        if sign.is_ascii_digit() {
            while signs.next_if(char::is_ascii_digit).is_some() {}
            bare.push_str("{}");
        } else {
            bare.push(sign);
        }
    }
    bare
}

/// What the code says in words: texts with a space between, but for those of the log, and names of
/// rows and templates.
fn literals(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Since the last statement or block began.
    let mut since = String::new();
    let mut rest = code;
    while let Some(sign) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if let Some(after) = rest.strip_prefix("r#\"") {
            // Fields of HTTP.
            rest = after.split_once("\"#").map_or("", |(_, after)| after);
        } else if let Some(after) = rest.strip_prefix('"') {
            let (text, after) = literal(after);
            let before = since.trim_end();
            let is_message = !since.contains("tracing::")
                && !BEFORE_NO_MESSAGE.iter().any(|word| before.ends_with(word));
            if is_message && text.trim().contains(' ') {
                found.push(bare(&text));
            }
            since.push('x');
            rest = after;
        } else {
            // A quote in single quotes begins no text.
            let width = if rest.starts_with("'\"'") { 3 } else { sign.len_utf8() };
            if ";{}".contains(sign) {
                since.clear();
            } else {
                since.push(sign);
            }
            rest = rest.split_at(width).1;
        }
    }
    found
}

/// A text up to its quote, and what is after it.
fn literal(code: &str) -> (String, &str) {
    let mut text = String::new();
    let mut signs = code.char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return (text, code.split_at(at + 1).1),
            '\\' => match signs.next() {
                // The text goes on where the next line begins.
                Some((_, '\n')) => {
                    while signs.next_if(|(_, sign)| sign.is_whitespace()).is_some() {}
                }
                Some((_, sign)) => text.push(sign),
                None => {}
            },
            sign => text.push(sign),
        }
    }
    (text, "")
}
