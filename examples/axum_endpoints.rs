//! An axum application with registration, login and the rest mounted beside its own handlers:
//! `cargo run --example axum_endpoints --features axum`, and then
//! `curl -i http://127.0.0.1:3000/api/auth/register/ -d username=alice -d password=Tr1cky-Phrase-77`.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use axum::routing::get;
use portcullis::web::Peer;
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

async fn order(caller: Identity) -> String {
    format!("an order of {}\n", caller.username)
}

/// Says who is at the other end, for limits by address.
async fn introduce(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(Peer::tcp(addr, None));
    request
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::parse("policy", POLICY, Path::new("."))?.config;
    let gateway = Gateway::builder(config).build()?;

    let orders = Router::new().route("/orders/{id}", get(order));
    let app = Router::new()
        .route("/", get(front_page))
        .route_service("/orders/{id}", gateway.layer().layer(orders))
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
