//! The room as its clients see it, without a connection: every endpoint over a real store in
//! memory, with a clock that tests move.

mod accounts;
mod described;
mod factors;
mod keys;
mod letters;
mod passkeys;
mod protocol;
mod throttling;
mod tokens;

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::identity::UserId;
use crate::keys::{Algorithm, KeyRing, KeySettings, KeySource};
use crate::limit::Quota;
use crate::password::{PasswordSettings, Passwords};
use crate::policy::{Owned, Routes};
use crate::secret::Secret;
use crate::session::{
    AccountRules, Accounts, FactorSettings, Foundations, Rules, SessionSettings, Sessions,
    UserKeySettings,
};
use crate::store::{RedbStore, Store, User, UserChange};
use crate::token::{IssuerSettings, Revisions, TokenSettings};
use crate::web::{IdentityHeaders, MessageLimits, RequestBody};

const KEY: &str = "a-shared-hs256-key-of-at-least-32-bytes";
const PASSWORD: &str = "Tr1cky-Phrase-77";
const START: u64 = 1_800_000_000;

/// What a test changes about the room.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a test, each of its own")]
struct Setup {
    register: Registration,
    login_failure: LoginFailure,
    account: Option<Quota>,
    address: Option<Quota>,
    registrations: Option<Quota>,
    letters: Option<Quota>,
    recipient: Option<Quota>,
    mail: bool,
    rotation: bool,
    sliding: bool,
    token_scheme: bool,
    user_keys: Option<UserKeySettings>,
    keys: Option<Quota>,
    enrol_off: bool,
    passkeys_off: bool,
    unnamed: bool,
    issuers: Vec<IssuerSettings>,
    /// Hashes that may wait for their turn; `None` for as many as a test has.
    queue: Option<usize>,
}

struct Room {
    endpoints: Arc<Endpoints>,
    store: Arc<dyn Store>,
    clock: Arc<ManualClock>,
}

/// An answer, read.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    code: Option<&'static str>,
    user: Option<String>,
}

#[expect(clippy::unnecessary_wraps, reason = "as the settings have it")]
fn quota(count: u32, minutes: u64) -> Option<Quota> {
    let per = Duration::from_secs(60 * minutes);
    Some(Quota { count: NonZeroU32::new(count).unwrap(), per })
}

/// Hashes that take no time.
fn cheap(queue: usize) -> PasswordSettings {
    PasswordSettings {
        memory: NonZeroU32::new(8).unwrap(),
        passes: NonZeroU32::MIN,
        at_once: NonZeroUsize::MIN,
        queue,
        ..PasswordSettings::default()
    }
}

impl Setup {
    fn factors(&self) -> FactorSettings {
        FactorSettings {
            enrol: !self.enrol_off,
            passkeys: !self.passkeys_off,
            relying_party: (!self.unnamed).then(passkeys::here),
            ..FactorSettings::default()
        }
    }

    fn open(self) -> Room {
        let factors = self.factors();
        let clock = Arc::new(ManualClock::new(Timestamp::from_secs(START)));
        let now: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let store: Arc<dyn Store> = Arc::new(RedbStore::in_memory().unwrap());
        let source = KeySource::Shared(Secret::from(KEY.to_owned()));
        let keys = KeySettings {
            algorithm: Algorithm::Hs256,
            source,
            previous: Vec::new(),
            ring: "unused".into(),
        };
        let keys = Arc::new(KeyRing::ephemeral(keys, clock.now()).unwrap());
        let revisions = Arc::new(Revisions::default());
        let passwords = cheap(self.queue.unwrap_or(64));
        let accounts = Accounts::new(
            Arc::clone(&store),
            Arc::clone(&now),
            Arc::new(Passwords::start(passwords).unwrap()),
            Arc::clone(&revisions),
            Rules::new(["reserved".to_owned()], AccountRules::default(), None)
                .with_user_keys(self.user_keys.clone()),
        );
        let mailer = self.mail.then(|| letters::mailer(&store, &now));
        let accounts = accounts.with_mail(mailer.clone());
        let foundations = Foundations {
            store: Arc::clone(&store),
            clock: Arc::clone(&now),
            keys: Arc::clone(&keys),
            revisions,
            headers: IdentityHeaders::default(),
            issuers: self.issuers,
        };
        let session = SessionSettings {
            rotation: self.rotation,
            grace: Duration::ZERO,
            token_scheme: self.token_scheme,
            user_keys: self.user_keys,
            factors,
            ..SessionSettings::default()
        };
        let tokens = TokenSettings { sliding: self.sliding, ..TokenSettings::default() };
        let settings = EndpointSettings {
            prefix: "/api/auth".to_owned(),
            register: self.register,
            login_failure: self.login_failure,
            account: self.account,
            address: self.address,
            registrations: self.registrations,
            letters: self.letters,
            recipient: self.recipient,
            keys: self.keys,
            ..EndpointSettings::default()
        };
        let sessions = Sessions::new(foundations, session, tokens).with_mail(mailer);
        let sessions = Arc::new(sessions);
        let messages = MessageLimits::default();
        let routes = Arc::new(Routes::new(Vec::new(), Owned::default()).unwrap());
        let accounts = Arc::new(accounts);
        let endpoints = Endpoints::new(settings, sessions, accounts, keys, now, routes, messages);
        Room { endpoints: Arc::new(endpoints), store, clock }
    }
}

impl Room {
    fn new() -> Self {
        Setup::default().open()
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
        client: &str,
    ) -> Got {
        let method: Method = method.parse().unwrap();
        let value = |value: &str| HeaderValue::from_bytes(value.as_bytes()).unwrap();
        let headers: HeaderMap =
            headers.iter().map(|(name, text)| (name.parse().unwrap(), value(text))).collect();
        let path =
            if path.starts_with("/.") { path.to_owned() } else { format!("/api/auth{path}") };
        assert!(self.endpoints.owns(&path));
        let body = RequestBody::new(Full::new(body.into()), &MessageLimits::default());
        let client: IpAddr = client.parse().unwrap();
        let (method, path, headers, host) = (&method, path.as_str(), &headers, "a.test");
        let call = Call { method, host, path, headers, client, caller: None, body };
        let got = read(self.endpoints.answer(call).await).await;
        described::hold(&self.endpoints.description, method.as_str(), path, &got);
        got
    }

    async fn post(&self, path: &str, body: impl ToString) -> Got {
        self.post_from("192.0.2.1", path, body).await
    }

    async fn post_from(&self, client: &str, path: &str, body: impl ToString) -> Got {
        let headers = [("content-type", "application/json")];
        self.call("POST", path, &headers, body.to_string(), client).await
    }

    async fn send(&self, path: &str, content_type: &'static str, body: &'static str) -> Got {
        self.call("POST", path, &[("content-type", content_type)], body, "192.0.2.1").await
    }

    async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> Got {
        self.call("GET", path, headers, "", "192.0.2.1").await
    }

    async fn profile(&self, authorization: &str) -> Got {
        self.get("/profile/", &[("authorization", authorization)]).await
    }

    async fn login(&self, username: &str, password: &str) -> Got {
        self.post("/token/", json!({"username": username, "password": password})).await
    }

    async fn register(&self, username: &str) {
        let email = format!("{username}@example.com");
        let body = json!({"username": username, "password": PASSWORD, "email": email});
        self.post("/register/", body).await.is(201, json!({"username": username, "email": email}));
    }

    /// An account, logged in: access and refresh token.
    async fn user(&self, username: &str) -> (String, String) {
        self.register(username).await;
        self.pair(username).await
    }

    async fn pair(&self, username: &str) -> (String, String) {
        let got = self.login(username, PASSWORD).await;
        (got.text_of("access"), got.text_of("refresh"))
    }

    async fn stored(&self, username: &str) -> User {
        self.store.user_by_name(username).await.unwrap().unwrap()
    }

    async fn activate(&self, username: &str, active: bool) {
        let id = self.stored(username).await.id;
        self.change(id, UserChange::Active(active)).await;
    }

    async fn change(&self, id: UserId, change: UserChange) {
        self.endpoints.accounts.change(id, change).await.unwrap().unwrap();
    }
}

async fn read(reply: Reply) -> Got {
    let (parts, body) = reply.response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let got = Got {
        status: parts.status,
        headers: parts.headers,
        text,
        code: reply.code,
        user: reply.user,
    };
    let length = got.text.len().to_string();
    let has_body = got.status != StatusCode::NO_CONTENT;
    assert_eq!(got.header("content-length"), if has_body { &*length } else { "" });
    assert_eq!(got.code.is_some(), got.status.as_u16() >= 400);
    assert_eq!(reply.error.is_some(), got.code.is_some());
    got
}

impl Got {
    #[track_caller]
    fn is(&self, status: u16, body: impl std::borrow::Borrow<Value>) -> &Self {
        assert_eq!((self.status.as_u16(), &self.json()), (status, body.borrow()));
        self
    }

    /// To the byte, so with the order of the members.
    #[track_caller]
    fn is_exactly(&self, status: u16, body: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.text.as_str()), (status, body));
        self
    }

    #[track_caller]
    fn is_detail(&self, status: u16, detail: &str) -> &Self {
        self.is(status, json!({ "detail": detail }))
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    #[track_caller]
    fn text_of(&self, member: &str) -> String {
        let text = self.json().get(member).and_then(Value::as_str).map(str::to_owned);
        text.unwrap_or_else(|| panic!("no {member} in {} {}", self.status, self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
