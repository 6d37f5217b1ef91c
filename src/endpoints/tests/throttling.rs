//! What may be tried how often.

use super::*;

#[tokio::test]
async fn a_throttled_account_is_shut_to_the_right_password_too() {
    let room = Setup { account: quota(3, 15), ..Setup::default() }.open();
    let (access, refresh) = room.user("x").await;
    for name in ["x", "ｘ", " x"] {
        assert_eq!(room.login(name, "wrong").await.status, 400);
    }
    let (right, wrong) = (room.login("x", PASSWORD).await, room.login("x", "wrong").await);
    right.is_detail(429, "Request was throttled. Expected available in 300 seconds.");
    assert_eq!((right.status, &right.text), (wrong.status, &wrong.text));
    assert_eq!((right.header("retry-after"), right.code), ("300", Some("throttled")));
    let body = json!({"username": "x", "password": PASSWORD});
    assert_eq!(room.post("/api-token-auth/", &body).await.status, 429, "one door is all doors");
    assert_eq!(room.profile(&format!("Bearer {access}")).await.status, 200, "sessions go on");
    assert_eq!(room.post("/token/refresh/", json!({"refresh": refresh})).await.status, 200);
    room.clock.advance(Duration::from_millis(299_001));
    let soon = room.login("x", PASSWORD).await;
    soon.is_detail(429, "Request was throttled. Expected available in 1 second.");
    assert_eq!(soon.header("retry-after"), "1", "rounded up");
    room.clock.advance(Duration::from_secs(1));
    assert_eq!(room.login("x", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn unknown_names_are_throttled_like_known_ones() {
    let room = Setup { account: quota(2, 15), ..Setup::default() }.open();
    room.register("known").await;
    let mut seen = Vec::new();
    for name in ["known", "unknown"] {
        let mut answers = Vec::new();
        for _ in 0..4 {
            let got = room.login(name, "wrong").await;
            answers.push((got.status, got.text));
        }
        seen.push(answers);
    }
    assert_eq!(seen.first(), seen.last());
    assert_eq!(seen.concat().iter().filter(|(status, _)| *status == 429).count(), 4);
}

#[tokio::test]
async fn only_failures_count() {
    let room = Setup { account: quota(2, 15), address: quota(2, 15), ..Setup::default() }.open();
    room.register("x").await;
    for _ in 0..5 {
        assert_eq!(room.login("x", PASSWORD).await.status, 200);
        assert_eq!(room.post("/token/", "{}").await.status, 400);
        assert_eq!(room.post("/token/", "{").await.status, 400);
    }
}

#[tokio::test]
async fn an_address_is_throttled_over_all_names() {
    let room = Setup { address: quota(2, 15), sliding: true, ..Setup::default() }.open();
    room.register("x").await;
    let body = |name: &str| json!({"username": name, "password": "wrong"});
    let right = json!({"username": "x", "password": PASSWORD});
    for (client, name) in [("2001:db8::1", "a"), ("2001:db8::2", "b")] {
        assert_eq!(room.post_from(client, "/token/", body(name)).await.status, 400);
    }
    for path in ["/token/", "/token", "/token/sliding/", "/api-token-auth/"] {
        let got = room.post_from("2001:db8::3", path, &right).await;
        got.is_detail(429, "Request was throttled. Expected available in 450 seconds.");
    }
    assert_eq!(room.post_from("2001:db8:0:1::1", "/token/", &right).await.status, 200);
}

#[tokio::test]
async fn registrations_are_throttled_by_address() {
    let room = Setup { registrations: quota(2, 60), ..Setup::default() }.open();
    let body = |name: &str| json!({"username": name, "password": PASSWORD});
    assert_eq!(room.post("/register/", "{").await.status, 400, "says nothing about a name");
    assert_eq!(room.post("/register/", body("a")).await.status, 201);
    assert_eq!(room.post("/register/", body("a")).await.status, 400, "tells that it is taken");
    let got = room.post("/register/", body("b")).await;
    got.is_detail(429, "Request was throttled. Expected available in 1800 seconds.");
    assert_eq!(got.header("retry-after"), "1800");
    assert_eq!(room.post_from("192.0.2.2", "/register/", body("b")).await.status, 201);
}

#[tokio::test]
async fn what_could_not_be_checked_is_503_and_no_failure() {
    let room = Setup { account: quota(1, 15), queue: Some(0), ..Setup::default() }.open();
    // No queue, and a thread that is not waiting for work yet or is busy: some are turned away.
    let all = futures_util::future::join_all((0..16).map(|n| {
        let room = &room;
        async move { room.login(&format!("n{n}"), "wrong").await }
    }))
    .await;
    let busy = all.iter().find(|got| got.status == 503).expect("nobody was turned away");
    busy.is(503, json!({"detail": "Service temporarily unavailable, try again later.", "code": "unavailable"}));
    assert_eq!((busy.header("retry-after"), busy.code), ("5", Some("busy")));
    let turned_away = all.iter().position(|got| got.status == 503).unwrap();
    let again = room.login(&format!("n{turned_away}"), "wrong").await;
    assert_ne!(again.status, 429);
}
