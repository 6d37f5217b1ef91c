//! What users are told of their second factors, at an address that is known to be theirs.

use portcullis::store::UserChange;
use serde_json::json;

use super::factors::enrol;
use crate::common::smtp::Smtp;
use crate::common::{PASSWORD, Stage};

async fn stage(smtp: &Smtp, keys: &str, verified: bool) -> Stage {
    let mail = format!("{}{keys}", smtp.policy());
    let stage = Stage::with(|policy| policy.top("public = \"http://a.test\"\n").and(&mail)).await;
    let email = "alice@example.com".to_owned();
    let change = UserChange::Email { email, verified };
    stage.gateway.accounts.change(stage.alice.id, change).await.unwrap().unwrap();
    stage
}

/// What is sent next, whatever was sent before.
async fn asked(stage: &Stage, smtp: &mut Smtp) -> String {
    let body = json!({ "email": "alice@example.com" });
    assert_eq!(stage.post("/api/auth/password/reset/", &body).await.status, 200);
    smtp.mail().await.field("Subject")
}

#[tokio::test]
async fn changed_factors_are_told_to_a_verified_address() {
    let mut smtp = Smtp::start().await;
    let stage = stage(&smtp, "", true).await;
    let (access, _) = stage.log_in("alice").await;
    let act = async |path: &str, code: &str| {
        let body = json!({ "password": PASSWORD, "otp": code });
        stage.ask("POST", path, Some(&access), Some(&body)).await.status
    };
    // An offer that nobody took up is no factor, and nothing is told of its end.
    let password = json!({ "password": PASSWORD });
    let offered = stage.ask("POST", "factors/totp/", Some(&access), Some(&password)).await;
    assert_eq!(offered.status, 201, "{offered:?}");
    assert!(!stage.gateway.accounts.remove_factors(stage.alice.id).await.unwrap());
    let app = enrol(&stage, &access).await;
    let notice = smtp.mail().await;
    assert_eq!(notice.to, ["alice@example.com"]);
    assert_eq!(notice.field("Subject"), "Signing in at a.test asks for a second step");
    assert!(!notice.text().contains(&app.secret) && !notice.text().contains(&app.recovery[0]));

    // What was not done is not told.
    assert_eq!(act("factors/recovery/", "aaaa-bbbb-cccc-dddd").await, 400);
    assert_eq!(act("factors/recovery/", &app.recovery[0]).await, 200);
    assert_eq!(smtp.mail().await.field("Subject"), "New recovery codes for a.test");
    assert_eq!(act("factors/remove/", &app.recovery[1]).await, 400, "one from before");
    assert_eq!(act("factors/remove/", &app.code(&stage, 1)).await, 200);
    let removed = "Signing in at a.test asks for no second step any more";
    assert_eq!(smtp.mail().await.field("Subject"), removed);

    // Nor does it matter who did it; and what was not there was not removed.
    enrol(&stage, &access).await;
    smtp.mail().await;
    for was_there in [true, false] {
        let done = stage.gateway.accounts.remove_factors(stage.alice.id).await.unwrap();
        assert_eq!(done, was_there);
    }
    assert_eq!(smtp.mail().await.field("Subject"), removed);
    assert_eq!(asked(&stage, &mut smtp).await, "Choose a new password for a.test");
    stage.finish_untouched().await;
}

#[tokio::test]
async fn nothing_is_told_where_nobody_verified_the_address_or_the_operator_wants_no_notices() {
    for (keys, verified) in [("", false), ("notices = false\n", true)] {
        let mut smtp = Smtp::start().await;
        let stage = stage(&smtp, keys, verified).await;
        let (access, _) = stage.log_in("alice").await;
        enrol(&stage, &access).await;
        assert_eq!(asked(&stage, &mut smtp).await, "Choose a new password for a.test");
        stage.finish_untouched().await;
    }
}
