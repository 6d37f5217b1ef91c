//! Passkeys that there are, called otherwise; and the app beside them, removed alone.

use super::*;

#[tokio::test]
async fn a_passkey_is_called_otherwise_by_its_user_alone() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let (other, _) = room.user("bob").await;
    room.passkey(&access, Kind::Es256).await;
    let id = room.passkeys(&access).await[0]["id"].clone();
    let rename = async |access: &str, id: &Value, name: &str| {
        let body = json!({ "id": id, "name": name });
        room.post_as(access, "/factors/passkeys/rename/", &body).await
    };
    rename(&access, &id, "work phone").await.is(200, json!({}));
    assert_eq!(room.passkeys(&access).await[0]["name"], "work phone");
    rename(&other, &id, "mine").await.is_detail(404, "Not found.");
    rename(&access, &json!("0011223344556677"), "mine").await.is_detail(404, "Not found.");
    let blank = json!({ "name": ["This field may not be blank."] });
    rename(&access, &id, " ").await.is(400, blank);
    assert_eq!(room.passkeys(&access).await[0]["name"], "work phone");
}

#[tokio::test]
async fn an_app_is_removed_and_passkeys_stay() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let remove = async |access: &str, password: &str, otp: &str| {
        let body = json!({ "password": password, "otp": otp });
        room.post_as(access, "/factors/totp/remove/", &body).await
    };
    let none = json!({ "non_field_errors": ["You have no second factor."] });
    remove(&access, PASSWORD, "000000").await.is(400, none);
    let device = room.passkey(&access, Kind::Es256).await;
    let proof = async || device.get(&room.ask_as(&access).await).to_string();
    let no_app = remove(&access, PASSWORD, &proof().await).await;
    assert_eq!(no_app.code, Some("no_factor"));
    no_app.is(400, json!({ "non_field_errors": ["You have no authenticator app."] }));
    let body = json!({ "password": PASSWORD, "otp": proof().await });
    let secret = room.post_as(&access, "/factors/totp/", &body).await.text_of("secret");
    let first = json!({ "otp": room.code(&secret, 0) });
    assert_eq!(room.post_as(&access, "/factors/totp/confirm/", &first).await.status, 200);
    let due = room.login("ada", PASSWORD).await.text_of("challenge");
    let by_app = room.answer(&due, &room.code(&secret, 1)).await.text_of("access");
    assert_eq!(room.factors(&by_app).await["shown"], true);
    assert_eq!(remove(&access, "not hers", &proof().await).await.code, Some("login_refused"));
    let wrong = remove(&access, PASSWORD, "aaaa-bbbb-cccc-dddd").await;
    assert_eq!(wrong.code, Some("factor_refused"));
    assert_eq!(room.factors(&access).await["totp"], true);
    remove(&access, PASSWORD, &proof().await).await.is(200, json!({}));
    let factors = room.factors(&access).await;
    let left = [&factors["totp"], &factors["recovery_codes"], &factors["passkeys"]];
    assert_eq!(left, [&json!(false), &json!(10), &json!(1)]);
    // What was let in by it has the word of no factor any more; a login asks for the other.
    assert_eq!(room.factors(&by_app).await["shown"], false);
    let due = room.login("ada", PASSWORD).await;
    assert_eq!(due.json()["methods"], json!(["passkey", "recovery_code"]));
    room.clock.advance(Duration::from_secs(60));
    let late = room.answer(&due.text_of("challenge"), &room.code(&secret, 0)).await;
    assert_eq!(late.code, Some("factor_refused"));
}

#[tokio::test]
async fn with_an_app_that_is_the_last_factor_go_the_codes() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let secret = room.enrol(&access).await.secret;
    let body = json!({ "password": PASSWORD, "otp": room.code(&secret, 1) });
    room.post_as(&access, "/factors/totp/remove/", &body).await.is(200, json!({}));
    let factors = room.factors(&access).await;
    assert_eq!((&factors["totp"], &factors["recovery_codes"]), (&json!(false), &json!(0)));
    assert_eq!(room.login("ada", PASSWORD).await.status, 200, "the password is enough again");
}
