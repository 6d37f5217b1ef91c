//! The endpoints, one row for each method of each.

use std::future::ready;

use http::{Method, StatusCode};

use super::fields::{Field, Rule};
use super::given::{Given, Kind, Member, Shape};
use super::reply::Outcome;
use super::throttle::Limited;
use super::{
    Caller, Row, Served, api_token, blacklist, email, keys, logout, password_change, profile,
    refresh, register, reset, sessions, sliding, ticket, token, verify,
};

const ACCESS: Field = Field::new("access", "Access", Rule::Answered);
const EMAIL: Field = Field::new("email", "Email address", Rule::Email);
const USERNAME: Field = Field::new("username", "Username", Rule::Text);
const PASSWORD: Field = Field::new("password", "Password", Rule::Text);
const REFRESH: Field = Field::new("refresh", "Refresh", Rule::Text);
const TICKET: Field = Field::new("ticket", "Ticket", Rule::Answered);
const TOKEN: Field = Field::new("token", "Token", Rule::Text);
const UID: Field = Field::new("uid", "Uid", Rule::Text);

const USERNAME_IS: Member = Member::text("username");
const EMAIL_IS: Member = Member::text("email");
const ACCESS_IS: Member = Member::text("access");
const REFRESH_IS: Member = Member::text("refresh");
const PAIR: Shape = Shape::Object(&[ACCESS_IS, REFRESH_IS]);
const A_TOKEN: Shape = Shape::Object(&[Member::text("token")]);
const DETAIL: Shape = Shape::Object(&[Member::text("detail")]);
const EMPTY: Shape = Shape::Object(&[]);
const SESSION: &[Member] = &[
    Member::text("id"),
    Member::text("device"),
    Member::text("address"),
    Member::text("started"),
    Member::text("last_used"),
    Member::new("current", Kind::Flag),
];

const KEY: &[Member] = &[
    Member::new("id", Kind::Whole),
    Member::text("name"),
    Member::text("hint"),
    Member::new("scopes", Kind::TextsOrNull),
    Member::text("created"),
    Member::new("expires", Kind::TextOrNull),
    Member::new("last_used", Kind::TextOrNull),
];
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

pub(super) static TABLE: [Row; 24] = [
    Row {
        path: "register",
        name: "Register",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WhileRegistrationIsOpen,
        limited: Limited::Registrations,
        fields: &[
            Field::new("username", "Username", Rule::Username),
            Field::new("password", "Password", Rule::NewPassword),
            EMAIL.optional(),
            Field::new("invite", "Invitation", Rule::Text).optional(),
        ],
        gives: Given::new("Makes an account.", Shape::Object(&[USERNAME_IS, EMAIL_IS]))
            .with(StatusCode::CREATED),
        handler: |cx, request| Box::pin(register::handle(cx, request)),
    },
    Row {
        path: "token",
        name: "Token Obtain Pair",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[USERNAME, PASSWORD],
        gives: Given::new("Exchanges a name and a password for tokens.", PAIR).or(&[401]),
        handler: |cx, request| Box::pin(token::handle(cx, request)),
    },
    Row {
        path: "token/refresh",
        name: "Token Refresh",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH, ACCESS],
        gives: Given::new(
            "Exchanges a refresh token for an access token, and with rotation for its successor.",
            Shape::Object(&[ACCESS_IS, REFRESH_IS.sometimes()]),
        )
        .or(&[401]),
        handler: |cx, request| Box::pin(refresh::handle(cx, request)),
    },
    Row {
        path: "token/verify",
        name: "Token Verify",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[TOKEN],
        gives: Given::new("Whether a token is good now.", EMPTY).or(&[401]),
        handler: |cx, request| Box::pin(verify::handle(cx, request)),
    },
    Row {
        path: "token/blacklist",
        name: "Token Blacklist",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH],
        gives: Given::new("Ends the session of a refresh token.", EMPTY).or(&[401]),
        handler: |cx, request| Box::pin(blacklist::handle(cx, request)),
    },
    Row {
        path: "logout",
        name: "Logout",
        method: Method::POST,
        caller: Caller::Either,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[REFRESH.optional()],
        gives: Given::new("Ends the session of the access token, or of a refresh token.", EMPTY),
        handler: |cx, request| Box::pin(logout::handle(cx, request)),
    },
    Row {
        path: "logout/all",
        name: "Logout All",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Ends every session of the caller.", EMPTY),
        handler: |cx, request| Box::pin(logout::everywhere(cx, request)),
    },
    Row {
        path: "sessions",
        name: "Session List",
        method: Method::GET,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Where the caller is logged in, the newest first.", Shape::List(SESSION)),
        handler: |cx, request| Box::pin(sessions::list(cx, request)),
    },
    Row {
        path: "sessions/{id}",
        name: "Session",
        method: Method::DELETE,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("Ends one of them.", Shape::Nothing)
            .with(StatusCode::NO_CONTENT)
            .or(&[404]),
        handler: |cx, request| Box::pin(sessions::end(cx, request)),
    },
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
    Row {
        path: "password/change",
        name: "Password Change",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[
            Field::new("old_password", "Old password", Rule::Text),
            Field::new("new_password", "New password", Rule::NewPassword),
            ACCESS,
            Field::new("refresh", "Refresh", Rule::Answered),
        ],
        gives: Given::new(
            "Changes the caller's password, ends every session, and goes on in a new one.",
            Shape::Object(&[
                ACCESS_IS.sometimes(),
                REFRESH_IS.sometimes(),
                Member::text("token").sometimes(),
            ]),
        ),
        handler: |cx, request| Box::pin(password_change::handle(cx, request)),
    },
    Row {
        path: "profile",
        name: "User Profile",
        method: Method::GET,
        caller: Caller::User,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("The caller's account.", Shape::Object(&[USERNAME_IS, EMAIL_IS])),
        handler: |_, request| Box::pin(ready(profile::handle(request))),
    },
    Row {
        path: "profile",
        name: "User Profile",
        method: Method::PATCH,
        caller: Caller::Person,
        served: Served::WithMail,
        limited: Limited::Letters,
        fields: &[EMAIL.optional(), PASSWORD.optional()],
        gives: Given::new(
            "Asks for a letter to a new address, which takes effect when it is confirmed.",
            Shape::Object(&[USERNAME_IS, EMAIL_IS, Member::text("detail").sometimes()]),
        ),
        handler: |cx, request| Box::pin(profile::change(cx, request)),
    },
    Row {
        path: "password/reset",
        name: "Password Reset",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithMail,
        limited: Limited::Letters,
        fields: &[EMAIL],
        gives: Given::new("Asks for a letter with a link to choose a new password.", DETAIL),
        handler: |cx, request| Box::pin(reset::ask(cx, request)),
    },
    Row {
        path: "password/reset/confirm",
        name: "Password Reset Confirm",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[UID, TOKEN, Field::new("new_password", "New password", Rule::NewPassword)],
        gives: Given::new("Sets a password by a link; every session is over.", DETAIL),
        handler: |cx, request| Box::pin(reset::confirm(cx, request)),
    },
    Row {
        path: "email/verify",
        name: "Email Verify",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::WithMail,
        limited: Limited::Letters,
        fields: &[],
        gives: Given::new("Asks for a letter that confirms the caller's address.", DETAIL)
            .or(&[400]),
        handler: |cx, request| Box::pin(email::ask(cx, request)),
    },
    Row {
        path: "email/verify/confirm",
        name: "Email Verify Confirm",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithMail,
        limited: Limited::ByNothing,
        fields: &[UID, TOKEN],
        gives: Given::new("Verifies an address by a link.", DETAIL),
        handler: |cx, request| Box::pin(email::confirm(cx, request)),
    },
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
        handler: |cx, request| Box::pin(ready(ticket::handle(cx, request))),
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
