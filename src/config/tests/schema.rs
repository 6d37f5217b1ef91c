//! The schema, judged by a validator that is not ours: it takes what we take and refuses what we
//! refuse for its form.

use std::borrow::Cow;
use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};
use toml::de::DeValue;

use super::*;
use crate::config::forms::{Lasting, Memory, Part, Rate, RouteRate, Size, Span, Throttle};
use crate::config::read::Scalar;
use crate::config::schema::WORDS;

static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::validator_for(&schema()).expect("a schema"));

/// A text as a validator sees it; `None` where it is no TOML.
fn as_json(text: &str) -> Option<Value> {
    let table: toml::Table = text.trim_start_matches('\u{feff}').parse().ok()?;
    serde_json::to_value(table).ok()
}

/// Every text that any test reads goes through here.
#[track_caller]
pub(super) fn agrees(text: &str, read: &Result<Checked, ConfigError>) {
    let Some(file) = as_json(text) else { return };
    let taken = VALIDATOR.is_valid(&file);
    match read {
        Ok(_) => assert!(taken, "{:?}\n{text}", VALIDATOR.iter_errors(&file).collect::<Vec<_>>()),
        Err(ConfigError::Invalid(problems)) => {
            for problem in problems {
                let by_form = is_about_form(&problem.message);
                assert!(!(by_form && taken), "{problem} is not seen by the schema:\n{text}");
            }
        }
        Err(ConfigError::Unreadable { .. }) => {}
    }
}

/// Whether a message says that a key is unknown, or that a value has not the form of its key.
fn is_about_form(message: &str) -> bool {
    let forms = [
        String::FORM,
        bool::FORM,
        usize::FORM,
        NonZeroUsize::FORM,
        Duration::FORM,
        Span::FORM,
        Part::FORM,
        Size::FORM,
        Memory::FORM,
        Rate::FORM,
        Throttle::FORM,
        Lasting::FORM,
        RouteRate::FORM,
    ];
    let words = WORDS.iter().map(|(_, words)| {
        words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" or ")
    });
    let mut said = forms.into_iter().map(str::to_owned).chain(words);
    message.starts_with("unknown key ")
        || message.ends_with("` must be a table, as config.example.toml shows")
        || said.any(|form| message.ends_with(&format!("` must be {form}")))
}

#[test]
fn it_is_a_schema_of_the_draft_that_it_names() {
    let schema = schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::meta::is_valid(&schema));
}

#[test]
fn every_key_of_the_example_is_taken() {
    for text in [EXAMPLE.to_owned(), example_with_everything()] {
        let file = as_json(&text).expect("TOML");
        let errors: Vec<_> = VALIDATOR.iter_errors(&file).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0]);
    }
}

/// The place of every table of a file, as JSON pointers have it (RFC 6901).
fn tables(value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(table) = value.as_object() {
        found.push(at.to_owned());
        for (key, value) in table {
            let key = key.replace('~', "~0").replace('/', "~1");
            tables(value, &format!("{at}/{key}"), found);
        }
    }
    for (number, value) in value.as_array().into_iter().flatten().enumerate() {
        tables(value, &format!("{at}/{number}"), found);
    }
}

#[test]
fn a_key_too_many_is_refused_in_every_table() {
    let file = as_json(&example_with_everything()).expect("TOML");
    let mut places = Vec::new();
    tables(&file, "", &mut places);
    assert!(places.len() > 30, "{places:?}");
    for place in places {
        let mut other = file.clone();
        other.pointer_mut(&place).expect("a table")["nonsense"] = json!(1);
        assert!(!VALIDATOR.is_valid(&other), "in `{place}`");
    }
}

#[test]
fn every_key_says_what_it_is_for() {
    let schema = schema();
    let defs = schema["$defs"].as_object().expect("tables").values();
    let mut said = 0;
    for table in defs.chain([&schema]) {
        for (key, form) in table["properties"].as_object().expect("keys") {
            // What is a table says so by its keys.
            let is_table = form.to_string().contains("$ref");
            assert!(is_table || form["description"].is_string(), "{key}: {form}");
            said += 1;
        }
    }
    assert!(said > 130, "only {said} keys");
    let route = &schema["$defs"]["Route"]["properties"];
    assert_eq!(route["credential"]["default"], "strip");
    assert_eq!(route["websocket"]["default"], false);
    assert_eq!(route["to"]["description"], "the upstream");
    assert_eq!(schema["properties"]["listen"]["default"], json!(["127.0.0.1:8080"]));
    // Links are for pages.
    assert!(!schema.to_string().contains("]("));
}

/// A thousandth of an hour is no whole number of what humantime counts it in, and so is refused; a
/// pattern cannot tell.
fn has_long_fraction(text: &str) -> bool {
    let text: String = text.chars().filter(|it| !it.is_whitespace()).collect();
    let fractions = text.split('.').skip(1);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    fractions.map(digits).any(|count| count > 2)
}

/// Whether we take a text, and whether the schema does.
fn both<T: Scalar>(text: &str) -> (bool, bool) {
    let validator = jsonschema::validator_for(&T::form()).expect("a form");
    let ours = T::scalar(DeValue::String(Cow::Borrowed(text))).is_some();
    (ours, validator.is_valid(&json!(text)))
}

proptest! {
    /// Small numbers: what is too large is beyond a pattern.
    #[test]
    fn a_quantity_is_taken_by_both_or_by_neither(
        text in "(off|0|[ ]?([0-9]{1,2}|[0-9] [0-9])?(\\.[0-9]{1,2})? ?(s|ms|m|min|minutes|h|hr|d|w|KiB|MB|B|x|M|Min)? ?(/s|/| per | burst |user|ip|route)?){0,4}",
    ) {
        prop_assume!(!has_long_fraction(&text));
        for (name, (ours, theirs)) in [
            ("duration", both::<Duration>(&text)),
            ("span", both::<Span>(&text)),
            ("size", both::<Size>(&text)),
            ("memory", both::<Memory>(&text)),
            ("rate", both::<Rate>(&text)),
            ("throttle", both::<Throttle>(&text)),
            ("lasting", both::<Lasting>(&text)),
            ("route rate", both::<RouteRate>(&text)),
        ] {
            prop_assert_eq!(ours, theirs, "{}: {:?}", name, text);
        }
    }
}

#[test]
fn quantities_as_people_write_them() {
    for text in ["0", "0s", "1h 30m", "1.5h", "2days", "500ms", " 1 0s ", "15", "1M", "soon", ""] {
        let (ours, theirs) = both::<Duration>(text);
        assert_eq!(ours, theirs, "{text:?}");
    }
    for text in
        ["10/15m", "20/h", "5/min", "10/day", "5 / .5h", "5/h 30m", "0/m", "5/0s", "5/x", "off"]
    {
        let (ours, theirs) = both::<Throttle>(text);
        assert_eq!(ours, theirs, "{text:?}");
    }
    for text in ["600/m per user", "60/m per ip burst 10", "1/s per route ", "1/s per", "1/s user"]
    {
        let (ours, theirs) = both::<RouteRate>(text);
        assert_eq!(ours, theirs, "{text:?}");
    }
}
