//! API keys that users make.

use super::*;

const WEEK: u64 = 7 * 24 * 60 * 60;

fn settings() -> UserKeySettings {
    UserKeySettings { per_user: NonZeroUsize::new(3).unwrap(), ..UserKeySettings::default() }
}

fn open() -> Room {
    Setup { user_keys: Some(settings()), ..Setup::default() }.open()
}

impl Room {
    async fn make(&self, access: &str, body: Value) -> Got {
        let bearer = format!("Bearer {access}");
        let headers = [("content-type", "application/json"), ("authorization", &*bearer)];
        self.call("POST", "/keys/", &headers, body.to_string(), "192.0.2.1").await
    }

    async fn keys(&self, access: &str) -> Value {
        let bearer = format!("Bearer {access}");
        let got = self.get("/keys/", &[("authorization", &bearer)]).await;
        assert_eq!(got.status, 200, "{}", got.text);
        got.json()
    }

    async fn revoke(&self, access: &str, id: impl std::fmt::Display) -> Got {
        let bearer = format!("Bearer {access}");
        let headers = [("authorization", &*bearer)];
        self.call("DELETE", &format!("/keys/{id}/"), &headers, "", "192.0.2.1").await
    }

    /// A user with that role, logged in.
    async fn with_role(&self, name: &str, role: &str) -> String {
        let (access, _) = self.user(name).await;
        let id = self.stored(name).await.id;
        self.change(id, UserChange::AddRole(role.to_owned())).await;
        access
    }
}

#[tokio::test]
async fn a_key_is_shown_once() {
    let room = open();
    let access = room.with_role("x", "editor").await;
    let body = json!({ "name": " backup ", "scopes": ["editor"], "expires_in": WEEK });
    let made = room.make(&access, body).await;
    let key = made.text_of("key");
    assert_eq!((key.len(), key.starts_with("pck_")), (40, true));
    let mut expected = json!({
        "id": 1,
        "name": "backup",
        "hint": key.get(..8),
        "scopes": ["editor"],
        "created": "2027-01-15T08:00:00Z",
        "expires": "2027-01-22T08:00:00Z",
        "last_used": null,
        "key": key,
    });
    made.is(201, &expected);
    assert_eq!((made.header("cache-control"), made.user.as_deref()), ("no-store", Some("1")));
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(room.keys(&access).await, json!([expected]));
    // It is kept as a hash alone.
    let kept = room.store.user_key(1).await.unwrap().unwrap();
    assert!(!format!("{kept:?}").contains(key.get(8..).unwrap()));
    room.profile(&format!("Bearer {key}")).await.is(
        200,
        json!({
            "username": "x", "email": "x@example.com",
        }),
    );
    assert_eq!(room.keys(&access).await[0]["last_used"], "2027-01-15T08:00:00Z");
}

#[tokio::test]
async fn without_more_than_a_name_a_key_has_all_roles_for_as_long_as_it_may() {
    let room = open();
    let (access, _) = room.user("x").await;
    let made = room.make(&access, json!({ "name": "n" })).await.json();
    assert_eq!((&made["scopes"], &made["expires"]), (&Value::Null, &json!("2028-01-15T08:00:00Z")));
    // Where nothing bounds it, it does not end.
    let user_keys = Some(UserKeySettings { life: None, ..settings() });
    let room = Setup { user_keys, ..Setup::default() }.open();
    let (access, _) = room.user("x").await;
    let made = room.make(&access, json!({ "name": "n", "expires_in": "" })).await.json();
    assert_eq!(made["expires"], Value::Null);
    let made = room.make(&access, json!({ "name": "n", "expires_in": u64::MAX })).await.json();
    assert_eq!(made["expires"], "9999-12-31T23:59:59Z");
}

#[tokio::test]
async fn a_key_that_is_not_in_order_is_not_made() {
    let room = open();
    let access = room.with_role("x", "editor").await;
    let long = "n".repeat(65);
    let role = "Only names of roles are allowed.";
    for (body, fault) in [
        (json!({}), json!({ "name": ["This field is required."] })),
        (json!({ "name": " " }), json!({ "name": ["This field may not be blank."] })),
        (json!({ "name": null }), json!({ "name": ["This field may not be null."] })),
        (json!({ "name": ["n"] }), json!({ "name": ["Not a valid string."] })),
        (
            json!({ "name": long }),
            json!({ "name": ["Ensure this field has no more than 64 characters."] }),
        ),
        (
            json!({ "name": "a\u{202e}b" }),
            json!({ "name": ["Control characters are not allowed."] }),
        ),
        (
            json!({ "name": "n", "scopes": ["editor", "admin"] }),
            json!({ "scopes": ["You do not have the role \"admin\"."] }),
        ),
        (json!({ "name": "n", "scopes": ["*"] }), json!({ "scopes": [role] })),
        (json!({ "name": "n", "scopes": [1] }), json!({ "scopes": [role] })),
        (json!({ "name": "n", "scopes": { "a": 1 } }), json!({ "scopes": [role] })),
        (
            json!({ "name": "n", "expires_in": 0 }),
            json!({ "expires_in": ["Ensure this value is greater than or equal to 1."] }),
        ),
        (
            json!({ "name": "n", "expires_in": 365 * 24 * 60 * 60 + 1 }),
            json!({ "expires_in": ["Ensure this value is less than or equal to 31536000."] }),
        ),
        (
            json!({ "name": "n", "expires_in": "1y" }),
            json!({ "expires_in": ["A valid integer is required."] }),
        ),
        (
            json!({ "scopes": null, "expires_in": true }),
            json!({
                "name": ["This field is required."],
                "scopes": ["This field may not be null."],
                "expires_in": ["A valid integer is required."],
            }),
        ),
    ] {
        room.make(&access, body).await.is(400, fault);
    }
    assert_eq!(room.keys(&access).await, json!([]));
}

#[tokio::test]
async fn what_is_not_asked_for_sets_nothing() {
    let room = open();
    let (access, _) = room.user("x").await;
    room.register("other").await;
    let other = room.stored("other").await.id;
    let body = json!({
        "name": "n", "id": 99, "user": other.0, "owner": "other", "hash": "00", "key": "pck_mine",
        "roles": ["admin"], "is_staff": true, "last_used": "2020-01-01T00:00:00Z", "life": 1,
        "created": 1, "hint": "pck_mine", "expires": null,
    });
    let made = room.make(&access, body).await;
    assert_eq!((made.status.as_u16(), &made.json()["id"]), (201, &json!(1)));
    assert_ne!(made.text_of("key"), "pck_mine");
    let kept = room.store.user_key(1).await.unwrap().unwrap();
    assert_eq!((kept.user, kept.scopes), (room.stored("x").await.id, None));
    assert_eq!(room.store.keys_of(other).await.unwrap(), []);
    assert!(room.stored("x").await.roles.is_empty());
}

#[tokio::test]
async fn forms_do_as_well() {
    let room = open();
    let access = room.with_role("x", "editor").await;
    let bearer = format!("Bearer {access}");
    let form = [("content-type", "application/x-www-form-urlencoded"), ("authorization", &*bearer)];
    for (body, scopes) in [
        ("name=n&scopes=editor&expires_in=60", json!(["editor"])),
        ("name=n&scopes=", json!([])),
        ("name=n", Value::Null),
    ] {
        let made = room.call("POST", "/keys", &form, body, "192.0.2.1").await;
        assert_eq!((made.status.as_u16(), &made.json()["scopes"]), (201, &scopes), "{body}");
    }
}

#[tokio::test]
async fn a_user_has_so_many_and_may_revoke_its_own() {
    let room = open();
    let (access, other) = (room.user("x").await.0, room.user("other").await.0);
    let mut keys = Vec::new();
    for name in ["a", "b", "c"] {
        keys.push(room.make(&access, json!({ "name": name })).await.text_of("key"));
    }
    let full = json!({ "non_field_errors": ["You have 3 API keys already. Revoke one first."] });
    let refused = room.make(&access, json!({ "name": "d" })).await;
    refused.is(400, full);
    assert_eq!(refused.code, Some("too_many_keys"));
    assert_eq!(room.make(&other, json!({ "name": "theirs" })).await.status, 201);
    for id in ["4", "99", "0", "01", "+1", "x", "18446744073709551616"] {
        room.revoke(&access, id).await.is_detail(404, "Not found.");
    }
    let gone = room.revoke(&access, 2).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    room.revoke(&access, 2).await.is_detail(404, "Not found.");
    let names: Vec<_> = room
        .keys(&access)
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["name"].clone())
        .collect();
    assert_eq!(names, ["a", "c"]);
    for (key, status) in keys.iter().zip([200, 401, 200]) {
        assert_eq!(room.profile(&format!("Bearer {key}")).await.status, status);
    }
    assert_eq!(room.make(&access, json!({ "name": "d" })).await.status, 201);
}

#[tokio::test]
async fn keys_are_made_after_a_recent_login() {
    let user_keys = Some(settings());
    let room = Setup { user_keys, token_scheme: true, ..Setup::default() }.open();
    let (access, refresh) = room.user("x").await;
    let body = json!({ "username": "x", "password": PASSWORD });
    let opaque = room.post("/api-token-auth/", body).await.text_of("token");
    room.clock.advance(Duration::from_secs(900));
    assert_eq!(room.make(&access, json!({ "name": "n" })).await.status, 201);
    room.clock.advance(Duration::from_secs(1));
    let renewed = room.post("/token/refresh/", json!({ "refresh": refresh })).await;
    let too_old = json!({
        "detail": "A more recent login is required.",
        "code": "insufficient_user_authentication",
    });
    for access in [access.clone(), renewed.text_of("access")] {
        // Whatever else is wrong with it.
        let got = room.make(&access, json!({ "name": "" })).await;
        got.is(401, &too_old);
        let challenge =
            "Bearer realm=\"api\", error=\"insufficient_user_authentication\", max_age=900";
        assert_eq!(got.header("www-authenticate"), challenge);
        // What there is can be seen and revoked all the same.
        assert_eq!(room.keys(&access).await.as_array().unwrap().len(), 1);
    }
    let opaque = format!("Token {opaque}");
    let headers = [("content-type", "application/json"), ("authorization", &*opaque)];
    let body = json!({ "name": "n" }).to_string();
    room.call("POST", "/keys/", &headers, body, "192.0.2.1").await.is(401, &too_old);
    assert_eq!(room.revoke(&access, 1).await.status, 204);
    // Unless the operator says that any login will do.
    let user_keys = Some(UserKeySettings { fresh: None, ..settings() });
    let room = Setup { user_keys, ..Setup::default() }.open();
    let (access, _) = room.user("x").await;
    room.clock.advance(Duration::from_secs(901));
    assert_eq!(room.make(&access, json!({ "name": "n" })).await.status, 201);
}

#[tokio::test]
async fn keys_that_are_made_are_counted_by_user() {
    let room = Setup { user_keys: Some(settings()), keys: quota(2, 60), ..Setup::default() }.open();
    let (access, other) = (room.user("x").await.0, room.user("other").await.0);
    for _ in 0..5 {
        // What was not made does not count.
        assert_eq!(
            room.make(&access, json!({ "name": "n", "scopes": ["admin"] })).await.status,
            400
        );
    }
    for id in 1..=2 {
        assert_eq!(room.make(&access, json!({ "name": "n" })).await.status, 201);
        assert_eq!(room.revoke(&access, id).await.status, 204);
    }
    let got = room.make(&access, json!({ "name": "n" })).await;
    got.is_detail(429, "Request was throttled. Expected available in 1800 seconds.");
    assert_eq!(got.header("retry-after"), "1800");
    assert_eq!(room.make(&other, json!({ "name": "n" })).await.status, 201);
}

#[tokio::test]
async fn a_key_does_nothing_for_which_the_person_is_wanted() {
    let room = Setup { user_keys: Some(settings()), mail: true, ..Setup::default() }.open();
    let (access, refresh) = room.user("x").await;
    let key = room.make(&access, json!({ "name": "n" })).await.text_of("key");
    let bearer = format!("Bearer {key}");
    let headers = [("content-type", "application/json"), ("authorization", &*bearer)];
    let told = json!({
        "detail": "An API key may not do this. Log in instead.",
        "code": "api_key_not_allowed",
    });
    let password = json!({ "old_password": PASSWORD, "new_password": "An0ther-Phrase-88" });
    let email = json!({ "email": "new@example.com", "password": PASSWORD });
    for (method, path, body) in [
        ("GET", "/keys/", json!({})),
        ("POST", "/keys/", json!({ "name": "another" })),
        ("DELETE", "/keys/1/", json!({})),
        ("GET", "/sessions/", json!({})),
        ("DELETE", "/sessions/1-0000000000000000/", json!({})),
        ("POST", "/logout/all/", json!({})),
        ("POST", "/password/change/", password),
        ("PATCH", "/profile/", email),
        ("POST", "/email/verify/", json!({})),
    ] {
        let got = room.call(method, path, &headers, body.to_string(), "192.0.2.1").await;
        got.is(403, &told);
        assert_eq!(got.code, Some("api_key_not_allowed"), "{method} {path}");
    }
    // Nothing came of any of it.
    assert_eq!(room.keys(&access).await.as_array().unwrap().len(), 1);
    room.login("x", PASSWORD).await;
    assert_eq!(room.profile(&bearer).await.status, 200);
    // There is no login behind it that could end.
    let got = room.call("POST", "/logout/", &headers, "{}", "192.0.2.1").await;
    got.is_detail(400, "This credential has no session that could be ended.");
    let body = json!({ "refresh": refresh }).to_string();
    assert_eq!(room.call("POST", "/logout/", &headers, body, "192.0.2.1").await.status, 200);
    assert_eq!(room.profile(&format!("Bearer {access}")).await.status, 401);
    assert_eq!(room.profile(&bearer).await.status, 200, "keys go on");
}

#[tokio::test]
async fn without_the_table_there_are_no_keys() {
    let room = Room::new();
    let (access, _) = room.user("x").await;
    let bearer = format!("Bearer {access}");
    for (method, path) in [("GET", "/keys/"), ("POST", "/keys/"), ("DELETE", "/keys/1/")] {
        let got = room.call(method, path, &[("authorization", &bearer)], "", "192.0.2.1").await;
        got.is_detail(404, "Not found.");
    }
    let elsewhere = open();
    let (access, _) = elsewhere.user("x").await;
    let key = elsewhere.make(&access, json!({ "name": "n" })).await.text_of("key");
    let got = room.profile(&format!("Bearer {key}")).await;
    assert_eq!((got.status.as_u16(), got.code), (401, Some("token_not_valid")));
}
