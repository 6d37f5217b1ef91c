//! Floods over HTTP/2: each ends its own connection, or is survived, and everybody else is served
//! meanwhile and afterwards.

use std::time::{Duration, Instant};

use crate::common::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, H2Conn, HEADERS, PADDED, PING, PREFACE, PRIORITY,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, get, head,
};
use crate::common::{LIMIT, Stage, Upstream};

/// What this process has in memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("no /proc");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("no size");
    line.split_whitespace().nth(1).expect("no number").parse().expect("no number")
}

/// Sends pieces as long as they are taken, and asks for something else in between. Returns
/// whether the connection was closed.
async fn flood(stage: &Stage, begin: Vec<u8>, mut piece: impl FnMut(u32) -> Vec<u8>) -> bool {
    let before = resident();
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut closed = !client.write(begin).await;
    let started = Instant::now();
    for round in 0..200 {
        let bytes: Vec<u8> = (round * 100..(round + 1) * 100).flat_map(&mut piece).collect();
        closed = closed || !write(&mut client, &bytes).await;
        if round % 50 == 0 {
            let asked = Instant::now();
            assert_eq!(stage.get("/public/x", "").await.status, 200);
            assert!(asked.elapsed() < Duration::from_secs(2), "served late");
        }
        if closed || started.elapsed() > LIMIT {
            break;
        }
    }
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB more in memory");
    closed
}

/// Writes what is taken at once: a client that reads nothing may be read no further either.
async fn write(client: &mut H2Conn, bytes: &[u8]) -> bool {
    tokio::time::timeout(Duration::from_millis(500), client.write(bytes)).await.unwrap_or(false)
}

fn asked() -> Vec<u8> {
    head(&get("/public/x"))
}

#[tokio::test]
async fn frames_that_ask_for_nothing_close_their_connection() {
    let stage = Stage::start().await;
    let word = 1u32.to_be_bytes();
    // RES-h2-priority, RES-h2-unknown, CVE-2019-9512, CVE-2019-9515.
    assert!(flood(&stage, vec![], |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])).await, "priority");
    assert!(flood(&stage, vec![], |_| frame(0xbe, 0, 1, b"what")).await, "unknown");
    assert!(flood(&stage, vec![], |_| frame(PING, 0, 0, b"12345678")).await, "ping");
    let window = |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]);
    assert!(flood(&stage, vec![], window).await, "settings");
    assert!(flood(&stage, vec![], |_| frame(WINDOW_UPDATE, 0, 0, &word)).await, "windows");
    stage.finish().await;
}

/// RES-h2-continuation0, CVE-2024-27316.
#[tokio::test]
async fn a_head_without_end_closes_its_connection() {
    let stage = Stage::start().await;
    let open = frame(HEADERS, END_STREAM, 1, &asked());
    assert!(flood(&stage, open.clone(), |_| frame(CONTINUATION, 0, 1, &[])).await, "empty");
    let more = frame(CONTINUATION, 0, 1, &head(&[("x-a", "b")]));
    assert!(flood(&stage, open, |_| more.clone()).await, "full");
    stage.finish().await;
}

/// CVE-2019-9518.
#[tokio::test]
async fn empty_pieces_of_a_body_close_their_connection() {
    let stage = Stage::start().await;
    let mut fields = get("/public/x");
    fields[0].1 = "POST";
    let open = frame(HEADERS, END_HEADERS, 1, &head(&fields));
    assert!(flood(&stage, open.clone(), |_| frame(DATA, 0, 1, &[])).await);
    // Nothing but padding is as empty.
    assert!(flood(&stage, open, |_| frame(DATA, PADDED, 1, &[1, 0])).await);
    stage.gateway.stop().await;
}

/// CVE-2023-44487.
#[tokio::test]
async fn streams_that_are_opened_and_reset_close_their_connection() {
    let stage = Stage::start().await;
    let pair = |number: u32| {
        let stream = number * 2 + 1;
        let open = frame(HEADERS, END_HEADERS | END_STREAM, stream, &asked());
        [open, frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
    };
    assert!(flood(&stage, vec![], pair).await);
    stage.gateway.stop().await;
}

/// The same, each after its request was taken: nobody makes us work for answers that it does not
/// want.
#[tokio::test]
async fn streams_that_are_reset_when_they_run_close_their_connection() {
    let stage = Stage::start().await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut opened = 0;
    'flood: loop {
        let stream = client.request(&get("/app/x"), END_STREAM).await;
        client.send(PING, 0, 0, b"12345678").await;
        // Frames are taken in their order: when the pong comes, the stream was.
        loop {
            match client.raw().await {
                Some(frame) if frame.kind == PING => break,
                Some(_) => {}
                None => break 'flood,
            }
        }
        if !client.send(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await {
            break;
        }
        opened += 1;
        assert!(opened < 5000, "it went on for ever");
    }
    assert!(opened > 200, "a sane client was shut out after {opened}");
    stage.finish_untouched().await;
}

/// CVE-2025-8671: the client makes us reset.
#[tokio::test]
async fn streams_that_we_have_to_reset_close_their_connection() {
    let stage = Stage::start().await;
    let mut fields = get("/public/x");
    fields[0].1 = "POST";
    let block = head(&fields);
    let wrong = |number: u32| {
        let stream = number * 2 + 1;
        let open = frame(HEADERS, END_HEADERS, stream, &block);
        [open, frame(WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
    };
    assert!(flood(&stage, vec![], wrong).await);
    stage.gateway.stop().await;
}

/// RES-h2-hpack-bomb: a large field once, and then named by a byte, again and again.
#[tokio::test]
async fn a_small_head_that_grows_is_refused() {
    let stage = Stage::start().await;
    let before = resident();
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut block = asked();
    // Literal with indexing: name and value of 3000 bytes go to the dynamic table as entry 62.
    block.extend([0x40, 3]);
    block.extend(b"x-a");
    block.extend([0x7f, 0xb9, 0x16]);
    block.extend([b'a'; 3000]);
    block.extend([0xbe; 4000]);
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &block).await;
    let outcome = client.outcome(1).await;
    assert!(matches!(outcome.status(), None | Some(431)), "{outcome:?}");
    assert!(resident().saturating_sub(before) < 64 * 1024);
    assert_eq!(stage.get("/public/x", "").await.status, 200);
    assert_eq!(stage.finish().await.len(), 1);
}

/// More streams than `h2_streams` at once are refused, each for itself.
#[tokio::test]
async fn there_are_only_so_many_streams() {
    let upstream = Upstream::by_hand().await;
    let stage = Stage::before(upstream, |policy| policy.and("[limits]\nh2_streams = 3\n")).await;
    let mut client = H2Conn::open(stage.gateway.addr).await;
    let mut servers = Vec::new();
    for _ in 0..3 {
        client.request(&get("/public/x"), END_STREAM).await;
        let mut server = stage.upstream.accept().await;
        server.head().await;
        servers.push(server);
    }
    let outcome = client.ask(&get("/public/x")).await;
    // REFUSED_STREAM: it may be sent again.
    assert_eq!(outcome, crate::common::h2::Outcome::Reset(7));
    servers[0].write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.outcome(1).await.status(), Some(200));
    let stream = client.request(&get("/public/x"), END_STREAM).await;
    servers[0].head().await;
    servers[0].write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(client.outcome(stream).await.status(), Some(200));
    drop((client, servers));
    stage.gateway.stop().await;
}

/// What is no HTTP/2 after its preface is closed.
#[tokio::test]
async fn garbage_after_the_preface_closes() {
    let stage = Stage::start().await;
    let mut client = stage.connect().await;
    client.write([PREFACE, &[0xff; 4000]].concat()).await;
    client.rest().await;
    stage.finish_untouched().await;
}
