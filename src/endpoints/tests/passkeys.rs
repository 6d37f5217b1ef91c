//! Passkeys at the endpoints: added, used alone and beside the password, removed.

use super::factors::claims;
use super::*;
use crate::session::RelyingParty;

mod bounds;
#[path = "../../../tests/common/passkey.rs"]
mod device;
mod own;
mod refused;

use device::{Device, IS_COPIED, Kind, MAY_BE_COPIED, PRESENT, VERIFIED};

const ORIGIN: &str = "https://app.example.com";
const NOT_ADDED: &str = "This passkey could not be verified, or came too late.";
const WRONG: &str = "Nobody can sign in with this passkey here, or not any more.";
const WRONG_CODE: &str = "This code is wrong, or was used before.";

/// For whom passkeys are made in these tests.
pub(super) fn here() -> RelyingParty {
    RelyingParty { id: "app.example.com".to_owned(), origin: ORIGIN.to_owned() }
}

impl Room {
    async fn offer(&self, access: &str) -> Value {
        self.offer_by(access, "").await
    }

    async fn offer_by(&self, access: &str, otp: &str) -> Value {
        let body = json!({ "password": PASSWORD, "otp": otp });
        let got = self.post_as(access, "/factors/passkeys/add/", &body).await;
        assert_eq!(got.status, 201, "{got:?}");
        got.json()["publicKey"].clone()
    }

    async fn confirm(&self, access: &str, name: &str, credential: &Value) -> Got {
        let body = json!({ "name": name, "credential": credential.to_string() });
        self.post_as(access, "/factors/passkeys/confirm/", &body).await
    }

    /// The same for who has that passkey already.
    async fn offer_with(&self, access: &str, has: &Device) -> Value {
        let proof = has.get(&self.ask_as(access).await).to_string();
        self.offer_by(access, &proof).await
    }

    /// The first passkey of that user.
    async fn passkey(&self, access: &str, kind: Kind) -> Device {
        let options = self.offer(access).await;
        self.made(access, kind, &options).await
    }

    async fn made(&self, access: &str, kind: Kind, options: &Value) -> Device {
        let mut device = Device::new(ORIGIN, kind);
        let made = device.create(options);
        let got = self.confirm(access, "key", &made).await;
        assert_eq!(got.status, 201, "{got:?}");
        device
    }

    async fn ask_passkey(&self) -> Value {
        let got = self.post("/token/passkey/", json!({})).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.json()["publicKey"].clone()
    }

    async fn sign_in(&self, credential: &Value) -> Got {
        self.post("/token/passkey/confirm/", json!({ "credential": credential.to_string() })).await
    }

    async fn ask_as(&self, access: &str) -> Value {
        let got = self.post_as(access, "/factors/passkeys/challenge/", &json!({})).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.json()["publicKey"].clone()
    }

    async fn passkeys(&self, access: &str) -> Value {
        let authorization = format!("Bearer {access}");
        self.get("/factors/passkeys/", &[("authorization", &authorization)]).await.json()
    }
}

#[tokio::test]
async fn a_passkey_alone_is_a_login_by_two_factors() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let options = room.offer(&access).await;
    assert_eq!(options["rp"], json!({ "id": "app.example.com", "name": "portcullis" }));
    assert_eq!(options["attestation"], "none");
    let chosen = &options["authenticatorSelection"];
    assert_eq!(
        (&chosen["residentKey"], &chosen["userVerification"]),
        (&json!("required"), &json!("required"))
    );
    assert_eq!(options["user"]["name"], "ada");
    assert_eq!(options["user"]["id"].as_str().unwrap().len(), 43, "random, and nobody's name");
    let mut device = Device::new(ORIGIN, Kind::Es256);
    let added = room.confirm(&access, "phone", &device.create(&options)).await;
    assert_eq!(added.json()["recovery_codes"].as_array().unwrap().len(), 10, "it is the first");
    let asked = room.ask_passkey().await;
    assert_eq!(asked["allowCredentials"], json!([]), "nothing is told about anybody");
    assert_eq!(
        (&asked["rpId"], &asked["userVerification"]),
        (&json!("app.example.com"), &json!("required"))
    );
    let got = room.sign_in(&device.get(&asked)).await;
    got.is(200, json!({ "access": got.text_of("access"), "refresh": got.text_of("refresh") }));
    assert_eq!(got.user.as_deref(), Some("1"));
    let claims = claims(&got.text_of("access"));
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pop", "user", "mfa"]), &json!("mfa")));
    let by_it = got.text_of("access");
    assert_eq!(room.factors(&by_it).await["shown"], true);
    assert_eq!(room.factors(&access).await["shown"], false, "a session is as it was");
    // Another, which comes without codes, and is of the same account to the authenticator.
    let options = room.offer_with(&access, &device).await;
    assert_eq!(options["excludeCredentials"][0]["id"], device.get(&asked)["id"]);
    let mut other = Device::new(ORIGIN, Kind::EdDsa);
    other.flags |= MAY_BE_COPIED | IS_COPIED;
    let added = room.confirm(&access, "laptop", &other.create(&options)).await;
    added.is(201, json!({ "recovery_codes": [] }));
    assert_eq!(device.handle, other.handle);
    assert_eq!(room.sign_in(&other.get(&room.ask_passkey().await)).await.status, 200);
    let all = room.passkeys(&access).await;
    assert_eq!((&all[0]["name"], &all[1]["name"]), (&json!("phone"), &json!("laptop")));
    assert_eq!((&all[0]["copied"], &all[1]["copied"]), (&json!(false), &json!(true)));
    assert!(all[0]["last_used"].is_string());
    let factors = room.factors(&access).await;
    assert_eq!(
        (&factors["totp"], &factors["passkeys"], &factors["recovery_codes"]),
        (&json!(false), &json!(2), &json!(10))
    );
}

#[tokio::test]
async fn every_kind_of_key_that_is_asked_for_can_sign() {
    let room = Room::new();
    for (name, kind) in [("ada", Kind::Es256), ("bob", Kind::EdDsa), ("eve", Kind::Rs256)] {
        let (access, _) = room.user(name).await;
        let device = room.passkey(&access, kind).await;
        let got = room.sign_in(&device.get(&room.ask_passkey().await)).await;
        assert_eq!(got.status, 200, "{kind:?} {got:?}");
        let mut bad = device.get(&room.ask_passkey().await);
        let signature = bad["response"]["signature"].as_str().unwrap().to_owned();
        let other = device.get(&room.ask_passkey().await)["response"]["signature"].clone();
        assert_ne!(other, signature);
        bad["response"]["signature"] = other;
        room.sign_in(&bad).await.is(400, json!({ "non_field_errors": [WRONG] }));
    }
}

#[tokio::test]
async fn a_passkey_is_the_second_step_behind_a_password() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let device = room.passkey(&access, Kind::Es256).await;
    // Who has nothing else is asked as well.
    let due = room.login("ada", PASSWORD).await;
    assert_eq!((due.status.as_u16(), due.code), (401, Some("second_factor_required")));
    assert_eq!(due.json()["methods"], json!(["passkey", "recovery_code"]));
    let options = due.json()["publicKey"].clone();
    assert_eq!(options["allowCredentials"].as_array().unwrap().len(), 1);
    let (challenge, signed) = (due.text_of("challenge"), device.get(&options));
    let got = room.answer(&challenge, &signed.to_string()).await;
    assert_eq!(got.status, 200, "{got:?}");
    let claims = claims(&got.text_of("access"));
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pwd", "pop", "mfa"]), &json!("mfa")));
    // Neither challenge is good again.
    assert_eq!(
        room.answer(&challenge, &signed.to_string()).await.code,
        Some("challenge_not_valid")
    );
    let again = room.login("ada", PASSWORD).await.text_of("challenge");
    room.answer(&again, &signed.to_string()).await.is(400, json!({ "otp": [WRONG_CODE] }));
    // No key is handed out past it.
    let login = json!({ "username": "ada", "password": PASSWORD });
    assert_eq!(room.post("/api-token-auth/", login).await.code, Some("second_factor_forbids"));
}

#[tokio::test]
async fn a_passkey_is_one_users_and_takes_the_password_of_now() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let (bob, _) = room.user("bob").await;
    let mut device = room.passkey(&access, Kind::Es256).await;
    let handle = device.handle.clone();
    let taken = json!({ "credential": ["This passkey was added before."] });
    let made = device.create(&room.offer_with(&access, &device).await);
    room.confirm(&access, "x", &made).await.is(400, &taken);
    let made = device.create(&room.offer(&bob).await);
    room.confirm(&bob, "x", &made).await.is(400, &taken);
    device.handle = handle;
    assert_eq!(
        room.sign_in(&device.get(&room.ask_passkey().await)).await.user.as_deref(),
        Some("1")
    );
    let wrong = json!({ "password": "not hers" });
    let got = room.post_as(&access, "/factors/passkeys/add/", &wrong).await;
    assert_eq!((got.status.as_u16(), got.code), (400, Some("login_refused")));
    let made = Device::new(ORIGIN, Kind::Es256).create(&room.offer(&bob).await);
    room.clock.advance(Duration::from_secs(1));
    let body = json!({ "old_password": PASSWORD, "new_password": "An0ther-Phrase-88" });
    let changed = room.post_as(&bob, "/password/change/", &body).await;
    let bob = changed.text_of("access");
    assert_eq!(room.confirm(&bob, "x", &made).await.code, Some("passkey_not_valid"));
    // What has no good key is none, whatever it says.
    let options = room.offer_with(&access, &device).await;
    let mut new = Device::new(ORIGIN, Kind::Es256);
    let other = [new.key(), vec![0]].concat();
    let mut p384 = new.key();
    p384[4] = 0x38;
    let mut off_the_curve = new.key();
    *off_the_curve.last_mut().unwrap() ^= 1;
    for key in [vec![], vec![0xa0], other, p384, off_the_curve] {
        let made = new.created(&options["challenge"], &key);
        let got = room.confirm(&access, "x", &made).await;
        assert_eq!(got.code, Some("passkey_not_valid"), "{key:?}");
    }
    new.credential = vec![1; 15];
    assert_eq!(
        room.confirm(&access, "x", &new.create(&options)).await.code,
        Some("passkey_not_valid")
    );
}

#[tokio::test]
async fn there_are_twenty_at_most() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let early = room.offer(&access).await;
    let first = room.passkey(&access, Kind::EdDsa).await;
    for _ in 1..20 {
        let options = room.offer_with(&access, &first).await;
        room.made(&access, Kind::EdDsa, &options).await;
    }
    let many = "You have as many passkeys as there may be. Remove one first.";
    let proof = first.get(&room.ask_as(&access).await).to_string();
    let body = json!({ "password": PASSWORD, "otp": proof });
    let got = room.post_as(&access, "/factors/passkeys/add/", &body).await;
    got.is(400, json!({ "credential": [many] }));
    let made = Device::new(ORIGIN, Kind::EdDsa).create(&early);
    room.confirm(&access, "x", &made).await.is(400, json!({ "credential": [many] }));
}

#[tokio::test]
async fn a_passkey_is_removed_by_password_and_factor() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let lost = room.passkey(&access, Kind::Es256).await;
    let options = room.offer_with(&access, &lost).await;
    let kept = room.made(&access, Kind::EdDsa, &options).await;
    let by_lost = room.sign_in(&lost.get(&room.ask_passkey().await)).await.text_of("access");
    assert_eq!(room.factors(&by_lost).await["shown"], true);
    let id = room.passkeys(&access).await[0]["id"].clone();
    let remove = async |id: &Value, password: &str, otp: &str| {
        let body = json!({ "id": id, "password": password, "otp": otp });
        room.post_as(&access, "/factors/passkeys/remove/", &body).await
    };
    let proof = async |device: &Device| device.get(&room.ask_as(&access).await).to_string();
    assert_eq!(remove(&id, "not hers", &proof(&kept).await).await.code, Some("login_refused"));
    assert_eq!(remove(&id, PASSWORD, "aaaa-bbbb-cccc-dddd").await.code, Some("factor_refused"));
    assert_eq!(remove(&json!("0011223344556677"), PASSWORD, &proof(&kept).await).await.status, 404);
    assert_eq!(remove(&id, PASSWORD, &proof(&kept).await).await.status, 200);
    let refused = json!({ "non_field_errors": [WRONG] });
    room.sign_in(&lost.get(&room.ask_passkey().await)).await.is(400, &refused);
    assert_eq!(room.sign_in(&kept.get(&room.ask_passkey().await)).await.status, 200);
    // What was let in by it, if by it, has the word of no factor any more.
    assert_eq!(room.factors(&by_lost).await["shown"], false);
    // With the last one goes all that came with it.
    let id = room.passkeys(&access).await[0]["id"].clone();
    assert_eq!(remove(&id, PASSWORD, &proof(&kept).await).await.status, 200);
    room.sign_in(&kept.get(&room.ask_passkey().await)).await.is(400, &refused);
    assert_eq!(room.factors(&access).await["recovery_codes"], 0);
    assert_eq!(room.login("ada", PASSWORD).await.status, 200, "the password is enough again");
    let got = room.post_as(&access, "/factors/passkeys/challenge/", &json!({})).await;
    assert_eq!((got.status.as_u16(), got.code), (400, Some("no_factor")));
}

#[tokio::test]
async fn an_app_and_passkeys_live_beside_each_other() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let device = room.passkey(&access, Kind::Es256).await;
    let proof = device.get(&room.ask_as(&access).await).to_string();
    let body = json!({ "password": PASSWORD, "otp": proof });
    let secret = room.post_as(&access, "/factors/totp/", &body).await.text_of("secret");
    let first = json!({ "otp": room.code(&secret, 0) });
    let confirmed = room.post_as(&access, "/factors/totp/confirm/", &first).await;
    confirmed.is(200, json!({ "recovery_codes": [] }));
    let due = room.login("ada", PASSWORD).await;
    assert_eq!(due.json()["methods"], json!(["totp", "passkey", "recovery_code"]));
    let code = room.code(&secret, 1);
    assert_eq!(room.answer(&due.text_of("challenge"), &code).await.status, 200);
    // The app stays when the last passkey goes, and so do the codes.
    let id = room.passkeys(&access).await[0]["id"].clone();
    let proof = device.get(&room.ask_as(&access).await).to_string();
    let body = json!({ "id": id, "password": PASSWORD, "otp": proof });
    assert_eq!(room.post_as(&access, "/factors/passkeys/remove/", &body).await.status, 200);
    let factors = room.factors(&access).await;
    assert_eq!((&factors["totp"], &factors["recovery_codes"]), (&json!(true), &json!(10)));
    // A passkey is shown for new codes as well, and for a new password; all go at once.
    room.clock.advance(Duration::from_secs(60));
    let options = room.offer_by(&access, &room.code(&secret, 0)).await;
    let device = room.made(&access, Kind::Es256, &options).await;
    let proof = async || device.get(&room.ask_as(&access).await).to_string();
    let body = json!({ "password": PASSWORD, "otp": proof().await });
    let codes = room.post_as(&access, "/factors/recovery/", &body).await;
    assert_eq!(codes.json()["recovery_codes"].as_array().unwrap().len(), 10);
    let body = json!({ "password": PASSWORD, "otp": proof().await });
    assert_eq!(room.post_as(&access, "/factors/remove/", &body).await.status, 200);
    assert_eq!(room.sign_in(&device.get(&room.ask_passkey().await)).await.status, 400);
    assert_eq!(room.login("ada", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn without_a_name_there_are_no_passkeys() {
    let room = Setup { unnamed: true, ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let told = json!({
        "detail": "This server has no name that passkeys can be for.",
        "code": "passkeys_not_configured",
    });
    room.post("/token/passkey/", json!({})).await.is(501, &told);
    room.post("/token/passkey/confirm/", json!({ "credential": "{}" })).await.is(501, &told);
    let body = json!({ "password": PASSWORD });
    room.post_as(&access, "/factors/passkeys/add/", &body).await.is(501, &told);
    room.post_as(&access, "/factors/passkeys/challenge/", &json!({})).await.is(501, &told);
    assert_eq!(room.passkeys(&access).await, json!([]));
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() {
    let room = Setup { passkeys_off: true, ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    for path in ["/token/passkey/", "/token/passkey/confirm/"] {
        room.post(path, json!({})).await.is_detail(404, "Not found.");
    }
    for path in ["/factors/passkeys/add/", "/factors/passkeys/confirm/"] {
        room.post_as(&access, path, &json!({})).await.is_detail(404, "Not found.");
    }
    let room = Setup { enrol_off: true, ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let got = room.post_as(&access, "/factors/passkeys/add/", &json!({})).await;
    got.is_detail(404, "Not found.");
    assert_eq!(room.ask_passkey().await["rpId"], "app.example.com", "who has one uses it");
}
