//! Forms to fill in.

use serde_json::{Value, json};

use super::faults::Faults;
use super::form::Form;
use super::language::Language;
use super::outcome::View;
use super::visit::Context;

/// What the button says that lets somebody in.
pub(super) const PASSKEY: &str = "Sign in with a passkey";

/// A form as it is before anybody fills it in. All texts are in English.
pub(super) struct Blank {
    pub(super) title: &'static str,
    /// What it is about; empty says nothing.
    pub(super) lead: &'static str,
    pub(super) fields: &'static [Field],
    /// What the button says.
    pub(super) submit: &'static str,
}

/// A field of a form.
pub(super) struct Field {
    name: &'static str,
    label: &'static str,
    /// The `type` of the input.
    kind: &'static str,
    /// What a password manager takes it for.
    autocomplete: &'static str,
    required: bool,
}

impl Field {
    pub(super) const fn text(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self { name, label, kind: "text", autocomplete, required: true }
    }

    pub(super) const fn email(name: &'static str, label: &'static str) -> Self {
        Self { kind: "email", ..Self::text(name, label, "email") }
    }

    pub(super) const fn password(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self { kind: "password", ..Self::text(name, label, autocomplete) }
    }

    pub(super) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }
}

/// A form that is being put together.
pub(super) struct Filled<'a> {
    blank: &'static Blank,
    sent: &'a Form,
    faults: Faults,
    hidden: Vec<(&'static str, String)>,
    links: Vec<Value>,
    notice: &'static str,
    passkey: Value,
}

impl Blank {
    /// The names of its fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.name)
    }

    /// What it says.
    #[cfg(test)]
    pub(super) fn texts(&'static self) -> impl Iterator<Item = &'static str> {
        let labels = self.fields.iter().map(|field| field.label);
        [self.title, self.lead, self.submit].into_iter().chain(labels)
    }

    /// What the template of a form is filled with, with everything in it.
    pub(super) fn sample(&'static self, sent: &Form) -> Value {
        let faults = Faults::told("Not found.", Language::english());
        let filled = self.with(sent, faults).hidden("next", "/").link("Sign in", "/auth/sign-in/");
        let filled = filled.passkey(PASSKEY, &json!({ "challenge": "AA" }), "credential");
        filled.notice("You are signed out.").view("/auth/sign-in/").data
    }

    /// The form with what was sent in it, but for passwords.
    pub(super) fn with<'a>(&'static self, sent: &'a Form, faults: Faults) -> Filled<'a> {
        let (hidden, links) = (Vec::new(), Vec::new());
        Filled { blank: self, sent, faults, hidden, links, notice: "", passkey: Value::Null }
    }
}

impl Filled<'_> {
    /// Sends that along.
    pub(super) fn hidden(mut self, name: &'static str, value: &str) -> Self {
        self.hidden.push((name, value.to_owned()));
        self
    }

    /// Has a link below the form.
    pub(super) fn link(mut self, label: &'static str, to: &str) -> Self {
        self.links.push(json!({ "label": label, "to": to }));
        self
    }

    /// Says above it what was done before.
    pub(super) const fn notice(mut self, text: &'static str) -> Self {
        self.notice = text;
        self
    }

    /// Has a button that asks for a passkey, whose answer goes into that field: one of the form, or
    /// else the only one of a form beside it.
    pub(super) fn passkey(mut self, label: &str, options: &Value, into: &str) -> Self {
        let alone = self.blank.names().all(|name| name != into);
        let options = options.to_string();
        self.passkey = json!({ "label": label, "options": options, "into": into, "alone": alone });
        self
    }

    /// The page. The form goes to `action`.
    pub(super) fn view(self, action: &str) -> View {
        let Self { blank, sent, mut faults, hidden, links, notice, passkey } = self;
        let fields = blank.fields.iter().map(|field| {
            let value = if field.kind == "password" { "" } else { sent.text(field.name) };
            json!({
                "name": field.name,
                "label": field.label,
                "kind": field.kind,
                "autocomplete": field.autocomplete,
                "required": field.required,
                "value": value,
                "faults": faults.take(field.name),
            })
        });
        let fields: Vec<_> = fields.collect();
        let hidden: Vec<_> =
            hidden.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let data = json!({
            "action": action,
            "lead": blank.lead,
            "notice": notice,
            "fields": fields,
            "hidden": hidden,
            "submit": blank.submit,
            "links": links,
            "passkey": passkey,
            "faults": faults.rest(),
        });
        View::good("form.html", blank.title, data)
    }
}

impl Context<'_> {
    /// What is said above a form of something that was done before, by its word in the query.
    pub(super) fn done(&self, known: &[(&str, &'static str)]) -> &'static str {
        let word = self.query.text("done");
        known.iter().find(|(name, _)| *name == word).map_or("", |(_, text)| text)
    }
}
