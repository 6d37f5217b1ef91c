//! Limits of a route that gateways divide among them.

use std::time::Duration;

use super::many::Many;
use crate::common::{Stage, claims, mint};
use crate::postgres::Cluster;

const ROUTES: &str = "[routes.\"/limited/*\"]\nto = \"up\"\nrate = \"9/h per user\"\n\
                      [routes.\"/many/*\"]\nto = \"up\"\nrate = \"6000/s per route\"\n";

/// Until the gateway has heard that so many divide a limit: what is left of it says so.
async fn knows_of(stage: &Stage, gateways: u32) {
    let left = 6000 / gateways - 1;
    let heard = async {
        loop {
            // A moment later it is whole again.
            stage.gateway.clock().advance(Duration::from_millis(1));
            let reply = stage.get_as("/many/x", &stage.token).await;
            if reply.one("ratelimit").starts_with(&format!("\"route\";r={left};")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // One that is gone is one of them for 20 s.
    let told = tokio::time::timeout(Duration::from_secs(60), heard).await;
    told.unwrap_or_else(|_late| panic!("not known to be one of {gateways}"));
}

/// How often somebody gets through who asks until it is one too many.
async fn uses(stage: &Stage, token: &str) -> usize {
    let mut passed = 0;
    loop {
        let reply = stage.get_as("/limited/x", token).await;
        match reply.status {
            200 => passed += 1,
            429 => {
                // All of it is what the policy says, whoever has which part.
                assert_eq!(reply.one("ratelimit-policy"), "\"user\";q=9;w=3600");
                return passed;
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_route_lets_through_is_divided_among_the_gateways_that_live() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let ways = vec![cluster.settings(&database); 3];
    let mut many = Many::over(cluster, ways, |policy, _| policy.and(ROUTES)).await;
    for stage in &many.stages {
        knows_of(stage, 3).await;
    }
    let bob = mint(&claims(&many.stages[0].user("bob", &[]).await.id.to_string()));
    for stage in &many.stages {
        assert_eq!(uses(stage, &bob).await, 3);
    }

    many.stages.pop().unwrap().finish().await;
    let carol = mint(&claims(&many.stages[0].user("carol", &[]).await.id.to_string()));
    for stage in &many.stages {
        knows_of(stage, 2).await;
        assert_eq!(uses(stage, &carol).await, 4);
    }
    many.finish().await;
}
