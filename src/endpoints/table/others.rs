//! Tickets, the other kinds of tokens, and the description of it all.

use std::future::ready;

use http::{Method, StatusCode};

use super::{PASSWORD, TOKEN, USERNAME};
use crate::endpoints::fields::{Field, Rule};
use crate::endpoints::given::{Given, Kind, Member, Shape};
use crate::endpoints::reply::Outcome;
use crate::endpoints::throttle::Limited;
use crate::endpoints::{Caller, Row, Served, api_token, sliding, ticket};

const TICKET: Field = Field::new("ticket", "Ticket", Rule::Answered);
const A_TOKEN: Shape = Shape::Object(&[Member::text("token")]);

pub(super) static ROWS: [Row; 5] = [
    Row {
        path: "ticket",
        name: "Ticket",
        method: Method::POST,
        caller: Caller::Known,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[Field::new("path", "Path", Rule::Text), TICKET],
        gives: Given::new(
            "A ticket that opens one route once, for browsers that cannot send a header there.",
            Shape::Object(&[Member::text("ticket"), Member::new("expires_in", Kind::Whole)]),
        )
        .with(StatusCode::CREATED),
        handler: |cx, request| Box::pin(ticket::handle(cx, request)),
    },
    Row {
        path: "api-token-auth",
        name: "Obtain Auth Token",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[
            USERNAME,
            Field::new("password", "Password", Rule::Untrimmed),
            Field::new("token", "Token", Rule::Answered),
        ],
        gives: Given::new("Exchanges a name and a password for the user's API key.", A_TOKEN),
        handler: |cx, request| Box::pin(api_token::handle(cx, request)),
    },
    Row {
        path: "token/sliding",
        name: "Token Obtain Sliding",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithSlidingTokens,
        limited: Limited::FailedLogins,
        fields: &[USERNAME, PASSWORD],
        gives: Given::new("Exchanges a name and a password for a sliding token.", A_TOKEN)
            .or(&[401]),
        handler: |cx, request| Box::pin(sliding::obtain(cx, request)),
    },
    Row {
        path: "token/sliding/refresh",
        name: "Token Refresh Sliding",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithSlidingTokens,
        limited: Limited::ByNothing,
        fields: &[TOKEN],
        gives: Given::new("Exchanges a sliding token for a later one.", A_TOKEN).or(&[401]),
        handler: |cx, request| Box::pin(sliding::refresh(cx, request)),
    },
    Row {
        path: "openapi.json",
        name: "Description",
        method: Method::GET,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Describes all of these (OpenAPI 3.1).", Shape::Document),
        handler: |cx, _| Box::pin(ready(Ok(Outcome::ok(cx.description.clone())))),
    },
];
