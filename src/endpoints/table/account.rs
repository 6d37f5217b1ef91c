//! The caller's account: password, profile, address; and what is done by a link.

use std::future::ready;

use http::Method;

use super::{ACCESS, ACCESS_IS, EMAIL, EMAIL_IS, OTP, PASSWORD, REFRESH_IS, TOKEN, USERNAME_IS};
use crate::endpoints::fields::{Field, Rule};
use crate::endpoints::given::{Given, Member, Shape};
use crate::endpoints::throttle::Limited;
use crate::endpoints::{Caller, Row, Served, email, password_change, profile, reset};

const UID: Field = Field::new("uid", "Uid", Rule::Text);
const DETAIL: Shape = Shape::Object(&[Member::text("detail")]);

pub(super) static ROWS: [Row; 7] = [
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
            OTP.optional(),
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
];
