//! What is counted of requests, and that nobody but the operator adds a name to it.

use std::collections::BTreeSet;

use serde_json::json;

use crate::common::{PASSWORD, Policy, Stage, TestGateway, Upstream, refusing};

fn request(route: &str, class: &str, rest: &str) -> String {
    format!("portcullis_requests_total{{route=\"{route}\",class=\"{class}\"}} {rest}")
}

/// Names and labels, without the numbers.
fn series(gateway: &TestGateway) -> BTreeSet<String> {
    let text = gateway.metrics.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn requests_are_counted_by_route_and_class() {
    let stage = Stage::start().await;
    for _ in 0..3 {
        assert_eq!(stage.get_as("/app/x", &stage.token).await.status, 200);
    }
    assert_eq!(stage.get("/app/x", "").await.status, 401);
    assert_eq!(stage.get_as("/admin-area/x", &stage.token).await.status, 403);
    assert_eq!(stage.get("/nowhere", "").await.status, 404);
    let gateway = &stage.gateway;
    gateway.shows(&request("/app/*", "2xx", "3")).await;
    gateway.shows(&request("/app/*", "4xx", "1")).await;
    gateway.shows(&request("/admin-area/*", "4xx", "1")).await;
    gateway.shows(&request("(none)", "4xx", "1")).await;
    for (code, count) in [("no_credentials", 1), ("forbidden", 1), ("no_route", 1)] {
        gateway.shows(&format!("portcullis_refusals_total{{code=\"{code}\"}} {count}")).await;
    }
    let name = "portcullis_request_duration_seconds";
    gateway.shows(&format!("{name}_count{{route=\"/app/*\",class=\"2xx\"}} 3")).await;
    gateway.shows(&format!("{name}_bucket{{le=\"+Inf\",route=\"/app/*\",class=\"2xx\"}} 3")).await;
    // The token was read once, and is remembered.
    gateway.shows("portcullis_credentials_accepted_total{cache=\"miss\"} 1").await;
    gateway.shows("portcullis_credentials_accepted_total{cache=\"hit\"} 3").await;
    stage.finish().await;
}

#[tokio::test]
async fn bytes_are_counted_both_ways() {
    let stage = Stage::start().await;
    let head = "POST /public/x HTTP/1.1\r\nHost: a.test\r\n";
    assert_eq!(stage.send(format!("{head}Content-Length: 7\r\n\r\n1234567")).await.status, 200);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(stage.send(format!("{head}{chunked}")).await.status, 200);
    let labels = "{route=\"/public/*\",class=\"2xx\"}";
    stage.gateway.shows(&format!("portcullis_request_bytes_total{labels} 12")).await;
    // `ok`, twice.
    stage.gateway.shows(&format!("portcullis_response_bytes_total{labels} 4")).await;
    stage.finish().await;
}

#[tokio::test]
async fn endpoints_are_counted_by_their_paths_and_logins_by_what_came_of_them() {
    let stage = Stage::start().await;
    let body = json!({ "username": "alice", "password": PASSWORD });
    assert_eq!(stage.post("/api/auth/token/", &body).await.status, 200);
    let wrong = json!({ "username": "alice", "password": "another password" });
    assert_eq!(stage.post("/api/auth/token/", &wrong).await.status, 400);
    assert_eq!(stage.get("/api/auth/sessions/17-abc/", "").await.status, 401);
    assert_eq!(stage.get("/api/auth/nothing/", "").await.status, 404);
    let gateway = &stage.gateway;
    gateway.shows(&request("/api/auth/token/", "2xx", "1")).await;
    gateway.shows(&request("/api/auth/token/", "4xx", "1")).await;
    gateway.shows(&request("/api/auth/sessions/{id}/", "4xx", "1")).await;
    gateway.shows(&request("(none)", "4xx", "1")).await;
    gateway.shows("portcullis_events_total{event=\"login\"} 1").await;
    gateway.shows("portcullis_events_total{event=\"login.failed\"} 1").await;
    gateway.shows("portcullis_events_total{event=\"token.reused\"} 0").await;
    // Alice's own, when she was made, and two that were tried.
    gateway.shows("portcullis_hashing_duration_seconds_count 3").await;
    gateway.shows("portcullis_hashing_waiting 0.0").await;
    stage.finish().await;
}

#[tokio::test]
async fn upstreams_are_counted_by_name_and_server() {
    let upstream = Upstream::start().await;
    let dead = refusing();
    let policy = Policy::to(&upstream).servers(&[upstream.addr]);
    let more = format!(
        "[upstreams.dead]\nto = \"http://{dead}\"\n\
         [routes.\"/dead/*\"]\nto = \"dead\"\nallow = \"anyone\"\n"
    );
    let stage = Stage::before(upstream, |_| policy.and(&more)).await;
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    assert_eq!(stage.get("/dead/x", "").await.status, 502);
    let gateway = &stage.gateway;
    gateway.shows("portcullis_upstream_response_duration_seconds_count{upstream=\"up\"} 1").await;
    gateway.shows("portcullis_upstream_response_duration_seconds_count{upstream=\"dead\"} 0").await;
    let code = "code=\"upstream_unreachable\"";
    gateway
        .shows(&format!("portcullis_upstream_failures_total{{upstream=\"dead\",{code}}} 1"))
        .await;
    let server = format!("upstream=\"up\",server=\"http://{}\"", stage.upstream.addr);
    gateway.shows(&format!("portcullis_upstream_server_up{{{server}}} 1.0")).await;
    gateway.shows(&format!("portcullis_upstream_in_flight{{{server}}} 0.0")).await;
    gateway.shows(&request("/dead/*", "5xx", "1")).await;
    stage.finish().await;
}

/// Whatever clients send: paths, methods, hosts, names, agents, broken bytes.
#[tokio::test]
async fn no_client_adds_a_series() {
    let stage = Stage::start().await;
    let round = async |number: usize| {
        for path in ["/app/x", "/public/x", "/nowhere", "/api/auth/sessions/", "/api/auth/x"] {
            let head = format!("M{number} {path}{number} HTTP/1.1\r\nHost: h{number}.test\r\n");
            let fields = format!("User-Agent: a{number}\r\nX-Request-Id: r{number}\r\n\r\n");
            stage.send(format!("{head}{fields}")).await;
        }
        let name = json!({ "username": format!("user{number}"), "password": "x" });
        stage.post("/api/auth/token/", &name).await;
        stage.send(format!("GET /{number} HTTP/1.1\r\nBad Field: {number}\r\n\r\n")).await;
        let token = format!("Authorization: Bearer x{number}\r\n");
        stage.get(&format!("/app/{number}"), &token).await;
    };
    round(0).await;
    stage.gateway.shows("portcullis_refusals_total{code=\"malformed\"} 1").await;
    stage.gateway.shows("portcullis_refusals_total{code=\"token_not_valid\"} 1").await;
    let before = series(&stage.gateway);
    for number in 1..20 {
        round(number).await;
    }
    stage.gateway.shows("portcullis_refusals_total{code=\"token_not_valid\"} 20").await;
    assert_eq!(series(&stage.gateway), before);
    stage.finish().await;
}

#[tokio::test]
async fn counts_go_on_over_a_reload_where_the_route_is_the_same() {
    let stage = Stage::start().await;
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    stage.gateway.shows(&request("/public/*", "2xx", "1")).await;
    let route = "[routes.\"/new/*\"]\nto = \"up\"\nallow = \"anyone\"\n";
    let policy = Policy::to(&stage.upstream);
    let reloaded = stage.gateway.reload(&policy.clone().and(route));
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    assert_eq!(stage.get("/new/x", "").await.status, 200);
    stage.gateway.shows(&request("/public/*", "2xx", "2")).await;
    stage.gateway.shows(&request("/new/*", "2xx", "1")).await;
    stage.gateway.shows("portcullis_policy_reloads_total{outcome=\"taken\"} 1").await;
    stage.gateway.reloader.refused();
    stage.gateway.shows("portcullis_policy_reloads_total{outcome=\"refused\"} 1").await;
    stage.gateway.shows("portcullis_policy_last_reload_successful 0.0").await;
    stage.gateway.undo(&reloaded);
    stage.gateway.shows("portcullis_policy_reloads_total{outcome=\"undone\"} 1").await;
    stage.gateway.shows("portcullis_policy_last_reload_successful 1.0").await;
    // What is no route any more is not shown any more.
    assert!(!series(&stage.gateway).iter().any(|series| series.contains("/new/")));
    stage.finish().await;
}

#[tokio::test]
async fn connections_and_the_process_are_there() {
    let stage = Stage::start().await;
    let mut one = stage.connect().await;
    assert_eq!(one.ask("GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n").await.status, 200);
    stage.gateway.shows("portcullis_connections 1.0").await;
    stage.gateway.shows("portcullis_connections_limit 10000.0").await;
    drop(one);
    stage.gateway.shows("portcullis_connections 0.0").await;
    stage.gateway.shows("portcullis_connections_accepted_total 1").await;
    let text = stage.gateway.metrics.text();
    let version = concat!("portcullis_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1");
    for start in
        [version, "process_resident_memory_bytes ", "process_open_fds ", "process_cpu_seconds"]
    {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    stage.finish().await;
}
