//! An axum application with registration, login and the rest mounted beside its own handlers:
//! `cargo run --example axum_endpoints --features axum`, and then
//! `curl -i http://127.0.0.1:3000/api/auth/register/ -d username=alice -d password=Tr1cky-Phrase-77`.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::extract::{self, ConnectInfo, OriginalUri, Request};
use axum::middleware::map_request;
use axum::routing::get;
use portcullis::Peer;
use portcullis::{Config, Gateway, Identity};
use tokio::net::TcpListener;
use tower::Layer;

const POLICY: &str = r#"
    [upstreams]
    app = { inner = true }

    [routes]
    "/orders/*" = { to = "app" }
"#;

/// Nobody has asked the policy about this one.
async fn front_page() -> &'static str {
    "a page for everybody\n"
}

async fn order(caller: Identity, extract::Path(number): extract::Path<u64>) -> String {
    format!("order {number} of {}\n", caller.username)
}

/// Says who is at the other end, for limits by address.
async fn introduce(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(Peer::tcp(addr, None));
    request
}

/// `nest_service` cuts the front of a path off, and the policy speaks of whole ones.
async fn restore(OriginalUri(whole): OriginalUri, mut request: Request) -> Request {
    *request.uri_mut() = whole;
    request
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::parse("policy", POLICY, Path::new("."))?.config;
    let gateway = Gateway::builder(config).build()?;

    // The layer is under a fallback and not at a route with `{number}`, whose parameter axum would add
    // to those of the handler.
    let orders = Router::new().route("/orders/{number}", get(order));
    let guarded =
        Router::new().fallback_service(gateway.layer().layer(orders)).layer(map_request(restore));
    let app = Router::new()
        .route("/", get(front_page))
        .nest_service("/orders", guarded)
        // Below /api/auth, and /.well-known/jwks.json; whatever else comes here is 404.
        .fallback_service(gateway.endpoints())
        .layer(map_request(introduce));

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::select! {
        served = axum::serve(listener, app).into_future() => served?,
        () = gateway.keep() => {}
    }
    Ok(())
}
