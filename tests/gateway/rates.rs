//! How often a route may be used, by whom that is counted, and what clients are told of it.

use std::time::Duration;

use serde_json::json;

use crate::common::{Reply, Stage, claims, mint};

/// A stage with a route `/limited/*` of these keys, behind a proxy that says who asks.
async fn limited(keys: &str) -> Stage {
    let route = format!("[routes.\"/limited/*\"]\nto = \"up\"\n{keys}\n");
    Stage::with(|policy| policy.top("trust = [\"127.0.0.1\"]\n").and(&route)).await
}

/// A request from that address, with that token unless it is empty.
async fn ask(stage: &Stage, client: &str, token: &str) -> Reply {
    let bearer = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    stage.get("/limited/x", &format!("X-Forwarded-For: {client}\r\n{bearer}")).await
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back() {
    let stage = limited("rate = \"60/m per user burst 2\"").await;
    let reply = ask(&stage, "192.0.2.1", &stage.token).await;
    assert_eq!((reply.status, reply.one("ratelimit")), (200, r#""user";r=1;t=1"#));
    assert_eq!(reply.one("ratelimit-policy"), r#""user";q=60;w=60"#);
    // The user is the user wherever it comes from.
    let reply = ask(&stage, "192.0.2.2", &stage.token).await;
    assert_eq!((reply.status, reply.one("ratelimit")), (200, r#""user";r=0;t=2"#));
    let reply = ask(&stage, "192.0.2.3", &stage.token).await;
    assert_eq!(reply.status, 429);
    assert_eq!(
        reply.json(),
        json!({ "detail": "Too many requests, try again later.", "code": "throttled" })
    );
    assert_eq!((reply.one("retry-after"), reply.one("ratelimit")), ("1", r#""user";r=0;t=1"#));
    assert_eq!(reply.one("ratelimit-policy"), r#""user";q=60;w=60"#);
    assert_eq!(reply.one("cache-control"), "no-store");
    let bob = stage.user("bob", &[]).await;
    let token = mint(&claims(&bob.id.to_string()));
    assert_eq!(ask(&stage, "192.0.2.1", &token).await.status, 200);
    stage.gateway.clock().advance(Duration::from_secs(1));
    assert_eq!(ask(&stage, "192.0.2.1", &stage.token).await.status, 200);
    assert_eq!(ask(&stage, "192.0.2.1", &stage.token).await.status, 429);
    // Nobody's business but this route's.
    let reply = stage.get_as("/app/x", &stage.token).await;
    assert!(reply.status == 200 && reply.all("ratelimit").is_empty(), "{reply:?}");
    assert_eq!(stage.finish().await.len(), 5);
}

#[tokio::test]
async fn an_address_is_counted_before_anybody_looks_at_a_credential() {
    let stage = limited("rate = \"3/h per ip\"").await;
    for token in ["", "x.y.z", "x.y.z"] {
        assert_eq!(ask(&stage, "192.0.2.1", token).await.status, 401);
    }
    for token in ["", "x.y.z", &stage.token] {
        let reply = ask(&stage, "192.0.2.1", token).await;
        assert_eq!((reply.status, reply.one("retry-after")), (429, "1200"));
    }
    let reply = ask(&stage, "192.0.2.2", &stage.token).await;
    assert_eq!((reply.status, reply.one("ratelimit")), (200, r#""ip";r=2;t=1200"#));
    stage.finish().await;
}

#[tokio::test]
async fn a_network_of_one_customer_is_one_address() {
    let stage = limited("allow = \"anyone\"\nrate = \"2/h per ip\"").await;
    for (client, status) in [
        ("2001:db8::1", 200),
        ("2001:db8::2", 200),
        ("2001:db8::3:4:5", 429),
        ("2001:db8:0:1::1", 200),
        // Whoever is not trusted beyond this hop cannot be another by saying so.
        ("192.0.2.9, 2001:db8::6", 429),
    ] {
        assert_eq!(ask(&stage, client, "").await.status, status, "{client}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn what_is_not_allowed_uses_nothing_of_a_users_or_a_routes_quota() {
    let stage =
        limited("allow = \"role:editor\"\nrate = [\"1/h per user\", \"2/h per route\"]").await;
    let bob = stage.user("bob", &[]).await;
    let eve = stage.user("eve", &["editor"]).await;
    let bob = mint(&claims(&bob.id.to_string()));
    let eve = mint(&claims(&eve.id.to_string()));
    for _ in 0..4 {
        assert_eq!(ask(&stage, "192.0.2.1", "").await.status, 401);
        assert_eq!(ask(&stage, "192.0.2.1", &bob).await.status, 403);
    }
    let reply = ask(&stage, "192.0.2.1", &stage.token).await;
    assert_eq!(reply.one("ratelimit"), r#""user";r=0;t=3600, "route";r=1;t=1800"#);
    assert_eq!(ask(&stage, "192.0.2.1", &stage.token).await.status, 429);
    assert_eq!(ask(&stage, "192.0.2.1", &eve).await.status, 200);
    // The route is used up for everybody.
    let carol = stage.user("carol", &["editor"]).await;
    let reply = ask(&stage, "192.0.2.1", &mint(&claims(&carol.id.to_string()))).await;
    assert_eq!((reply.status, reply.one("ratelimit")), (429, r#""route";r=0;t=1800"#));
    assert_eq!(stage.finish().await.len(), 2);
}

#[tokio::test]
async fn nobody_is_counted_by_its_address_where_users_are_counted() {
    let stage = limited("allow = \"anyone\"\nrate = \"1/h per user\"").await;
    assert_eq!(ask(&stage, "192.0.2.1", "").await.status, 200);
    assert_eq!(ask(&stage, "192.0.2.1", "").await.status, 429);
    assert_eq!(ask(&stage, "192.0.2.2", "").await.status, 200);
    assert_eq!(ask(&stage, "192.0.2.1", &stage.token).await.status, 200);
    stage.finish().await;
}

/// Connections are spread over workers; the count is one.
#[tokio::test]
async fn no_burst_gets_more_than_the_quota() {
    let stage = limited("allow = \"anyone\"\nrate = \"10/h per route\"").await;
    let asking = (0..30).map(|_| ask(&stage, "192.0.2.1", ""));
    let mut passed = 0;
    for reply in futures_ordered(asking).await {
        passed += usize::from(reply.status == 200);
        assert!(matches!(reply.status, 200 | 429), "{reply:?}");
    }
    assert_eq!(passed, 10);
    assert_eq!(stage.finish().await.len(), 10);
}

/// All at once; the results in order.
async fn futures_ordered<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        let mut ready = true;
        for (future, result) in &mut waiting {
            if result.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, result)| result).collect()
}
