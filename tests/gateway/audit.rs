//! The audit record of a gateway that serves.

use portcullis::rooms::audit::{KEY_PURPOSE, Verdict, verify};
use portcullis::store::UserChange;
use serde_json::{Value, json};

use super::factors::enrol;
use crate::common::smtp::Smtp;
use crate::common::{PASSWORD, Policy, Setup, Stage, Upstream};

async fn stage() -> Stage {
    stage_with(|policy| policy).await
}

pub(super) async fn stage_with(policy: impl FnOnce(Policy) -> Policy) -> Stage {
    let upstream = Upstream::start().await;
    let setup = Setup::new(&policy(Policy::to(&upstream))).keeps_keys();
    Stage::of(upstream, setup).await
}

/// Stops everything; the lines of the record, which has to be whole.
pub(super) async fn finish(stage: Stage) -> Vec<Value> {
    let path = stage.gateway.folder().join("portcullis.audit");
    let key = stage.gateway.keys.derive(KEY_PURPOSE);
    // The folder goes with its last holder.
    let held = stage.gateway.setup().clone();
    stage.finish().await;
    let Verdict { faults, .. } = verify(&path, &key).unwrap();
    assert_eq!(faults, []);
    let text = std::fs::read_to_string(path).unwrap();
    drop(held);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

fn login(name: &str, password: &str) -> Value {
    json!({ "username": name, "password": password })
}

#[tokio::test]
async fn logins_and_failures_leave_a_line_without_what_was_typed() {
    let stage = stage().await;
    let login = async |name: &str, password: &str| {
        stage.post("/api/auth/token/", &login(name, password)).await
    };
    let reply = login("alice", PASSWORD).await;
    let id = reply.one("x-request-id").to_owned();
    login("alice", "wrong-Passphrase-1").await;
    login("s3cret-typed-in-the-wrong-field", "x").await;
    login("s3cret-typed-in-the-wrong-field", "y").await;
    login("nobody", "x").await;
    stage.gateway.accounts.change(stage.alice.id, UserChange::Active(false)).await.unwrap();
    login("alice", PASSWORD).await;

    let lines = finish(stage).await;
    let [good] = of(&lines, "login")[..] else { panic!("{lines:#?}") };
    assert_eq!((&good["user"], &good["name"]), (&json!(1), &json!("alice")));
    assert_eq!((&good["actor"], &good["address"]), (&json!("client"), &json!("127.0.0.1")));
    assert_eq!((&good["request"], &good["facts"]["got"]), (&json!(id), &json!("token")));
    let failed = of(&lines, "login.failed");
    let why: Vec<_> = failed.iter().map(|line| line["facts"]["why"].as_str().unwrap()).collect();
    assert_eq!(why, ["password", "unknown", "unknown", "unknown", "inactive"]);
    let typed: Vec<_> = failed.iter().map(|line| &line["facts"]["typed"]).collect();
    assert!(typed[1] == typed[2] && typed[2] != typed[3], "{typed:?}");
    assert_eq!((&failed[0]["name"], &failed[1]["name"]), (&json!("alice"), &Value::Null));
    let text = serde_json::to_string(&lines).unwrap();
    for secret in [PASSWORD, "wrong-Passphrase-1", "s3cret"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert_eq!(lines[0]["event"], "record.begun");
    assert_eq!(lines[1]["event"], "gateway.started");
    assert!(lines[1]["facts"]["config"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(lines.last().unwrap()["event"], "gateway.stopped");
}

#[tokio::test]
async fn a_reused_refresh_token_leaves_its_line_before_the_answer() {
    let stage = stage_with(|policy| policy.and("[auth]\ngrace = \"0s\"")).await;
    let (_, refresh) = stage.log_in("alice").await;
    let body = json!({ "refresh": refresh });
    assert_eq!(stage.post("/api/auth/token/refresh/", &body).await.status, 200);
    assert_eq!(stage.post("/api/auth/token/refresh/", &body).await.status, 401);
    // The gateway still runs.
    let path = stage.gateway.folder().join("portcullis.audit");
    let now = std::fs::read_to_string(path).unwrap();
    assert!(now.contains("\"event\":\"token.reused\",\"user\":1,\"name\":\"alice\""), "{now}");

    let (_, refresh) = stage.log_in("alice").await;
    let body = json!({ "refresh": refresh });
    assert_eq!(stage.post("/api/auth/token/blacklist/", &body).await.status, 200);
    let lines = finish(stage).await;
    assert_eq!(of(&lines, "token.reused").len(), 1);
    let [ended] = of(&lines, "session.ended")[..] else { panic!("{lines:#?}") };
    assert_eq!(ended["facts"]["why"], "logout");
    let sessions: Vec<_> =
        of(&lines, "login").iter().map(|l| l["facts"]["session"].clone()).collect();
    assert_eq!(ended["facts"]["session"], sessions[1]);
    assert_eq!(of(&lines, "token.reused")[0]["facts"]["session"], sessions[0]);
}

#[tokio::test]
async fn a_flood_of_refusals_leaves_one_line_a_minute() {
    let stage = Stage::of(Upstream::start().await, {
        let policy = "[upstreams]\nw = { whoami = true }\n[routes]\n\"/*\" = { to = \"w\" }\n\
            [auth.password]\nmemory = \"8KiB\"\npasses = 1\n\
            [auth.throttle]\naccount = \"2/h\"\naddress = \"4/h\"\n";
        Setup::of_text(policy).keeps_keys()
    })
    .await;
    let attempt = async |name: &str| {
        let reply = stage.post("/api/auth/token/", &login(name, "wrong")).await;
        reply.status
    };
    for _ in 0..2 {
        assert_eq!(attempt("bob").await, 400);
    }
    for _ in 0..5 {
        assert_eq!(attempt("bob").await, 429);
    }
    for _ in 0..2 {
        assert_eq!(attempt("eve").await, 400);
    }
    for _ in 0..5 {
        assert_eq!(attempt("carol").await, 429);
    }
    stage.gateway.clock().advance(std::time::Duration::from_secs(61));
    assert_eq!(attempt("carol").await, 429);
    let lines = finish(stage).await;
    let by: Vec<_> = of(&lines, "throttled").iter().map(|l| l["facts"]["by"].clone()).collect();
    assert_eq!(by, ["account", "address", "address"]);
}

#[tokio::test]
async fn registrations_and_changes_leave_a_line() {
    let stage = stage().await;
    let body = json!({ "username": "bob", "password": PASSWORD, "email": "bob@example.com" });
    assert_eq!(stage.post("/api/auth/register/", &body).await.status, 201);
    assert_eq!(stage.post("/api/auth/register/", &body).await.status, 400);
    let alice = stage.alice.id;
    let accounts = &stage.gateway.accounts;
    for change in [
        UserChange::AddRole("admin".to_owned()),
        UserChange::RemoveRole("admin".to_owned()),
        UserChange::Active(false),
        UserChange::Active(true),
        UserChange::SetClaim { name: "tenant".to_owned(), value: "acme".to_owned() },
        UserChange::RemoveClaim("tenant".to_owned()),
        UserChange::Email { email: "a@b.test".to_owned(), verified: true },
        UserChange::LoggedOutEverywhere(portcullis::clock::Timestamp::from_secs(1)),
    ] {
        accounts.change(alice, change).await.unwrap();
    }
    accounts.set_password(alice, "N3w-Passphrase".to_owned().into()).await.unwrap();
    assert!(accounts.delete(alice).await.unwrap());
    assert!(!accounts.delete(alice).await.unwrap());
    stage.gateway.keys.rotate(portcullis::clock::Timestamp::from_secs(1)).unwrap_err();
    let lines = finish(stage).await;
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "record.begun",
            "gateway.started",
            "user.added",
            "registered",
            "role.added",
            "role.removed",
            "user.deactivated",
            "user.activated",
            "claim.set",
            "claim.removed",
            "email.changed",
            "logout.everywhere",
            "password.changed",
            "user.deleted",
            "gateway.stopped",
        ]
    );
    assert_eq!((&lines[3]["name"], &lines[3]["actor"]), (&json!("bob"), &json!("client")));
    assert_eq!(
        (&lines[4]["facts"]["role"], &lines[4]["actor"]),
        (&json!("admin"), &json!("gateway"))
    );
}

/// Whatever a user changes by itself, with a token or by a letter, is one line each.
#[tokio::test]
async fn what_users_change_themselves_leaves_one_line_each() {
    const SECOND: &str = "another horse battery";
    let mut smtp = Smtp::start().await;
    let stage =
        stage_with(|policy| policy.top("public = \"http://a.test\"\n").and(&smtp.policy())).await;
    let confirm = async |(uid, token): (String, String)| {
        let body = json!({ "uid": uid, "token": token });
        let reply = stage.ask("POST", "email/verify/confirm/", None, Some(&body)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        // A second time it is nothing.
        assert_eq!(stage.ask("POST", "email/verify/confirm/", None, Some(&body)).await.status, 400);
    };
    let verify = stage.ask("POST", "email/verify/", Some(&stage.token), Some(&json!({}))).await;
    assert_eq!(verify.status, 200);
    confirm(smtp.mail().await.link()).await;
    let body = json!({ "email": "new@example.com", "password": PASSWORD });
    assert_eq!(stage.ask("PATCH", "profile/", Some(&stage.token), Some(&body)).await.status, 200);
    confirm(smtp.mail().await.link()).await;
    smtp.mail().await;

    let body = json!({ "old_password": PASSWORD, "new_password": SECOND });
    let changed = stage.ask("POST", "password/change/", Some(&stage.token), Some(&body)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let notice = smtp.mail().await;
    assert_eq!(notice.field("Subject"), "Your password at a.test was changed");
    let body = json!({ "old_password": PASSWORD, "new_password": SECOND });
    let token = changed.json()["access"].as_str().unwrap().to_owned();
    let wrong = stage.ask("POST", "password/change/", Some(&token), Some(&body)).await;
    assert_eq!(wrong.status, 400, "the old one is another now");
    let body = json!({ "email": "new@example.com" });
    assert_eq!(stage.ask("POST", "password/reset/", None, Some(&body)).await.status, 200);
    let (uid, token) = smtp.mail().await.link();
    let body = json!({ "uid": uid, "token": token, "new_password": PASSWORD });
    for status in [200, 400] {
        let reply = stage.ask("POST", "password/reset/confirm/", None, Some(&body)).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    assert_eq!(smtp.mail().await.field("Subject"), "Your password at a.test was changed");
    assert!(smtp.is_empty(), "one notice each");

    let lines = finish(stage).await;
    let told = |event: &str| -> Vec<_> {
        let of = of(&lines, event).into_iter();
        of.map(|line| {
            assert_eq!((&line["user"], &line["name"]), (&json!(1), &json!("alice")), "{line}");
            (line["actor"].clone(), line["facts"].clone())
        })
        .collect()
    };
    let email = |email: &str| (json!("client"), json!({ "email": email, "verified": "yes" }));
    assert_eq!(
        told("email.changed"),
        [email("alice@example.com"), email("new@example.com")],
        "{lines:#?}"
    );
    let actors: Vec<_> = told("password.changed").into_iter().map(|(actor, _)| actor).collect();
    assert_eq!(actors, ["user:1", "client"], "{lines:#?}");
}

#[tokio::test]
async fn a_restart_goes_on_with_the_record() {
    let mut stage = stage().await;
    stage.log_in("alice").await;
    stage.gateway = stage.gateway.restart().await;
    stage.log_in("alice").await;
    let lines = finish(stage).await;
    assert_eq!(of(&lines, "login").len(), 2);
    assert_eq!(of(&lines, "gateway.started").len(), 2);
    assert_eq!((of(&lines, "record.begun").len(), of(&lines, "record.mended").len()), (1, 0));
}

#[tokio::test]
async fn a_record_that_is_switched_off_is_none() {
    let stage = stage_with(|policy| policy.and("[audit]\nenabled = false")).await;
    stage.log_in("alice").await;
    assert!(!stage.gateway.folder().join("portcullis.audit").exists());
    stage.finish().await;
}

#[tokio::test]
async fn factors_leave_lines_and_no_code() {
    let stage = stage().await;
    let (access, _) = stage.log_in("alice").await;
    let app = enrol(&stage, &access).await;
    let asked = stage.post("/api/auth/token/", &login("alice", PASSWORD)).await.json();
    let challenge = asked["challenge"].as_str().unwrap().to_owned();
    let next = app.code(&stage, 1);
    for (otp, status) in [("000000", 400), (&next, 200)] {
        let body = json!({ "challenge": challenge, "otp": otp });
        assert_eq!(stage.post("/api/auth/token/factor/", &body).await.status, status);
    }
    let both = json!({ "password": PASSWORD, "otp": app.recovery[3] });
    stage.ask("POST", "factors/recovery/", Some(&access), Some(&both)).await;
    stage.gateway.accounts.remove_factors(stage.alice.id).await.unwrap();
    let lines = finish(stage).await;
    let told = |line: &Value| {
        let factor = line["facts"]["factor"].as_str().unwrap_or_default();
        format!("{} {factor}", line["event"].as_str().unwrap())
    };
    let about: Vec<_> = lines.iter().filter(|line| line["name"] == "alice").map(told).collect();
    let expected = [
        "user.added ",
        "login ",
        "factor.added totp",
        "factor.due ",
        "factor.failed ",
        "factor.used totp",
        "login totp",
        "recovery-codes.made ",
        "factor.used recovery-code",
        "factor.removed ",
    ];
    assert_eq!(about, expected);
    let text = serde_json::to_string(&lines).unwrap();
    for secret in [&*app.secret, &*challenge, &*next, &*app.recovery[3]] {
        assert!(!text.contains(secret), "{text}");
    }
}
