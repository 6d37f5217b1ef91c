//! Traces: whose context is followed, what upstreams are told, and what spans say.

use serde_json::json;

use crate::common::collector::{Collector, Sent};
use crate::common::h2_upstream::H2Server;
use crate::common::{Act, PASSWORD, Policy, Seen, Stage, TestGateway, Upstream, refusing};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const TRUST: &str = "trust = [\"127.0.0.1\"]\n";

fn parent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{SPAN}-{flags}\r\ntracestate: a=1\r\nTraceState: b=2\r\n")
}

/// A stage whose gateway sends its spans to a collector.
async fn traced(more: &str, policy: impl FnOnce(Policy) -> Policy) -> (Collector, Stage) {
    let collector = Collector::start().await;
    let table = collector.table(more);
    let stage = Stage::with(|it| policy(it.and(&table))).await;
    (collector, stage)
}

/// Ends all of it: what reached the upstream, and what the collector.
async fn end(collector: Collector, stage: Stage) -> (Vec<Seen>, Vec<Sent>) {
    let seen = stage.finish().await;
    (seen, collector.finish().await)
}

fn server_spans(spans: &[Sent]) -> Vec<&Sent> {
    spans.iter().filter(|span| span.is_server).collect()
}

fn client_spans(spans: &[Sent]) -> Vec<&Sent> {
    spans.iter().filter(|span| !span.is_server).collect()
}

/// What a request says of the trace: its id, the span, the flags.
fn told(seen: &Seen) -> (String, String, String) {
    let parts: Vec<_> = seen.one("traceparent").split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{seen:?}");
    (parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned())
}

#[tokio::test]
async fn without_a_collector_what_a_client_says_passes_untouched() {
    let stage = Stage::start().await;
    assert_eq!(stage.get("/public/x", &parent("01")).await.status, 200);
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    assert!(!stage.gateway.metrics.text().contains("portcullis_span"));
    let seen = stage.finish().await;
    assert_eq!(seen[0].one("traceparent"), format!("00-{TRACE}-{SPAN}-01"));
    assert_eq!(seen[0].all("tracestate"), ["a=1", "b=2"]);
    assert!(!seen[1].has("traceparent"));
}

#[tokio::test]
async fn a_trusted_peer_is_followed_and_the_upstream_follows_the_try() {
    let (collector, stage) = traced("sample = 0", |policy| policy.top(TRUST)).await;
    let fields = format!("X-Forwarded-For: 192.0.2.9\r\nX-Request-Id: r-1\r\n{}", parent("01"));
    assert_eq!(stage.get("/public/x/1?q=1", &fields).await.status, 200);
    let addr = stage.upstream.addr;
    let (seen, spans) = end(collector, stage).await;
    let ([server], [client]) = (&server_spans(&spans)[..], &client_spans(&spans)[..]) else {
        panic!("{spans:#?}")
    };
    assert_eq!((server.trace.as_str(), server.parent.as_str()), (TRACE, SPAN));
    assert_eq!((client.trace.as_str(), &client.parent), (TRACE, &server.id));
    assert_eq!(told(&seen[0]), (TRACE.to_owned(), client.id.clone(), "01".to_owned()));
    assert_eq!(seen[0].one("tracestate"), "a=1,b=2");
    assert_eq!((server.state.as_str(), client.state.as_str()), ("a=1,b=2", "a=1,b=2"));
    assert!(server.links.is_empty() && !server.failed && !client.failed);
    // Sampled; and the parent is known to be elsewhere, or here.
    assert_eq!((server.flags, client.flags), (0x301, 0x101));
    assert!(server.times.0 <= client.times.0 && client.times.1 <= server.times.1);

    assert_eq!(server.name, "GET /public/*");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/public/*"),
        ("url.scheme", "http"),
        ("url.path", "/public/x/1"),
        ("server.address", "a.test"),
        ("client.address", "192.0.2.9"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("portcullis.request_id", "r-1"),
        ("error.type", ""),
        ("enduser.id", ""),
    ] {
        assert_eq!(server.says(key), value, "{key}");
    }
    assert_eq!(client.name, "GET");
    for (key, value) in [
        ("http.request.method", "GET"),
        ("server.address", "127.0.0.1"),
        ("server.port", &addr.port().to_string()),
        ("url.full", &format!("http://{addr}/public/x/1")),
        ("portcullis.upstream", "up"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("http.request.resend_count", ""),
        ("error.type", ""),
    ] {
        assert_eq!(client.says(key), value, "{key}");
    }
}

#[tokio::test]
async fn a_parent_that_is_not_recorded_is_followed_and_nothing_recorded() {
    let (collector, stage) = traced("sample = 1", |policy| policy.top(TRUST)).await;
    assert_eq!(stage.get("/public/x", &parent("00")).await.status, 200);
    let (seen, spans) = end(collector, stage).await;
    let (trace, span, flags) = told(&seen[0]);
    assert_eq!((trace.as_str(), flags.as_str()), (TRACE, "00"));
    assert_ne!(span, SPAN);
    assert_eq!(seen[0].one("tracestate"), "a=1,b=2");
    assert!(spans.is_empty(), "{spans:#?}");
}

#[tokio::test]
async fn a_strangers_trace_is_linked_and_not_followed() {
    let (collector, stage) = traced("", |policy| policy).await;
    assert_eq!(stage.get("/public/x", &parent("00")).await.status, 200);
    assert_eq!(
        stage.get("/public/x", "traceparent: 00-x\r\ntracestate: a=1\r\n").await.status,
        200
    );
    let (seen, spans) = end(collector, stage).await;
    let servers = server_spans(&spans);
    assert_eq!(servers.len(), 2, "{spans:#?}");
    let (linked, alone): (Vec<&Sent>, Vec<&Sent>) =
        servers.iter().copied().partition(|span| !span.links.is_empty());
    assert_eq!(linked[0].links, [(TRACE.to_owned(), SPAN.to_owned())]);
    assert_eq!(alone.len(), 1);
    for span in servers {
        assert_ne!(span.trace, TRACE);
        assert_eq!((span.parent.as_str(), span.state.as_str()), ("", ""));
    }
    for seen in &seen {
        let (trace, span, flags) = told(seen);
        assert_eq!(flags, "01");
        let client = client_spans(&spans).into_iter().find(|client| client.trace == trace);
        assert_eq!(client.map(|client| client.id.as_str()), Some(span.as_str()));
        assert!(!seen.has("tracestate"));
    }
}

#[tokio::test]
async fn a_stranger_has_nothing_recorded() {
    let (collector, stage) = traced("sample = 0.0", |policy| policy).await;
    assert_eq!(stage.get("/public/x", &parent("01")).await.status, 200);
    let (seen, spans) = end(collector, stage).await;
    let (trace, _, flags) = told(&seen[0]);
    assert_eq!(flags, "00");
    assert_ne!(trace, TRACE);
    assert!(!seen[0].has("tracestate"));
    assert!(spans.is_empty(), "{spans:#?}");
}

#[tokio::test]
async fn each_try_has_a_span_of_its_own() {
    let upstream = Upstream::start().await;
    let servers = [refusing(), upstream.addr];
    let collector = Collector::start().await;
    let table = collector.table("");
    let stage = Stage::before(upstream, |policy| policy.servers(&servers).and(&table)).await;
    // One of two is drawn: before long it is the one that refuses.
    for _ in 0..64 {
        assert_eq!(stage.get("/public/x", "").await.status, 200);
    }
    let (seen, spans) = end(collector, stage).await;
    let failed = client_spans(&spans).into_iter().find(|span| span.failed).expect("no retry");
    assert_eq!(failed.says("error.type"), "upstream_unreachable");
    assert_eq!(failed.says("server.port"), servers[0].port().to_string());
    let mut tries = client_spans(&spans);
    tries.retain(|span| span.trace == failed.trace && span.id != failed.id);
    let [again] = tries[..] else { panic!("{tries:#?}") };
    assert_eq!(again.says("http.request.resend_count"), "1");
    assert_eq!((again.says("http.response.status_code"), again.failed), ("200", false));
    let mut requests = server_spans(&spans);
    requests.retain(|span| span.trace == failed.trace);
    assert_eq!(requests.len(), 1);
    assert_eq!((&failed.parent, &again.parent), (&requests[0].id, &requests[0].id));
    assert!(!requests[0].failed);
    let there: Vec<_> =
        seen.iter().map(told).filter(|(trace, ..)| *trace == failed.trace).collect();
    assert_eq!(there, [(failed.trace.clone(), again.id.clone(), "01".to_owned())]);
}

/// A connection that waited and turns out to be closed: the head goes out once more, and names
/// another span.
#[tokio::test]
async fn a_head_that_goes_out_twice_names_two_spans() {
    let collector = Collector::start().await;
    let table = collector.table("");
    let stage = Stage::before(Upstream::by_hand().await, |policy| policy.and(&table)).await;
    let ask = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut client = stage.connect().await;
    client.write(ask).await;
    let mut first = stage.upstream.accept().await;
    first.head().await;
    first.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.reply().await.status, 200);
    client.write(ask).await;
    let spans_of = |head: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix("traceparent: ")).unwrap();
        line.split('-').map(str::to_owned).collect::<Vec<_>>()
    };
    let given_up = spans_of(&first.head().await);
    drop(first);
    let mut second = stage.upstream.accept().await;
    let answered = spans_of(&second.head().await);
    second.write("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(client.reply().await.status, 204);
    drop((client, second));
    let Stage { gateway, upstream, .. } = stage;
    gateway.stop().await;
    upstream.expect_nobody();
    let spans = collector.finish().await;
    assert_eq!((&given_up[1], &given_up[3]), (&answered[1], &answered[3]));
    let find = |id: &String| spans.iter().find(|span| span.id == *id).expect("no such span");
    let (given_up, answered) = (find(&given_up[2]), find(&answered[2]));
    assert_eq!((given_up.says("error.type"), given_up.failed), ("upstream_failed", true));
    assert_eq!(answered.says("http.response.status_code"), "204");
    assert_eq!(answered.says("http.request.resend_count"), "1");
    assert_eq!(given_up.parent, answered.parent);
}

#[tokio::test]
async fn upstreams_in_http2_follow_the_try_as_well() {
    let collector = Collector::start().await;
    let mut server = H2Server::start().await;
    let policy = Policy::at(&format!("http://{}", server.addr)).upstream("h2 = true");
    let gateway = TestGateway::start(&policy.top(TRUST).and(&collector.table(""))).await;
    let mut client = gateway.connect().await;
    client.write(format!("GET /public/x HTTP/1.1\r\nHost: a.test\r\n{}\r\n", parent("01"))).await;
    let asked = server.next().await;
    let told = asked.head.headers["traceparent"].to_str().unwrap().to_owned();
    assert_eq!(asked.all("traceparent").len(), 1);
    assert_eq!(asked.all("tracestate"), ["a=1,b=2"]);
    asked.ok("ok");
    assert_eq!(client.reply().await.status, 200);
    drop(client);
    gateway.stop().await;
    let spans = collector.finish().await;
    let [client] = &client_spans(&spans)[..] else { panic!("{spans:#?}") };
    assert_eq!(told, format!("00-{TRACE}-{}-01", client.id));
    assert_eq!(client.says("network.protocol.version"), "2");
    assert_eq!(client.parent, server_spans(&spans)[0].id);
}

#[tokio::test]
async fn refusals_are_told_and_only_failures_fail() {
    let dead = refusing();
    let more = format!(
        "[upstreams.dead]\nto = \"http://{dead}\"\n\
         [routes.\"GET dead.test/public/{{name}}/*\"]\nto = \"dead\"\nallow = \"anyone\"\n"
    );
    let (collector, stage) = traced("", |policy| policy.and(&more)).await;
    assert_eq!(stage.get("/app/x", "").await.status, 401);
    assert_eq!(stage.get("/nowhere", "").await.status, 404);
    assert_eq!(stage.get("/a/..%2fb", "").await.status, 400);
    let dead = "GET /public/x/y HTTP/1.1\r\nHost: dead.test:8443\r\n\r\n";
    assert_eq!(stage.send(dead).await.status, 502);
    assert_eq!(stage.send("FETCH /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await.status, 200);
    let (_, spans) = end(collector, stage).await;
    let told: Vec<_> = server_spans(&spans)
        .into_iter()
        .map(|span| {
            let status = span.says("http.response.status_code");
            let method = span.says("http.request.method");
            (span.name.as_str(), method, status, span.says("error.type"), span.failed)
        })
        .collect();
    for expected in [
        ("GET /app/*", "GET", "401", "no_credentials", false),
        ("GET", "GET", "404", "no_route", false),
        ("GET", "GET", "400", "bad_path", false),
        ("GET /public/{name}/*", "GET", "502", "upstream_unreachable", true),
        ("HTTP /public/*", "_OTHER", "200", "", false),
    ] {
        assert!(told.contains(&expected), "{expected:?} {told:#?}");
    }
    assert_eq!(told.len(), 5);
    let failed = spans.iter().find(|span| span.is_server && span.failed).unwrap();
    assert_eq!((failed.says("server.address"), failed.says("server.port")), ("dead.test", "8443"));
    let tries = client_spans(&spans);
    assert_eq!(tries.len(), 2, "{tries:#?}");
    let unreachable = tries.iter().find(|span| span.failed).unwrap();
    assert_eq!(unreachable.says("error.type"), "upstream_unreachable");
}

#[tokio::test]
async fn an_answer_of_the_upstream_that_fails_is_a_failure() {
    let script = |seen: &Seen| {
        let status = if seen.target().ends_with('4') { "404 Not Found" } else { "503 Busy" };
        Act::answer(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"))
    };
    let collector = Collector::start().await;
    let table = collector.table("");
    let stage = Stage::before(Upstream::scripted(script).await, |it| it.and(&table)).await;
    assert_eq!(stage.get("/public/4", "").await.status, 404);
    assert_eq!(stage.get("/public/5", "").await.status, 503);
    let (_, spans) = end(collector, stage).await;
    let told = |span: &Sent| (span.is_server, span.says("error.type").to_owned(), span.failed);
    let mut told: Vec<_> = spans.iter().map(told).collect();
    told.sort();
    // A 404 is the server's right, and for whoever asked a failure.
    let own = |is_server, kind: &str, failed| (is_server, kind.to_owned(), failed);
    let expected = [
        own(false, "404", true),
        own(false, "503", true),
        own(true, "", false),
        own(true, "503", true),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn endpoints_have_spans_by_their_paths_and_users_only_where_they_are_asked_for() {
    for (more, named) in [("", false), ("user = true", true)] {
        let (collector, stage) = traced(more, |policy| policy).await;
        let body = json!({ "username": "alice", "password": PASSWORD });
        assert_eq!(stage.post("/api/auth/token/", &body).await.status, 200);
        assert_eq!(stage.get_as("/app/x", &stage.token).await.status, 200);
        let id = stage.alice.id.to_string();
        let (_, spans) = end(collector, stage).await;
        let servers = server_spans(&spans);
        let names: Vec<_> = servers.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["POST /api/auth/token/", "GET /app/*"]);
        for span in servers {
            assert_eq!(span.says("enduser.id"), if named { id.as_str() } else { "" });
        }
    }
}

/// What a proxy asks about is what counts, and not that it asks.
#[tokio::test]
async fn a_second_opinion_has_the_span_of_what_it_is_about() {
    let more = "[forward_auth]\npath = \"/check\"\n";
    let (collector, stage) = traced("", |policy| policy.top(TRUST).and(more)).await;
    let about = "X-Forwarded-Method: DELETE\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: b.test\r\nX-Forwarded-Uri: /app/x?q=hidden\r\n\
                 X-Forwarded-For: 192.0.2.7\r\n";
    assert_eq!(stage.get("/check", &format!("{about}{}", parent("01"))).await.status, 401);
    let (_, spans) = end(collector, stage).await;
    let [span] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!((span.name.as_str(), span.trace.as_str()), ("DELETE /app/*", TRACE));
    for (key, value) in [
        ("http.request.method", "DELETE"),
        ("url.path", "/app/x"),
        ("url.scheme", "https"),
        ("server.address", "b.test"),
        ("client.address", "192.0.2.7"),
        ("error.type", "no_credentials"),
    ] {
        assert_eq!(span.says(key), value, "{key}");
    }
}

#[tokio::test]
async fn no_span_holds_a_query_or_a_secret() {
    let (collector, stage) = traced("user = true", |policy| policy).await;
    let fields = format!(
        "Authorization: Bearer {}\r\nCookie: c=hidden-cookie\r\nUser-Agent: hidden-agent\r\n\
         Referer: http://a.test/hidden-referer\r\n",
        stage.token
    );
    assert_eq!(stage.get("/app/x?q=hidden-query", &fields).await.status, 200);
    assert_eq!(stage.get("/nowhere?q=hidden-query", &fields).await.status, 404);
    let at =
        "GET http://hidden-user@a.test/public/x?q=hidden-query HTTP/1.1\r\nHost: a.test\r\n\r\n";
    stage.send(at).await;
    let body = json!({ "username": "hidden-name", "password": "hidden-password" });
    assert_eq!(stage.post("/api/auth/token/?q=hidden-query", &body).await.status, 400);
    let secret = stage.token.clone();
    stage.gateway.stop().await;
    let bytes: Vec<u8> = collector.requests().into_iter().flat_map(|it| it.body).collect();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("/nowhere") && text.contains("GET /app/*"));
    for hidden in ["hidden", secret.as_str(), secret.rsplit('.').next().unwrap()] {
        assert!(!text.contains(hidden), "{hidden}: {text}");
    }
    stage.upstream.finish().await;
    collector.finish().await;
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_spans() {
    let upstream = Upstream::scripted(|_| Act::Hang).await;
    let collector = Collector::start().await;
    let table = collector.table("");
    let stage = Stage::before(upstream, |policy| policy.and(&table)).await;
    let mut client = stage.connect().await;
    client.write("GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    stage
        .gateway
        .shows(&format!(
            "portcullis_upstream_in_flight{{upstream=\"up\",server=\"http://{}\"}} 1.0",
            stage.upstream.addr
        ))
        .await;
    drop(client);
    stage.gateway.shows("portcullis_refusals_total{code=\"client_gone\"} 1").await;
    let (_, spans) = end(collector, stage).await;
    let (server, client) = (server_spans(&spans)[0], client_spans(&spans)[0]);
    assert_eq!(server.says("error.type"), "client_gone");
    assert_eq!(server.says("http.response.status_code"), "");
    assert_eq!(client.says("error.type"), "cancelled");
    assert!(!server.failed && !client.failed);
}
