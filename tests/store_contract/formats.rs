//! A file of every format there was: the present code opens it and finds everything in it.
//!
//! `tests/data/stores` has one for each. When the format changes, make the next with
//! `cargo test --test store_contract the_file_of_the_present_format -- --ignored`; those that are
//! there stay as they are for ever.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::identity::{SessionId, UserId};
use portcullis::store::{
    Basis, Claimed, Creation, EndReason, Factors, GroupChange, LetterKind, NewInvitation,
    NewLetter, NewSession, NewToken, NewUser, OpenMode, PasskeyAdded, PasswordHash, Purpose,
    QueueLimits, RedbStore, Rotation, SecondFactor, SessionRef, Store, TokenRef, User, UserChange,
};
use redb::{Database, ReadableDatabase, TableDefinition};

use crate::build::{all_sessions, at, grant, key, made_key, new_key, new_session, request};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The first format that has second factors.
const WITH_FACTORS: u64 = 4;

/// The first format that has passkeys among them.
const WITH_PASSKEYS: u64 = 5;

/// The hash of a password as the gateway makes it.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$nothing";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/stores")
}

/// The format that a file says it has.
fn format_of(path: &Path) -> u64 {
    let db = Database::open(path).unwrap();
    let txn = db.begin_read().unwrap();
    let meta = txn.open_table(META).unwrap();
    meta.get("portcullis").unwrap().unwrap().value()
}

/// The formats of the files that are there.
fn formats() -> Vec<u64> {
    let names = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    let number = |name: String| name.strip_prefix("format-")?.strip_suffix(".redb")?.parse().ok();
    let mut formats: Vec<_> = names.filter_map(number).collect();
    formats.sort_unstable();
    formats
}

fn file_of(format: u64) -> PathBuf {
    folder().join(format!("format-{format}.redb"))
}

#[tokio::test]
async fn a_file_of_each_format_has_everything() {
    let formats = formats();
    assert!(!formats.is_empty());
    for format in formats {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("portcullis.redb");
        fs::copy(file_of(format), &path).unwrap();
        // Once as it was found, and once as that has left it.
        for _ in 0..2 {
            let store: Arc<dyn Store> =
                Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
            users_are_there(&store).await;
            sessions_are_there(&store).await;
            keys_are_there(&store).await;
            groups_and_invitations_are_there(&store).await;
            if format >= WITH_FACTORS {
                factors_are_there(&store).await;
            }
            if format >= WITH_PASSKEYS {
                passkeys_are_there(&store).await;
            }
        }
        let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path, OpenMode::Existing).unwrap());
        mail_is_there(&store).await;
        it_goes_on(&store).await;
    }
}

/// The last file is of the format that is written now: who changes that makes another file.
#[test]
fn the_present_format_has_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portcullis.redb");
    drop(RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap());
    let present = format_of(&path);
    assert_eq!(formats().last(), Some(&present));
    let copy = dir.path().join("copy.redb");
    fs::copy(file_of(present), &copy).unwrap();
    assert_eq!(format_of(&copy), present);
}

#[tokio::test]
#[ignore = "makes the file that the tests above read, once for each format"]
async fn the_file_of_the_present_format() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("portcullis.redb");
    let store: Arc<dyn Store> =
        Arc::new(RedbStore::open(&path, OpenMode::CreateIfMissing).unwrap());
    fill(&store).await;
    drop(store);
    RedbStore::compact(&path).unwrap();
    let target = file_of(format_of(&path));
    assert!(!target.exists(), "{} is there; it never changes", target.display());
    fs::create_dir_all(folder()).unwrap();
    fs::copy(path, target).unwrap();
}

async fn add(store: &Arc<dyn Store>, name: &str, email: &str, password: Option<&str>) -> User {
    let user = NewUser {
        username: name.to_owned(),
        email: email.to_owned(),
        password: password.map(|hash| PasswordHash::new(hash.to_owned())),
        roles: if password.is_some() { vec!["editor".to_owned()] } else { Vec::new() },
        created: at(1),
    };
    let Creation::Created(user) = store.create_user(user).await.unwrap() else { panic!("{name}") };
    user
}

async fn change(store: &Arc<dyn Store>, user: &User, change: UserChange) -> User {
    store.change_user(user.id, change).await.unwrap().unwrap()
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// One of everything there is in a store.
pub(crate) async fn fill(store: &Arc<dyn Store>) {
    let ada = add(store, "ada", "Ada@example.com", Some(HASH)).await;
    let bob = add(store, "bob", "", None).await;
    let gone = add(store, "gone", "gone@example.com", Some(HASH)).await;
    assert!(store.delete_user(gone.id).await.unwrap());
    store.create_group("staff").await.unwrap().unwrap();
    store.create_group("empty").await.unwrap().unwrap();
    let role = GroupChange::AddRole(text("admin"));
    store.change_group("staff", role).await.unwrap().unwrap();
    change(store, &ada, UserChange::JoinGroup(text("staff"))).await;
    change(store, &ada, UserChange::SetClaim { name: text("tenant"), value: text("acme") }).await;
    change(store, &ada, UserChange::Email { email: text("Ada@example.com"), verified: true }).await;
    change(store, &bob, UserChange::Active(false)).await;

    // While the password is the one that it was offered for.
    crate::factors::enrol(store, ada.id).await;
    let added = store.add_passkey(ada.id, crate::passkeys::new(1)).await.unwrap();
    assert_eq!(added, PasskeyAdded::Added);
    let before = store.start_session(new_session(ada.id)).await.unwrap().unwrap();
    assert_eq!(before.id.number, 1);
    let hash = PasswordHash::new(text(HASH));
    change(store, &ada, UserChange::Password { hash, at: at(3) }).await;
    let ada = change(store, &ada, UserChange::LoggedOutEverywhere(at(4))).await;
    let new = NewSession {
        password_mark: ada.password_mark,
        logout_mark: ada.logout_mark,
        ..new_session(ada.id)
    };
    let living = store.start_session(new.clone()).await.unwrap().unwrap();
    store.rotate(request(living.id, "r0", "r1", 5)).await.unwrap();
    let ended = store.start_session(new.clone()).await.unwrap().unwrap();
    assert!(store.end_session(ended.id, at(6), EndReason::Operator).await.unwrap());
    let factor = NewSession { second: Some(SecondFactor::RecoveryCode), ..new };
    store.adopt_session("elsewhere", factor).await.unwrap().unwrap();
    change(store, &ada, UserChange::LoggedIn(at(2))).await;

    store.api_key(ada.id, key(7)).await.unwrap().unwrap();
    store.add_key(new_key(ada.id, 1), 9).await.unwrap();
    store.note_key_uses(vec![(1, at(8))]).await.unwrap();
    let invitation = NewInvitation {
        hash: [9; 32],
        email: text("eve@example.com"),
        roles: vec![text("guest")],
        uses: NonZeroU32::new(3).unwrap(),
        created: at(1),
        expires: at(100),
    };
    store.add_invitation(invitation).await.unwrap();
    let (basis, to) = (ada.basis(), text("ada@example.com"));
    let letter = NewLetter { kind: LetterKind::NewEmail, user: ada.id, to, basis, at: at(9) };
    store.post(letter, QueueLimits { letters: 9, recipient: 9 }).await.unwrap();
    let token = NewToken {
        user: ada.id,
        purpose: Purpose::Password,
        hash: [5; 32],
        basis,
        address: text("ada@example.com"),
        at: at(9),
        expires: at(99),
    };
    assert!(store.add_token(token).await.unwrap());
}

const ADA: UserId = UserId(1);
const BOB: UserId = UserId(2);

pub(crate) async fn users_are_there(store: &Arc<dyn Store>) {
    let users = store.users(None, 9).await.unwrap();
    let [ada, bob] = users.as_slice() else { panic!("{users:?}") };
    assert_eq!(
        (ada.id, ada.username.as_str(), ada.email.as_str()),
        (ADA, "ada", "Ada@example.com")
    );
    assert!(ada.email_verified && ada.active);
    assert_eq!(ada.password.as_ref().map(PasswordHash::expose), Some(HASH));
    assert_eq!(
        (ada.roles.join(" "), ada.inherited.join(" ")),
        (text("admin editor"), text("admin"))
    );
    assert_eq!(ada.groups, ["staff"]);
    assert_eq!(ada.claims.get("tenant").map(String::as_str), Some("acme"));
    assert_eq!((ada.created, ada.last_login), (at(1), Some(at(2))));
    let marks = [ada.password_mark, ada.logout_mark].map(|mark| mark.unwrap());
    assert_eq!(marks.map(|mark| (mark.session, mark.at)), [(1, at(3)), (1, at(4))]);
    assert_eq!((bob.id, bob.username.as_str(), bob.active), (BOB, "bob", false));
    assert_eq!((bob.password.as_ref(), bob.email.as_str(), bob.last_login), (None, "", None));
    for name in ["ada", "bob"] {
        assert!(store.user_by_name(name).await.unwrap().is_some());
    }
    assert_eq!(store.users_by_email("ada@EXAMPLE.com").await.unwrap(), std::slice::from_ref(ada));
    assert!(store.clashes("AdA", "").await.unwrap().look);
    assert_eq!(store.deleted(None, 9).await.unwrap(), [UserId(3)]);
    assert_eq!(store.password_recipes().await.unwrap(), [PasswordHash::new(text(HASH)).recipe()]);
}

pub(crate) async fn sessions_are_there(store: &Arc<dyn Store>) {
    let sessions = all_sessions(store, ADA).await;
    let ended = |number: usize| sessions[number].ended;
    assert_eq!(sessions.iter().map(|one| one.id.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!([ended(0), ended(1), ended(3)], [None; 3]);
    assert_eq!(ended(2), Some((at(6), EndReason::Operator)));
    let living = &sessions[1];
    assert_eq!(living.id, SessionId { number: 2, tag: 0xfeed });
    assert_eq!((living.started, living.last_used), (at(0), at(5)));
    assert_eq!((living.expires, living.ends), (at(105), at(1000)));
    assert_eq!((living.device.as_str(), living.address.as_str()), ("test", "192.0.2.1"));
    assert_eq!(living.refresh.as_ref().map(|grant| grant.jti.as_str()), Some("r1"));
    let [spent] = living.spent.as_slice() else { panic!("{living:?}") };
    assert_eq!((spent.jti.as_str(), spent.at), ("r0", at(5)));
    assert_eq!(spent.successor, grant("r1", 105));
    let adopted = store.standing(ADA, SessionRef::Foreign("elsewhere")).await.unwrap();
    assert_eq!(adopted.session.as_ref(), Some(&sessions[3]));
}

pub(crate) async fn keys_are_there(store: &Arc<dyn Store>) {
    assert_eq!(store.api_key(ADA, key(1)).await.unwrap(), Some(key(7)));
    let owner = store.user_by_api_key([7; 32]).await.unwrap();
    assert_eq!(owner.map(|user| user.id), Some(ADA));
    let kept = made_key(1, ADA, 1);
    let owner = store.key_owner(kept.hash).await.unwrap().unwrap();
    assert_eq!(owner.user.id, ADA);
    let keys = store.keys_of(ADA).await.unwrap();
    let [found] = keys.as_slice() else { panic!("{keys:?}") };
    assert_eq!((found.id, found.hash, found.name.as_str()), (1, kept.hash, "key 1"));
    assert_eq!(
        (&found.hint, &found.scopes, found.expires),
        (&kept.hint, &kept.scopes, kept.expires)
    );
    assert_eq!(found.last_used, Some(at(8)));
}

pub(crate) async fn factors_are_there(store: &Arc<dyn Store>) {
    let factors = store.factors(ADA).await.unwrap().unwrap();
    assert_eq!(Factors { passkeys: Vec::new(), ..factors }, crate::factors::enrolled());
    assert_eq!(store.factors(BOB).await.unwrap(), None);
    let sessions = all_sessions(store, ADA).await;
    let second: Vec<_> = sessions.iter().map(|session| session.second).collect();
    assert_eq!(second, [None, None, None, Some(SecondFactor::RecoveryCode)]);
}

pub(crate) async fn passkeys_are_there(store: &Arc<dyn Store>) {
    let passkey = crate::passkeys::passkey(1);
    let owner = store.passkey_owner(passkey.credential.clone()).await.unwrap();
    assert_eq!(
        (owner, store.factors(ADA).await.unwrap().unwrap().passkeys),
        (Some(ADA), vec![passkey])
    );
}

pub(crate) async fn groups_and_invitations_are_there(store: &Arc<dyn Store>) {
    let groups = store.groups().await.unwrap();
    let groups: Vec<_> =
        groups.iter().map(|group| (group.name.as_str(), group.roles.join(" "))).collect();
    assert_eq!(groups, [("empty", text("")), ("staff", text("admin"))]);
    let members = store.group_members("staff", None, 9).await.unwrap();
    assert_eq!(members.iter().map(|user| user.id).collect::<Vec<_>>(), [ADA]);
    let invitation = store.invitation([9; 32]).await.unwrap().unwrap();
    assert_eq!((invitation.id, invitation.left.get()), (1, 3));
    assert_eq!(
        (invitation.email.as_str(), invitation.roles.join(" ")),
        ("eve@example.com", text("guest"))
    );
    assert_eq!((invitation.created, invitation.expires), (at(1), at(100)));
}

pub(crate) async fn mail_is_there(store: &Arc<dyn Store>) {
    let ada = store.user(ADA).await.unwrap().unwrap();
    let basis: Basis = ada.basis();
    let claimed = store.claim_letter(at(9), at(10)).await.unwrap();
    let Claimed::Letter(letter) = claimed else { panic!("{claimed:?}") };
    assert_eq!((letter.number, letter.kind, letter.user), (1, LetterKind::NewEmail, ADA));
    assert_eq!(
        (letter.to.as_str(), letter.basis, letter.posted),
        ("ada@example.com", basis, at(9))
    );
    let token = TokenRef { user: ADA, purpose: Purpose::Password, hash: [5; 32], at: at(10) };
    let owner = store.token_user(token).await.unwrap();
    assert_eq!(owner.map(|user| user.id), Some(ADA));
}

/// Whoever comes gets numbers that nobody had.
async fn it_goes_on(store: &Arc<dyn Store>) {
    let next = add(store, "next", "", None).await;
    assert_eq!(next.id, UserId(4));
    let session = store.start_session(new_session(next.id)).await.unwrap().unwrap();
    assert_eq!(session.id.number, 5);
    let rotated = store.rotate(request(SessionId { number: 2, tag: 0xfeed }, "r1", "r2", 20)).await;
    assert!(matches!(rotated.unwrap(), Rotation::Rotated(_)));
}
