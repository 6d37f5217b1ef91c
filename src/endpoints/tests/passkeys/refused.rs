//! What is signed and no good.

use super::*;

#[tokio::test]
async fn what_is_signed_for_one_thing_is_good_for_no_other() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let (other, _) = room.user("bob").await;
    let device = room.passkey(&access, Kind::Es256).await;
    let his = room.passkey(&other, Kind::Es256).await;
    assert_ne!(device.handle, his.handle);
    let wrong = || json!({ "non_field_errors": [WRONG] });
    // A challenge to add a passkey, or of the second step, lets nobody in, nor does another's.
    let offered = room.offer_with(&access, &device).await;
    room.sign_in(&device.get(&offered)).await.is(400, wrong());
    room.sign_in(&device.get(&room.ask_as(&access).await)).await.is(400, wrong());
    let due = room.login("ada", PASSWORD).await;
    let (challenge, options) = (due.text_of("challenge"), due.json()["publicKey"].clone());
    room.sign_in(&device.get(&options)).await.is(400, wrong());
    let refused = json!({ "otp": [WRONG_CODE] });
    for signed in [
        device.get(&room.ask_passkey().await),
        device.get(&offered),
        // Another's passkey at her challenge, and hers at another's.
        his.get(&options),
        his.get(&room.ask_as(&other).await),
        device.get(&room.ask_as(&other).await),
        device.get(&json!({ "challenge": "AAAAAAAAAAAAAAAAAAAAAA" })),
    ] {
        room.answer(&challenge, &signed.to_string()).await.is(400, &refused);
    }
    // What a browser makes is no login, and a login makes no passkey.
    let made = Device::new(ORIGIN, Kind::Es256).create(&offered);
    room.sign_in(&made).await.is(400, wrong());
    let not_added = json!({ "credential": [NOT_ADDED] });
    room.confirm(&access, "x", &device.get(&offered)).await.is(400, &not_added);
    // A passkey for one user is not added to another, nor by a challenge to sign in.
    let mut new = Device::new(ORIGIN, Kind::Es256);
    let made = new.create(&offered);
    room.confirm(&other, "x", &made).await.is(400, &not_added);
    let mut options = offered;
    options["challenge"] = room.ask_passkey().await["challenge"].clone();
    room.confirm(&access, "x", &new.create(&options)).await.is(400, &not_added);
    assert_eq!(room.confirm(&access, "x", &made).await.status, 201, "it is hers");
    let right = device.get(&due.json()["publicKey"]).to_string();
    assert_eq!(room.answer(&challenge, &right).await.status, 200);
}

/// Somebody lies about one thing, and all else is right.
type Lie = fn(&mut Device);

const LIES: [(&str, Lie); 13] = [
    ("another ceremony", |it| it.client = json!({ "type": "payment.get" })),
    ("another origin", |it| it.origin = "https://evil.example.com".to_owned()),
    ("a part of the origin", |it| it.origin = "https://app.example.com.evil.test".to_owned()),
    ("plain http", |it| it.origin = "http://app.example.com".to_owned()),
    ("another port", |it| it.origin = "https://app.example.com:8443".to_owned()),
    ("a frame", |it| it.client = json!({ "crossOrigin": true })),
    ("a page around", |it| it.client = json!({ "topOrigin": "https://evil.example.com" })),
    ("another relying party", |it| it.relying_party = "evil.example.com".to_owned()),
    ("a domain above", |it| it.relying_party = "example.com".to_owned()),
    ("nobody verified", |it| it.flags = PRESENT),
    ("nobody present", |it| it.flags = VERIFIED),
    ("a copy that cannot be", |it| it.flags |= IS_COPIED),
    ("bytes that nothing speaks of", |it| it.flags |= 128),
];

#[tokio::test]
async fn nothing_is_believed_that_is_not_said_for_this_place_by_somebody_verified() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let mut device = room.passkey(&access, Kind::Es256).await;
    for (what, lie) in LIES {
        let mut new = Device::new(ORIGIN, Kind::Es256);
        lie(&mut new);
        let offered = room.offer_with(&access, &device).await;
        let got = room.confirm(&access, "x", &new.create(&offered)).await;
        assert_eq!((got.status.as_u16(), got.code), (400, Some("passkey_not_valid")), "{what}");
        let honest = (device.origin.clone(), device.relying_party.clone(), device.flags);
        lie(&mut device);
        let got = room.sign_in(&device.get(&room.ask_passkey().await)).await;
        assert_eq!((got.status.as_u16(), got.code), (400, Some("passkey_refused")), "{what}");
        let own = device.get(&room.ask_as(&access).await).to_string();
        let body = json!({ "password": PASSWORD, "otp": own });
        let got = room.post_as(&access, "/factors/remove/", &body).await;
        assert_eq!((got.status.as_u16(), got.code), (400, Some("factor_refused")), "{what}");
        (device.origin, device.relying_party, device.flags) = honest;
        device.client = json!({});
        // So many wrong ones are too many at once.
        room.clock.advance(Duration::from_secs(100));
    }
    // It may not become one that can be copied, nor another user's, nor nobody's.
    device.flags |= MAY_BE_COPIED;
    assert_eq!(room.sign_in(&device.get(&room.ask_passkey().await)).await.status, 400);
    device.flags = PRESENT | VERIFIED;
    let handle = device.handle.replace(vec![7; 32]);
    assert_eq!(room.sign_in(&device.get(&room.ask_passkey().await)).await.status, 400);
    device.handle = None;
    assert_eq!(room.sign_in(&device.get(&room.ask_passkey().await)).await.status, 400);
    device.handle = handle;
    let mut other = device.get(&room.ask_passkey().await);
    other["type"] = json!("password");
    assert_eq!(room.sign_in(&other).await.status, 400, "another kind of credential");
    assert_eq!(room.sign_in(&device.get(&room.ask_passkey().await)).await.status, 200);
    assert_eq!(room.passkeys(&access).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_challenge_is_good_once_and_for_five_minutes() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let device = room.passkey(&access, Kind::Es256).await;
    let (asked, late) = (room.ask_passkey().await, room.ask_passkey().await);
    let signed = device.get(&asked);
    assert_eq!(room.sign_in(&signed).await.status, 200);
    assert_eq!(room.sign_in(&signed).await.code, Some("passkey_refused"), "a replay");
    assert_eq!(room.sign_in(&device.get(&asked)).await.code, Some("passkey_refused"));
    // By somebody else's passkey as well.
    let (bob, _) = room.user("bob").await;
    let his = room.passkey(&bob, Kind::EdDsa).await;
    assert_eq!(room.sign_in(&his.get(&asked)).await.code, Some("passkey_refused"));
    let offered = room.offer_with(&access, &device).await;
    let stale = room.offer_with(&access, &device).await;
    let made = Device::new(ORIGIN, Kind::Es256).create(&offered);
    assert_eq!(room.confirm(&access, "x", &made).await.status, 201);
    let again = Device::new(ORIGIN, Kind::Es256).create(&offered);
    assert_eq!(room.confirm(&access, "x", &again).await.code, Some("passkey_not_valid"));
    room.clock.advance(Duration::from_secs(300));
    assert_eq!(room.sign_in(&device.get(&late)).await.code, Some("passkey_refused"));
    let made = Device::new(ORIGIN, Kind::Es256).create(&stale);
    assert_eq!(room.confirm(&access, "x", &made).await.code, Some("passkey_not_valid"));
    let mut damaged = room.ask_passkey().await;
    let text = damaged["challenge"].as_str().unwrap().to_owned();
    damaged["challenge"] = format!("{}AA", text.split_at(text.len() - 2).0).into();
    assert_eq!(room.sign_in(&device.get(&damaged)).await.code, Some("passkey_refused"));
}

#[tokio::test]
async fn an_authenticator_that_counts_backwards_is_refused() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let mut device = room.passkey(&access, Kind::Es256).await;
    for (count, right) in
        [(0, true), (0, true), (5, true), (5, false), (4, false), (0, false), (6, true)]
    {
        device.count = count;
        let got = room.sign_in(&device.get(&room.ask_passkey().await)).await;
        assert_eq!(got.status.is_success(), right, "{count}");
    }
    device.count = 6;
    let due = room.login("ada", PASSWORD).await;
    let signed = device.get(&due.json()["publicKey"]).to_string();
    let got = room.answer(&due.text_of("challenge"), &signed).await;
    got.is(400, json!({ "otp": [WRONG_CODE] }));
}

#[tokio::test]
async fn who_may_not_come_in_does_not_by_a_passkey() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    let device = room.passkey(&access, Kind::Es256).await;
    let refused = json!({ "non_field_errors": [WRONG] });
    let unknown = Device::new(ORIGIN, Kind::Es256);
    room.sign_in(&unknown.get(&room.ask_passkey().await)).await.is(400, &refused);
    for nonsense in [json!(null), json!({}), json!("x"), json!([1]), json!({ "rawId": "AA" })] {
        room.sign_in(&nonsense).await.is(400, &refused);
    }
    let asked = room.ask_passkey().await;
    room.activate("ada", false).await;
    room.sign_in(&device.get(&asked)).await.is(400, &refused);
    room.activate("ada", true).await;
    assert_eq!(room.sign_in(&device.get(&asked)).await.status, 200, "nothing was used up");
    let ada = room.stored("ada").await.id;
    assert!(room.store.delete_user(ada).await.unwrap());
    room.sign_in(&device.get(&room.ask_passkey().await)).await.is(400, &refused);
    // Whoever comes after may have it.
    let (bob, _) = room.user("bob").await;
    let mut device = device;
    let made = device.create(&room.offer(&bob).await);
    assert_eq!(room.confirm(&bob, "found", &made).await.status, 201);
}

#[tokio::test]
async fn wrong_passkeys_count_for_the_address() {
    let room = Setup { address: quota(3, 15), ..Setup::default() }.open();
    let (access, _) = room.user("ada").await;
    let device = room.passkey(&access, Kind::Es256).await;
    let signed = device.get(&room.ask_passkey().await);
    assert_eq!(room.sign_in(&signed).await.status, 200);
    for _ in 0..3 {
        assert_eq!(room.sign_in(&signed).await.status, 400);
    }
    let right = device.get(&room.ask_passkey().await);
    assert_eq!(room.sign_in(&right).await.status, 429);
}

/// A thief has the tokens of a session, and the password.
#[tokio::test]
async fn nobody_passes_by_a_factor_by_adding_another() {
    let room = Room::new();
    let (access, _) = room.user("ada").await;
    // What was offered before there was a factor is not taken up behind it.
    let (early, other) = (room.offer(&access).await, room.offer(&access).await);
    let password = json!({ "password": PASSWORD });
    let app = room.post_as(&access, "/factors/totp/", &password).await.text_of("secret");
    room.clock.advance(Duration::from_secs(1));
    let ada = room.passkey(&access, Kind::Es256).await;
    let thief = Device::new(ORIGIN, Kind::Es256).create(&early);
    assert_eq!(room.confirm(&access, "x", &thief).await.code, Some("passkey_not_valid"));
    let code = json!({ "otp": room.code(&app, 0) });
    let got = room.post_as(&access, "/factors/totp/confirm/", &code).await;
    got.is(400, json!({ "otp": [WRONG_CODE] }));
    for path in ["/factors/passkeys/add/", "/factors/totp/"] {
        let got = room.post_as(&access, path, &password).await;
        assert_eq!((got.status.as_u16(), got.code), (400, Some("factor_required")), "{path}");
        let wrong = json!({ "password": PASSWORD, "otp": "123456" });
        let got = room.post_as(&access, path, &wrong).await;
        assert_eq!((got.status.as_u16(), got.code), (400, Some("factor_refused")), "{path}");
    }
    // The same behind an app.
    let proof = ada.get(&room.ask_as(&access).await).to_string();
    let body = json!({ "password": PASSWORD, "otp": proof });
    assert_eq!(room.post_as(&access, "/factors/remove/", &body).await.status, 200);
    room.clock.advance(Duration::from_secs(1));
    room.enrol(&access).await;
    let thief = Device::new(ORIGIN, Kind::Es256).create(&other);
    assert_eq!(room.confirm(&access, "x", &thief).await.code, Some("passkey_not_valid"));
    let got = room.post_as(&access, "/factors/passkeys/add/", &password).await;
    assert_eq!(got.code, Some("factor_required"));
}
