//! Groups, and the roles that users have by them.

use std::sync::Arc;

use portcullis::identity::UserId;
use portcullis::store::{GroupChange, SessionRef, Store, User, UserChange};

use crate::build::{at_once, logged_in, session, user};

async fn group(store: &Arc<dyn Store>, name: &str, roles: &[&str]) {
    store.create_group(name).await.unwrap().unwrap();
    for role in roles {
        let change = GroupChange::AddRole((*role).to_owned());
        store.change_group(name, change).await.unwrap().unwrap();
    }
}

async fn change(store: &Arc<dyn Store>, id: UserId, change: UserChange) -> User {
    store.change_user(id, change).await.unwrap().unwrap()
}

fn join(name: &str) -> UserChange {
    UserChange::JoinGroup(name.to_owned())
}

fn leave(name: &str) -> UserChange {
    UserChange::LeaveGroup(name.to_owned())
}

pub(crate) async fn a_group_is_made_once_and_found(store: &Arc<dyn Store>) {
    let create = |store: Arc<dyn Store>, _| async move {
        store.create_group("staff").await.unwrap().is_some()
    };
    let made = at_once(store, 16, create).await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    group(store, "Portal Admins", &["z", "a", "z"]).await;
    let found = store.group("Portal Admins").await.unwrap().unwrap();
    assert_eq!(
        (found.name.as_str(), found.roles.as_slice()),
        ("Portal Admins", &["a".to_owned(), "z".to_owned()][..])
    );
    assert_eq!(store.group("portal admins").await.unwrap(), None);
    let names: Vec<_> = store.groups().await.unwrap().into_iter().map(|g| g.name).collect();
    assert_eq!(names, ["Portal Admins", "staff"]);
    for role in ["a", "none"] {
        let change = GroupChange::RemoveRole(role.to_owned());
        let left = store.change_group("Portal Admins", change).await.unwrap().unwrap().roles;
        assert_eq!(left, ["z"]);
    }
    let nobody = GroupChange::AddRole("a".to_owned());
    assert_eq!(store.change_group("nobody", nobody).await.unwrap(), None);
    assert!(!store.delete_group("nobody").await.unwrap());
}

pub(crate) async fn a_member_has_the_roles_of_its_groups(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await.id;
    group(store, "staff", &["editor", "viewer"]).await;
    group(store, "it", &["admin", "viewer"]).await;
    change(store, ada, UserChange::AddRole("editor".to_owned())).await;
    change(store, ada, join("staff")).await;
    change(store, ada, join("it")).await;
    change(store, ada, join("it")).await;
    let now = change(store, ada, join("nobody")).await;
    assert_eq!(now.roles, ["admin", "editor", "viewer"]);
    assert_eq!(now.inherited, ["admin", "viewer"]);
    assert_eq!(now.groups, ["it", "staff"]);
    // Wherever a user is read.
    let (held, now) = (session(store, ada).await, logged_in(now));
    assert_eq!(store.user(ada).await.unwrap().as_ref(), Some(&now));
    assert_eq!(store.user_by_name("ada").await.unwrap().as_ref(), Some(&now));
    assert_eq!(store.users(None, 9).await.unwrap(), std::slice::from_ref(&now));
    let standing = store.standing(ada, SessionRef::Own(held.id)).await.unwrap();
    assert_eq!(standing.user.as_ref(), Some(&now));

    change(store, ada, leave("nobody")).await;
    let now = change(store, ada, leave("it")).await;
    assert_eq!(
        (now.roles, now.groups),
        (vec!["editor".to_owned(), "viewer".to_owned()], vec!["staff".to_owned()])
    );
}

pub(crate) async fn what_is_inherited_is_never_written_to_the_user(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await.id;
    group(store, "staff", &["editor"]).await;
    change(store, ada, join("staff")).await;
    // Changes of every other kind write the user anew.
    change(store, ada, UserChange::Active(false)).await;
    change(store, ada, UserChange::AddRole("own".to_owned())).await;
    let now = change(store, ada, UserChange::RemoveRole("editor".to_owned())).await;
    assert_eq!(now.roles, ["editor", "own"]);
    let now = change(store, ada, leave("staff")).await;
    assert_eq!((now.roles, now.inherited), (vec!["own".to_owned()], Vec::new()));
}

pub(crate) async fn a_change_of_a_group_is_one_of_all_its_members(store: &Arc<dyn Store>) {
    let (ada, bob) = (user(store, "ada").await.id, user(store, "bob").await.id);
    group(store, "staff", &[]).await;
    for id in [ada, bob] {
        change(store, id, join("staff")).await;
    }
    let roles = async |id| store.user(id).await.unwrap().unwrap().roles;
    store.change_group("staff", GroupChange::AddRole("a".to_owned())).await.unwrap();
    assert_eq!((roles(ada).await, roles(bob).await), (vec!["a".to_owned()], vec!["a".to_owned()]));
    store.change_group("staff", GroupChange::RemoveRole("a".to_owned())).await.unwrap();
    assert_eq!((roles(ada).await, roles(bob).await), (Vec::new(), Vec::new()));
}

pub(crate) async fn a_deleted_group_gives_nothing_nor_does_its_heir(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await.id;
    group(store, "staff", &["admin"]).await;
    change(store, ada, join("staff")).await;
    assert!(store.delete_group("staff").await.unwrap());
    assert!(!store.delete_group("staff").await.unwrap());
    let now = store.user(ada).await.unwrap().unwrap();
    assert_eq!((now.roles, now.groups), (Vec::<String>::new(), Vec::<String>::new()));
    group(store, "staff", &["admin"]).await;
    assert_eq!(store.user(ada).await.unwrap().unwrap().roles, Vec::<String>::new());
    assert_eq!(store.group_members("staff", None, 9).await.unwrap(), []);
}

pub(crate) async fn members_come_in_pages_by_id(store: &Arc<dyn Store>) {
    group(store, "staff", &["a"]).await;
    let mut expected = Vec::new();
    for name in ["e", "d", "c", "b", "a"] {
        let id = user(store, name).await.id;
        if name != "c" {
            expected.push(change(store, id, join("staff")).await);
        }
    }
    let mut seen = Vec::new();
    loop {
        let after = seen.last().map(|last: &User| last.id);
        let page = store.group_members("staff", after, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen, expected);
    assert_eq!(store.group_members("nobody", None, 2).await.unwrap(), []);
}
