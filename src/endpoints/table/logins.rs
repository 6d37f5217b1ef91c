//! Coming in: accounts are made, and tokens had, exchanged, verified and taken back.

use std::future::ready;

use http::{Method, StatusCode};

use super::{
    ACCESS, ACCESS_IS, CREDENTIAL, EMAIL, EMAIL_IS, EMPTY, OPTIONS, OTP, PASSWORD, REFRESH,
    REFRESH_IS, TOKEN, USERNAME, USERNAME_IS,
};
use crate::endpoints::fields::{Field, Rule};
use crate::endpoints::given::{Given, Member, Shape};
use crate::endpoints::throttle::Limited;
use crate::endpoints::{
    Caller, Row, Served, blacklist, factors, passkeys, refresh, register, token, verify,
};

const CHALLENGE: Field = Field::new("challenge", "Challenge", Rule::Text);
const PAIR: Shape = Shape::Object(&[ACCESS_IS, REFRESH_IS]);

pub(super) static ROWS: [Row; 8] = [
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
        path: "token/factor",
        name: "Token Factor",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[CHALLENGE, OTP, ACCESS, Field::new("refresh", "Refresh", Rule::Answered)],
        gives: Given::new(
            "Exchanges the challenge of a login, and a second factor, for what that login was for.",
            Shape::Object(&[
                ACCESS_IS.sometimes(),
                REFRESH_IS.sometimes(),
                Member::text("token").sometimes(),
            ]),
        )
        .or(&[401]),
        handler: |cx, request| Box::pin(factors::answer(cx, request)),
    },
    Row {
        path: "token/passkey",
        name: "Token Passkey",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithPasskeys,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("What a browser is to ask for, to log in with a passkey.", OPTIONS),
        handler: |cx, _| Box::pin(ready(passkeys::begin(cx))),
    },
    Row {
        path: "token/passkey/confirm",
        name: "Token Passkey Confirm",
        method: Method::POST,
        caller: Caller::Anybody,
        served: Served::WithPasskeys,
        limited: Limited::FailedLogins,
        fields: &[CREDENTIAL, ACCESS, Field::new("refresh", "Refresh", Rule::Answered)],
        gives: Given::new("Exchanges what a passkey has signed for tokens.", PAIR),
        handler: |cx, request| Box::pin(passkeys::sign_in(cx, request)),
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
];
