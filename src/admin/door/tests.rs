use std::num::NonZeroU32;
use std::time::Duration;

use super::*;
use crate::admin::{InvitationView, NewPassword, UserFilter, UserView};
use crate::clock::{ManualClock, Timestamp};
use crate::keys::{Algorithm, KeySettings, KeySource};
use crate::password::{PasswordSettings, Passwords};
use crate::session::{AccountRules, Rules};
use crate::store::RedbStore;
use crate::token::Revisions;

fn cheap() -> PasswordSettings {
    PasswordSettings { memory: NonZeroU32::new(64).unwrap(), ..PasswordSettings::default() }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(Timestamp::from_secs(1_800_000_000)))
}

pub(super) fn door() -> Door {
    let clock = clock();
    let accounts = Accounts::new(
        Arc::new(RedbStore::in_memory().unwrap()),
        Arc::clone(&clock),
        Arc::new(Passwords::start(cheap()).unwrap()),
        Arc::new(Revisions::default()),
        Rules::new(["root".to_owned()], AccountRules::default(), None),
    );
    Door::new(Arc::new(accounts), clock)
}

fn password(text: &str) -> NewPassword {
    NewPassword(text.to_owned().into())
}

fn add(name: &str) -> Command {
    Command::UserAdd {
        name: name.into(),
        email: format!("{name}@example.com"),
        roles: vec!["editor".into(), "admin".into()],
        password: Some(password("Tr1cky-Phrase-77")),
        force: false,
    }
}

async fn user(door: &Door, command: Command) -> UserView {
    let reply = door.run(command).await.unwrap();
    let Reply::User(user) = reply else { panic!("{reply:?}") };
    user
}

async fn refused(door: &Door, command: Command) -> Refusal {
    door.run(command).await.unwrap_err()
}

#[tokio::test]
async fn an_operator_adds_and_sees_a_user() {
    let door = door();
    let added = user(&door, add("alice")).await;
    assert_eq!(added.id, 1);
    assert_eq!(added.roles, ["admin", "editor"]);
    assert_eq!(added.created, "2027-01-15T08:00:00Z");
    assert!(added.active && added.has_password);
    assert_eq!(user(&door, Command::UserShow { name: "alice".into() }).await, added);
    assert_eq!(refused(&door, add("alice")).await.kind, RefusalKind::NameTaken);
}

#[tokio::test]
async fn a_name_that_a_rule_speaks_of_is_free_to_operators() {
    let door = door();
    assert_eq!(user(&door, add("root")).await.username, "root");
}

#[tokio::test]
async fn every_command_on_an_unknown_user_says_so() {
    let door = door();
    let name = || "nobody\u{1b}".to_owned();
    for command in [
        Command::UserShow { name: name() },
        Command::SetPassword { name: name(), password: password("Tr1cky-77x"), force: false },
        Command::Activate { name: name() },
        Command::Deactivate { name: name() },
        Command::Delete { name: name() },
        Command::RoleAdd { name: name(), role: "admin".into() },
        Command::RoleRemove { name: name(), role: "admin".into() },
        Command::ClaimSet { name: name(), claim: "tenant".into(), value: "acme".into() },
    ] {
        let refusal = refused(&door, command).await;
        assert_eq!(refusal.kind, RefusalKind::NotFound);
        assert_eq!(refusal.detail, r"there is no user `nobody\u{1b}`");
    }
}

#[tokio::test]
async fn changes_are_seen_at_once() {
    let door = door();
    user(&door, add("alice")).await;
    let name = || "alice".to_owned();
    assert!(!user(&door, Command::Deactivate { name: name() }).await.active);
    assert!(user(&door, Command::Activate { name: name() }).await.active);
    let role = || "admin".to_owned();
    let left = user(&door, Command::RoleRemove { name: name(), role: role() }).await.roles;
    assert_eq!(left, ["editor"]);
    let roles = user(&door, Command::RoleAdd { name: name(), role: role() }).await.roles;
    assert_eq!(roles, ["admin", "editor"]);
    let set = |value: &str| {
        let value = value.to_owned();
        Command::ClaimSet { name: name(), claim: "tenant".into(), value }
    };
    assert_eq!(user(&door, set("acme")).await.claims["tenant"], "acme");
    assert!(user(&door, set("")).await.claims.is_empty());
    let deleted = door.run(Command::Delete { name: name() }).await.unwrap();
    assert_eq!(deleted, Reply::Deleted { username: name() });
    assert_eq!(
        refused(&door, Command::UserShow { name: name() }).await.kind,
        RefusalKind::NotFound
    );
}

#[tokio::test]
async fn a_weak_password_needs_force() {
    let door = door();
    user(&door, add("alice")).await;
    let set = |text: &str, force| Command::SetPassword {
        name: "alice".into(),
        password: password(text),
        force,
    };
    let refusal = refused(&door, set("1234", false)).await;
    assert_eq!(
        refusal.detail,
        "This password is too short. It must contain at least 8 characters. \
         This password is entirely numeric. (`--force` takes it nevertheless)"
    );
    user(&door, set("1234", true)).await;
    let found = door.accounts.check_login("alice", "1234".to_owned().into()).await.unwrap();
    assert!(found.is_some());
}

#[tokio::test]
async fn no_force_makes_a_password_that_no_client_could_send() {
    let door = door();
    for text in ["", " Tr1cky-Phrase-77", "Tr1cky-Phrase-77\n", "Tr1cky-77\u{1f}", "a\0b"] {
        let mut command = add("alice");
        if let Command::UserAdd { password, force, .. } = &mut command {
            *password = Some(self::password(text));
            *force = true;
        }
        assert_eq!(refused(&door, command).await.kind, RefusalKind::Invalid, "{text:?}");
    }
    let long = password(&"ä".repeat(129));
    let set = Command::UserAdd {
        name: "alice".into(),
        email: String::new(),
        roles: Vec::new(),
        password: Some(long),
        force: true,
    };
    assert_eq!(refused(&door, set).await.kind, RefusalKind::Invalid);
}

#[tokio::test]
async fn odd_roles_and_claims_are_refused() {
    let door = door();
    user(&door, add("alice")).await;
    for role in ["", "Admin", "a,b", "a b"] {
        let command = Command::RoleAdd { name: "alice".into(), role: role.into() };
        assert_eq!(refused(&door, command).await.kind, RefusalKind::Invalid, "{role:?}");
    }
    for (claim, value) in [
        ("user_id", "1"),
        ("email_verified", "true"),
        ("", "x"),
        ("a b", "x"),
        ("tenant", " acme"),
        ("tenant", "a\r\nX-User-Id: 1"),
    ] {
        let (claim, value) = (claim.to_owned(), value.to_owned());
        let command = Command::ClaimSet { name: "alice".into(), claim, value };
        assert_eq!(refused(&door, command).await.kind, RefusalKind::Invalid);
    }
}

#[tokio::test]
async fn users_come_in_pages() {
    let door = door();
    for name in ["a", "b", "c"] {
        user(&door, add(name)).await;
    }
    let page =
        |after| door.run(Command::UserList { after, limit: 2, filter: UserFilter::default() });
    let Reply::Users { users, next } = page(None).await.unwrap() else { panic!() };
    assert_eq!((users.len(), next), (2, Some(2)));
    let Reply::Users { users, next } = page(next).await.unwrap() else { panic!() };
    assert_eq!((users[0].username.as_str(), next), ("c", None));
}

#[tokio::test]
async fn keys_are_listed_and_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let settings = KeySettings {
        algorithm: Algorithm::Es256,
        source: KeySource::Made,
        previous: Vec::new(),
        ring: folder.path().join("portcullis.keys"),
    };
    let now = Timestamp::from_secs(1_800_000_000);
    let ring = KeyRing::open(settings, Duration::from_secs(60), now).unwrap();
    let closed = door();
    assert_eq!(refused(&closed, Command::KeyList).await.kind, RefusalKind::Unavailable);
    let door = closed.with_keys(Arc::new(ring));
    let Reply::Keys { keys } = door.run(Command::KeyList).await.unwrap() else { panic!() };
    let first = keys[0].kid.clone();
    let Reply::Key(key) = door.run(Command::KeyRotate).await.unwrap() else { panic!() };
    assert_ne!(key.kid, first);
    let Reply::Keys { keys } = door.run(Command::KeyList).await.unwrap() else { panic!() };
    let kids: Vec<_> = keys.iter().map(|key| key.kid.as_str()).collect();
    assert_eq!(kids, [key.kid.as_str(), first.as_str()]);
    assert!(keys[1].retired.is_some());
}

fn invite(email: &str, roles: &[&str]) -> Command {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let uses = NonZeroU32::MIN;
    let life = NonZeroU32::new(60).unwrap();
    Command::InviteAdd { email: email.to_owned(), roles, uses, life }
}

#[tokio::test]
async fn an_operator_invites_and_takes_it_back() {
    let door = door();
    let reply = door.run(invite("Bob@EXAMPLE.com", &["editor"])).await.unwrap();
    let Reply::Invited(made) = reply else { panic!("{reply:?}") };
    let text = made.invite.clone().unwrap();
    assert_eq!((made.id, made.left, text.len()), (1, 1, 32));
    assert_eq!(made.expires, "2027-01-15T08:01:00Z");
    assert!(!format!("{made:?}").contains(&text), "it is in no log");
    let list = || door.run(Command::InviteList { after: None, limit: 9 });
    let reply = list().await.unwrap();
    let Reply::Invitations { invitations, next: None } = reply else { panic!("{reply:?}") };
    let kept = InvitationView { invite: None, ..made };
    assert_eq!((kept.email.as_str(), kept.expired), ("Bob@example.com", false));
    assert_eq!(invitations, [kept]);
    let revoke = Command::InviteRevoke { id: 1 };
    assert_eq!(door.run(revoke).await.unwrap(), Reply::Revoked { id: 1 });
    let refusal = refused(&door, Command::InviteRevoke { id: 1 }).await;
    assert_eq!(refusal.kind, RefusalKind::NotFound);
    let Reply::Invitations { invitations, .. } = list().await.unwrap() else { panic!() };
    assert!(invitations.is_empty());
}

#[tokio::test]
async fn an_invitation_grants_only_what_there_can_be() {
    let door = door();
    for (email, role) in [("no address", "editor"), ("a@example.com", "Admin,root"), ("", "")] {
        let refusal = refused(&door, invite(email, &[role])).await;
        assert_eq!(refusal.kind, RefusalKind::Invalid, "{email} {role}");
    }
    let text = r#"{"command": "invite-add", "uses": 0, "life": 60}"#;
    assert!(serde_json::from_str::<Command>(text).is_err());
    let text = r#"{"command": "invite-add", "uses": 1, "life": 60, "is_staff": true}"#;
    assert!(serde_json::from_str::<Command>(text).is_err());
}
