//! What a route says beside who may use it: rewriting, addresses, caches, response headers.

use crate::common::{Act, Seen, Stage, Upstream};

/// A stage with one more route.
async fn with_route(route: &str) -> Stage {
    Stage::with(|policy| policy.and(&format!("[routes.{route}"))).await
}

/// The status of each path, as an anonymous client gets it, and what reached the upstream.
async fn targets(route: &str, asked: &[(&str, u16)]) -> Vec<String> {
    let stage = with_route(route).await;
    for (path, status) in asked {
        let reply = stage.get(path, "").await;
        assert_eq!(reply.status, *status, "{path}: {reply:?}");
    }
    stage.finish().await.iter().map(|seen| seen.target().to_owned()).collect()
}

#[tokio::test]
async fn a_path_is_rewritten_for_the_upstream() {
    let route = "\"/v1/*\"]\nto = \"up\"\nallow = \"anyone\"\nstrip = \"/v1\"\n";
    let asked = [
        ("/v1", 200),
        ("/v1/", 200),
        ("/v1/a/b?c=/v1/d&e", 200),
        ("/v1/%61/../b%2f?", 200),
        ("/v1/v1/x", 200),
        ("/v1x/y", 404),
    ];
    assert_eq!(targets(route, &asked).await, ["/", "/", "/a/b?c=/v1/d&e", "/b%2F?", "/v1/x"]);
    let asked = [("/v1", 200), ("/v1/", 200), ("/v1/x?y", 200)];
    let both = format!("{route}prefix = \"/new/app\"\n");
    assert_eq!(targets(&both, &asked).await, ["/new/app", "/new/app/", "/new/app/x?y"]);
    let prefix = "\"/v1/*\"]\nto = \"up\"\nallow = \"anyone\"\nprefix = \"/new\"\n";
    assert_eq!(targets(prefix, &asked).await, ["/new/v1", "/new/v1/", "/new/v1/x?y"]);
}

/// The rule is that of the path that was asked for, wherever the rewrite leads.
#[tokio::test]
async fn a_rewrite_opens_no_door() {
    let route = "\"/public/app/*\"]\nto = \"up\"\nallow = \"role:admin\"\nstrip = \"/public\"\n";
    let asked = [
        ("/public/app/x", 401),
        ("/public/app", 401),
        ("/public/x/../app/y", 401),
        ("/public//app/x", 400),
        ("/public/APP/x", 400),
        ("/public/app/..%2f..%2fadmin-area/x", 400),
    ];
    assert_eq!(targets(route, &asked).await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_client_from_elsewhere_is_refused_before_it_is_asked_who_it_is() {
    let route = "[routes.\"/inside/*\"]\nto = \"up\"\nfrom = [\"10.0.0.0/8\", \"2001:db8::/32\"]\n";
    let stage = Stage::with(|policy| policy.top("trust = [\"127.0.0.1\"]\n").and(route)).await;
    let bearer = format!("Authorization: Bearer {}\r\n", stage.token);
    for (client, status) in [
        ("10.1.2.3", 200),
        ("2001:db8::7", 200),
        ("::ffff:10.1.2.3", 200),
        ("11.1.2.3", 403),
        ("2001:db9::7", 403),
        // The last that nobody trusted vouches for counts, not the first.
        ("10.1.2.3, 11.1.2.3", 403),
        ("", 403),
    ] {
        let fields = format!("{bearer}X-Forwarded-For: {client}\r\n");
        assert_eq!(stage.get("/inside/x", &fields).await.status, status, "{client}");
    }
    // Without a credential, and with a broken one: nobody looks at it.
    for fields in ["", "Authorization: Bearer x.y.z\r\n"] {
        let reply = stage.get("/inside/x", fields).await;
        assert_eq!(reply.status, 403);
        assert_eq!(
            reply.text(),
            r#"{"detail":"You do not have permission to perform this action."}"#
        );
    }
    let reply = stage.get("/inside/x", "X-Forwarded-For: 10.1.2.3\r\n").await;
    assert_eq!(reply.status, 401);
    assert_eq!(stage.finish().await.len(), 3);
}

/// Whom nobody trusts cannot say where it comes from.
#[tokio::test]
async fn a_client_cannot_choose_its_address() {
    let stage = with_route("\"/inside/*\"]\nto = \"up\"\nfrom = [\"10.0.0.0/8\"]\n").await;
    let fields = format!(
        "Authorization: Bearer {}\r\nX-Forwarded-For: 10.1.2.3\r\nForwarded: for=10.1.2.3\r\n\
         X-Real-IP: 10.1.2.3\r\n",
        stage.token
    );
    assert_eq!(stage.get("/inside/x", &fields).await.status, 403);
    stage.finish_untouched().await;
}

/// Answers with the fields that the request asks for.
async fn answers_as_asked(policy: &str) -> Stage {
    let upstream = Upstream::scripted(|seen: &Seen| {
        let fields: String = seen.all("X-Answer").iter().flat_map(|it| [it, "\r\n"]).collect();
        Act::answer(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{fields}\r\nok"))
    });
    Stage::before(upstream.await, |it| it.and(policy)).await
}

#[tokio::test]
async fn a_cache_keeps_no_answer_for_another_caller() {
    let stage = answers_as_asked("").await;
    let bearer = format!("Authorization: Bearer {}\r\n", stage.token);
    for (credential, asked, cache, vary) in [
        (&*bearer, "", &["private"][..], &["Authorization"][..]),
        (&bearer, "X-Answer: Vary: Accept\r\n", &["private"], &["Accept, Authorization"]),
        (
            &bearer,
            "X-Answer: Cache-Control: public, max-age=9\r\n",
            &["public, max-age=9"],
            &["Authorization"],
        ),
        (&bearer, "X-Answer: Vary: *\r\n", &["private"], &["*"]),
        ("", "", &[], &["Authorization"]),
        ("", "X-Answer: Cache-Control: max-age=9\r\n", &["max-age=9"], &["Authorization"]),
        ("", "X-Answer: Cache-Control: no-store\r\n", &["no-store"], &[]),
        // A credential of somebody else's goes upstream as it is.
        ("Authorization: Basic eDp5\r\n", "", &[], &["Authorization"]),
    ] {
        let reply = stage.get("/public/x", &format!("{credential}{asked}")).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.all("cache-control"), cache, "{credential:?} {asked:?}");
        assert_eq!(reply.all("vary"), vary, "{credential:?} {asked:?}");
    }
    stage.finish().await;
}

#[tokio::test]
async fn a_route_has_the_last_word_on_response_headers() {
    let stage = answers_as_asked(
        "[routes.\"/dressed/*\"]\nto = \"up\"\nresponse_headers = { X-Frame-Options = \"DENY\", \
         Server = \"\", Cache-Control = \"max-age=5\", Vary = \"\" }\n",
    )
    .await;
    let fields = format!(
        "Authorization: Bearer {}\r\nX-Answer: Server: a\r\nX-Answer: Server: b\r\n\
         X-Answer: X-Frame-Options: ALLOWALL\r\nX-Answer: X-Up: 1\r\nX-Answer: Vary: Accept\r\n",
        stage.token
    );
    let reply = stage.get("/dressed/x", &fields).await;
    assert_eq!((reply.status, reply.one("x-frame-options")), (200, "DENY"));
    assert_eq!((reply.one("cache-control"), reply.one("x-up")), ("max-age=5", "1"));
    assert!(reply.all("server").is_empty() && reply.all("vary").is_empty(), "{reply:?}");
    // The route beside it has no such wish, and the gateway's own answers are its own.
    let reply = stage.get("/app/x", &fields).await;
    assert_eq!((reply.all("server"), reply.one("x-frame-options")), (vec!["a", "b"], "ALLOWALL"));
    let reply = stage.get("/dressed/x", "").await;
    assert_eq!((reply.status, reply.one("cache-control")), (401, "no-store"));
    stage.finish().await;
}
