//! Moments, as people read them: in UTC, which the script of the pages puts into the reader's zone.

use serde_json::Value;

/// The object with a readable text beside each of these moments: `started` has `started_text`.
pub(super) fn readable(object: Value, names: &[&str]) -> Value {
    let mut object = object;
    for name in names {
        let text = object.get(*name).and_then(Value::as_str).map(in_words);
        if let Some(members) = object.as_object_mut() {
            members.insert(format!("{name}_text"), text.into());
        }
    }
    object
}

/// To the minute: `2026-01-02T03:04:05.678Z` is `2026-01-02 03:04 UTC`.
pub(super) fn in_words(moment: &str) -> String {
    let minute = moment.get(..16).filter(|_| moment.ends_with('Z'));
    minute.map_or_else(|| moment.to_owned(), |minute| format!("{} UTC", minute.replace('T', " ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_read_to_the_minute() {
        let object = json!({ "started": "2026-01-02T03:04:05.678Z", "expires": null });
        let readable = readable(object, &["started", "expires"]);
        assert_eq!(readable["started_text"], "2026-01-02 03:04 UTC");
        assert_eq!(readable["expires_text"], Value::Null);
        assert_eq!(in_words("soon"), "soon");
    }
}
