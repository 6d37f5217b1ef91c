//! What a login, a refresh and a logout cost the database.

use serde_json::json;

use super::many::Many;
use crate::common::PASSWORD;
use crate::postgres::Cluster;

/// The guess is counted before anything is looked at, and no longer afterwards; a limit by address makes two more.
const LOGIN: usize = 7;
const REFRESH: usize = 4;
/// With the event that tells the others, and the call that wakes them.
const LOGOUT: usize = 6;

/// How often each is done: what a gateway asks once, or now and then, is in none of them.
const TIMES: i64 = 10;

/// Statements of a database, but for those by which gateways hear of one another, and the bounds of
/// transactions.
const COUNTED: &str = "SELECT query, calls FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
     WHERE d.datname = current_database() \
     AND query !~ '^(BEGIN|COMMIT|SET|LISTEN)|pg_stat|portcullis.gateways|looked_at' ORDER BY query";

/// The statements that it takes, one time as another.
async fn statements(client: &tokio_postgres::Client, act: impl AsyncFn(i64)) -> Vec<String> {
    act(0).await;
    client.execute("SELECT pg_stat_statements_reset()", &[]).await.unwrap();
    for number in 1..=TIMES {
        act(number).await;
    }
    let rows = client.query(COUNTED, &[]).await.unwrap();
    let each = rows.iter().flat_map(|row| {
        let (query, calls): (String, i64) = (row.get(0), row.get(1));
        let calls = usize::try_from((calls + TIMES / 2) / TIMES).unwrap();
        std::iter::repeat_n(query.split_whitespace().take(12).collect::<Vec<_>>().join(" "), calls)
    });
    each.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_refreshes_and_logouts_keep_to_their_budgets() {
    let cluster = Cluster::start();
    let database = cluster.database().await;
    let client = cluster.client(&database).await;
    client.batch_execute("CREATE EXTENSION pg_stat_statements").await.unwrap();
    let way = cluster.settings(&database);
    let limits = "10/15m\"\ndevice = \"off";
    let many = Many::over(cluster, vec![way], |policy, _| policy.account_throttle(limits)).await;
    let stage = &many.stages[0];
    let body = json!({ "username": "alice", "password": PASSWORD });
    let enter = async || stage.post("/api/auth/token/", &body).await.json();
    let mut refreshes = Vec::new();
    let mut logouts = Vec::new();
    for _ in 0..=TIMES {
        refreshes.push(json!({ "refresh": enter().await["refresh"] }));
        logouts.push(json!({ "refresh": enter().await["refresh"] }));
    }
    let at = |number: i64| usize::try_from(number).unwrap();
    let login = statements(&client, async |_| drop(enter().await)).await;
    let refresh = statements(&client, async |number| {
        let reply = stage.post("/api/auth/token/refresh/", &refreshes[at(number)]).await;
        assert_eq!(reply.status, 200);
    });
    let refresh = refresh.await;
    let logout = statements(&client, async |number| {
        let reply = stage.post("/api/auth/token/blacklist/", &logouts[at(number)]).await;
        assert_eq!(reply.status, 200);
    });
    let logout = logout.await;
    for (what, statements, budget) in
        [("login", login, LOGIN), ("refresh", refresh, REFRESH), ("logout", logout, LOGOUT)]
    {
        assert!(statements.len() <= budget, "a {what} takes {statements:#?}");
        assert!(!statements.is_empty(), "nothing was counted of a {what}");
    }
    many.finish().await;
}
