//! Keys that users make, as credentials.

use super::*;
use crate::store::KeyStore;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn allow(world: &World, user_keys: Option<UserKeySettings>) {
    let rules = Rules::new([], AccountRules::default(), None).with_user_keys(user_keys);
    world.accounts.set_rules(Arc::new(rules));
}

fn with_keys() -> World {
    let user_keys = Some(UserKeySettings::default());
    let world = world(SessionSettings { user_keys: user_keys.clone(), ..rotating(10) });
    allow(&world, user_keys);
    world
}

impl World {
    pub(super) async fn key(
        &self,
        owner: &User,
        scopes: Option<&[&str]>,
        life: Option<Duration>,
    ) -> ShownKey {
        let scopes = scopes.map(|scopes| scopes.iter().map(ToString::to_string).collect());
        let new = NewKey { name: "n".to_owned(), scopes, life };
        let made = self.accounts.make_key(owner, new).await.unwrap();
        let KeyMade::Made(made) = made else { panic!("{made:?}") };
        made
    }

    async fn with_roles(&self, name: &str, roles: &[&str]) -> User {
        let id = self.user(name).await.id;
        for role in roles {
            let change = UserChange::AddRole((*role).to_owned());
            self.accounts.change(id, change).await.unwrap();
        }
        self.accounts.get(id).await.unwrap().unwrap()
    }

    async fn roles(&self, key: &ShownKey) -> Vec<String> {
        self.open(&key.text).await.unwrap().identity.roles.clone()
    }
}

#[tokio::test]
async fn a_known_key_costs_the_store_nothing_and_a_mistyped_one_neither() {
    let world = with_keys();
    let ada = world.user("ada").await;
    let key = world.key(&ada, None, None).await;
    let caller = world.open(&key.text).await.unwrap();
    assert_eq!((caller.user, caller.user_key()), (Some(ada.id), Some(key.key.id)));
    assert_eq!(caller.identity.session, None);
    assert!(!caller.logged_in_within(Duration::MAX, world.clock.now()));
    let before = world.store.calls();
    for _ in 0..1000 {
        assert_eq!(world.code(&key.text).await, "good");
    }
    for at in 4..40 {
        let mut wrong = key.text.as_bytes().to_vec();
        wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
        let wrong = String::from_utf8(wrong).unwrap();
        assert_eq!(world.code(&wrong).await, "api_key_not_valid", "{at}");
    }
    for wrong in ["pck_", "pck_0", "pck_a.b.c", &format!("{}0", *key.text)] {
        assert_eq!(world.code(wrong).await, "api_key_not_valid", "{wrong}");
    }
    // These begin as no key does.
    for token in [key.text.get(4..).unwrap(), "pck", "PCK_0", &key.text.replacen("pck", "pcl", 1)] {
        assert_eq!(world.code(token).await, "token_not_valid", "{token}");
    }
    assert_eq!(world.store.calls(), before);
}

#[tokio::test]
async fn a_key_has_the_roles_that_it_names_as_far_as_its_owner_has_them_now() {
    let world = with_keys();
    let ada = world.with_roles("ada", &["admin", "editor"]).await;
    let (all, some, none) = (
        world.key(&ada, None, None).await,
        world.key(&ada, Some(&["editor"]), None).await,
        world.key(&ada, Some(&[]), None).await,
    );
    let seen =
        async || [world.roles(&all).await, world.roles(&some).await, world.roles(&none).await];
    let change = |change| world.accounts.change(ada.id, change);
    assert_eq!(seen().await, [vec!["admin", "editor"], vec!["editor"], vec![]]);
    change(UserChange::RemoveRole("editor".to_owned())).await.unwrap();
    assert_eq!(seen().await, [vec!["admin"], vec![], vec![]]);
    change(UserChange::AddRole("late".to_owned())).await.unwrap();
    assert_eq!(seen().await, [vec!["admin", "late"], vec![], vec![]]);
    change(UserChange::AddRole("editor".to_owned())).await.unwrap();
    assert_eq!(seen().await, [vec!["admin", "editor", "late"], vec!["editor"], vec![]]);
    // A caller who is in already is narrowed as well.
    let caller = world.open(&some.text).await.unwrap();
    change(UserChange::RemoveRole("late".to_owned())).await.unwrap();
    assert_eq!(world.sessions.reaffirm(&caller).await.unwrap().identity.roles, ["editor"]);
    let wide = NewKey { name: "n".to_owned(), scopes: Some(vec!["late".to_owned()]), life: None };
    let ada = world.accounts.get(ada.id).await.unwrap().unwrap();
    let made = world.accounts.make_key(&ada, wide).await.unwrap();
    assert!(matches!(&made, KeyMade::NotTheirs(role) if role == "late"), "{made:?}");
}

#[tokio::test]
async fn a_key_ends_with_its_time_its_owner_and_when_it_is_revoked() {
    let world = with_keys();
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let (short, key, theirs) = (
        world.key(&ada, None, Some(DAY)).await,
        world.key(&ada, None, None).await,
        world.key(&eve, None, None).await,
    );
    let callers = [world.open(&short.text).await.unwrap(), world.open(&key.text).await.unwrap()];
    world.clock.advance(DAY.checked_sub(Duration::from_secs(1)).unwrap());
    assert_eq!(world.code(&short.text).await, "good");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.code(&short.text).await, "api_key_expired");
    assert_eq!(world.sessions.stance(&callers[0], Duration::ZERO), Stance::Expired);
    assert_eq!(world.sessions.stance(&callers[1], Duration::ZERO), Stance::Unchanged);

    // No password and no logout has to do with it.
    world.accounts.set_password(ada.id, Secret::from("second-Phrase".to_owned())).await.unwrap();
    let out = UserChange::LoggedOutEverywhere(world.clock.now());
    world.accounts.change(ada.id, out).await.unwrap();
    assert_eq!(world.code(&key.text).await, "good");
    world.accounts.change(ada.id, UserChange::Active(false)).await.unwrap();
    assert_eq!(world.code(&key.text).await, "user_inactive");
    let still = world.sessions.still(&callers[1]).await.unwrap_err();
    assert!(matches!(still, AuthError::UserInactive), "{still}");
    world.accounts.change(ada.id, UserChange::Active(true)).await.unwrap();
    assert_eq!(world.code(&key.text).await, "good");

    assert!(!world.accounts.revoke_key(eve.id, key.key.id).await.unwrap());
    assert_eq!(world.code(&key.text).await, "good");
    assert!(world.accounts.revoke_key(ada.id, key.key.id).await.unwrap());
    assert_eq!(world.code(&key.text).await, "api_key_not_valid");
    let still = world.sessions.still(&callers[1]).await.unwrap_err();
    assert!(matches!(still, AuthError::BadUserKey), "{still}");

    assert_eq!(world.code(&theirs.text).await, "good");
    world.accounts.delete(eve.id).await.unwrap();
    assert_eq!(world.code(&theirs.text).await, "api_key_not_valid");
    world.store.fail();
    assert_eq!(world.code(&short.text).await, "store_unavailable");
}

#[tokio::test]
async fn a_scheme_answers_for_its_own_credentials_alone() {
    let settings = SessionSettings {
        user_keys: Some(UserKeySettings::default()),
        token_scheme: true,
        ..rotating(10)
    };
    let world = world(settings);
    allow(&world, Some(UserKeySettings::default()));
    let ada = world.user("ada").await;
    let opaque = world.sessions.api_key(&ada).await.unwrap();
    let key = world.key(&ada, None, None).await;
    let access = world.log_in(&ada).await.access;
    let code = async |scheme: &str, credential: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("{scheme} {credential}").parse().unwrap());
        let seen = world.sessions.authenticate(&headers).await;
        seen.map_or_else(|error| error.code(), |_| "good")
    };
    // Twice: what is known of one is not believed of the other.
    for _ in 0..2 {
        assert_eq!(code("Token", &opaque).await, "good");
        assert_eq!(code("Bearer", &opaque).await, "token_not_valid");
        for credential in [&*key.text, &access] {
            assert_eq!(code("Bearer", credential).await, "good");
            assert_eq!(code("Token", credential).await, "bad_api_key");
        }
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_reaches_the_store() {
    let world = with_keys();
    let ada = world.user("ada").await;
    let key = world.key(&ada, None, None).await;
    world.clock.advance(DAY);
    world.open(&key.text).await.unwrap();
    let used = Some(world.clock.now());
    assert_eq!(world.sessions.last_key_use(key.key.id), used);
    assert_eq!(world.accounts.keys_of(ada.id).await.unwrap()[0].last_used, None);
    world.sessions.write_uses().await;
    assert_eq!(world.sessions.last_key_use(key.key.id), None);
    assert_eq!(world.accounts.keys_of(ada.id).await.unwrap()[0].last_used, used);
}

#[tokio::test]
async fn no_key_lives_longer_than_it_may() {
    let world = with_keys();
    let ada = world.user("ada").await;
    let key = world.key(&ada, None, None).await;
    assert_eq!(key.key.expires, Some(world.clock.now().plus(365 * DAY)));
    let long = NewKey { name: "n".to_owned(), scopes: None, life: Some(365 * DAY + DAY) };
    let made = world.accounts.make_key(&ada, long).await.unwrap();
    assert!(matches!(made, KeyMade::TooLong(most) if most == 365 * DAY), "{made:?}");
    let longest = world.key(&ada, None, Some(365 * DAY)).await;
    assert_eq!(longest.key.expires, key.key.expires);
    let text = format!("{key:?}");
    assert!(!text.contains(key.text.get(8..).unwrap()), "{text}");
}

#[tokio::test]
async fn a_sealed_key_is_shown_to_its_owner_alone() {
    let world = world(SessionSettings { token_scheme: true, ..rotating(10) });
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    // As somebody would have it who can write into the store.
    let moved = seal_api_key(&world.keys, ada.id, &"0123456789".repeat(4)).unwrap();
    world.store.inner().api_key(eve.id, moved).await.unwrap();
    let refused = world.sessions.api_key(&eve).await.unwrap_err();
    assert!(matches!(refused, AuthError::Keys(KeyError::Damaged)), "{refused}");
}

#[test]
fn the_name_of_a_key_says_something_and_not_too_much() {
    for (raw, checked) in [
        ("  laptop\n", Ok("laptop".to_owned())),
        ("", Err(KeyNameFault::Blank)),
        (" \u{a0} ", Err(KeyNameFault::Blank)),
        (&"ж".repeat(64), Ok("ж".repeat(64))),
        (&"ж".repeat(65), Err(KeyNameFault::TooLong)),
        ("a\u{202e}b", Err(KeyNameFault::Active)),
    ] {
        assert_eq!(check_key_name(raw), checked, "{raw:?}");
    }
}

#[tokio::test]
async fn the_keys_of_everybody_are_listed_by_number() {
    let world = with_keys();
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    let mut made = Vec::new();
    for owner in [&ada, &eve, &ada] {
        made.push(world.key(owner, None, None).await.key.id);
    }
    let listed = async |after, limit| {
        let keys = world.accounts.user_keys(after, limit).await.unwrap();
        keys.iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 9).await, made);
    assert_eq!(listed(Some(made[0]), 1).await, made[1..2]);
}
