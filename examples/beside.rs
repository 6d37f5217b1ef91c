//! A gateway beside the server of the same program, as its front door: `cargo run --example beside
//! --features axum`, and then `curl -i http://127.0.0.1:3000/hello`.
//!
//! The server listens at a socket in a folder that nobody else may enter, so that there is no way to
//! it but through the gateway.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use portcullis::config::typed::{Auth, Route, Upstream};
use portcullis::{Config, Gateway};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

/// The gateway has seen to it that this field is its own.
async fn hello(headers: HeaderMap) -> String {
    let name = headers.get("x-user-name").and_then(|name| name.to_str().ok());
    format!("hello {}\n", name.unwrap_or("stranger"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    DirBuilder::new().mode(0o700).recursive(true).create("private")?;
    let socket = Path::new("private/app.sock");
    if socket.exists() {
        std::fs::remove_file(socket)?; // of a process that is gone
    }
    let server = UnixListener::bind(socket)?;
    let app = Router::new().route("/hello", get(hello)).route("/welcome", get(hello));

    let config = Config::builder()
        .upstream("app", Upstream::to(["unix:private/app.sock"]).timeout(Duration::from_secs(5)))
        .route("/hello", Route::to("app"))
        .route("/welcome", Route::to("app").allow("anyone"))
        .auth(Auth::default().access(Duration::from_secs(15 * 60)))
        .expect(["anyone GET /hello -> 401", "anyone GET /welcome -> app"])
        .check(Path::new("."))?
        .config;
    let gateway = Gateway::builder(config).build()?;
    let door = TcpListener::bind("127.0.0.1:3000").await?;

    // The gateway drains first, for what it has let through still needs the server.
    let (stop, mut stopped) = watch::channel(());
    let serving = tokio::spawn(async move {
        axum::serve(server, app)
            .with_graceful_shutdown(async move {
                stopped.changed().await.ok();
            })
            .await
    });
    let told = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    gateway.serve(door, told).await?;
    drop(stop);
    serving.await??;
    Ok(())
}
