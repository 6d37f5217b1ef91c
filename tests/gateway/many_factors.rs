//! A second factor of a user whom several gateways know.

use serde_json::json;

use super::factors::{enrol, log_in};
use super::many::{Many, comes_to};
use crate::common::PASSWORD;

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_that_one_gateway_takes_away_counts_at_no_other() {
    let many = Many::start().await;
    let (one, other) = (&many.stages[0], &many.stages[1]);
    let (access, _) = one.log_in("alice").await;
    let app = enrol(one, &access).await;
    let (access, _) = log_in(one, "alice", &app.code(one, 1)).await;
    for stage in &many.stages {
        comes_to(stage, "/vault/x", &access, 200, None).await;
    }
    assert!(other.gateway.accounts.remove_factors(other.alice.id).await.unwrap());
    for stage in &many.stages {
        let code = Some("insufficient_user_authentication");
        comes_to(stage, "/vault/x", &access, 401, code).await;
        comes_to(stage, "/app/x", &access, 200, None).await;
        // Nobody is asked for it any more.
        let login = json!({ "username": "alice", "password": PASSWORD });
        assert_eq!(stage.post("/api/auth/token/", &login).await.status, 200);
    }
    many.finish().await;
}
