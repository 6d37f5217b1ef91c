//! `register/`, `profile/`, and who may log in.

use super::*;

const SIGNS: &str = "Enter a valid username. This value may contain only letters, numbers, \
                     and @/./+/-/_ characters.";
const TAKEN: &str = "A user with that username already exists.";

#[tokio::test]
async fn the_walk_through_of_the_original() {
    let room = Room::new();
    let body =
        json!({"username": "johndoe", "password": "password123", "email": "johndoe@example.com"});
    let got = room.post("/register/", body).await;
    got.is_exactly(201, r#"{"username":"johndoe","email":"johndoe@example.com"}"#);
    assert_eq!(got.user.as_deref(), Some("1"));
    let got = room.login("johndoe", "password123").await;
    assert!(got.text.starts_with(r#"{"access":""#), "the original's order");
    assert_eq!(got.user.as_deref(), Some("1"));
    let got = room.profile(&format!("Bearer {}", got.text_of("access"))).await;
    got.is_exactly(200, r#"{"username":"johndoe","email":"johndoe@example.com"}"#);
    assert_eq!(got.user.as_deref(), Some("1"));
}

#[tokio::test]
async fn every_field_fault_of_register_has_the_originals_text() {
    let room = Room::new();
    room.register("shared").await;
    let (required, no_null) = ("This field is required.", "This field may not be null.");
    let (blank, no_text) = ("This field may not be blank.", "Not a valid string.");
    let (no_mail, nul) = ("Enter a valid email address.", "Null characters are not allowed.");
    let long = |n| format!("Ensure this field has no more than {n} characters.");
    let p = PASSWORD;
    for (body, faults) in [
        (json!({}), json!({"username": [required], "password": [required]})),
        (json!({"password": p}), json!({"username": [required]})),
        (json!({"username": "\t", "password": p}), json!({"username": [blank]})),
        (json!({"username": "x", "password": "\u{3000} "}), json!({"password": [blank]})),
        (
            json!({"username": null, "password": null, "email": null}),
            json!({"username": [no_null], "password": [no_null], "email": [no_null]}),
        ),
        (
            json!({"username": ["x"], "password": {}, "email": true}),
            json!({"username": [no_text], "password": [no_text], "email": [no_mail]}),
        ),
        (
            json!({"username": "a b", "password": "", "email": "x"}),
            json!({"username": [SIGNS], "password": [blank], "email": [no_mail]}),
        ),
        (
            json!({"username": "!".repeat(151), "password": p}),
            json!({"username": [SIGNS, long(150)]}),
        ),
        (json!({"username": "a\0x", "password": p}), json!({"username": [SIGNS, nul]})),
        (json!({"username": "x", "password": "ж".repeat(129)}), json!({"password": [long(128)]})),
        (json!({"username": "x", "password": "Tr1cky\0Phrase"}), json!({"password": [nul]})),
        (json!({"username": "x", "password": p, "email": 1.5}), json!({"email": [no_mail]})),
        (json!({"username": "shared", "password": p}), json!({"username": [TAKEN]})),
        (json!({"username": " shared\n", "password": p}), json!({"username": [TAKEN]})),
        (json!({"username": "ｓｈａｒｅｄ", "password": p}), json!({"username": [TAKEN]})),
        (json!({"username": "reserved", "password": p}), json!({"username": [TAKEN]})),
        (
            json!({"username": "shared", "password": "1234", "email": "x"}),
            json!({
                "username": [TAKEN],
                "password": [
                    "This password is too short. It must contain at least 8 characters.",
                    "This password is entirely numeric.",
                ],
                "email": [no_mail],
            }),
        ),
    ] {
        let got = room.post("/register/", &body).await;
        assert_eq!((got.status.as_u16(), got.json()), (400, faults), "{body}");
    }
    let got = room.post("/register/", "{}").await;
    got.is_exactly(
        400,
        r#"{"username":["This field is required."],"password":["This field is required."]}"#,
    );
}

#[tokio::test]
async fn what_is_stored_is_normalised() {
    let room = Room::new();
    for (username, email, stored, address) in [
        (json!(" ｗｉｄｅ² "), json!(" MiXed@EXAMPLE.Com "), "wide2", "MiXed@example.com"),
        (json!(1_234_567_890_123_456_u64), json!(""), "1234567890123456", ""),
        (json!(1.5), json!("a@localhost"), "1.5", "a@localhost"),
    ] {
        let body =
            json!({"username": username, "password": format!(" {PASSWORD}"), "email": email});
        let got = room.post("/register/", body).await;
        got.is(201, json!({"username": stored, "email": address}));
        assert_eq!(room.login(&format!(" {stored}"), &format!("{PASSWORD} ")).await.status, 200);
    }
    assert_eq!(room.login("ｗｉｄｅ2", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn privileges_cannot_be_asked_for() {
    let room = Room::new();
    let body = json!({
        "username": "x", "password": PASSWORD, "is_staff": true, "is_active": false, "id": 99,
        "roles": ["admin"], "role": "admin", "email_verified": true, "claims": {"tenant": "acme"},
        "email": "x@example.com",
    });
    room.post("/register/", body).await.is(201, json!({"username": "x", "email": "x@example.com"}));
    let user = room.stored("x").await;
    assert_eq!((user.id, user.active, user.email_verified), (UserId(1), true, false));
    assert!(user.roles.is_empty() && user.claims.is_empty());
}

#[tokio::test]
async fn of_a_race_for_a_name_one_wins_and_the_others_are_told() {
    let room = Room::new();
    let body = json!({"username": "popular", "password": PASSWORD});
    let all = (0..8).map(|_| room.post("/register/", &body));
    let mut codes = Vec::new();
    for got in futures_util::future::join_all(all).await {
        if got.status != 201 {
            got.is(400, json!({"username": [TAKEN]}));
        }
        codes.push(got.status.as_u16());
    }
    codes.sort_unstable();
    assert_eq!(codes, [201, 400, 400, 400, 400, 400, 400, 400]);
}

#[tokio::test]
async fn a_closed_registration_is_shut_to_every_method() {
    let room = Setup { register: Registration::Closed, ..Setup::default() }.open();
    let body = json!({"username": "x", "password": PASSWORD});
    let got = room.post("/register/", body).await;
    got.is_detail(403, "You do not have permission to perform this action.");
    assert_eq!(got.code, Some("registration_closed"));
    assert_eq!(room.get("/register/", &[]).await.status, 403);
    assert!(room.store.users(None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn unknown_name_wrong_password_and_disabled_account_look_the_same() {
    for (login_failure, status, told) in [
        (LoginFailure::Original, 400, r#"{"non_field_errors":["Invalid credentials"]}"#),
        (
            LoginFailure::SimpleJwt,
            401,
            r#"{"detail":"No active account found with the given credentials"}"#,
        ),
    ] {
        let room = Setup { login_failure, ..Setup::default() }.open();
        room.register("off").await;
        room.activate("off", false).await;
        room.register("on").await;
        for (name, password) in [
            ("nobody", PASSWORD),
            ("on", "wrong"),
            ("off", PASSWORD),
            ("on@example.com", PASSWORD),
            ("ON", PASSWORD),
        ] {
            let got = room.login(name, password).await;
            got.is_exactly(status, told);
            let challenge = if status == 401 { r#"Bearer realm="api""# } else { "" };
            assert_eq!(
                (got.header("www-authenticate"), got.code),
                (challenge, Some("login_refused"))
            );
        }
        let first = if status == 401 { r#"{"refresh":""# } else { r#"{"access":""# };
        assert!(room.login("on", PASSWORD).await.text.starts_with(first));
    }
}

#[tokio::test]
async fn token_takes_text_and_tells_what_is_missing() {
    let room = Room::new();
    let blank = "This field may not be blank.";
    for (body, faults) in [
        (json!({"username": "x"}), json!({"password": ["This field is required."]})),
        (
            json!({"username": " ", "password": ""}),
            json!({"username": [blank], "password": [blank]}),
        ),
        (
            json!({"username": "a\0b", "password": "x"}),
            json!({"username": ["Null characters are not allowed."]}),
        ),
        (
            json!({"username": true, "password": {}}),
            json!({"username": ["Not a valid string."], "password": ["Not a valid string."]}),
        ),
        (
            json!([]),
            json!({"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
        ),
        (json!(null), json!({"non_field_errors": ["No data provided"]})),
    ] {
        room.post("/token/", body).await.is(400, faults);
    }
    let long = room.login(&"u".repeat(5000), &"p".repeat(5000)).await;
    long.is(400, json!({"non_field_errors": ["Invalid credentials"]}));
}

#[tokio::test]
async fn an_api_key_is_always_the_same_and_its_password_is_not_trimmed() {
    let room = Setup { token_scheme: true, ..Setup::default() }.open();
    room.register("x").await;
    room.register("y").await;
    let ask = async |name: &str, password: &str| {
        room.post("/api-token-auth/", json!({"username": name, "password": password})).await
    };
    let key = ask("x", PASSWORD).await.text_of("token");
    assert!(key.len() == 40 && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
    assert_eq!(ask(" x ", PASSWORD).await.text_of("token"), key);
    assert_ne!(ask("y", PASSWORD).await.text_of("token"), key);
    let refused = json!({"non_field_errors": ["Unable to log in with provided credentials."]});
    ask("x", &format!(" {PASSWORD}")).await.is(400, &refused);
    ask("nobody", PASSWORD).await.is(400, &refused);
    room.profile(&format!("Token {key}"))
        .await
        .is(200, json!({"username": "x", "email": "x@example.com"}));
    for (credential, told) in [
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Token 0000000000000000000000000000000000000000", "Invalid token."),
    ] {
        room.profile(credential).await.is_detail(401, told);
    }
    room.activate("x", false).await;
    ask("x", PASSWORD).await.is(400, &refused);
    room.profile(&format!("Token {key}")).await.is_detail(401, "User inactive or deleted.");
}

#[tokio::test]
async fn profile_needs_a_credential_of_our_own_user() {
    let room = Room::new();
    let (access, refresh) = room.user("x").await;
    let invalid = |message: &str| {
        json!({
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{"token_class": "AccessToken", "token_type": "access", "message": message}],
        })
    };
    let none = json!({"detail": "Authentication credentials were not provided."});
    let parts = json!({
        "detail": "Authorization header must contain two space-delimited values",
        "code": "bad_authorization_header",
    });
    room.get("/profile/", &[]).await.is(401, &none);
    for (credential, body) in [
        (String::new(), &none),
        ("Basic eDp5".to_owned(), &none),
        (format!("JWT {access}"), &none),
        (format!("Token {access}"), &none),
        ("Bearer".to_owned(), &parts),
        ("Bearer a b".to_owned(), &parts),
        ("Bearer garbage".to_owned(), &invalid("Token is invalid")),
        (format!("Bearer {refresh}"), &invalid("Token has wrong type")),
    ] {
        let got = room.profile(&credential).await;
        got.is(401, body);
        assert_eq!(got.header("www-authenticate"), r#"Bearer realm="api""#, "{credential}");
    }
    let twice = format!("Bearer {access}");
    let got = room.get("/profile/", &[("authorization", &twice), ("authorization", &twice)]).await;
    assert_eq!(got.status, 401);
    room.clock.advance(Duration::from_secs(30 * 60 + 1));
    room.profile(&twice).await.is(401, invalid("Token is expired"));
}

#[tokio::test]
async fn deactivation_deletion_and_a_new_password_are_in_force_at_once() {
    let room = Room::new();
    let (access, refresh) = room.user("x").await;
    let bearer = format!("Bearer {access}");
    assert_eq!(room.profile(&bearer).await.status, 200);
    room.activate("x", false).await;
    let inactive = json!({"detail": "User is inactive", "code": "user_inactive"});
    room.profile(&bearer).await.is(401, inactive);
    let told = "No active account found for the given token.";
    room.post("/token/refresh/", json!({"refresh": refresh})).await.is_detail(401, told);
    room.activate("x", true).await;
    assert_eq!(room.profile(&bearer).await.status, 200);
    let id = room.stored("x").await.id;
    room.endpoints
        .accounts
        .set_password(id, Secret::from("An0ther-Phrase".to_owned()))
        .await
        .unwrap();
    let changed =
        json!({"detail": "The user's password has been changed.", "code": "password_changed"});
    room.profile(&bearer).await.is(401, changed);
    let access = room.login("x", "An0ther-Phrase").await.text_of("access");
    room.endpoints.accounts.delete(id).await.unwrap();
    let gone = json!({"detail": "User not found", "code": "user_not_found"});
    room.profile(&format!("Bearer {access}")).await.is(401, gone);
}

#[tokio::test]
async fn another_issuers_token_has_no_profile_here() {
    let keys = json!({"keys": [{"kty": "oct", "alg": "HS256", "k": "dGhlaXItc2VjcmV0LW9mLWF0LWxlYXN0LTMyLWJ5dGVz"}]});
    let issuer = IssuerSettings {
        name: "theirs".into(),
        issuer: "https://theirs.example".to_owned(),
        audience: "us".to_owned(),
        keys: crate::keys::JwkSet::parse(&keys.to_string()).unwrap().into(),
        algorithms: vec![Algorithm::Hs256],
        claims: std::collections::BTreeMap::new(),
        roles: std::collections::BTreeMap::new(),
        roles_claim: "roles".to_owned(),
        leeway: Duration::ZERO,
    };
    let room = Setup { issuers: vec![issuer], ..Setup::default() }.open();
    let claims = json!({
        "iss": "https://theirs.example", "aud": "us", "sub": "1", "exp": START + 600, "iat": START,
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let key = jsonwebtoken::EncodingKey::from_secret(b"their-secret-of-at-least-32-bytes");
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let headers = HeaderMap::from_iter([(
        http::header::AUTHORIZATION,
        HeaderValue::from_str(&format!("Bearer {token}")).unwrap(),
    )]);
    let known = room.endpoints.sessions.authenticate(&headers).await.unwrap().unwrap();
    assert_eq!(known.identity.user_id, "theirs:1");
    let got = room.profile(&format!("Bearer {token}")).await;
    assert_eq!((got.status.as_u16(), got.text_of("code").as_str()), (401, "token_not_valid"));
}
