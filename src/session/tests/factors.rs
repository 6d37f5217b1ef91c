//! Second factors: enrolled, asked for, shown once, and what a session has by them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::totp;
use super::*;
use crate::store::{FactorStore, Factors, SecondFactor, SessionRef, StoreError, UserChange};

/// The secret that a user was offered, as the store has it.
async fn secret(world: &World, user: &User) -> Secret {
    let kept = world.store.inner().factors(user.id).await.unwrap().unwrap();
    let context = format!("totp secret of user {}", user.id);
    world.keys.unseal(&kept.totp.as_ref().unwrap().sealed, &context).unwrap()
}

/// The code that an app would show in so many steps.
async fn code(world: &World, user: &User, ahead: i64) -> String {
    let step = (world.clock.now().as_secs() / 30).checked_add_signed(ahead).unwrap();
    totp::code(&secret(world, user).await, step).to_string()
}

pub(super) async fn enrol(world: &World, user: &User) -> RecoveryCodes {
    world.sessions.offer_totp(user).await.unwrap().unwrap();
    let first = code(world, user, 0).await;
    world.sessions.confirm_totp(user, &first).await.unwrap().unwrap()
}

/// What a login by password goes on with, where that is not enough.
async fn due(world: &World, user: &User) -> Option<Challenge> {
    let factors = world.accounts.factors(user.id).await.unwrap()?;
    Some(world.sessions.challenge(user, &factors, Wanted::Pair).await.unwrap())
}

pub(super) async fn challenge(world: &World, user: &User) -> String {
    due(world, user).await.unwrap().text.to_string()
}

/// What an answer to a challenge is worth: a factor, or a word.
async fn answer(world: &World, challenge: &str, code: &str) -> Result<SecondFactor, &'static str> {
    let found = world.sessions.challenged(challenge).await.unwrap();
    let Some((challenge, user)) = found else { return Err("bad") };
    match world.sessions.answer(challenge, &user, code).await.unwrap() {
        Reply::Met(met) => Ok(met.second),
        Reply::Wrong => Err("wrong"),
        Reply::BadChallenge => Err("bad"),
    }
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn wait(world: &World, seconds: u64) {
    world.clock.advance(Duration::from_secs(seconds));
}

const MET: [&str; 3] = ["pwd", "otp", "mfa"];

#[tokio::test]
async fn a_secret_counts_once_a_code_of_it_was_shown() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    assert!(due(&world, &ada).await.is_none());
    let offered = world.sessions.offer_totp(&ada).await.unwrap().unwrap();
    assert_eq!(*offered.secret, *totp::base32(secret(&world, &ada).await.expose()));
    assert!(offered.uri.contains(&*offered.secret) && offered.uri.contains(":ada?"));
    assert!(!format!("{offered:?}").contains(&*offered.secret));
    // Not yet: nobody is locked out by an app that was never set up.
    assert!(due(&world, &ada).await.is_none());
    assert!(world.accounts.factors(ada.id).await.unwrap().is_none());
    for wrong in ["000000", "", "abcd-efgh", &code(&world, &ada, 2).await] {
        assert!(world.sessions.confirm_totp(&ada, wrong).await.unwrap().is_none());
    }
    // It does not outlive the password that it was offered for, nor wait for ever.
    for passed in [0, 601] {
        if passed == 0 {
            let hash = crate::store::PasswordHash::new("$y$".to_owned());
            let change = UserChange::Password { hash, at: world.clock.now() };
            world.accounts.change(ada.id, change).await.unwrap();
        }
        wait(&world, passed);
        let late = code(&world, &ada, 0).await;
        assert!(world.sessions.confirm_totp(&ada, &late).await.unwrap().is_none());
        wait(&world, 1);
        world.sessions.offer_totp(&ada).await.unwrap().unwrap();
    }
    let ada = world.accounts.get(ada.id).await.unwrap().unwrap();
    let right = code(&world, &ada, -1).await;
    let codes = world.sessions.confirm_totp(&ada, &right).await.unwrap().unwrap();
    assert_eq!(codes.0.len(), RECOVERY_CODES);
    for code in &codes.0 {
        let groups: Vec<_> = code.split('-').collect();
        assert!(groups.len() == 4 && groups.iter().all(|group| group.len() == 4), "{}", **code);
        assert_eq!(code.to_lowercase(), **code, "easier to read, and to type");
        assert!(!format!("{codes:?}").contains(&**code));
    }
    assert!(due(&world, &ada).await.is_some());
    assert!(world.sessions.offer_totp(&ada).await.unwrap().is_none(), "there is one");
    // What the store has tells nobody the secret, or a code.
    let kept = world.store.inner().factors(ada.id).await.unwrap().unwrap();
    let secret = secret(&world, &ada).await;
    assert!(!kept.totp.as_ref().unwrap().sealed.windows(20).any(|part| part == secret.expose()));
    assert_eq!(kept.recovery.len(), RECOVERY_CODES);
    for group in codes.0.iter().flat_map(|code| code.split('-')) {
        let has = |hash: &[u8; 32]| hash.windows(4).any(|part| part == group.as_bytes());
        assert!(!kept.recovery.iter().any(has), "a code is kept as it is");
    }
    let bob = world.user("bob").await;
    let moved = world
        .keys
        .unseal(&kept.totp.as_ref().unwrap().sealed, &format!("totp secret of user {}", bob.id));
    assert!(moved.is_none(), "it is nobody else's");
}

#[tokio::test]
async fn a_code_answers_once_and_only_in_its_time() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    enrol(&world, &ada).await;
    let asked = challenge(&world, &ada).await;
    // That one has confirmed the secret.
    let used = code(&world, &ada, 0).await;
    assert_eq!(answer(&world, &asked, &used).await, Err("wrong"));
    assert_eq!(answer(&world, &asked, &code(&world, &ada, 2).await).await, Err("wrong"));
    let next = code(&world, &ada, 1).await;
    let (one, two) = next.split_at(3);
    let spaced = format!(" {one} {two} ");
    assert_eq!(answer(&world, &asked, &spaced).await, Ok(SecondFactor::Totp));
    assert_eq!(answer(&world, &asked, &code(&world, &ada, 1).await).await, Err("bad"));
    let asked = challenge(&world, &ada).await;
    assert_eq!(answer(&world, &asked, &next).await, Err("wrong"), "in no challenge again");
}

#[tokio::test]
async fn a_challenge_is_its_users_for_five_minutes() {
    let world = world(rotating(10));
    let (ada, bob) = (world.user("ada").await, world.user("bob").await);
    let codes = enrol(&world, &ada).await;
    enrol(&world, &bob).await;
    let asked = challenge(&world, &ada).await;
    let (_, rest) = asked.split_once('.').unwrap();
    let forged =
        [format!("{}.{rest}", bob.id), asked.replace(".p.", ".s."), String::new(), "1".to_owned()];
    for forged in forged {
        let code = code(&world, &bob, 1).await;
        assert_eq!(answer(&world, &forged, &code).await, Err("bad"), "{forged}");
    }
    wait(&world, 299);
    let recovery = codes.0[0].to_uppercase().replace('-', " ");
    assert_eq!(answer(&world, &asked, &recovery).await, Ok(SecondFactor::RecoveryCode));
    let asked = challenge(&world, &ada).await;
    assert_eq!(answer(&world, &asked, &recovery).await, Err("wrong"), "it was used");
    wait(&world, 300);
    assert_eq!(answer(&world, &asked, &codes.0[1]).await, Err("bad"));
    // Neither a new password nor a lost factor is passed by with an old one.
    let asked = challenge(&world, &ada).await;
    let password = Secret::from("second-Phrase".to_owned());
    world.accounts.set_password(ada.id, password).await.unwrap();
    assert_eq!(answer(&world, &asked, &codes.0[1]).await, Err("bad"));
    let ada = world.accounts.get(ada.id).await.unwrap().unwrap();
    let asked = challenge(&world, &ada).await;
    assert!(world.accounts.remove_factors(ada.id).await.unwrap());
    assert_eq!(answer(&world, &asked, &codes.0[1]).await, Err("bad"));
    assert!(!world.accounts.remove_factors(ada.id).await.unwrap());
}

#[tokio::test]
async fn tokens_say_how_their_session_began_and_renewed_ones_too() {
    let world = world(rotating(0));
    let ada = world.user("ada").await;
    let plain = world.log_in(&ada).await;
    for token in [&plain.access, &plain.refresh] {
        let claims = claims(token);
        assert!(claims.get("amr").is_none() && claims.get("acr").is_none(), "{claims}");
    }
    enrol(&world, &ada).await;
    let second = Some(SecondFactor::Totp);
    let pair = world.sessions.log_in(&ada, Client::default(), second).await.unwrap();
    let renewed = world.sessions.refresh(&pair.refresh).await.unwrap();
    let later = renewed.refresh.unwrap();
    for token in [&pair.access, &pair.refresh, &renewed.access, &later] {
        let claims = claims(token);
        assert_eq!((&claims["amr"], &claims["acr"]), (&json!(MET), &json!("mfa")));
    }
    assert!(world.open(&pair.access).await.unwrap().identity.has_second_factor());
    assert!(!world.open(&plain.access).await.unwrap().identity.has_second_factor());
    // The session of a new password says what was shown for that, whatever the one before had.
    let session = world.open(&pair.access).await.unwrap().identity.session;
    for (second, amr) in [(second, json!(MET)), (None, Value::Null)] {
        let ada = world.accounts.get(ada.id).await.unwrap().unwrap();
        let (hash, client) = (crate::store::PasswordHash::new("$x$".to_owned()), Client::default());
        let opened = world.sessions.change_password(&ada, hash, client, session, second).await;
        let Ok(Opened::Pair(pair)) = opened else { panic!("{opened:?}") };
        assert_eq!(claims(&pair.refresh)["amr"], amr);
    }
}

#[tokio::test]
async fn sliding_tokens_say_it_as_well() {
    let mut world = world(rotating(10));
    let tokens = TokenSettings { sliding: true, ..TokenSettings::default() };
    world.sessions = world.sessions.successor(
        IdentityHeaders::default(),
        Vec::new(),
        SessionSettings::default(),
        tokens,
    );
    let ada = world.user("ada").await;
    enrol(&world, &ada).await;
    let second = Some(SecondFactor::RecoveryCode);
    let log_in = |second| world.sessions.log_in_sliding(&ada, Client::default(), second);
    let token = log_in(second).await.unwrap();
    let renewed = world.sessions.refresh_sliding(&token).await.unwrap();
    for token in [&token, &renewed] {
        assert_eq!(claims(token)["amr"], json!(MET));
        assert!(world.open(token).await.unwrap().identity.has_second_factor());
    }
    assert!(claims(&log_in(None).await.unwrap()).get("amr").is_none());
}

#[tokio::test]
async fn what_a_token_says_of_its_login_is_not_believed() {
    let world = world(rotating(0));
    let ada = world.user("ada").await;
    let pair = world.log_in(&ada).await;
    // Somebody who shares the key may sign anything; the session knows better.
    let mut forged = claims(&pair.access);
    (forged["amr"], forged["acr"]) = (json!(MET), json!("mfa"));
    let sign = |payload: &Value| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(&json!({"alg": "HS256", "typ": "JWT"}));
        let message = format!("{head}.{}", part(payload));
        let signed: Result<String, KeyError> = world.keys.sign(|_, _| message);
        signed.unwrap()
    };
    assert!(!world.open(&sign(&forged)).await.unwrap().identity.has_second_factor());
    let mut refresh = claims(&pair.refresh);
    refresh["amr"] = json!(MET);
    let renewed = world.sessions.refresh(&sign(&refresh)).await.unwrap();
    assert!(claims(&renewed.access).get("amr").is_none());
    // One that was made elsewhere has no session that could.
    forged.as_object_mut().unwrap().remove("sid");
    assert!(!world.open(&sign(&forged)).await.unwrap().identity.has_second_factor());
    let mut refresh = claims(&world.foreign_refresh(ada.id, "elsewhere"));
    refresh["amr"] = json!(MET);
    let renewed = world.sessions.refresh(&sign(&refresh)).await.unwrap();
    assert!(claims(&renewed.access).get("amr").is_none());
    assert!(!world.open(&renewed.access).await.unwrap().identity.has_second_factor());
}

#[tokio::test]
async fn a_session_has_what_its_user_has() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let other = world.log_in(&ada).await;
    let codes = enrol(&world, &ada).await;
    let second = Some(SecondFactor::Totp);
    let own = world.sessions.log_in(&ada, Client::default(), second).await.unwrap();
    let has =
        async |pair: &Pair| world.open(&pair.access).await.unwrap().identity.has_second_factor();
    let session = world.open(&own.access).await.unwrap().identity.session;
    assert!(has(&own).await && !has(&other).await, "a copy of its tokens has shown no code");
    // Whoever is let in already goes on as it is now, or not at all.
    let caller = world.open(&own.access).await.unwrap();
    assert!(world.sessions.renew_recovery(&ada, &codes.0[0]).await.unwrap().is_some());
    assert!(world.sessions.renew_recovery(&ada, &codes.0[1]).await.unwrap().is_none());
    assert!(has(&own).await);
    assert!(!world.sessions.remove_factors(&ada, &codes.0[2]).await.unwrap());
    let next = code(&world, &ada, 1).await;
    assert!(world.sessions.remove_factors(&ada, &next).await.unwrap());
    let late = world.sessions.log_in(&ada, Client::default(), second).await.unwrap();
    assert!(!has(&late).await, "what was shown was removed before the session began");
    assert!(!has(&own).await);
    let now = world.sessions.reaffirm(&caller).await.unwrap();
    assert!(!now.identity.has_second_factor());
    let session = world.store.inner().standing(ada.id, SessionRef::Own(session.unwrap())).await;
    assert_eq!(session.unwrap().session.unwrap().second, None);
}

#[tokio::test]
async fn a_store_that_does_not_answer_lets_nobody_by() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    let codes = enrol(&world, &ada).await;
    let asked = challenge(&world, &ada).await;
    let (challenge, user) = world.sessions.challenged(&asked).await.unwrap().unwrap();
    world.store.fail();
    let unavailable = |error: AuthError| {
        assert!(matches!(error, AuthError::Store(StoreError::Unavailable(_))), "{error}");
    };
    let factors = Factors::default();
    unavailable(world.sessions.challenge(&ada, &factors, Wanted::Pair).await.unwrap_err());
    unavailable(world.sessions.challenged(&asked).await.unwrap_err());
    unavailable(world.sessions.answer(challenge, &user, &codes.0[0]).await.unwrap_err());
    unavailable(world.sessions.remove_factors(&ada, &codes.0[0]).await.unwrap_err());
    assert!(world.accounts.factors(ada.id).await.is_err());
}

#[tokio::test]
async fn what_is_confirmed_is_confirmed_once() {
    let world = world(rotating(10));
    let ada = world.user("ada").await;
    enrol(&world, &ada).await;
    wait(&world, 60);
    // A good code of it gives out no other recovery codes.
    let next = code(&world, &ada, 0).await;
    assert!(world.sessions.confirm_totp(&ada, &next).await.unwrap().is_none());
    assert_eq!(answer(&world, &challenge(&world, &ada).await, &next).await, Ok(SecondFactor::Totp));
}

#[tokio::test]
async fn no_two_challenges_are_the_same() {
    let world = world(rotating(10));
    let (ada, eve) = (world.user("ada").await, world.user("eve").await);
    enrol(&world, &ada).await;
    enrol(&world, &eve).await;
    let mut seen = std::collections::BTreeSet::new();
    for user in [&ada, &eve, &ada] {
        assert!(seen.insert(challenge(&world, user).await), "{seen:?}");
    }
}
