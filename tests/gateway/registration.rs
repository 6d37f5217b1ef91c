//! Who may register, under which names and addresses, and what a registration cannot ask for.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::future::join_all;
use portcullis::rooms::session::Leave;
use serde_json::{Value, json};

use crate::common::{PASSWORD, Policy, Reply, Setup, Stage, TestGateway, Upstream};

const REGISTER: &str = "/api/auth/register/";
const TAKEN: &str = "A user with that username already exists.";
const ALIKE: &str = "A user with a username that looks like this one already exists.";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn stage_with(auth: &str) -> Stage {
    let upstream = Upstream::start().await;
    let policy = Policy::to(&upstream).and(&format!("[auth]\n{auth}"));
    Stage::of(upstream, Setup::new(&policy)).await
}

fn leave() -> Leave {
    Leave { email: String::new(), roles: Vec::new(), uses: NonZeroU32::MIN, life: DAY }
}

async fn invite(gateway: &TestGateway, leave: Leave) -> String {
    gateway.accounts.invite(leave).await.unwrap().text.as_str().to_owned()
}

fn account(name: &str) -> Value {
    json!({ "username": name, "password": PASSWORD, "email": format!("{name}@example.com") })
}

fn invited(name: &str, invite: &str) -> Value {
    let mut account = account(name);
    account["invite"] = invite.into();
    account
}

async fn register(stage: &Stage, body: &Value) -> Reply {
    stage.post(REGISTER, body).await
}

async fn refused(stage: &Stage, body: &Value, faults: Value) {
    let reply = register(stage, body).await;
    assert_eq!((reply.status, reply.json()), (400, faults), "{body}");
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_its_roles() {
    let stage = stage_with("register = 'invite'").await;
    let roles = vec!["admin".to_owned(), "editor".to_owned()];
    let text = invite(&stage.gateway, Leave { roles, ..leave() }).await;
    let reply = register(&stage, &invited("bob", &text)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.json(), json!({ "username": "bob", "email": "bob@example.com" }));
    let (access, _) = stage.log_in("bob").await;
    assert_eq!(stage.get_as("/admin-area/x", &access).await.status, 200);
    let not_valid = json!({ "invite": ["This invitation is not valid."] });
    refused(&stage, &invited("eve", &text), not_valid).await;
    assert!(stage.gateway.accounts.find("eve").await.unwrap().is_none());
    let seen = stage.finish().await;
    assert_eq!(seen[0].one("x-user-roles"), "admin,editor");
}

#[tokio::test]
async fn of_a_race_for_one_invitation_one_wins() {
    let stage = stage_with("register = 'invite'").await;
    let text = invite(&stage.gateway, leave()).await;
    let bodies: Vec<_> = (0..16).map(|number| invited(&format!("u{number}"), &text)).collect();
    let replies = join_all(bodies.iter().map(|body| register(&stage, body))).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 1, "{replies:?}");
    for lost in replies.iter().filter(|reply| reply.status != 201) {
        let told = json!({ "invite": ["This invitation is not valid."] });
        assert_eq!((lost.status, lost.json()), (400, told));
    }
    // alice, and whoever won.
    assert_eq!(stage.gateway.accounts.list(None, 99).await.unwrap().len(), 2);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn every_bad_invitation_is_told_alike() {
    for mode in ["invite", "open"] {
        let stage = stage_with(&format!("register = '{mode}'")).await;
        let accounts = &stage.gateway.accounts;
        let hour = Duration::from_secs(3600);
        let expired = invite(&stage.gateway, Leave { life: hour, ..leave() }).await;
        let spent = invite(&stage.gateway, leave()).await;
        assert_eq!(register(&stage, &invited("first", &spent)).await.status, 201);
        let email = "carol@example.com".to_owned();
        let for_carol = invite(&stage.gateway, Leave { email, ..leave() }).await;
        let revoked = accounts.invite(leave()).await.unwrap();
        assert!(accounts.revoke_invitation(revoked.invitation.id).await.unwrap());
        stage.gateway.clock().advance(hour);
        let cut = for_carol.get(1..).unwrap();
        for text in ["x", &expired, &spent, &for_carol, &revoked.text, cut, &"a".repeat(9000)] {
            let told = json!({ "invite": ["This invitation is not valid."] });
            refused(&stage, &invited("eve", text), told).await;
        }
        for (value, told) in [
            (json!(null), "This field may not be null."),
            (json!([for_carol]), "Not a valid string."),
            (json!({ "$ne": "" }), "Not a valid string."),
            (json!(true), "Not a valid string."),
        ] {
            let mut body = account("eve");
            body["invite"] = value;
            refused(&stage, &body, json!({ "invite": [told] })).await;
        }
        // An address is the same in any case, and an invitation by whatever space surrounds it.
        let mut carol = invited("carol", &format!(" {for_carol}\n"));
        carol["email"] = "Carol@Example.com".into();
        assert_eq!(register(&stage, &carol).await.status, 201);
        assert!(accounts.find("eve").await.unwrap().is_none());
        stage.finish_untouched().await;
    }
}

#[tokio::test]
async fn a_registration_that_fails_uses_nothing_up() {
    let stage = stage_with("register = 'invite'\nunique_email = true").await;
    let text = invite(&stage.gateway, leave()).await;
    let mut weak = invited("bob", &text);
    weak["password"] = "123".into();
    let mut twin = invited("bob", &text);
    twin["email"] = "ALICE@example.com".into();
    for (body, field) in [
        (invited("alice", &text), "username"),
        (invited("not a name", &text), "username"),
        (weak, "password"),
        (twin, "email"),
    ] {
        let reply = register(&stage, &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.json()[field].is_array(), "{reply:?}");
    }
    assert_eq!(register(&stage, &invited("bob", &text)).await.status, 201);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn who_is_not_invited_learns_nothing_of_others() {
    let stage = stage_with("register = 'invite'\nunique_email = true\nlookalikes = 'refuse'").await;
    for name in ["alice", "nobody", "a1ice", "admin"] {
        for (invite, told) in [
            (None, "This field is required."),
            (Some(" "), "This field may not be blank."),
            (Some("wrong"), "This invitation is not valid."),
        ] {
            let mut body = account(name);
            if let Some(invite) = invite {
                body["invite"] = invite.into();
            }
            body["password"] = "123".into();
            refused(&stage, &body, json!({ "invite": [told] })).await;
        }
    }
    stage.finish_untouched().await;
}

/// What an account could be wished to be.
fn extra() -> Value {
    let mut extra = json!({
        "id": 99, "pk": 99, "user_id": "1", "is_staff": true, "is_superuser": true,
        "is_active": false, "active": false, "admin": true, "roles": ["admin"], "role": "admin",
        "groups": ["admin"], "user_permissions": [1], "permissions": ["*"], "scope": "admin",
        "claims": { "tenant": "acme" }, "tenant": "acme", "email_verified": true,
        "password_mark": { "session": 0, "at": 0 }, "__proto__": { "roles": ["admin"] },
        "invitation": { "roles": ["admin"] },
    });
    for name in [
        "uid",
        "scopes",
        "claim",
        "verified",
        "password_hash",
        "hash",
        "logout_mark",
        "created",
        "date_joined",
        "last_login",
        "sid",
        "session",
        "token",
        "constructor",
        "User.roles",
        "roles[]",
        "roles[0]",
        "Roles",
        "ROLES",
        "is_staff ",
        "uses",
        "expires",
    ] {
        extra[name] = "admin".into();
    }
    extra
}

/// Whatever else stands in the body, in whatever form it comes.
#[tokio::test]
async fn unknown_fields_set_nothing() {
    let stage = stage_with("register = 'open'").await;
    let extra = extra();
    for (number, encoding) in ["json", "form"].iter().enumerate() {
        let name = format!("u{number}");
        let mut body = account(&name);
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let reply = if *encoding == "json" {
            register(&stage, &body).await
        } else {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for (key, value) in body.as_object().unwrap() {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                form.append_pair(key, &text);
            }
            let form = form.finish();
            let head = format!(
                "POST {REGISTER}?roles=admin&is_staff=true HTTP/1.1\r\nHost: a.test\r\n\
                 X-User-Roles: admin\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n",
                form.len()
            );
            stage.send(head + &form).await
        };
        assert_eq!(reply.status, 201, "{reply:?}");
        let email = format!("{name}@example.com");
        assert_eq!(reply.json(), json!({ "username": name, "email": email }));
        let user = stage.gateway.accounts.find(&name).await.unwrap().unwrap();
        let number = u64::try_from(number).unwrap();
        assert_eq!(user.id.0, stage.alice.id.0 + 1 + number);
        assert!(user.active && !user.email_verified, "{user:?}");
        assert!(user.roles.is_empty() && user.claims.is_empty(), "{user:?}");
        assert_eq!((user.password_mark, user.logout_mark, user.last_login), (None, None, None));
        assert_eq!(user.created, stage.alice.created);
        let (access, _) = stage.log_in(&name).await;
        assert_eq!(stage.get_as("/admin-area/x", &access).await.status, 403);
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_reserved_name_is_for_operators_in_any_case() {
    let stage = stage_with("reserved = ['Root', 'help']").await;
    for name in ["root", "ROOT", "Root", "ｒｏｏｔ", "Help"] {
        let email = json!({ "username": name, "password": PASSWORD });
        refused(&stage, &email, json!({ "username": [TAKEN] })).await;
    }
    // The list replaces the default, and an operator may do what it says.
    assert_eq!(register(&stage, &account("admin")).await.status, 201);
    stage.user("root", &[]).await;
    assert_eq!(register(&stage, &account("r00t")).await.status, 201);
    stage.finish_untouched().await;

    let stage = stage_with("lookalikes = 'refuse'").await;
    for name in ["admin", "ADMIN", "adrnin", "аdmin", "rооt"] {
        let body = json!({ "username": name, "password": PASSWORD });
        refused(&stage, &body, json!({ "username": [TAKEN] })).await;
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_name_that_looks_like_another_is_refused_where_that_is_asked() {
    let stage = stage_with("lookalikes = 'refuse'").await;
    for name in ["ALICE", "Alice", "аlice", "alicе", "a1ice", "aIice", "ａLICE"] {
        let body = json!({ "username": name, "password": PASSWORD });
        refused(&stage, &body, json!({ "username": [ALIKE] })).await;
    }
    let alike = ["mary", "rnary", "Mary", "mаry", "MARY", "mаrу"];
    let bodies = alike.map(|name| json!({ "username": name, "password": PASSWORD }));
    let replies = join_all(bodies.iter().map(|body| register(&stage, body))).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 1, "{replies:?}");
    // Whoever is there already logs in as before.
    stage.log_in("alice").await;
    stage.finish_untouched().await;

    let stage = stage_with("").await;
    for name in ["ALICE", "аlice"] {
        let body = json!({ "username": name, "password": PASSWORD });
        assert_eq!(register(&stage, &body).await.status, 201, "{name}");
    }
    stage.finish_untouched().await;
}

#[tokio::test]
async fn an_address_is_one_accounts_where_that_is_asked() {
    let taken = json!({ "email": ["user with this email address already exists."] });
    let stage = stage_with("unique_email = true").await;
    for email in ["alice@example.com", "ALICE@example.com", " alice@EXAMPLE.com "] {
        let body = json!({ "username": "bob", "password": PASSWORD, "email": email });
        refused(&stage, &body, taken.clone()).await;
    }
    let body = |number| {
        let email = if number % 2 == 0 { "Shared@example.com" } else { "sHARED@example.com" };
        json!({ "username": format!("u{number}"), "password": PASSWORD, "email": email })
    };
    let bodies: Vec<_> = (0..8).map(body).collect();
    let replies = join_all(bodies.iter().map(|body| register(&stage, body))).await;
    let made = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(made, 1, "{replies:?}");
    for name in ["without", "any"] {
        let body = json!({ "username": name, "password": PASSWORD, "email": "" });
        assert_eq!(register(&stage, &body).await.status, 201);
    }
    stage.finish_untouched().await;

    let stage = stage_with("").await;
    let body = json!({ "username": "bob", "password": PASSWORD, "email": "alice@example.com" });
    assert_eq!(register(&stage, &body).await.status, 201);
    stage.finish_untouched().await;
}

#[tokio::test]
async fn a_closed_registration_takes_no_invitation() {
    let stage = stage_with("register = 'closed'").await;
    let text = invite(&stage.gateway, leave()).await;
    let reply = register(&stage, &invited("bob", &text)).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert!(stage.gateway.accounts.find("bob").await.unwrap().is_none());
    assert_eq!(stage.gateway.accounts.invitations(None, 9).await.unwrap().len(), 1);
    stage.finish_untouched().await;
}
