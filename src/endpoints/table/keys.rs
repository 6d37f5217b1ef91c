//! The keys that users make for their programs.

use http::{Method, StatusCode};

use crate::endpoints::fields::{Field, Rule};
use crate::endpoints::given::{Given, Kind, Member, Shape};
use crate::endpoints::throttle::Limited;
use crate::endpoints::{Caller, Row, Served, keys};

const NEW_KEY: &[Member] = &[
    Member::new("id", Kind::Whole),
    Member::text("name"),
    Member::text("hint"),
    Member::new("scopes", Kind::TextsOrNull),
    Member::text("created"),
    Member::new("expires", Kind::TextOrNull),
    Member::new("last_used", Kind::TextOrNull),
    Member::text("key"),
];
/// All of it but the last, which is told once.
const KEY: &[Member] = match NEW_KEY {
    [told @ .., _secret] => told,
    [] => NEW_KEY,
};

pub(super) static ROWS: [Row; 3] = [
    Row {
        path: "keys",
        name: "Key List",
        method: Method::GET,
        caller: Caller::Person,
        served: Served::WithUserKeys,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("The API keys that the caller made.", Shape::List(KEY)),
        handler: |cx, request| Box::pin(keys::list(cx, request)),
    },
    Row {
        path: "keys",
        name: "Key List",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::WithUserKeys,
        limited: Limited::Keys,
        fields: &[
            Field::new("name", "Name", Rule::KeyName),
            Field::new("scopes", "Scopes", Rule::Roles).optional(),
            Field::new("expires_in", "Seconds until it expires", Rule::Seconds).optional(),
        ],
        gives: Given::new("Makes an API key, which is told this once.", Shape::Object(NEW_KEY))
            .with(StatusCode::CREATED),
        handler: |cx, request| Box::pin(keys::make(cx, request)),
    },
    Row {
        path: "keys/{id}",
        name: "Key",
        method: Method::DELETE,
        caller: Caller::Person,
        served: Served::WithUserKeys,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Revokes one of them.", Shape::Nothing)
            .with(StatusCode::NO_CONTENT)
            .or(&[404]),
        handler: |cx, request| Box::pin(keys::revoke(cx, request)),
    },
];
