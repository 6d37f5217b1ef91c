//! What is done to factors that there are.

use serde_json::{Value, json};

/// Something that is done, with password and factor if it is more than a name.
pub(super) struct Act {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) button: &'static str,
    is_danger: bool,
}

pub(super) const RENAME_PASSKEY: Act = Act {
    name: "passkey-rename",
    title: "Rename a passkey",
    text: "",
    button: "Rename",
    is_danger: false,
};

pub(super) const REMOVE_PASSKEY: Act = Act {
    name: "passkey-remove",
    title: "Remove a passkey",
    text: "It lets nobody in any more then. Remove it from your device as well.",
    button: "Remove",
    is_danger: true,
};

/// Where there are passkeys beside it: without them it would be the last one.
pub(super) const REMOVE_APP: Act = Act {
    name: "app-remove",
    title: "Remove the authenticator app",
    text: "Your passkeys and recovery codes stay.",
    button: "Remove",
    is_danger: true,
};

pub(super) const RECOVERY: Act = Act {
    name: "recovery",
    title: "New recovery codes",
    text: "Those from before are void then.",
    button: "Make new codes",
    is_danger: false,
};

pub(super) const REMOVE: Act = Act {
    name: "remove",
    title: "Remove the second factor",
    text: "All of them are removed: passkeys, the authenticator app and the recovery codes. The \
           password alone is enough then.",
    button: "Remove",
    is_danger: true,
};

impl Act {
    pub(super) fn data(&self) -> Value {
        let Self { name, title, text, button, is_danger } = self;
        json!({ "act": name, "title": title, "text": text, "button": button, "danger": is_danger })
    }
}
