//! The caller's own factors beside the password.

use http::{Method, StatusCode};

use super::{CREDENTIAL, EMPTY, OPTIONS, OTP, PASSWORD};
use crate::endpoints::fields::{Field, Rule};
use crate::endpoints::given::{Given, Kind, Member, Shape};
use crate::endpoints::throttle::Limited;
use crate::endpoints::{Caller, Row, Served, factors, passkeys};

const FACTORS: &[Member] = &[
    Member::new("totp", Kind::Flag),
    Member::new("since", Kind::TextOrNull),
    Member::new("recovery_codes", Kind::Whole),
    Member::new("shown", Kind::Flag),
    Member::new("passkeys", Kind::Whole),
];
const PASSKEY: &[Member] = &[
    Member::text("id"),
    Member::text("name"),
    Member::text("created"),
    Member::new("last_used", Kind::TextOrNull),
    Member::new("copied", Kind::Flag),
];
const NAME: Field = Field::new("name", "Name", Rule::KeyName);
const RECOVERY: Shape = Shape::Object(&[Member::new("recovery_codes", Kind::Texts)]);

pub(super) static ROWS: [Row; 12] = [
    Row {
        path: "factors",
        name: "Factors",
        method: Method::GET,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("The second factors that the caller has.", Shape::Object(FACTORS)),
        handler: |cx, request| Box::pin(factors::list(cx, request)),
    },
    Row {
        path: "factors/totp",
        name: "Authenticator App",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::WhileUsersEnrol,
        limited: Limited::FailedLogins,
        fields: &[PASSWORD, OTP.optional(), Field::new("secret", "Secret", Rule::Answered)],
        gives: Given::new(
            "Offers the secret of an authenticator app, for whoever knows the password, and shows a \
             factor if there is one.",
            Shape::Object(&[Member::text("secret"), Member::text("uri")]),
        )
        .with(StatusCode::CREATED),
        handler: |cx, request| Box::pin(factors::offer(cx, request)),
    },
    Row {
        path: "factors/totp/confirm",
        name: "Authenticator App Confirm",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::WhileUsersEnrol,
        limited: Limited::FailedLogins,
        fields: &[OTP],
        gives: Given::new(
            "Confirms it by its first code: logins ask for one from then on.",
            RECOVERY,
        ),
        handler: |cx, request| Box::pin(factors::confirm(cx, request)),
    },
    Row {
        path: "factors/totp/remove",
        name: "Authenticator App Remove",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[PASSWORD, OTP],
        gives: Given::new(
            "Removes the caller's authenticator app, and leaves the passkeys.",
            EMPTY,
        ),
        handler: |cx, request| Box::pin(factors::remove_totp(cx, request)),
    },
    Row {
        path: "factors/passkeys",
        name: "Passkeys",
        method: Method::GET,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new("The passkeys of the caller.", Shape::List(PASSKEY)),
        handler: |cx, request| Box::pin(passkeys::list(cx, request)),
    },
    Row {
        path: "factors/passkeys/add",
        name: "Passkey Add",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::WhileUsersAddPasskeys,
        limited: Limited::FailedLogins,
        fields: &[PASSWORD, OTP.optional()],
        gives: Given::new(
            "What a browser is to make a passkey by, for whoever knows the password, and shows a \
             factor if there is one.",
            OPTIONS,
        )
        .with(StatusCode::CREATED),
        handler: |cx, request| Box::pin(passkeys::offer(cx, request)),
    },
    Row {
        path: "factors/passkeys/confirm",
        name: "Passkey Confirm",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::WhileUsersAddPasskeys,
        limited: Limited::ByNothing,
        fields: &[NAME, CREDENTIAL],
        gives: Given::new(
            "Adds it, with recovery codes if it is the caller's first factor.",
            RECOVERY,
        )
        .with(StatusCode::CREATED),
        handler: |cx, request| Box::pin(passkeys::confirm(cx, request)),
    },
    Row {
        path: "factors/passkeys/challenge",
        name: "Passkey Challenge",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[],
        gives: Given::new(
            "What a browser is to ask for, where a passkey is to be shown in the place of a code.",
            OPTIONS,
        )
        .or(&[400]),
        handler: |cx, request| Box::pin(passkeys::challenge(cx, request)),
    },
    Row {
        path: "factors/passkeys/remove",
        name: "Passkey Remove",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[Field::new("id", "Passkey", Rule::Text), PASSWORD, OTP],
        gives: Given::new("Removes a passkey of the caller.", EMPTY).or(&[404]),
        handler: |cx, request| Box::pin(passkeys::remove(cx, request)),
    },
    Row {
        path: "factors/passkeys/rename",
        name: "Passkey Rename",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::ByNothing,
        fields: &[Field::new("id", "Passkey", Rule::Text), NAME],
        gives: Given::new("Gives a passkey of the caller another name.", EMPTY).or(&[404]),
        handler: |cx, request| Box::pin(passkeys::rename(cx, request)),
    },
    Row {
        path: "factors/recovery",
        name: "Recovery Codes",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[PASSWORD, OTP],
        gives: Given::new("Other recovery codes, which are told this once.", RECOVERY),
        handler: |cx, request| Box::pin(factors::recovery(cx, request)),
    },
    Row {
        path: "factors/remove",
        name: "Factors Remove",
        method: Method::POST,
        caller: Caller::Person,
        served: Served::Always,
        limited: Limited::FailedLogins,
        fields: &[PASSWORD, OTP],
        gives: Given::new("Removes the caller's second factors.", EMPTY),
        handler: |cx, request| Box::pin(factors::remove(cx, request)),
    },
];
