//! Requests on their way to a handler of the program itself, and its answers on their way back.

use std::convert::Infallible;
use std::sync::Mutex;

use http::request::Builder;
use http::{HeaderValue, header};
use hyper::upgrade::OnUpgrade;

use super::*;
use crate::identity::Identity;
use crate::metrics::Gauge;
use crate::policy::tests::route;
use crate::policy::{Allow, Owned, Routes, Shadow, Would};
use crate::session::SessionSettings;
use crate::session::tests::{World, world};
use crate::web::{CanonicalPath, Peer, Trust, TrustHeaders, Upgradable};

/// A gateway's proxy before a handler, and somebody who has logged in.
struct Place {
    proxy: Proxy,
    asked: Arc<Mutex<Vec<Parts>>>,
    access: String,
}

impl Place {
    /// One whose handler answers so.
    async fn answering(answer: fn() -> Response<Body>) -> Self {
        let world = world(SessionSettings::default());
        let access = world.log_in(&world.user("ada").await).await.access;
        let World { sessions, clock, .. } = world;
        let sessions = Arc::new(sessions);
        let routes = Arc::new(Routes::new(Vec::new(), Owned::default()).unwrap());
        let in_force = InForce { sessions: Arc::clone(&sessions), routes };
        let in_force = Arc::new(ArcSwap::from_pointee(in_force));
        let asked = Arc::<Mutex<Vec<Parts>>>::default();
        let heads = Arc::clone(&asked);
        let handler = tower::service_fn(move |request: Request<Body>| {
            heads.lock().unwrap().push(request.into_parts().0);
            std::future::ready(Ok::<_, Infallible>(answer()))
        });
        let upstreams = Upstreams::new([UpstreamSettings::new("up", Target::Inner)]);
        let proxy = Proxy::new(sessions, upstreams, MessageLimits::default(), clock, in_force);
        Self { proxy: proxy.before(Some(Inner::new(handler))), asked, access }
    }

    async fn ask(&self, route: Route, request: Builder) -> Result<Response<Body>, Rejection> {
        let gauge = Gauge::default();
        self.ask_knowing(route, request, &mut Known::nothing(gauge.hold())).await
    }

    async fn ask_knowing(
        &self,
        route: Route,
        request: Builder,
        known: &mut Known<'_>,
    ) -> Result<Response<Body>, Rejection> {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let (peer, target) = (Peer::local(), parts.uri.path().to_owned());
        let trust = Trust::new(Vec::new(), TrustHeaders::XForwarded);
        let exchange = Exchange {
            route: &Arc::new(route),
            path: &CanonicalPath::parse(&target).unwrap(),
            peer: &peer,
            origin: &trust.take(&peer, &mut http::HeaderMap::new()),
            request_id: &HeaderValue::from_static("id-1"),
            trace: None,
            parts,
            body: RequestBody::empty(),
        };
        self.proxy.answer(exchange, known).await
    }

    /// The last head that the handler has seen.
    fn head(&self) -> Parts {
        self.asked.lock().unwrap().pop().expect("the handler was asked")
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.access)
    }
}

fn open_to(allow: &str) -> Route {
    route("/x", allow, "up")
}

fn fine() -> Response<Body> {
    Response::new(Body::empty())
}

fn switching() -> Response<Body> {
    let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    answer
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn a_handler_hears_of_its_caller_from_the_gateway_alone() {
    let place = Place::answering(fine).await;
    let forged = Identity { username: "root".to_owned(), ..Identity::nobody() };
    place.ask(open_to("anyone"), Request::get("/x").extension(forged.clone())).await.unwrap();
    assert_eq!(place.head().extensions.get::<Identity>(), None);
    let known = Request::get("/x").extension(forged).header("authorization", place.bearer());
    place.ask(open_to("anyone"), known).await.unwrap();
    assert_eq!(place.head().extensions.get::<Identity>().unwrap().username, "ada");
}

#[tokio::test]
async fn a_request_is_decided_before_its_handler_hears_of_it() {
    let place = Place::answering(fine).await;
    for (allow, decided) in [("anyone", true), ("user", false)] {
        let gauge = Gauge::default();
        let mut known = Known::nothing(gauge.hold());
        let answer = place.ask_knowing(open_to(allow), Request::get("/x"), &mut known).await;
        assert_eq!((answer.is_ok(), gauge.now() == 0), (decided, decided), "{allow}");
    }
}

#[tokio::test]
async fn what_a_rule_on_trial_would_have_done_is_known() {
    let place = Place::answering(fine).await;
    for (allow, trial, would) in [
        ("anyone", Some("user"), Some(Would::Refuse)),
        ("user", Some("anyone"), Some(Would::Allow)),
        ("anyone", Some("anyone"), None),
        ("anyone", None, None),
    ] {
        let shadow = trial.map(|rule| Arc::new(Shadow::new(Allow::parse_rule(rule).unwrap())));
        let gauge = Gauge::default();
        let mut known = Known::nothing(gauge.hold());
        let route = Route { shadow, ..open_to(allow) };
        let _answer = place.ask_knowing(route, Request::get("/x"), &mut known).await;
        assert_eq!(known.would, would, "{allow} {trial:?}");
    }
}

#[tokio::test]
async fn a_ticket_is_a_parameter_like_any_other_where_the_route_takes_none() {
    let place = Place::answering(fine).await;
    for tickets in [false, true] {
        let route = Route { tickets, ..open_to("anyone") };
        let answer = place.ask(route, Request::get("/x?ticket=T&a=1")).await;
        assert_eq!(answer.is_ok(), !tickets);
    }
    assert_eq!(place.head().uri, "/x?ticket=T&a=1");
}

#[tokio::test]
async fn a_handler_opens_a_websocket_where_its_route_has_them_and_it_was_asked_for_one() {
    let (fine, switching) = (Place::answering(fine).await, Place::answering(switching).await);
    let minute = Some(Duration::from_secs(60));
    for (method, connection, upgrade, websocket, opens) in [
        (Method::GET, "keep-alive, Upgrade", "WebSocket", minute, true),
        (Method::GET, "keep-alive, Upgrade", "WebSocket", None, false),
        (Method::POST, "upgrade", "websocket", minute, false),
        (Method::GET, "keep-alive", "websocket", minute, false),
        (Method::GET, "upgrade", "h2c", minute, false),
    ] {
        let what = format!("{method} {connection} {upgrade} {websocket:?}");
        let request = || {
            let on = hyper::upgrade::on(Request::new(()));
            let request = Request::builder().method(method.clone()).uri("/x");
            let request = request.header("connection", connection).header("upgrade", upgrade);
            request.extension(Upgradable::Connection(on))
        };
        let route = || Route { websocket, ..open_to("anyone") };
        let answer = fine.ask(route(), request()).await.unwrap();
        let head = fine.head();
        let may = head.extensions.get::<OnUpgrade>().is_some();
        let told =
            [header::CONNECTION, header::UPGRADE].map(|name| head.headers.contains_key(name));
        assert_eq!((may, told), (opens, [opens; 2]), "{what}");
        // An ordinary answer speaks of no other protocol.
        let [connection, upgrade] = [header::CONNECTION, header::UPGRADE];
        assert!(!answer.headers().contains_key(connection), "{what}");
        assert!(!answer.headers().contains_key(upgrade), "{what}");
        match switching.ask(route(), request()).await {
            Ok(answer) => assert!(opens && answer.headers()["upgrade"] == "websocket", "{what}"),
            Err(error) => {
                assert!(!opens && matches!(error, Rejection::UpstreamSwitched), "{what}: {error}");
            }
        }
    }
}
