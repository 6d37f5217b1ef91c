//! Second factors at the endpoints: enrolled, asked for, shown, removed.

use super::*;

#[path = "../../../tests/common/otp.rs"]
mod otp;

const WRONG: &str = "This code is wrong, or was used before.";

/// A user with an authenticator app.
pub(super) struct Enrolled {
    access: String,
    pub(super) secret: String,
    pub(super) recovery: Vec<String>,
}

impl Room {
    pub(super) async fn post_as(&self, access: &str, path: &str, body: &Value) -> Got {
        let authorization = format!("Bearer {access}");
        let headers = [("content-type", "application/json"), ("authorization", &*authorization)];
        self.call("POST", path, &headers, body.to_string(), "192.0.2.1").await
    }

    pub(super) async fn factors(&self, access: &str) -> Value {
        let authorization = format!("Bearer {access}");
        self.get("/factors/", &[("authorization", &authorization)]).await.json()
    }

    pub(super) fn code(&self, secret: &str, ahead: u64) -> String {
        otp::code(secret, self.clock.now().as_secs() + 30 * ahead)
    }

    pub(super) async fn enrol(&self, access: &str) -> Enrolled {
        let offered =
            self.post_as(access, "/factors/totp/", &json!({ "password": PASSWORD })).await;
        assert_eq!(offered.status, 201, "{offered:?}");
        let secret = offered.text_of("secret");
        let code = json!({ "otp": self.code(&secret, 0) });
        let confirmed = self.post_as(access, "/factors/totp/confirm/", &code).await;
        assert_eq!(confirmed.status, 200, "{confirmed:?}");
        let recovery = confirmed.json()["recovery_codes"].as_array().unwrap().clone();
        let recovery = recovery.iter().map(|code| code.as_str().unwrap().to_owned()).collect();
        Enrolled { access: access.to_owned(), secret, recovery }
    }

    /// The challenge that a right password gets.
    async fn challenge(&self, path: &str, username: &str) -> String {
        let got = self.post(path, json!({ "username": username, "password": PASSWORD })).await;
        assert_eq!((got.status.as_u16(), got.code), (401, Some("second_factor_required")));
        got.text_of("challenge")
    }

    pub(super) async fn answer(&self, challenge: &str, otp: &str) -> Got {
        self.post("/token/factor/", json!({ "challenge": challenge, "otp": otp })).await
    }
}

pub(super) fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[tokio::test]
async fn a_login_of_who_has_a_factor_takes_one_call_more() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let ada = room.enrol(&access).await;
    let got = room.login("ada", PASSWORD).await;
    let challenge = got.text_of("challenge");
    got.is(
        401,
        json!({
            "detail": "A second factor is required.",
            "code": "second_factor_required",
            "challenge": challenge,
            "methods": ["totp", "recovery_code"],
            "expires_in": 300,
        }),
    );
    assert_eq!(got.header("www-authenticate"), "Bearer realm=\"api\"");
    assert_eq!(got.header("set-cookie"), "", "the device is not known by half a login");
    // It is no token of ours, and the password that came with it counts for nothing else.
    assert_eq!(room.profile(&format!("Bearer {challenge}")).await.status, 401);
    let right = room.code(&ada.secret, 1);
    let got = room.answer(&challenge, &right).await;
    got.is(200, json!({ "access": got.text_of("access"), "refresh": got.text_of("refresh") }));
    assert!(got.text.starts_with("{\"access\""), "{}", got.text);
    assert_eq!(got.user.as_deref(), Some("1"));
    for token in ["access", "refresh"] {
        let claims = claims(&got.text_of(token));
        assert_eq!(claims["amr"], json!(["pwd", "otp", "mfa"]));
        assert_eq!(claims["acr"], "mfa");
    }
    // Used up, both of them.
    let bad = json!({
        "detail": "Challenge is invalid, used or expired", "code": "challenge_not_valid",
    });
    room.answer(&challenge, &room.code(&ada.secret, 1)).await.is(401, &bad);
    let next = room.challenge("/token/", "ada").await;
    room.answer(&next, &right).await.is(400, json!({ "otp": [WRONG] }));
    let got = room.answer(&next, &ada.recovery[0]).await;
    assert_eq!(got.status, 200);
    let next = room.challenge("/token/", "ada").await;
    room.answer(&next, &ada.recovery[0]).await.is(400, json!({ "otp": [WRONG] }));
    assert_eq!(room.factors(&ada.access).await["recovery_codes"], 9);
    room.clock.advance(Duration::from_secs(300));
    room.answer(&next, &ada.recovery[1]).await.is(401, &bad);
    for nonsense in ["1.p.x", "x", "1", "..", "0.s.", &"9".repeat(4000)] {
        room.answer(nonsense, "123456").await.is(401, &bad);
    }
    // A wrong password is told nothing of all that.
    room.login("ada", "wrong").await.is(400, json!({"non_field_errors": ["Invalid credentials"]}));
}

#[tokio::test]
async fn a_sliding_token_is_asked_for_a_factor_too_and_a_key_is_not_had() {
    let simple = LoginFailure::SimpleJwt;
    let room = Setup { sliding: true, login_failure: simple, ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let login = json!({ "username": "ada", "password": PASSWORD });
    let key = room.post("/api-token-auth/", &login).await.text_of("token");
    assert_eq!(key.len(), 40);
    let ada = room.enrol(&access).await;
    let challenge = room.challenge("/token/sliding/", "ada").await;
    let got = room.answer(&challenge, &room.code(&ada.secret, 1)).await;
    got.is(200, json!({ "token": got.text_of("token") }));
    assert_eq!(claims(&got.text_of("token"))["acr"], "mfa");
    let challenge = room.challenge("/token/", "ada").await;
    let got = room.answer(&challenge, &ada.recovery[0]).await;
    assert!(got.text.starts_with("{\"refresh\""), "in the order of the style: {}", got.text);
    let refused = room.post("/api-token-auth/", &login).await;
    assert_eq!((refused.status.as_u16(), refused.code), (400, Some("second_factor_forbids")));
    assert!(refused.text.contains("This account has a second factor"), "{}", refused.text);
    let wrong = json!({ "username": "ada", "password": "wrong" });
    let unable = json!({ "non_field_errors": ["Unable to log in with provided credentials."] });
    room.post("/api-token-auth/", &wrong).await.is(400, unable);
}

#[tokio::test]
async fn an_app_is_set_up_by_who_knows_the_password() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let nothing = json!({
        "totp": false, "since": null, "recovery_codes": 0, "shown": false, "passkeys": 0,
    });
    assert_eq!(room.factors(&access).await, nothing);
    let offer = |body: Value| {
        let (room, access) = (&room, &access);
        async move { room.post_as(access, "/factors/totp/", &body).await }
    };
    offer(json!({})).await.is(400, json!({ "password": ["This field is required."] }));
    let wrong = "Your password was entered incorrectly. Please enter it again.";
    offer(json!({ "password": "x" })).await.is(400, json!({ "password": [wrong] }));
    assert_eq!(room.post("/factors/totp/", json!({ "password": PASSWORD })).await.status, 401);
    // Without an offer there is nothing to confirm.
    let confirm = |otp: String| {
        let (room, access) = (&room, &access);
        async move { room.post_as(access, "/factors/totp/confirm/", &json!({ "otp": otp })).await }
    };
    confirm("123456".to_owned()).await.is(400, json!({ "otp": [WRONG] }));
    let first = offer(json!({ "password": PASSWORD })).await.text_of("secret");
    let got = offer(json!({ "password": PASSWORD })).await;
    let secret = got.text_of("secret");
    assert_ne!(first, secret);
    let uri = format!(
        "otpauth://totp/portcullis:ada?secret={secret}&issuer=portcullis\
         &algorithm=SHA1&digits=6&period=30"
    );
    got.is(201, json!({ "secret": secret, "uri": uri }));
    confirm(room.code(&first, 0)).await.is(400, json!({ "otp": [WRONG] }));
    assert_eq!(room.factors(&access).await, nothing);
    assert_eq!(room.login("ada", PASSWORD).await.status, 200, "not asked for yet");
    let got = confirm(room.code(&secret, 0)).await;
    let codes = got.json()["recovery_codes"].clone();
    got.is(200, json!({ "recovery_codes": codes }));
    assert_eq!(codes.as_array().unwrap().len(), 10);
    let since = room.clock.now().to_string();
    let has = json!({
        "totp": true, "since": since, "recovery_codes": 10, "shown": false, "passkeys": 0,
    });
    assert_eq!(room.factors(&access).await, has);
    let exists = "You have an authenticator app already. Remove it first.";
    let exists = json!({ "non_field_errors": [exists] });
    offer(json!({ "password": PASSWORD })).await.is(400, exists.clone());
    // Nothing is counted there: whoever has but a token keeps nobody from a login.
    for _ in 0..30 {
        confirm("123456".to_owned()).await.is(400, exists.clone());
    }
    confirm(room.code(&secret, 1)).await.is(400, exists);
}

#[tokio::test]
async fn a_factor_is_removed_by_who_has_both() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let both = |otp: &str| json!({ "password": PASSWORD, "otp": otp });
    for path in ["/factors/remove/", "/factors/recovery/"] {
        let none = json!({ "non_field_errors": ["You have no second factor."] });
        room.post_as(&access, path, &both("123456")).await.is(400, none);
    }
    let ada = room.enrol(&access).await;
    for path in ["/factors/remove/", "/factors/recovery/"] {
        room.post_as(&access, path, &both("123456")).await.is(400, json!({ "otp": [WRONG] }));
        let wrong = json!({ "password": "x", "otp": ada.recovery[0] });
        let got = room.post_as(&access, path, &wrong).await;
        assert_eq!((got.status.as_u16(), got.code), (400, Some("login_refused")));
    }
    let got = room.post_as(&access, "/factors/recovery/", &both(&ada.recovery[0])).await;
    let new = got.json()["recovery_codes"][0].as_str().unwrap().to_owned();
    let old = room.post_as(&access, "/factors/remove/", &both(&ada.recovery[1])).await;
    old.is(400, json!({ "otp": [WRONG] }));
    room.post_as(&access, "/factors/remove/", &both(&new)).await.is(200, json!({}));
    assert_eq!(room.factors(&access).await["totp"], false);
    assert_eq!(room.login("ada", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn codes_are_counted_like_passwords() {
    let room = Setup { account: quota(3, 15), address: quota(20, 15), ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let ada = room.enrol(&access).await;
    let challenge = room.challenge("/token/", "ada").await;
    for _ in 0..3 {
        room.answer(&challenge, "000000").await.is(400, json!({ "otp": [WRONG] }));
    }
    // Neither the right one, nor another challenge, nor another address helps.
    let right = room.code(&ada.secret, 1);
    assert_eq!(room.answer(&challenge, &right).await.status, 429);
    let other = room.challenge("/token/", "ada").await;
    let body = json!({ "challenge": other, "otp": right });
    assert_eq!(room.post_from("198.51.100.7", "/token/factor/", body).await.status, 429);
    // Who is in is counted apart, just as well.
    let own = |otp: &str| json!({ "password": PASSWORD, "otp": otp });
    for _ in 0..3 {
        let got = room.post_as(&access, "/factors/recovery/", &own("000000")).await;
        got.is(400, json!({ "otp": [WRONG] }));
    }
    assert_eq!(room.post_as(&access, "/factors/recovery/", &own(&right)).await.status, 429);
    let change = json!({ "old_password": PASSWORD, "new_password": "x9-Another-1", "otp": right });
    assert_eq!(room.post_as(&access, "/password/change/", &change).await.status, 429);
    // The password is another count, and so is everybody else's factor.
    let (eve, _) = room.user("eve").await;
    let eve = room.enrol(&eve).await;
    let hers = room.challenge("/token/", "eve").await;
    assert_eq!(room.answer(&hers, &eve.recovery[0]).await.status, 200);
    room.clock.advance(Duration::from_secs(15 * 60));
    let challenge = room.challenge("/token/", "ada").await;
    assert_eq!(room.answer(&challenge, &ada.recovery[0]).await.status, 200);
}

/// A guesser who has the password is slow enough for years.
#[tokio::test]
async fn codes_are_counted_in_the_long_run_as_well() {
    let room = Setup { account: quota(1000, 15), ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let ada = room.enrol(&access).await;
    let challenge = room.challenge("/token/", "ada").await;
    for _ in 0..100 {
        room.answer(&challenge, "no such code").await.is(400, json!({ "otp": [WRONG] }));
    }
    let late = room.answer(&challenge, &ada.recovery[0]).await;
    assert_eq!((late.status.as_u16(), late.header("retry-after")), (429, "25920"));
    // Whoever is in is not kept from what helps.
    let own = json!({ "password": PASSWORD, "otp": ada.recovery[0] });
    let other = room.post_as(&access, "/factors/recovery/", &own).await;
    assert_eq!(other.status, 200);
    let recovery = other.json()["recovery_codes"].clone();
    // Right ones do not count, and one more wrong one does.
    room.clock.advance(Duration::from_secs(25_920));
    let recovery = |number: usize| recovery[number].as_str().unwrap();
    for number in [0, 1] {
        let challenge = room.challenge("/token/", "ada").await;
        assert_eq!(room.answer(&challenge, recovery(number)).await.status, 200);
    }
    let challenge = room.challenge("/token/", "ada").await;
    room.answer(&challenge, "no such code").await.is(400, json!({ "otp": [WRONG] }));
    assert_eq!(room.answer(&challenge, recovery(2)).await.status, 429);
    // An offered secret is nobody's yet, and of another count.
    let (eve, _) = room.user("eve").await;
    room.enrol(&eve).await;
}

#[tokio::test]
async fn bad_challenges_are_counted_by_address_and_lock_nobody_out() {
    let room = Setup { account: quota(3, 15), address: quota(5, 15), ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let ada = room.enrol(&access).await;
    let forged = json!({ "challenge": "1.p.AAAA", "otp": "123456" });
    for _ in 0..5 {
        let got = room.post_from("198.51.100.7", "/token/factor/", &forged).await;
        assert_eq!(got.status, 401);
    }
    assert_eq!(room.post_from("198.51.100.7", "/token/factor/", &forged).await.status, 429);
    let challenge = room.challenge("/token/", "ada").await;
    assert_eq!(room.answer(&challenge, &ada.recovery[0]).await.status, 200);
}

#[tokio::test]
async fn a_new_password_by_a_link_removes_no_factor() {
    let room = Setup { mail: true, ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let ada = room.enrol(&access).await;
    let before = room.challenge("/token/", "ada").await;
    let (user, hash) = (room.stored("ada").await, crate::mail::token_hash("T"));
    let token = crate::store::NewToken {
        user: user.id,
        purpose: crate::store::Purpose::Password,
        hash,
        basis: user.basis(),
        address: String::new(),
        at: room.clock.now(),
        expires: room.clock.now().plus(Duration::from_secs(60)),
    };
    assert!(room.store.add_token(token).await.unwrap());
    let body = json!({ "uid": "1", "token": "T", "new_password": "An0ther-Phrase-88" });
    assert_eq!(room.post("/password/reset/confirm/", body).await.status, 200);
    assert_eq!(room.answer(&before, &ada.recovery[0]).await.status, 401, "of another password");
    let got = room.login("ada", "An0ther-Phrase-88").await;
    assert_eq!((got.status.as_u16(), got.code), (401, Some("second_factor_required")));
    let challenge = got.text_of("challenge");
    assert_eq!(room.answer(&challenge, &ada.recovery[0]).await.status, 200);
}

#[tokio::test]
async fn who_has_enrolled_is_asked_where_nobody_else_may_enrol() {
    let room = Setup { enrol_off: true, ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let body = json!({ "password": PASSWORD });
    assert_eq!(room.post_as(&access, "/factors/totp/", &body).await.status, 404);
    assert_eq!(room.post_as(&access, "/factors/totp/confirm/", &body).await.status, 404);
    // Enrolled before that was said.
    let user = room.stored("ada").await;
    let (sealed, at) = (vec![1; 60], room.clock.now());
    let new = crate::store::NewTotp { sealed: sealed.clone(), created: at };
    room.store.offer_totp(user.id, new).await.unwrap();
    let recovery = [aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"abcdefghijklmnop")];
    let recovery = recovery.iter().map(|hash| hash.as_ref().try_into().unwrap()).collect();
    let first = crate::store::FirstCode { sealed, step: 1, recovery, at };
    assert!(room.store.confirm_totp(user.id, first).await.unwrap());
    let challenge = room.challenge("/token/", "ada").await;
    // A secret that is sealed by other keys opens nothing.
    assert_eq!(room.answer(&challenge, "123456").await.status, 503);
    assert_eq!(room.answer(&challenge, "abcd-efgh-ijkl-mnop").await.status, 200);
    assert_eq!(room.factors(&access).await["totp"], true);
}

#[tokio::test]
async fn programs_with_keys_enrol_nobody() {
    let user_keys = Some(UserKeySettings::default());
    let room = Setup { user_keys, ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let key = room.post_as(&access, "/keys/", &json!({ "name": "n" })).await.text_of("key");
    let body = json!({ "password": PASSWORD, "otp": "123456" });
    for path in ["totp/", "totp/confirm/", "recovery/", "remove/"] {
        let got = room.post_as(&key, &format!("/factors/{path}"), &body).await;
        assert_eq!((got.status.as_u16(), got.code), (403, Some("api_key_not_allowed")), "{path}");
    }
}

#[tokio::test]
async fn another_password_takes_the_factor_too_and_says_what_was_shown() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let ada = room.enrol(&access).await;
    let change = async |token: &str, otp: Option<&str>| {
        let mut body = json!({ "old_password": PASSWORD, "new_password": "another horse battery" });
        if let Some(otp) = otp {
            body["otp"] = otp.into();
        }
        room.post_as(token, "/password/change/", &body).await
    };
    // In a session from before as well: the password is not enough.
    let missing = json!({ "otp": ["This field is required."] });
    change(&access, None).await.is(400, missing.clone());
    change(&access, Some("")).await.is(400, missing);
    change(&access, Some("123456")).await.is(400, json!({ "otp": [WRONG] }));
    assert_eq!(room.factors(&access).await["recovery_codes"], 10, "nothing has happened");
    let got = change(&access, Some(&ada.recovery[0])).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(claims(&got.text_of("refresh"))["acr"], "mfa");
    assert_eq!(room.factors(&got.text_of("access")).await["recovery_codes"], 9);
}
