//! How much a client may send, and how long it may take.

use std::fmt::Write;

use crate::common::Stage;

const SMALL: &str = "[limits]\nbody = \"1KiB\"\nauth_body = \"100B\"\ntarget = \"1KiB\"\n\
    head = \"8KiB\"\nheaders = 20\nbody_timeout = \"100ms\"\n";

#[tokio::test]
async fn a_body_over_the_limit_is_refused_at_its_announcement_or_at_its_limit() {
    let route = "[routes.\"/public/large/*\"]\nto = \"up\"\nallow = \"anyone\"\nbody = \"4KiB\"\n";
    let stage = Stage::with(|policy| policy.and(SMALL).and(route)).await;
    let post = |target: &str, length: usize| {
        let (body, kind) = ("x".repeat(length), "Content-Type: application/json");
        format!(
            "POST {target} HTTP/1.1\r\nHost: a.test\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    for (target, length, status) in [
        ("/public/x", 1024, 200),
        ("/public/x", 1025, 413),
        ("/public/large/x", 4096, 200),
        ("/public/large/x", 4097, 413),
        ("/api/auth/token/", 101, 413),
    ] {
        let reply = stage.send(post(target, length)).await;
        assert_eq!(reply.status, status, "{target} {length}: {reply:?}");
    }
    // Announced and not sent: nobody waits for it.
    let announced = "POST /public/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1025\r\n\r\n";
    assert_eq!(stage.send(announced).await.status, 413);
    // RES-body-over-chunked: it never says how much will come.
    let mut endless =
        "POST /public/x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    for _ in 0..100 {
        write!(endless, "64\r\n{}\r\n", "x".repeat(100)).unwrap();
    }
    let reply = stage.send(&endless).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (413, Some("body_too_large")));
    let seen = stage.finish().await;
    let complete: Vec<_> =
        seen.iter().filter(|request| request.complete).map(|request| request.body.len()).collect();
    assert_eq!(complete, [1024, 4096]);
}

/// RES-slow-body.
#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let stage = Stage::with(|policy| policy.and(SMALL)).await;
    for framing in [
        "Content-Length: 500\r\n\r\n",
        "Content-Length: 500\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        for target in ["/public/x", "/api/auth/token/"] {
            let kind = "Content-Type: application/json\r\n";
            let framing = if target.starts_with("/api") {
                framing.replace("500", "50")
            } else {
                framing.to_owned()
            };
            let mut connection = stage.connect().await;
            let reply = connection
                .ask(format!("POST {target} HTTP/1.1\r\nHost: a.test\r\n{kind}{framing}"))
                .await;
            assert_eq!(reply.status, 408, "{target} {framing:?}: {reply:?}");
            connection.closed().await;
        }
    }
    let seen = stage.finish().await;
    assert!(seen.iter().all(|request| !request.complete), "{seen:?}");
}

/// PATH-long-2m, RES-hdr-1000, RES-hdr-1m, RES-cookie-64k.
#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let stage = Stage::with(|policy| policy.and(SMALL)).await;
    let get = |target: &str, fields: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n")
    };
    let fields = |count: usize| {
        (0..count).fold(String::new(), |fields, at| format!("{fields}X-{at}: y\r\n"))
    };
    let fits = format!("/public/{}", "x".repeat(1016));
    for (id, request, statuses) in [
        ("target-fits", get(&fits, ""), &[200][..]),
        ("target-over", get(&format!("{fits}x"), ""), &[414]),
        ("target-query", get(&format!("/public/x?{}", "x".repeat(1024)), ""), &[414]),
        ("PATH-long-2m", get(&format!("/{}", "x".repeat(2_000_000)), ""), &[414, 431, 0]),
        ("headers-fit", get("/public/x", &fields(19)), &[200]),
        ("headers-over", get("/public/x", &fields(20)), &[431]),
        ("RES-hdr-1000", get("/public/x", &fields(1000)), &[431]),
        ("RES-hdr-1m", get("/public/x", &format!("X: {}\r\n", "x".repeat(1 << 20))), &[431, 0]),
        (
            "RES-cookie-64k",
            get("/public/x", &format!("Cookie: {}\r\n", "x".repeat(80_000))),
            &[431, 0],
        ),
    ] {
        let reply = stage.send(request).await;
        assert!(statuses.contains(&reply.status), "{id}: {reply:?}");
    }
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    assert_eq!(stage.finish().await.len(), 3);
}

#[tokio::test]
async fn a_client_whose_body_nobody_read_is_told_that_its_connection_ends() {
    let stage = Stage::start().await;
    let post = |path: &str, length: usize| {
        let body = "x".repeat(length);
        let kind = "Content-Type: application/json\r\n";
        format!(
            "POST {path} HTTP/1.1\r\nHost: a.test\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    for (path, length, status, told) in [
        ("/app/x", 5, 401, true),
        ("/nothing", 5, 404, true),
        ("/api/auth/token/", 100_000, 413, true),
        ("/api/auth/profile/", 5, 401, true),
        ("/api/auth/token/", 5, 400, false),
        ("/app/x", 0, 401, false),
    ] {
        let mut connection = stage.connect().await;
        connection.write(post(path, length)).await;
        let reply = connection.reply().await;
        let close = reply.all("connection") == ["close"];
        assert_eq!((reply.status, close), (status, told), "{path} {length}: {reply:?}");
        if told {
            // What it has not read it answers to nobody.
            assert!(connection.rest().await.is_empty());
        } else {
            assert_eq!(connection.ask(post("/api/auth/token/", 5)).await.status, 400);
        }
    }
    stage.finish_untouched().await;
}
