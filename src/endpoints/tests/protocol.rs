//! Paths, methods, media types and fields of the header, the same for every endpoint.

use super::*;

const POST_ONLY: [&str; 6] = [
    "/register/",
    "/token/",
    "/token/refresh/",
    "/token/verify/",
    "/token/blacklist/",
    "/api-token-auth/",
];

#[test]
fn the_prefix_and_all_below_it_is_ours() {
    let room = Room::new();
    for path in
        ["/api/auth", "/api/auth/", "/api/auth/x/y", "/api/auth/token", "/.well-known/jwks.json"]
    {
        assert!(room.endpoints.owns(path), "{path}");
    }
    for path in [
        "/",
        "/api",
        "/api/authority",
        "/api/authx/token/",
        "/.well-known/jwks.json/",
        "/x/api/auth/",
    ] {
        assert!(!room.endpoints.owns(path), "{path}");
    }
}

#[tokio::test]
async fn what_is_unknown_below_the_prefix_is_404_for_everybody() {
    let room = Room::new();
    for path in [
        "",
        "/",
        "/nothing/",
        "/profile/x/",
        "/token/nothing/",
        "/PROFILE/",
        "/token//",
        "//token/",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let headers = [("authorization", "Bearer garbage"), ("accept", "application/xml")];
            let got = room.call(method, path, &headers, "", "192.0.2.1").await;
            got.is_exactly(404, r#"{"detail":"Not found."}"#);
            assert_eq!(got.header("allow"), "");
        }
    }
}

#[tokio::test]
async fn a_slash_at_the_end_is_optional() {
    let room = Room::new();
    let (access, _) = room.user("x").await;
    let headers = [("authorization", &*format!("Bearer {access}"))];
    assert_eq!(room.get("/profile", &headers).await.status, 200);
    assert_eq!(
        room.post("/token", json!({"username": "x", "password": PASSWORD})).await.status,
        200
    );
}

#[tokio::test]
async fn every_answer_carries_the_originals_fields_and_is_not_stored() {
    let room = Room::new();
    let (access, _) = room.user("x").await;
    let post = [("content-type", "application/json")];
    for got in [
        room.profile(&format!("Bearer {access}")).await,
        room.login("x", PASSWORD).await,
        room.get("/nothing", &[]).await,
        room.get("/token/", &[]).await,
        room.get("/profile/", &[]).await,
        room.call("OPTIONS", "/token/", &[], "", "192.0.2.1").await,
        room.call("POST", "/token/", &post, "x".repeat(70_000), "192.0.2.1").await,
        room.get("/profile/", &[("accept", "application/xml")]).await,
    ] {
        for (name, value) in [
            ("content-type", "application/json"),
            ("vary", "Accept"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(got.header(name), value, "{name} of {}", got.status);
        }
        assert!(got.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}

#[tokio::test]
async fn only_what_an_endpoint_does_is_allowed() {
    let room = Room::new();
    for path in POST_ONLY {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            let got = room.call(method, path, &[], "", "192.0.2.1").await;
            got.is_detail(405, &format!("Method \"{method}\" not allowed."));
            assert_eq!(got.header("allow"), "POST, OPTIONS");
        }
    }
    let (access, _) = room.user("x").await;
    let bearer = format!("Bearer {access}");
    for method in ["POST", "PUT", "TRACE"] {
        let got =
            room.call(method, "/profile/", &[("authorization", &bearer)], "", "192.0.2.1").await;
        got.is_detail(405, &format!("Method \"{method}\" not allowed."));
        assert_eq!(got.header("allow"), "GET, PATCH, HEAD, OPTIONS");
    }
    let get = room.profile(&bearer).await;
    let head = room.call("HEAD", "/profile/", &[("authorization", &bearer)], "", "192.0.2.1").await;
    assert_eq!((head.status, head.headers), (get.status, get.headers));
}

#[tokio::test]
async fn checks_come_in_the_originals_order() {
    let room = Room::new();
    let xml = ("accept", "application/xml");
    let told = "Could not satisfy the request Accept header.";
    room.get("/profile/", &[xml]).await.is_detail(406, told);
    room.call("DELETE", "/token/", &[xml], "", "192.0.2.1").await.is_detail(406, told);
    let told = "Authentication credentials were not provided.";
    room.call("DELETE", "/profile/", &[], "", "192.0.2.1").await.is_detail(401, told);
    room.call("OPTIONS", "/profile/", &[], "", "192.0.2.1").await.is_detail(401, told);
    let got =
        room.call("PUT", "/token/", &[("content-type", "text/plain")], "x", "192.0.2.1").await;
    assert_eq!(got.status, 405);
}

#[tokio::test]
async fn a_stale_authorization_shuts_no_open_door() {
    let room = Room::new();
    room.register("x").await;
    let body = json!({"username": "x", "password": PASSWORD}).to_string();
    for credential in ["Bearer garbage", "Bearer", "Bearer a b", "Basic eDp5"] {
        let headers = [("authorization", credential), ("content-type", "application/json")];
        let got = room.call("POST", "/token/", &headers, body.clone(), "192.0.2.1").await;
        assert_eq!(got.status, 200, "{credential}");
        assert_eq!(room.call("POST", "/register/", &headers, "{}", "192.0.2.1").await.status, 400);
    }
}

#[tokio::test]
async fn other_media_types_are_415_and_none_is_needed_for_nothing() {
    let room = Room::new();
    for path in POST_ONLY {
        for media in ["text/plain", "application/xml", "text/json", "application/octet-stream"] {
            let got = room.send(path, media, "{}").await;
            got.is_detail(415, &format!("Unsupported media type \"{media}\" in request."));
        }
        let got = room.call("POST", path, &[], "{}", "192.0.2.1").await;
        got.is_detail(415, "Unsupported media type \"\" in request.");
        let empty = room.call("POST", path, &[], "", "192.0.2.1").await;
        assert!(empty.status == 400 && empty.text.contains("This field is required."));
        assert_eq!(room.send(path, "application/json", "{}").await.text, empty.text);
        let form = room.send(path, "application/x-www-form-urlencoded", "other=1").await;
        assert_eq!(form.text, empty.text);
        let got = room.send(path, "application/json", "{").await;
        assert!(got.status == 400 && got.text.starts_with(r#"{"detail":"JSON parse error - "#));
    }
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(room.call("POST", "/token/", &headers, "{}", "192.0.2.1").await.status, 415);
}

#[tokio::test]
async fn forms_and_multipart_are_read_like_json() {
    let room = Room::new();
    let form = "application/x-www-form-urlencoded";
    let got = room
        .send("/register/", form, "username=x&password=Tr1cky-Phrase-77&email=x%40example.com")
        .await;
    got.is(201, json!({"username": "x", "email": "x@example.com"}));
    let faults = json!({
        "username": ["This field may not be blank."],
        "password": ["This field is required."],
        "email": ["Enter a valid email address."],
    });
    room.send("/register/", form, "username=&email=nope").await.is(400, faults);
    let multipart = "--B\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nx\r\n\
                     --B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n\
                     Tr1cky-Phrase-77\r\n--B--\r\n";
    assert_eq!(
        room.send("/token/", "multipart/form-data; boundary=B", multipart).await.status,
        200
    );
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let room = Room::new();
    let body = format!("{{\"username\": \"{}\"}}", "x".repeat(70_000));
    let got = room.post("/token/", body).await;
    got.is_detail(413, "Request body is too large.");
    let got = room.post("/token/", "[".repeat(60_000)).await;
    got.is_detail(400, "JSON parse error - Nested too deeply");
}

#[tokio::test]
async fn a_body_that_never_comes_is_408() {
    let room = Room::new();
    let limits =
        MessageLimits { body_timeout: Duration::from_millis(5), ..MessageLimits::default() };
    let silent = http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<Bytes>, std::convert::Infallible>,
    >());
    let body = RequestBody::new(silent, &limits);
    let headers = HeaderMap::from_iter([(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )]);
    let client = IpAddr::from([192, 0, 2, 1]);
    let (method, path) = (&Method::POST, "/api/auth/token/");
    let got = read(
        room.endpoints
            .answer(Call { method, host: "", path, headers: &headers, client, caller: None, body })
            .await,
    )
    .await;
    got.is_detail(408, "Request body came too slowly.");
}

#[tokio::test]
async fn options_describes_the_fields() {
    let room = Room::new();
    for (path, fields) in [
        ("/register/", json!({"username": true, "password": true, "email": false})),
        ("/token/", json!({"username": true, "password": true})),
        ("/token/refresh/", json!({"refresh": true})),
        ("/token/verify/", json!({"token": true})),
        ("/token/blacklist/", json!({"refresh": true})),
        ("/api-token-auth/", json!({"username": true, "password": true})),
    ] {
        let got = room.call("OPTIONS", path, &[], "", "192.0.2.1").await;
        assert_eq!((got.status.as_u16(), got.header("allow")), (200, "POST, OPTIONS"));
        let body = got.json();
        assert_eq!(body["renders"], json!(["application/json"]));
        assert_eq!(body["parses"][0], "application/json");
        let told = body["actions"]["POST"].as_object().unwrap();
        let told: serde_json::Map<_, _> = told
            .iter()
            .filter(|(_, field)| field["read_only"] == false)
            .map(|(name, field)| (name.clone(), field["required"].clone()))
            .collect();
        assert_eq!(Value::from(told), fields, "{path}");
    }
    let (access, _) = room.user("x").await;
    let bearer = format!("Bearer {access}");
    let got =
        room.call("OPTIONS", "/profile/", &[("authorization", &bearer)], "", "192.0.2.1").await;
    assert_eq!(got.text_of("name"), "User Profile");
    let body = got.json();
    let actions: Vec<_> = body["actions"].as_object().unwrap().keys().collect();
    assert_eq!(actions, ["PATCH"]);
}

#[tokio::test]
async fn the_key_set_is_public_and_holds_no_shared_secret() {
    let room = Room::new();
    let path = "/.well-known/jwks.json";
    let got = room.get(path, &[("accept", "application/xml"), ("authorization", "Bearer x")]).await;
    got.is_exactly(200, r#"{"keys":[]}"#);
    assert_eq!(got.header("cache-control"), "public, max-age=300");
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("vary"), "");
    assert_eq!(room.call("HEAD", path, &[], "", "192.0.2.1").await.headers, got.headers);
    let got = room.call("POST", path, &[], "", "192.0.2.1").await;
    got.is_detail(405, "Method \"POST\" not allowed.");
    assert_eq!(got.header("allow"), "GET, HEAD");
}

#[tokio::test]
async fn unicode_comes_back_readable_and_line_separators_escaped() {
    let room = Room::new();
    let body = json!({"username": "Zoë", "password": PASSWORD, "email": "a@a\u{2060}b.example"});
    let got = room.post("/register/", body).await;
    assert!(got.text.contains("Zoë") && got.text.contains("a\u{2060}b"), "{}", got.text);
    let got =
        read(reply::refused(EndpointError::MediaType("\u{2028}\u{2029}".to_owned()), None)).await;
    assert!(got.text.contains(r"\u2028\u2029"));
}

#[test]
fn nothing_of_a_cause_reaches_the_client() {
    let cause = || "disk /var/lib/x is on fire".into();
    let errors = [
        crate::store::StoreError::Unavailable(cause()),
        crate::store::StoreError::Corrupt { table: "users", source: cause() },
    ];
    for (error, status) in errors.into_iter().zip([503, 500]) {
        let error = EndpointError::from(crate::session::AccountError::Store(error));
        let answer = error.answer();
        assert_eq!(answer.status.as_u16(), status);
        let body = answer.body.to_string();
        assert!(!body.contains("disk") && !body.contains("users"), "{body}");
    }
}
