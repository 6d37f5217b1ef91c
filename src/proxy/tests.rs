//! The parts together: a place in the line, a name that moves, a connection.

mod handler;
pub(super) mod live;
mod outfit;
mod websocket;

use std::future::Future;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::resolver::Resolver;
use super::send::Sending;
use super::upstream::Upstream;
use super::*;
use crate::clock::SystemClock;
use crate::log_sink::LogSink;

fn settings(host: &str, port: u16) -> UpstreamSettings {
    let address = Address::Tcp { host: host.to_owned(), port };
    let backend = Backend { address, weight: NonZeroU32::MIN };
    UpstreamSettings::new("up", Target::Http(vec![backend]))
}

/// Answers each request on each connection with what it is called.
fn server(listener: TcpListener, name: &'static str) {
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut head = [0; 4096];
                while std::io::Read::read(&mut stream, &mut head).is_ok_and(|count| count > 0) {
                    let length = name.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
}

/// A connection that waits, and of which the first write fails with something already sent.
struct Half;

impl AsyncRead for Half {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Half {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// In clear a write that fails has sent nothing. Through TLS the first records of it may be out,
/// and whoever has read them may act.
#[tokio::test]
async fn a_post_whose_write_fails_halfway_through_tls_is_sent_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    server(listener, "again");
    let tcp = Address::Tcp { host: "127.0.0.1".to_owned(), port };
    let tls = Address::Tls { host: "127.0.0.1".to_owned(), port };
    for (address, method, again) in [
        (&tls, Method::POST, false),
        (&tcp, Method::POST, true),
        // Nothing is lost by another one.
        (&tls, Method::GET, true),
    ] {
        let mut settings = settings("127.0.0.1", port);
        let backend = Backend { address: address.clone(), weight: NonZeroU32::MIN };
        settings.target = Target::Http(vec![backend]);
        let upstream = Arc::new(Upstream::new(settings));
        let pool = Arc::new(pool::Pool::new(&[Arc::clone(&upstream)], |_| None));
        let http = http1::Connection::new(Half);
        let alarm = crate::clock::Alarm::default();
        pool.shelf(0, 0).unwrap().put(pool::Connection { http, peer: None, alarm });
        let request = Request::builder().method(&method).header("host", "name.test");
        let idle = Duration::from_secs(5);
        let sent = sent(&pool, &upstream, idle, request.body(()).unwrap()).await;
        let came = match &sent {
            // Another connection is made; these upstreams have no settings for TLS.
            Ok(_) | Err(Rejection::UpstreamUnreachable(_)) => true,
            Err(Rejection::UpstreamFailed(_)) => false,
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(came, again, "{address} {method}: {:?}", sent.err());
    }
}

/// Sends a request to an upstream that may be silent for `idle` in the middle of its response.
async fn sent(
    pool: &Arc<pool::Pool>,
    upstream: &Arc<Upstream>,
    idle: Duration,
    request: Request<()>,
) -> Result<Response<Body>, Rejection> {
    let patience = Duration::from_secs(5);
    let sending = Sending {
        pool,
        number: 0,
        upstream,
        patience,
        idle,
        handshake: false,
        clock: &SystemClock,
        ours: None,
        trace: None,
        http2: None,
    };
    let reply = sending.send(request.into_parts().0, RequestBody::empty(), None).await?;
    Ok(reply.response)
}

fn get() -> Request<()> {
    Request::get("/").header("host", "name.test").body(()).unwrap()
}

/// Sends a GET and says who answered.
async fn ask(pool: &Arc<pool::Pool>, upstream: &Arc<Upstream>) -> Result<String, Rejection> {
    let response = sent(pool, upstream, Duration::from_secs(5), get()).await?;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_name_that_moves_takes_its_requests_along() {
    let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = first.local_addr().unwrap().port();
    let second = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).unwrap();
    server(first, "first");
    server(second, "second");
    let last = Arc::new(AtomicU8::new(1));
    let means = Arc::clone(&last);
    let mut upstream = Upstream::new(settings("name.test", port));
    upstream.servers[0].resolver = Resolver::by(move || match means.load(Ordering::SeqCst) {
        0 => Err(std::io::ErrorKind::TimedOut.into()),
        last => Ok(vec![SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port))]),
    });
    let upstream = Arc::new(upstream);
    let pool = Arc::new(pool::Pool::new(&[Arc::clone(&upstream)], |_| None));
    assert_eq!(ask(&pool, &upstream).await.unwrap(), "first");
    assert_eq!(ask(&pool, &upstream).await.unwrap(), "first");
    for (means, answers) in [(2, "second"), (0, "second"), (1, "first")] {
        last.store(means, Ordering::SeqCst);
        upstream.servers[0].resolver.look_up_now().await;
        // Not on the connection that waits, though it is sound.
        assert_eq!(ask(&pool, &upstream).await.unwrap(), answers);
        assert_eq!(ask(&pool, &upstream).await.unwrap(), answers);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_silence_in_a_response_is_the_upstreams_and_is_logged() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
        // Until it is given up.
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let sink = LogSink::default();
    let _guard = tracing::subscriber::set_default(sink.subscriber());
    let upstream = Arc::new(Upstream::new(settings("127.0.0.1", port)));
    let pool = Arc::new(pool::Pool::new(&[Arc::clone(&upstream)], |_| None));
    let idle = Duration::from_millis(50);
    let mut body = sent(&pool, &upstream, idle, get()).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    let error = body.frame().await.unwrap().unwrap_err();
    let error = error.downcast::<Rejection>().unwrap();
    assert!(matches!(*error, Rejection::UpstreamTimeout(silent) if silent == idle), "{error}");
    assert!(body.frame().await.is_none());
    let text = sink.text();
    assert!(text.contains("WARN") && text.contains("fell silent"), "{text}");
    assert!(text.contains("upstream=up silent=50ms"), "{text}");
}

#[tokio::test]
async fn a_place_that_comes_when_nobody_waits_any_more_is_not_lost() {
    let mut settings = settings("127.0.0.1", 1);
    (settings.in_flight, settings.queue) = (1, 2);
    let upstream = Arc::new(Upstream::new(settings));
    for rounds in 0..3 {
        let held = upstream.enter().await.unwrap();
        {
            let mut one = pin!(upstream.enter());
            let mut two = pin!(upstream.enter());
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(one.as_mut().poll(&mut cx).is_pending());
            assert!(two.as_mut().poll(&mut cx).is_pending());
            assert!(matches!(upstream.enter().await, Err(Rejection::UpstreamFull)));
            if rounds > 0 {
                // On its way to the first, who goes away, and then to the second.
                drop(held);
            }
        }
        // Free again.
        if rounds > 0 {
            drop(upstream.enter().await.unwrap());
        }
    }
}

/// A server that is away for some looks, and then there for some.
#[tokio::test(flavor = "current_thread")]
async fn what_looks_find_has_a_line_when_it_changes_and_no_other() {
    let port = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    let sink = LogSink::default();
    let _guard = tracing::subscriber::set_default(sink.subscriber());
    let lines = || sink.text();
    let mut settings = settings("127.0.0.1", port);
    let mut health = HealthSettings::new(PathAndQuery::from_static("/healthz"));
    health.interval = Duration::from_millis(5);
    settings.health = Some(health);
    let upstreams = Upstreams::new([settings]);
    let upstream = Arc::clone(&upstreams.0[0]);
    let clock = SystemClock;
    assert!(upstream.next(&[], &clock).is_some(), "in until somebody looked");
    let watch = upstreams.watch();
    let story = async {
        let moment = || tokio::time::sleep(Duration::from_millis(10));
        while upstream.next(&[], &clock).is_some() {
            moment().await;
        }
        // Some more looks that find nothing new.
        for _ in 0..5 {
            moment().await;
        }
        server(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap(), "ok");
        while upstream.next(&[], &clock).is_none() {
            moment().await;
        }
        for _ in 0..5 {
            moment().await;
        }
    };
    let story = tokio::time::timeout(Duration::from_secs(5), story);
    tokio::select! {
        told = story => told.unwrap(),
        () = watch => {}
    }
    let text = lines();
    let [gone, back] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert!(
        gone.contains("WARN") && gone.contains("not well") && gone.contains("refused"),
        "{gone}"
    );
    assert!(back.contains("INFO") && back.contains("well again"), "{back}");
    for line in [gone, back] {
        assert!(line.contains(&format!("upstream=up server=http://127.0.0.1:{port}")), "{line}");
    }
    // Nobody looks any more: whoever is out is not kept out.
    assert_eq!(upstream.checked.load(Ordering::Relaxed), 0);
}

/// After a reload somebody else does the checks: what they know is not forgotten in between.
#[tokio::test]
async fn who_is_out_stays_out_when_the_checks_change_hands() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let mut settings = settings("127.0.0.1", closed);
    let mut health = HealthSettings::new(PathAndQuery::from_static("/healthz"));
    health.interval = Duration::from_millis(5);
    settings.health = Some(health);
    let upstreams = Upstreams::new([settings.clone()]);
    let watch = upstreams.watch();
    let is_out = || upstreams.0[0].next(&[], &SystemClock).is_none();
    let found_out = async {
        while !is_out() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        found = tokio::time::timeout(Duration::from_secs(5), found_out) => found.unwrap(),
        () = watch => {}
    }
    let first = upstreams.watch();
    upstreams.0[0].servers[0].standing.unwell();
    let same = upstreams.successor([settings.clone()]);
    assert!(Arc::ptr_eq(&same.0[0], &upstreams.0[0]));
    let second = same.watch();
    drop(first);
    assert!(is_out());
    drop(second);
    assert!(!is_out(), "nobody would bring it back");
    settings.connect += Duration::from_secs(1);
    assert!(!Arc::ptr_eq(&upstreams.successor([settings]).0[0], &upstreams.0[0]));
}

/// Looks are spoken as requests are.
#[tokio::test]
async fn a_server_that_speaks_http2_is_asked_in_http2() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            let service =
                hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    tell.send((request.uri().to_string(), request.version())).ok();
                    async { Ok::<_, std::convert::Infallible>(Response::new(Body::empty())) }
                });
            let stream = hyper_util::rt::TokioIo::new(stream);
            let executor = hyper_util::rt::TokioExecutor::new();
            let server = hyper::server::conn::http2::Builder::new(executor);
            tokio::spawn(async move { server.serve_connection(stream, service).await });
        }
    });
    let mut settings = settings("127.0.0.1", port);
    settings.h2 = true;
    let mut health = HealthSettings::new(PathAndQuery::from_static("/healthz"));
    health.interval = Duration::from_millis(5);
    settings.health = Some(health);
    let upstreams = Upstreams::new([settings]);
    let looks = async {
        for _ in 0..5 {
            let (target, version) = told.recv().await.unwrap();
            assert_eq!(target, format!("http://127.0.0.1:{port}/healthz"));
            assert_eq!(version, Version::HTTP_2);
            assert!(upstreams.0[0].next(&[], &SystemClock).is_some());
        }
    };
    tokio::select! {
        looked = tokio::time::timeout(Duration::from_secs(5), looks) => looked.unwrap(),
        () = upstreams.watch() => {}
    }
}
