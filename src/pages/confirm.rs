//! What is asked once before something is destroyed: it names what goes.

use serde_json::{Value, json};

use super::form::Form;
use super::moment;
use super::outcome::View;

/// The field that says yes, in a form that was asked about.
const SURE: &str = "sure";

/// A question. All texts are in English.
pub(super) struct Confirm {
    pub(super) title: &'static str,
    pub(super) warning: &'static str,
    /// What is named.
    pub(super) facts: &'static [&'static str],
    pub(super) submit: &'static str,
}

/// Something that is named.
pub(super) struct Fact {
    text: String,
    /// The moment that it is; empty where it is none.
    at: String,
}

impl Fact {
    /// A moment, as it is told in JSON; empty where there is none.
    pub(super) fn moment(at: &str) -> Self {
        Self { text: moment::in_words(at), at: at.to_owned() }
    }
}

impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self { text, at: String::new() }
    }
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Form {
    /// Whether it was asked about, and somebody has said yes.
    pub(super) fn is_sure(&self) -> bool {
        self.text(SURE) == "1"
    }
}

impl Confirm {
    /// What it says.
    #[cfg(test)]
    pub(super) fn texts(&self) -> impl Iterator<Item = &'static str> {
        self.facts.iter().copied().chain([self.title, self.warning, self.submit])
    }

    /// The page, with the facts in the order of their names. Who says yes sends the same form to
    /// `action` once more, who does not goes `back`.
    pub(super) fn view(
        &self,
        facts: impl IntoIterator<Item = Fact>,
        sent: &Form,
        action: &str,
        back: &str,
    ) -> View {
        let facts = self.facts.iter().zip(facts);
        let facts = facts
            .map(|(label, Fact { text, at })| json!({ "label": label, "value": text, "at": at }));
        let hidden = sent.all().filter(|(name, _)| *name != SURE).chain([(SURE, "1")]);
        let hidden = hidden.map(|(name, value)| json!({ "name": name, "value": value }));
        let data = json!({
            "lead": self.warning,
            "facts": facts.collect::<Vec<_>>(),
            "hidden": hidden.collect::<Vec<_>>(),
            "action": action,
            "submit": self.submit,
            "back": back,
        });
        View::good("confirm.html", self.title, data)
    }
}

/// What its template is filled with, of somebody made up.
pub(super) fn sample() -> Value {
    json!({
        "lead": "This goes with it, and does not come back:",
        "facts": [
            { "label": "Username", "value": "alice", "at": "" },
            { "label": "Created", "value": "2026-01-02 03:04 UTC", "at": "2026-01-02T03:04:05Z" },
        ],
        "hidden": [{ "name": SURE, "value": "1" }],
        "action": "/manage/user/?name=alice",
        "submit": "Delete for good",
        "back": "/manage/user/?name=alice",
    })
}
