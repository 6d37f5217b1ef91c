//! Tokens: renewed, checked, ended.

use super::*;

fn refused(message: &str) -> Value {
    json!({"detail": message, "code": "token_not_valid"})
}

impl Room {
    async fn refresh(&self, token: &str) -> Got {
        self.post("/token/refresh/", json!({ "refresh": token })).await
    }

    async fn blacklist(&self, token: &str) -> Got {
        self.post("/token/blacklist/", json!({ "refresh": token })).await
    }

    async fn verify(&self, token: &str) -> Got {
        self.post("/token/verify/", json!({ "token": token })).await
    }

    fn mint(kind: &str, without: &[&str], changes: Value) -> String {
        let mut claims = json!({
            "token_type": kind, "exp": START + 600, "iat": START, "jti": "0123456789abcdef", "user_id": "1",
        });
        let members = claims.as_object_mut().unwrap();
        let Value::Object(changes) = changes else { panic!("no object") };
        members.extend(changes);
        for name in without {
            members.remove(*name);
        }
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
        let key = jsonwebtoken::EncodingKey::from_secret(KEY.as_bytes());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }
}

#[tokio::test]
async fn a_refresh_token_buys_access_tokens() {
    let room = Room::new();
    let (_, refresh) = room.user("x").await;
    for _ in 0..3 {
        let got = room.refresh(&format!("  {refresh} ")).await;
        assert!(got.text.starts_with(r#"{"access":""#) && !got.text.contains("refresh"));
        assert_eq!(room.profile(&format!("Bearer {}", got.text_of("access"))).await.status, 200);
    }
}

#[tokio::test]
async fn a_rotated_token_is_spent_and_its_reuse_ends_the_session_alone() {
    let room = Setup { rotation: true, ..Setup::default() }.open();
    let (access, first) = room.user("x").await;
    let (other, other_refresh) = room.pair("x").await;
    let got = room.refresh(&first).await;
    assert!(got.text.starts_with(r#"{"access":""#));
    let second = got.text_of("refresh");
    assert_ne!(first, second);
    let spent = room.refresh(&first).await;
    spent.is(401, refused("Token is blacklisted"));
    assert_eq!(spent.code, Some("refresh_token_reused"));
    room.refresh(&second).await.is(401, refused("Token is blacklisted"));
    assert_eq!(room.profile(&format!("Bearer {access}")).await.status, 401);
    assert_eq!(room.profile(&format!("Bearer {other}")).await.status, 200);
    assert_eq!(room.refresh(&other_refresh).await.status, 200);
}

#[tokio::test]
async fn a_token_used_many_times_at_once_is_spent_once() {
    let room = Setup { rotation: true, ..Setup::default() }.open();
    let (_, refresh) = room.user("x").await;
    let all = futures_util::future::join_all((0..8).map(|_| room.refresh(&refresh))).await;
    let mut codes: Vec<_> = all.iter().map(|got| got.status.as_u16()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 401, 401, 401, 401, 401, 401, 401]);
}

#[tokio::test]
async fn blacklisting_ends_the_access_tokens_too_and_no_other_login() {
    let room = Room::new();
    let (access, refresh) = room.user("x").await;
    let (other, other_refresh) = room.pair("x").await;
    assert_eq!(room.profile(&format!("Bearer {access}")).await.status, 200);
    room.blacklist(&refresh).await.is_exactly(200, "{}");
    assert_eq!(room.profile(&format!("Bearer {access}")).await.status, 401);
    for got in
        [room.blacklist(&refresh).await, room.refresh(&refresh).await, room.verify(&refresh).await]
    {
        got.is(401, refused("Token is blacklisted"));
        assert_eq!(got.header("www-authenticate"), r#"Bearer realm="api""#);
    }
    assert_eq!(room.profile(&format!("Bearer {other}")).await.status, 200);
    assert_eq!(room.refresh(&other_refresh).await.status, 200);
    room.pair("x").await;
}

#[tokio::test]
async fn tokens_of_both_kinds_verify() {
    let room = Room::new();
    let (access, refresh) = room.user("x").await;
    room.verify(&access).await.is_exactly(200, "{}");
    room.verify(&refresh).await.is_exactly(200, "{}");
    room.verify("Bearer x")
        .await
        .is_exactly(401, r#"{"detail":"Token is invalid","code":"token_not_valid"}"#);
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_told_in_the_originals_words() {
    let room = Room::new();
    let (access, _) = room.user("x").await;
    for (token, told) in [
        ("garbage".to_owned(), "Token is invalid"),
        (access, "Token has wrong type"),
        (Room::mint("refresh", &[], json!({"exp": 1000})), "Token is expired"),
        (Room::mint("refresh", &["exp"], json!({})), "Token has no 'exp' claim"),
        (Room::mint("refresh", &["jti"], json!({})), "Token has no id"),
        (Room::mint("refresh", &["token_type"], json!({})), "Token has no type"),
        (Room::mint("", &[], json!({})), "Token has wrong type"),
    ] {
        room.refresh(&token).await.is(401, refused(told));
        room.blacklist(&token).await.is(401, refused(told));
    }
    for user in [json!("999999999"), json!("abc"), json!(""), json!([1])] {
        let token = Room::mint("refresh", &[], json!({ "user_id": user }));
        assert_eq!(room.refresh(&token).await.status, 401, "{user}");
    }
    assert_eq!(room.refresh(&Room::mint("refresh", &["user_id"], json!({}))).await.status, 401);
    assert_eq!(
        room.refresh(&Room::mint("refresh", &[], json!({}))).await.status,
        200,
        "made elsewhere"
    );
}

#[tokio::test]
async fn token_fields_are_checked_like_any() {
    let room = Room::new();
    for (path, name) in [
        ("/token/refresh/", "refresh"),
        ("/token/verify/", "token"),
        ("/token/blacklist/", "refresh"),
    ] {
        for (body, told) in [
            (json!({}), "This field is required."),
            (json!({name: ""}), "This field may not be blank."),
            (json!({name: null}), "This field may not be null."),
            (json!({name: ["x"]}), "Not a valid string."),
        ] {
            room.post(path, body).await.is(400, json!({name: [told]}));
        }
        room.post(path, json!({name: 5})).await.is(401, refused("Token is invalid"));
    }
}

#[tokio::test]
async fn sliding_tokens_open_and_renew_themselves() {
    let room = Setup { sliding: true, ..Setup::default() }.open();
    let (access, _) = room.user("x").await;
    let body = json!({"username": "x", "password": PASSWORD});
    let token = room.post("/token/sliding/", body).await.text_of("token");
    assert_eq!(room.profile(&format!("Bearer {token}")).await.status, 200);
    room.verify(&token).await.is(200, json!({}));
    room.clock.advance(Duration::from_secs(60));
    let renewed =
        room.post("/token/sliding/refresh/", json!({"token": token})).await.text_of("token");
    assert_ne!(renewed, token);
    let got = room.post("/token/sliding/refresh/", json!({"token": access})).await;
    got.is(401, refused("Token has wrong type"));
    let wrong = room.post("/token/sliding/", json!({"username": "x", "password": "x"})).await;
    wrong.is_detail(401, "No active account found with the given credentials");
    let ended = Room::mint("sliding", &[], json!({"refresh_exp": 1000}));
    let got = room.post("/token/sliding/refresh/", json!({"token": ended})).await;
    got.is(401, refused("Token 'refresh_exp' claim has expired"));
    assert!(room.profile("Bearer garbage").await.text.contains(r#""token_class":"SlidingToken""#));
}

#[tokio::test]
async fn sliding_tokens_are_off_unless_they_are_on() {
    let room = Room::new();
    room.post("/token/sliding/", "{}").await.is_detail(404, "Not found.");
    room.post("/token/sliding/refresh/", "{}").await.is_detail(404, "Not found.");
}
