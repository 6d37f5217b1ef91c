//! What an endpoint gives whoever is not refused: a column of the table, from which
//! `openapi.json` is made. The tests of this room hold every answer against it.

use http::StatusCode;

/// What one method of an endpoint gives.
#[derive(Clone, Copy)]
pub(super) struct Given {
    /// What it is good for, as a sentence.
    pub(super) does: &'static str,
    pub(super) status: StatusCode,
    pub(super) shape: Shape,
    /// Statuses of refusals beside those that follow from the other columns of the row.
    pub(super) refuses: &'static [u16],
}

/// What an answer is made of.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// No body (204).
    Nothing,
    /// An object of these.
    Object(&'static [Member]),
    /// A list of such objects.
    List(&'static [Member]),
    /// A JSON object that has a standard of its own.
    Document,
}

/// A member of an answer.
#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether every answer has it.
    pub(super) always: bool,
}

/// What a member can be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// A text, or null.
    TextOrNull,
    /// A whole number, not negative.
    Whole,
    Flag,
    /// A list of texts.
    Texts,
    /// A list of texts, or null.
    TextsOrNull,
    /// An object that has a standard of its own.
    Object,
}

impl Given {
    /// With 200; [`Self::with`] says otherwise.
    pub(super) const fn new(does: &'static str, shape: Shape) -> Self {
        Self { does, status: StatusCode::OK, shape, refuses: &[] }
    }

    /// The same with another status.
    pub(super) const fn with(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with refusals of its own.
    pub(super) const fn or(self, refuses: &'static [u16]) -> Self {
        Self { refuses, ..self }
    }
}

impl Member {
    pub(super) const fn text(name: &'static str) -> Self {
        Self::new(name, Kind::Text)
    }

    pub(super) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, always: true }
    }

    /// The same, not in every answer.
    pub(super) const fn sometimes(self) -> Self {
        Self { always: false, ..self }
    }
}
