//! An axum application behind the policy: `cargo run --example axum_layer --features axum`, and then
//! `curl -i http://127.0.0.1:3000/hello`.

use std::path::Path;

use axum::Router;
use axum::routing::get;
use portcullis::{Config, Gateway, Identity};
use tokio::net::TcpListener;
use tower::Layer;

const POLICY: &str = r#"
    [upstreams]
    app = { inner = true }

    [routes]
    "/hello" = { to = "app" }
    "/reports/*" = { to = "app", allow = "role:admin" }
"#;

async fn hello(caller: Identity) -> String {
    format!("hello {}\n", caller.username)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = Router::new().route("/hello", get(hello)).route("/reports/{id}", get(hello));

    let config = Config::parse("policy", POLICY, Path::new("."))?.config;
    let gateway = Gateway::builder(config).build()?;
    // Around all of it: nothing is routed before it is judged.
    let guarded = Router::new().fallback_service(gateway.layer().layer(app));

    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    tokio::select! {
        served = axum::serve(listener, guarded).into_future() => served?,
        () = gateway.keep() => {}
    }
    Ok(())
}
