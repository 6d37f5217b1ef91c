//! A policy without a file: the tables of the policy file as values of a program.
//!
//! What the values say is written down as the text that a file would have, and takes the one way
//! through all checks. So every key means here what [`EXAMPLE`](super::EXAMPLE) says of it, what is
//! left out has its default, and a mistake is told in the same words, with the key in the place of a
//! line.
//!
//! ```
//! use std::time::Duration;
//!
//! use portcullis::config::typed::{
//!     Acme, Admin, Audit, Auth, Certificate, Cors, Factors, ForwardAuth, Hsts, Import, ImportFlags,
//!     Issuer, Limits, Listener, Log, Mail, Otlp, Pages, Postgres, Route, Site, Texts, Throttles, Tls,
//!     Upstream, UpstreamTls, UserKeys,
//! };
//! use portcullis::{Config, Secret};
//!
//! let secret = |text: &str| Secret::from(text.to_owned());
//! let minutes = |count: u64| Duration::from_secs(60 * count);
//! let throttles = Throttles::default().account(None);
//! let auth = Auth::default().throttle(throttles).keys(UserKeys::default().per_user(5));
//! let auth = auth.factors(Factors::default().issuer("Shop"));
//! let by_acme = Acme::default().domains(["app.example.com"]).terms_accepted(true);
//! let other = Certificate::default().cert("shop.pem").key("shop.key");
//! let tls = Tls::default().acme(by_acme).certificates([other]).hsts(Hsts::default());
//! let database = Postgres::default().url(secret("postgres://gate:x@db.example.com/gate"));
//! let corp = Issuer::default().name("corp").issuer("https://id.example.com").audience("shop");
//! let staff = ImportFlags::default().is_staff(["staff"]);
//! let server = UpstreamTls::default().ca("servers.pem");
//! let site = Cors::of(["https://shop.example.com"]).credentials(true);
//! let texts = Texts::default().en([("Sign in", "Welcome to the shop")]);
//!
//! let policy = Config::builder()
//!     .public("https://app.example.com")
//!     .listen([Listener::at("0.0.0.0:443").tls(true)])
//!     .tls(tls)
//!     .postgres(database)
//!     .auth(auth)
//!     .issuers([corp])
//!     .import(Import::default().roles(staff))
//!     .limits(Limits::default().body(1 << 20).drain(minutes(1)))
//!     .pages(Pages::default().texts(texts).admin(Site::default().fresh(minutes(10))))
//!     .mail(Mail::default().smtp("smtps://mail.example.com").from("shop@example.com"))
//!     .admin(Admin::default().listen("127.0.0.1:9901").token(secret("x")))
//!     .audit(Audit::default().keep(30))
//!     .log(Log::default().format("json"))
//!     .otlp(Otlp::default().endpoint("http://127.0.0.1:4318").sample(0.1))
//!     .forward_auth(ForwardAuth::default().path("/verify"))
//!     .upstream("shop", Upstream::to(["https://10.0.0.11:8443"]).tls(server))
//!     .route("/api/*", Route::to("shop").cors(site));
//!
//! // What it would be as a file; `check` makes a `Config` of it where its files are.
//! let text = policy.to_toml();
//! assert!(text.contains("auth.throttle.account = \"off\"") && !text.contains("gate:x"), "{text}");
//! ```

mod auth;
mod builder;
mod item;
mod listen;
mod operate;
mod route;
mod rules;
mod source;
mod table;
mod text;

pub use auth::{
    Auth, Factors, Import, ImportFlags, Issuer, Password, Signing, Throttles, UserKeys,
};
pub use builder::ConfigBuilder;
pub use listen::{Acme, Certificate, Hsts, Limits, Listener, Tls};
pub use operate::{Admin, Audit, ForwardAuth, Log, Mail, Otlp, Pages, Postgres, Site, Texts};
pub use route::{Cors, Health, Route, Upstream, UpstreamTls};
pub use rules::{Rules, Unwritable};
pub use source::Source;

pub use crate::limit::Quota;
pub use crate::policy::{Allow, By, Rate, RuleError, Term};
pub use crate::server::MemoryLimit;

#[cfg(test)]
mod tests;
