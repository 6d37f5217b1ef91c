//! For the tests of a program: its policy asked in words, and a whole gateway around its handlers,
//! in memory, with users who are signed in and a clock that is moved by hand.
//!
//! The feature `testing` has this, which belongs among the development dependencies alone:
//!
//! ```toml
//! [dev-dependencies]
//! portcullis = { version = "0.1", default-features = false, features = ["testing"] }
//! ```
//!
//! ```
//! use std::convert::Infallible;
//! use std::path::Path;
//! use std::time::Duration;
//!
//! use http::{Request, Response, StatusCode};
//! use portcullis::testing::{TestGateway, expect};
//! use portcullis::Body;
//! use portcullis::{Config, Identity};
//! use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = r#"
//!     [upstreams]
//!     app = { to = "http://10.0.0.11:8000" }
//!     [routes]
//!     "/orders/*" = { to = "app" }
//!     "GET,DELETE /orders/{id}" = { to = "app", allow = "role:editor" }
//! "#;
//! let config = Config::parse("policy", policy, Path::new("."))?.config;
//! expect(&config, ["anyone GET /orders/7 -> 401", "role:editor DELETE /orders/7 -> app"])?;
//!
//! // Answers in the place of every upstream.
//! let app = service_fn(async |request: Request<Body>| {
//!     let caller = Identity::of(request.extensions()).map(|caller| caller.username.clone());
//!     Ok::<_, Infallible>(Response::new(Body::from(caller.unwrap_or_default())))
//! });
//! let gateway = TestGateway::around(config, app)?;
//! let alice = gateway.sign_in("alice", &["editor"]).await?;
//! let bob = gateway.sign_in("bob", &[]).await?;
//!
//! assert_eq!(alice.delete("/orders/7").await.text(), "alice");
//! assert_eq!(bob.delete("/orders/7").await.status, StatusCode::FORBIDDEN);
//! assert_eq!(gateway.stranger().get("/orders/7").await.status, StatusCode::UNAUTHORIZED);
//!
//! gateway.clock().advance(Duration::from_secs(60 * 60));
//! assert_eq!(alice.get("/orders/7").await.status, StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```

mod client;
mod expect;
mod gateway;

pub use client::{Client, Reply};
pub use expect::{Unmet, expect};
pub use gateway::{START, TestError, TestGateway};

#[cfg(test)]
mod tests;
