//! The keys that sign, where three gateways share them in their database.

use std::sync::Arc;
use std::time::Duration;

use portcullis::clock::{Clock, Timestamp};
use portcullis::rooms::keys::{KeyError, KeyInfo, KeyRing, KeySettings, SharedKeys};
use portcullis::{BuildError, Gateway, Secret};
use serde_json::Value;

use super::many::{Many, comes_to, open};
use super::many_apart::far;
use crate::common::{Policy, Setup, Stage, Upstream, soon};
use crate::postgres::Cluster;

const SECRET: &str = "what the ring is sealed under, in no database";
/// A little more than `staleness`, and than clocks may differ by.
const LEAD: Duration = Duration::from_secs(16);

fn signing(secret: &str) -> String {
    format!("algorithm = \"ES256\"\nshared = \"{secret}\"")
}

/// The name of the key that a token of alice's is signed with here.
async fn signed_by(stage: &Stage) -> (String, String) {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let (access, _) = stage.log_in("alice").await;
    let head = URL_SAFE_NO_PAD.decode(access.split('.').next().unwrap()).unwrap();
    let head: Value = serde_json::from_slice(&head).unwrap();
    (head["kid"].as_str().unwrap().to_owned(), access)
}

async fn rotate(stage: &Stage) -> KeyInfo {
    let (keys, now) = (Arc::clone(&stage.gateway.keys), stage.gateway.clock().now());
    tokio::task::spawn_blocking(move || keys.rotate(now)).await.unwrap().unwrap()
}

/// Waits until a gateway has such a key.
async fn has(stage: &Stage, key: impl Fn(&KeyInfo) -> bool) {
    let found = async {
        while !stage.gateway.keys.list().iter().any(&key) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("the key", found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_known_to_all_before_any_signs_with_it() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let ways = vec![cluster.settings(&database); 3];
    let policy = |policy: Policy, _| policy.signing(&signing(SECRET));
    let many = Many::lasting(cluster, ways, policy).await;
    let [one, two, three] = &many.stages[..] else { panic!("three of them") };
    let (first, before) = signed_by(one).await;
    for stage in &many.stages {
        assert_eq!(signed_by(stage).await.0, first);
        comes_to(stage, "/app/x", &before, 200, None).await;
    }

    let made = rotate(two).await;
    assert_ne!(made.kid, first);
    assert!(made.signs_from.is_some_and(|at| at > two.gateway.clock().now()), "{made:?}");
    for stage in &many.stages {
        has(stage, |key| key.kid == made.kid && key.signs_from.is_some()).await;
        let published = stage.get("/.well-known/jwks.json", "").await.json();
        assert!(published["keys"].as_array().unwrap().iter().any(|key| key["kid"] == *made.kid));
        assert_eq!(signed_by(stage).await.0, first, "not before its time");
    }
    for stage in &many.stages {
        stage.gateway.clock().advance(LEAD);
    }
    for stage in [three, one, two] {
        has(stage, |key| key.kid == made.kid && key.signs_from.is_none()).await;
        let (kid, after) = signed_by(stage).await;
        assert_eq!(kid, made.kid);
        for other in &many.stages {
            for token in [&before, &after] {
                comes_to(other, "/app/x", token, 200, None).await;
            }
        }
    }
    // Two who rotate at once lose neither key.
    let (left, right) = futures_util::future::join(rotate(one), rotate(three)).await;
    for stage in &many.stages {
        for made in [&left, &right] {
            has(stage, |key| key.kid == made.kid).await;
        }
    }
    many.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_knows_no_key_and_a_file_moves_into_it() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let upstream = Upstream::start().await;
    let store = open(cluster.settings(&database)).await;
    let file = "algorithm = \"ES256\"";
    let setup =
        Setup::new(&Policy::to(&upstream).signing(file)).over(Arc::clone(&store)).keeps_keys();
    let stage = Stage::of(upstream, setup.clone()).await;
    let (first, before) = signed_by(&stage).await;
    let Stage { gateway, upstream, alice, token } = stage;
    gateway.stop().await;

    // The same folder, and so the same file.
    let policy = Policy::to(&upstream).signing(&signing(SECRET));
    let gateway = setup.clone().under(&policy).start().await;
    let stage = Stage { gateway, upstream, alice, token };
    comes_to(&stage, "/app/x", &before, 200, None).await;
    assert_eq!(signed_by(&stage).await.0, first);
    let client = cluster.client(&database).await;
    let kept = client.query_one("SELECT sealed FROM portcullis.key_ring", &[]).await.unwrap();
    let kept: Vec<u8> = kept.get(0);
    assert!(kept.len() > 100 && !kept.windows(5).any(|part| part == b"pkcs8"));

    // Another one has no file, and gets the same keys; with another secret it gets nothing.
    let elsewhere = KeySettings::new("nowhere.keys".into());
    let shared = |secret: &str| SharedKeys { secret: secret.to_owned().into(), lead: LEAD };
    let ring = |secret: &str| {
        let now = Timestamp::from_secs(crate::common::NOW);
        KeyRing::open_shared(elsewhere.clone(), &shared(secret), &store, LEAD, now)
    };
    assert_eq!(ring(SECRET).unwrap().list()[0].kid, first);
    let other: Secret = "another secret that is long enough, too".to_owned().into();
    let refused = ring(std::str::from_utf8(other.expose()).unwrap()).unwrap_err();
    assert!(matches!(refused, KeyError::Sealed), "{refused:?}");
    // With other keys in its file it is not started: all of their tokens would be void.
    let folder = tempfile::tempdir().unwrap();
    let file = KeySettings::new(folder.path().join("portcullis.keys"));
    let now = Timestamp::from_secs(crate::common::NOW);
    KeyRing::open(file.clone(), LEAD, now).unwrap();
    let refused = KeyRing::open_shared(file, &shared(SECRET), &store, LEAD, now).unwrap_err();
    assert!(matches!(refused, KeyError::Apart(_)), "{refused:?}");
    stage.finish().await;
}

/// While a gateway is cut off, a key that it does not know may be one that another has made.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_an_unknown_key_is_judged_only_by_who_hears_of_new_ones() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let (relay, far) = far(&cluster, &database).await;
    let ways = vec![cluster.settings(&database), far];
    let policy =
        |policy: Policy, _| policy.signing(&signing(SECRET)).and("[store]\nstaleness = \"2s\"\n");
    let many = Many::lasting(cluster, ways, policy).await;
    let [whole, apart] = &many.stages[..] else { panic!("two of them") };
    let (_, known) = signed_by(whole).await;
    let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"another","typ":"JWT"}"#);
    let unknown = format!("{head}.{}", known.split_once('.').unwrap().1);
    // One that has a name that is known is void whoever is cut off.
    let forged = format!("{}AAAA", &known[..known.len() - 4]);
    comes_to(apart, "/app/x", &unknown, 401, None).await;
    relay.cut();
    comes_to(apart, "/app/x", &unknown, 503, None).await;
    assert_eq!(apart.get_as("/app/x", &forged).await.status, 401);
    assert_eq!(whole.get_as("/app/x", &unknown).await.status, 401);
    relay.mend();
    comes_to(apart, "/app/x", &unknown, 401, None).await;
    many.finish().await;
}

#[tokio::test]
async fn a_file_of_one_gateway_shares_nothing() {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).signing(&signing(SECRET)).to_string();
    let folder = tempfile::tempdir().unwrap();
    let config = portcullis::Config::parse("p.toml", &policy, folder.path()).unwrap().config;
    let refused = Gateway::builder(config).build().unwrap_err();
    assert!(matches!(refused, BuildError::Keys(KeyError::NotShared)), "{refused:?}");
    upstream.finish().await;
}
