//! Health checks and the line before an upstream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::common::{Act, Conn, Seen, Stage, Upstream, refusing, soon};

const GET: &str = "GET /public/x HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers looks as long as it `is_well`, and everything else in any case.
async fn checked(is_well: &Arc<AtomicBool>) -> Upstream {
    let is_well = Arc::clone(is_well);
    Upstream::scripted(move |seen| match seen.target() {
        "/healthz?deep=1" if !is_well.load(Ordering::SeqCst) => {
            Act::answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        }
        _ => Act::ok("ok"),
    })
    .await
}

/// How many requests of clients came.
fn requests(upstream: &Upstream) -> usize {
    upstream.seen().iter().filter(|seen| seen.target().starts_with("/public")).count()
}

/// Sends a round of requests again and again until it has what it waits for.
async fn until(stage: &Stage, what: &str, mut met: impl FnMut() -> bool) {
    soon(what, async {
        loop {
            for _ in 0..20 {
                assert_eq!(stage.send(GET).await.status, 200);
            }
            if met() {
                return;
            }
        }
    })
    .await;
}

const CHECKS: &str =
    "health = { path = \"/healthz?deep=1\", interval = \"20ms\", timeout = \"2s\" }";

#[tokio::test]
async fn a_server_that_is_not_well_has_no_request_until_it_is() {
    let (well, ill) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (good, bad) = (checked(&well).await, checked(&ill).await);
    let servers = [good.addr, bad.addr];
    let stage = Stage::before(good, |policy| policy.servers(&servers).upstream(CHECKS)).await;
    let mut before = requests(&bad);
    until(&stage, "a round past the bad server", || {
        let now = requests(&bad);
        std::mem::replace(&mut before, now) == now
    })
    .await;
    ill.store(true, Ordering::SeqCst);
    until(&stage, "a request for the server that is well again", || requests(&bad) > before).await;
    let addr = bad.addr;
    stage.finish().await;
    let seen = bad.finish().await;
    let looks: Vec<&Seen> = seen.iter().filter(|it| it.target() == "/healthz?deep=1").collect();
    assert!(looks.len() >= 3, "{looks:?}");
    for look in looks {
        assert_eq!(look.line, "GET /healthz?deep=1 HTTP/1.1");
        assert_eq!(look.one("host"), addr.to_string());
        assert!(look.one("user-agent").starts_with("portcullis/"));
        assert!(
            !look.has("authorization") && !look.has("x-user-id") && !look.has("x-forwarded-for")
        );
    }
}

#[tokio::test]
async fn while_every_server_is_down_requests_are_refused_at_once() {
    for count in [1, 2] {
        let well = Arc::new(AtomicBool::new(false));
        let (one, two) = (checked(&well).await, checked(&well).await);
        let servers = [one.addr, two.addr];
        let stage =
            Stage::before(one, |policy| policy.servers(&servers[..count]).upstream(CHECKS)).await;
        let refused = soon("a refusal", async {
            loop {
                let reply = stage.send(GET).await;
                if reply.status != 200 {
                    return reply;
                }
            }
        })
        .await;
        assert_eq!((refused.status, refused.one("retry-after")), (503, "1"), "{refused:?}");
        assert_eq!(refused.json()["code"], "upstream_down");
        well.store(true, Ordering::SeqCst);
        soon("a server that is back", async { while stage.send(GET).await.status != 200 {} }).await;
        stage.finish().await;
        two.finish().await;
    }
}

/// A server that takes connections and says nothing, and one that takes none.
#[tokio::test]
async fn a_look_has_a_deadline_and_a_dead_server_is_found_without_a_request() {
    let hanging = Upstream::scripted(|_| Act::Hang).await;
    for server in [hanging.addr, refusing()] {
        let keys = "health = { path = \"/\", interval = \"20ms\", timeout = \"40ms\" }";
        let stage = Stage::with(|policy| policy.servers(&[server]).upstream(keys)).await;
        soon("the end of the first look", async {
            loop {
                let late = Duration::from_millis(10);
                let mut client = stage.connect().await;
                client.write(GET).await;
                let reply = tokio::time::timeout(late, client.reply_head()).await;
                if reply.is_ok_and(|reply| reply.status == 503) {
                    return;
                }
            }
        })
        .await;
        stage.finish_untouched().await;
    }
    hanging.finish().await;
}

#[tokio::test]
async fn the_answers_that_count_as_good_are_chosen() {
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&answered);
    let upstream = Upstream::scripted(move |seen| {
        if seen.target() != "/ready" {
            return Act::ok("ok");
        }
        counter.fetch_add(1, Ordering::SeqCst);
        Act::answer("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let keys = "health = { path = \"/ready\", interval = \"10ms\", unhealthy = 1, status = [401] }";
    let stage = Stage::before(upstream, |policy| policy.upstream(keys)).await;
    until(&stage, "many looks", || answered.load(Ordering::SeqCst) > 10).await;
    stage.finish().await;
}

#[tokio::test]
async fn where_checks_run_no_request_finds_out() {
    let (well, dead) = (Upstream::start().await, refusing());
    let servers = [well.addr, dead];
    // The first look is minutes away: it is requests that put the dead server out.
    let keys = "health = { path = \"/\", interval = \"10h\" }";
    let stage = Stage::before(well, |policy| policy.servers(&servers).upstream(keys)).await;
    for _ in 0..40 {
        assert_eq!(stage.send(GET).await.status, 200);
    }
    let back = Upstream::start_at(dead).await;
    stage.gateway.clock().advance(Duration::from_secs(3600));
    for _ in 0..40 {
        assert_eq!(stage.send(GET).await.status, 200);
    }
    stage.finish().await;
    assert_eq!(back.finish().await.len(), 0);
}

/// Answers the request that is under way on that connection.
async fn answer(server: &mut Conn) {
    server.head().await;
    server.write(OK).await;
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_their_turn() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| {
        policy.upstream("in_flight = 1, queue = 20, queue_wait = \"1h\"")
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = stage.connect().await;
        client.write(GET).await;
        clients.push(client);
    }
    let mut server = stage.upstream.accept().await;
    for _ in 0..clients.len() {
        answer(&mut server).await;
    }
    for mut client in clients {
        assert_eq!(client.reply().await.status, 200);
    }
    drop(server);
    stage.gateway.stop().await;
    // One after the other, on one connection.
    stage.upstream.expect_nobody();
}

/// Whether there is no room in the line, by one who goes away if there is.
async fn is_full(stage: &Stage) -> bool {
    let mut probe = stage.connect().await;
    probe.write(GET).await;
    let reply = tokio::time::timeout(Duration::from_millis(50), probe.reply()).await;
    reply.is_ok_and(|reply| {
        assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("upstream_full")));
        assert_eq!(reply.one("retry-after"), "1");
        true
    })
}

#[tokio::test]
async fn the_line_is_bounded_and_whoever_goes_away_leaves_it() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| {
        policy.upstream("in_flight = 1, queue = 1, queue_wait = \"1h\"")
    })
    .await;
    let mut first = stage.connect().await;
    first.write(GET).await;
    let mut server = stage.upstream.accept().await;
    let mut second = stage.connect().await;
    second.write(GET).await;
    soon("a line that is full", async { while !is_full(&stage).await {} }).await;
    drop(second);
    soon("a line with room", async { while is_full(&stage).await {} }).await;
    let mut third = stage.connect().await;
    third.write(GET).await;
    soon("a line that is full again", async { while !is_full(&stage).await {} }).await;
    answer(&mut server).await;
    assert_eq!(first.reply().await.status, 200);
    // And the place is the third's.
    answer(&mut server).await;
    assert_eq!(third.reply().await.status, 200);
    drop((first, third, server));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn nobody_waits_longer_than_the_operator_has_patience() {
    let stage = Stage::before(Upstream::by_hand().await, |policy| {
        policy.upstream("in_flight = 1, queue = 5, queue_wait = \"40ms\"")
    })
    .await;
    let mut first = stage.connect().await;
    first.write(GET).await;
    let mut server = stage.upstream.accept().await;
    for _ in 0..3 {
        let reply = stage.send(GET).await;
        assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("upstream_full")));
    }
    answer(&mut server).await;
    assert_eq!(first.reply().await.status, 200);
    drop((first, server));
    stage.gateway.stop().await;
    stage.upstream.expect_nobody();
}

#[tokio::test]
async fn no_more_connections_are_kept_than_the_operator_says() {
    for (keys, kept) in [("keep_alive = 0", 0), ("keep_alive = 2", 2)] {
        let stage = Stage::before(Upstream::by_hand().await, |policy| policy.upstream(keys)).await;
        let (mut clients, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            let mut client = stage.connect().await;
            client.write(GET).await;
            let mut server = stage.upstream.accept().await;
            server.head().await;
            clients.push(client);
            servers.push(server);
        }
        for (client, server) in clients.iter_mut().zip(&mut servers) {
            server.write(OK).await;
            assert_eq!(client.reply().await.status, 200);
        }
        // The others are closed without a request.
        for server in servers.split_off(kept) {
            let mut server = server;
            server.closed().await;
        }
        drop((clients, servers));
        stage.gateway.stop().await;
        stage.upstream.expect_nobody();
    }
}
