mod accounts;
mod browser;
mod claims;
pub(crate) mod counting;
mod factors;
mod keys;
mod lasting;
mod logins;
mod meanwhile;
mod record;
mod renewal;
mod shared_tickets;
mod sharing;
mod staleness;
mod switched_off;
mod unrotated;
mod uses;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap};

use super::lasting::{Basis, Proof};
use super::uses::NextNote;
use super::*;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::identity::{Identity, SessionId, UserId};
use crate::keys::{Algorithm, KeyError, KeySettings, KeySource};
use crate::password::{PasswordSettings, Passwords};
use crate::secret::Secret;
use crate::store::{RedbStore, Store, User, UserChange};
use crate::token::TokenError;
use counting::Counting;

/// A caller of whom nothing is known but who it is.
pub(super) fn somebody(identity: Identity) -> Authenticated {
    let expires = Timestamp::from_millis(u64::MAX);
    let revision = Revisions::default().of_others();
    let proof = Proof::Issuer(Box::default());
    let basis = Basis { proof, revision, until: expires, login: None };
    let (headers, lines, note) = (Vec::new(), bytes::Bytes::new(), NextNote::default());
    Authenticated { identity, user: None, headers, lines, expires, note, basis }
}

pub(crate) struct World {
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) store: Arc<Counting>,
    pub(crate) clock: Arc<ManualClock>,
    keys: Arc<KeyRing>,
}

pub(crate) fn world(settings: SessionSettings) -> World {
    world_over(settings, RedbStore::in_memory().unwrap())
}

fn world_over(settings: SessionSettings, store: RedbStore) -> World {
    world_of(settings, store, Revisions::default())
}

fn world_of(settings: SessionSettings, store: RedbStore, revisions: Revisions) -> World {
    let clock = Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)));
    let store = Arc::new(Counting::new(store));
    let source = KeySource::Shared(Secret::from("0123456789abcdef0123456789abcdef".to_owned()));
    let ring = "unused.keys".into();
    let keys = KeySettings { algorithm: Algorithm::Hs256, source, previous: Vec::new(), ring };
    let keys = Arc::new(KeyRing::ephemeral(keys, clock.now()).unwrap());
    let revisions = Arc::new(revisions);
    let memory = NonZeroU32::new(64).unwrap();
    let passwords = PasswordSettings { memory, ..PasswordSettings::default() };
    let kept: Arc<dyn Store> = Arc::<Counting>::clone(&store);
    let time: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let accounts = Accounts::new(
        Arc::clone(&kept),
        Arc::clone(&time),
        Arc::new(Passwords::start(passwords).unwrap()),
        Arc::clone(&revisions),
        Rules::new(["root".to_owned()], AccountRules::default(), None),
    );
    let foundations = Foundations {
        store: kept,
        clock: time,
        keys: Arc::clone(&keys),
        revisions,
        headers: IdentityHeaders::default(),
        issuers: Vec::new(),
    };
    let sessions = Sessions::new(foundations, settings, TokenSettings::default());
    World { sessions, accounts, store, clock, keys }
}

impl World {
    pub(crate) async fn user(&self, name: &str) -> User {
        let account = NewAccount {
            username: name.to_owned(),
            email: format!("{name}@example.com"),
            password: Some(Secret::from("first-Phrase".to_owned())),
            roles: Vec::new(),
        };
        let made = self.accounts.create(account).await.unwrap();
        let Registered::Created(user) = made else { panic!("{name}: {made:?}") };
        user
    }

    pub(crate) async fn log_in(&self, user: &User) -> Pair {
        self.sessions.log_in(user, Client::default(), None).await.unwrap()
    }

    pub(crate) async fn open(&self, access: &str) -> Result<Arc<Authenticated>, AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {access}").parse().unwrap());
        self.sessions.authenticate(&headers).await.map(Option::unwrap)
    }

    async fn code(&self, access: &str) -> &'static str {
        self.open(access).await.map_or_else(|error| error.code(), |_| "good")
    }

    /// A refresh token as another project with our key makes them: no `sid`.
    fn foreign_refresh(&self, user: UserId, jti: &str) -> String {
        let now = self.clock.now().as_secs();
        self.signed(&serde_json::json!({
            "token_type": "refresh", "exp": now + 600, "iat": now, "jti": jti,
            "user_id": user.to_string(),
        }))
    }

    /// A token with our signature, whatever it says.
    fn signed(&self, payload: &serde_json::Value) -> String {
        use base64::Engine;
        let part = |value: &serde_json::Value| {
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
        };
        let head = serde_json::json!({"alg": "HS256", "typ": "JWT"});
        let message = format!("{}.{}", part(&head), part(payload));
        let signed: Result<String, KeyError> = self.keys.sign(|_, _| message);
        signed.unwrap()
    }
}

fn rotating(grace: u64) -> SessionSettings {
    SessionSettings { grace: Duration::from_secs(grace), ..SessionSettings::default() }
}

#[tokio::test]
async fn a_known_token_costs_the_store_nothing() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let access = world.log_in(&ada).await.access;
    world.open(&access).await.unwrap();
    let before = world.store.calls();
    for _ in 0..1000 {
        let known = world.open(&access).await.unwrap();
        assert_eq!(known.identity.username, "ada");
    }
    assert_eq!(world.store.calls(), before);
}

#[tokio::test]
async fn whatever_changes_about_a_user_holds_from_the_next_request_on() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let access = world.log_in(&ada).await.access;
    let change = |change| world.accounts.change(ada.id, change);
    assert!(world.open(&access).await.unwrap().identity.roles.is_empty());
    change(UserChange::AddRole("editor".to_owned())).await.unwrap();
    assert_eq!(world.open(&access).await.unwrap().identity.roles, ["editor"]);
    change(UserChange::Active(false)).await.unwrap();
    assert_eq!(world.code(&access).await, "user_inactive");
    change(UserChange::Active(true)).await.unwrap();
    assert_eq!(world.code(&access).await, "good", "what was not ended goes on");
    world.accounts.set_password(ada.id, Secret::from("second".to_owned())).await.unwrap();
    assert_eq!(world.code(&access).await, "password_changed");
    let access = world.log_in(&world.accounts.find("ada").await.unwrap().unwrap()).await.access;
    assert_eq!(world.code(&access).await, "good");
    change(UserChange::LoggedOutEverywhere(world.clock.now())).await.unwrap();
    assert_eq!(world.code(&access).await, "session_ended");
    world.accounts.delete(ada.id).await.unwrap();
    assert_eq!(world.code(&access).await, "user_not_found");
}

#[tokio::test]
async fn a_change_holds_though_its_caller_went_away() {
    let world = world(rotating(0));
    let ada = world.user("ada").await;
    let pair = world.log_in(&ada).await;
    world.sessions.refresh(&pair.refresh).await.unwrap();
    assert_eq!(world.code(&pair.access).await, "good");
    let mut reuse = Box::pin(world.sessions.refresh(&pair.refresh));
    // As far as the store has taken it, and then nobody is there any more.
    let taken = world.store.calls() + 3;
    while world.store.calls() < taken {
        assert!(futures_util::poll!(reuse.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    drop(reuse);
    // The store keeps its order: what is asked now comes after what was dropped.
    world
        .store
        .inner()
        .touch_session(SessionId { number: 1, tag: 0 }, world.clock.now(), world.clock.now())
        .await
        .unwrap();
    let heard = async {
        while world.code(&pair.access).await == "good" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), heard).await.expect("nobody was told");
    assert_eq!(world.code(&pair.access).await, "session_ended");
}

#[tokio::test]
async fn a_login_checked_against_the_old_password_starts_nothing() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    world.accounts.set_password(ada.id, Secret::from("second".to_owned())).await.unwrap();
    let late = world.sessions.log_in(&ada, Client::default(), None).await;
    assert!(matches!(late, Err(AuthError::PasswordChanged)));
}

#[tokio::test]
async fn blacklisting_ends_the_session_its_access_tokens_and_no_other() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let (one, other) = (world.log_in(&ada).await, world.log_in(&ada).await);
    let renewed = world.sessions.refresh(&one.refresh).await.unwrap();
    assert_eq!(world.code(&one.access).await, "good");
    world.sessions.blacklist(renewed.refresh.as_ref().unwrap()).await.unwrap();
    for access in [&one.access, &renewed.access] {
        assert_eq!(world.code(access).await, "session_ended");
    }
    assert_eq!(world.code(&other.access).await, "good");
    world.sessions.refresh(&other.refresh).await.unwrap();
    let again = world.sessions.blacklist(&renewed.refresh.unwrap()).await;
    assert!(matches!(again, Err(AuthError::Revoked)));
}

#[tokio::test]
async fn within_the_grace_a_spent_token_yields_the_same_successor() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let pair = world.log_in(&ada).await;
    let first = world.sessions.refresh(&pair.refresh).await.unwrap().refresh;
    world.clock.advance(Duration::from_millis(9_999));
    let second = world.sessions.refresh(&pair.refresh).await.unwrap().refresh;
    assert_eq!(first, second, "the same token to the letter: jti, iat and exp");
    world.sessions.check(&pair.refresh).await.unwrap();
    world.clock.advance(Duration::from_millis(1));
    assert!(world.sessions.check(&pair.refresh).await.is_err());
    let reused = world.sessions.refresh(&pair.refresh).await;
    assert!(matches!(reused, Err(AuthError::Reused)));
    let successor = world.sessions.refresh(&first.unwrap()).await;
    assert!(matches!(successor, Err(AuthError::Revoked)), "the family is over");
    assert_eq!(world.code(&pair.access).await, "session_ended");
}

#[tokio::test]
async fn reuse_ends_its_own_family_only() {
    let world = world(rotating(0));
    let ada = world.user("ada").await;
    let (one, other) = (world.log_in(&ada).await, world.log_in(&ada).await);
    world.sessions.refresh(&one.refresh).await.unwrap();
    assert!(matches!(world.sessions.refresh(&one.refresh).await, Err(AuthError::Reused)));
    world.sessions.refresh(&other.refresh).await.unwrap();
}

#[tokio::test]
async fn a_session_ends_however_often_it_is_renewed() {
    let lifetime = Duration::from_secs(30 * 60 * 60);
    let world = world(SessionSettings { lifetime, ..rotating(10) });
    let ada = world.user("ada").await;
    let mut refresh = world.log_in(&ada).await.refresh;
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(9 * 60 * 60));
        refresh = world.sessions.refresh(&refresh).await.unwrap().refresh.unwrap();
    }
    world.clock.advance(Duration::from_secs(3 * 60 * 60));
    let late = world.sessions.refresh(&refresh).await;
    assert!(matches!(late, Err(AuthError::Token(TokenError::Expired))), "{late:?}");
}

#[tokio::test]
async fn a_token_made_elsewhere_is_spent_and_ended_like_ours() {
    let world = world(rotating(0));
    let ada = world.user("ada").await;
    let theirs = world.foreign_refresh(ada.id, "elsewhere-1");
    let renewed = world.sessions.refresh(&theirs).await.unwrap();
    assert_eq!(world.code(&renewed.access).await, "good");
    assert!(matches!(world.sessions.refresh(&theirs).await, Err(AuthError::Reused)));
    assert_eq!(world.code(&renewed.access).await, "session_ended");
    let unused = world.foreign_refresh(ada.id, "elsewhere-2");
    world.sessions.blacklist(&unused).await.unwrap();
    assert!(matches!(world.sessions.refresh(&unused).await, Err(AuthError::Revoked)));
    let before = world.foreign_refresh(ada.id, "elsewhere-3");
    world.accounts.set_password(ada.id, Secret::from("second".to_owned())).await.unwrap();
    let refused = world.sessions.refresh(&before).await;
    assert!(matches!(refused, Err(AuthError::PasswordChanged)), "judged by iat");
}

#[tokio::test]
async fn many_at_once_spend_a_token_once() {
    let world = Arc::new(world(rotating(10)));
    let ada = world.user("ada").await;
    let refresh = world.log_in(&ada).await.refresh;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (world, refresh) = (Arc::clone(&world), refresh.clone());
            tokio::spawn(async move { world.sessions.refresh(&refresh).await.unwrap().refresh })
        })
        .collect();
    let mut successors = std::collections::HashSet::new();
    for task in tasks {
        successors.insert(task.await.unwrap().unwrap());
    }
    assert_eq!(successors.len(), 1);
}

#[tokio::test]
async fn a_session_of_somebody_else_opens_nothing() {
    let world = world(rotating(10));
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    world.log_in(&ada).await;
    let adas = world.store.inner().sessions(ada.id, None, 99).await.unwrap();
    let grant = crate::token::Grant {
        kind: crate::token::TokenKind::Access,
        id: "id",
        user: bob.id,
        session: adas[0].id,
        authenticated: Some(world.clock.now()),
        issued: world.clock.now(),
        expires: world.clock.now().plus(Duration::from_secs(60)),
        refresh_expires: None,
        second: None,
        profile: None,
    };
    let signer = Signer::new(Arc::clone(&world.keys), TokenSettings::default());
    assert_eq!(world.code(&signer.sign(&grant).unwrap()).await, "session_ended");
    let unknown = SessionId { number: 999, tag: 1 };
    let token = signer.sign(&crate::token::Grant { session: unknown, user: ada.id, ..grant });
    assert_eq!(world.code(&token.unwrap()).await, "session_ended");
}

/// A user with a hash that was made elsewhere.
async fn imported(world: &World, encoded: &str) -> User {
    let new = crate::store::NewUser {
        username: "ada".to_owned(),
        email: String::new(),
        password: Some(crate::store::PasswordHash::new(encoded.to_owned())),
        roles: Vec::new(),
        created: world.clock.now(),
    };
    let made = world.store.inner().create_user(new).await.unwrap();
    let crate::store::Creation::Created(user) = made else { panic!("the name is taken") };
    user
}

#[tokio::test]
async fn an_imported_hash_is_replaced_at_login_and_sessions_go_on() {
    let md5 = "md5$1nptTLyOCvE1h1Yxt7pTSG$b9265635987de42d75673397620cd16b";
    let world = world(rotating(10));
    let ada = imported(&world, md5).await;
    let access = world.log_in(&ada).await.access;
    let check = async |password: &str| {
        let password = Secret::from(password.to_owned());
        world.accounts.check_login("ada", password).await.unwrap().is_some()
    };
    let stored = async || world.store.inner().user(ada.id).await.unwrap().unwrap();
    assert!(!check("password124").await);
    world.accounts.change(ada.id, UserChange::Active(false)).await.unwrap();
    assert!(!check("password123").await, "a disabled account");
    assert_eq!(stored().await.password, ada.password, "nobody was let in");
    world.accounts.change(ada.id, UserChange::Active(true)).await.unwrap();

    assert!(check("password123").await);
    let renewed = stored().await;
    let hash = renewed.password.clone().unwrap();
    assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
    assert_eq!((renewed.password_mark, renewed.logout_mark), (None, None));
    assert_eq!(world.code(&access).await, "good");
    assert!(check("password123").await && !check("password124").await);
    assert_eq!(stored().await.password, Some(hash), "replaced once");
    assert_eq!(
        world.store.inner().password_recipes().await.unwrap(),
        ["$argon2id$v=19$m=64,t=2,p=1"]
    );
}

#[tokio::test]
async fn reserved_names_are_for_operators() {
    let world = world(rotating(10));
    let account = |name: &str| NewAccount {
        username: name.to_owned(),
        email: String::new(),
        password: None,
        roles: Vec::new(),
    };
    for name in ["root", "ROOT"] {
        let refused = world.accounts.register(account(name), None).await.unwrap();
        assert_eq!(refused, Registered::NameTaken);
        let objections = world.accounts.objections(name, "").await.unwrap();
        assert_eq!(objections.username, Some(NameObjection::Taken));
    }
    let made = world.accounts.create(account("root")).await.unwrap();
    assert!(matches!(made, Registered::Created(_)));
}

#[tokio::test]
async fn a_store_that_cannot_answer_is_never_an_answer() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let pair = world.log_in(&ada).await;
    world.store.fail();
    assert_eq!(world.code(&pair.access).await, "store_unavailable");
    let refused = world.sessions.refresh(&pair.refresh).await.unwrap_err();
    assert_eq!(refused.answer(Presented::Body).status, 503);
    assert!(world.accounts.check_login("ada", Secret::from("x".to_owned())).await.is_err());
}

#[tokio::test]
async fn an_api_key_is_always_the_same_and_dies_with_its_user() {
    let world = world(SessionSettings { token_scheme: true, ..rotating(10) });
    let ada = world.user("ada").await;
    let key = world.sessions.api_key(&ada).await.unwrap();
    assert_eq!(key, world.sessions.api_key(&ada).await.unwrap());
    let open = async |value: String| {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value.parse().unwrap());
        let known = world.sessions.authenticate(&headers).await;
        known.map(|known| known.map(|known| known.identity.username.clone()))
    };
    assert_eq!(open(format!("Token {key}")).await.unwrap().as_deref(), Some("ada"));
    // The key is in the cache now; under another scheme it must still be no token.
    assert!(open(format!("Bearer {key}")).await.is_err());
    world.accounts.change(ada.id, UserChange::Active(false)).await.unwrap();
    let refused = open(format!("Token {key}")).await.unwrap_err();
    assert!(matches!(refused, AuthError::KeyUserInactive));
    world.accounts.delete(ada.id).await.unwrap();
    let refused = open(format!("Token {key}")).await.unwrap_err();
    assert!(matches!(refused, AuthError::UnknownKey));
}
