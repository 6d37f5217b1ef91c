//! Users that move in and out with everything that is theirs.

use std::sync::Arc;

use portcullis::identity::{SessionId, UserId};
use portcullis::store::{
    Arrival, EndReason, Group, GroupArrival, Invitation, InvitationArrival, KeptInvitation,
    KeptSession, KeyAdded, NewInvitation, Numbers, Session, SessionRef, Store, Trial, User,
    UserChange, WholeUser,
};

use crate::build::{at, grant, hash, key, made_key, new_key, new_session, session, user};

/// A user who comes from elsewhere, with nothing but a password.
fn newcomer(id: u64, name: &str) -> WholeUser {
    let user = User {
        id: UserId(id),
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        email_verified: false,
        password: Some(hash("theirs")),
        active: true,
        roles: vec!["b".to_owned()],
        inherited: Vec::new(),
        groups: Vec::new(),
        claims: std::collections::BTreeMap::new(),
        created: at(0),
        last_login: None,
        password_mark: None,
        logout_mark: None,
    };
    WholeUser { user, key: None, keys: Vec::new(), factors: None, sessions: Vec::new() }
}

fn kept(user: u64, number: u64, jti: Option<&str>, ended: bool) -> KeptSession {
    let session = Session {
        id: SessionId { number, tag: 7 },
        user: UserId(user),
        started: at(0),
        last_used: at(1),
        expires: at(100),
        ends: at(100),
        ended: ended.then_some((at(2), EndReason::LoggedOut)),
        refresh: Some(grant("r", 100)),
        spent: Vec::new(),
        device: "d".to_owned(),
        address: "a".to_owned(),
        second: None,
        is_adopted: jti.is_some(),
    };
    KeptSession { session, adopted: jti.map(str::to_owned) }
}

async fn take(store: &Arc<dyn Store>, users: &[WholeUser]) -> Vec<Arrival> {
    store.take_users(users.to_vec(), Trial::Real).await.unwrap()
}

async fn everything(store: &Arc<dyn Store>) -> Vec<WholeUser> {
    store.whole_users(None, 100).await.unwrap()
}

fn present(id: u64, completed: bool, differs: &[&'static str]) -> Arrival {
    Arrival::Present { id: UserId(id), completed, differs: differs.to_vec() }
}

pub(crate) async fn a_newcomer_is_kept_with_everything(store: &Arc<dyn Store>) {
    let mut ada = newcomer(40, "ada");
    ada.key = Some(key(1));
    ada.keys = vec![made_key(7, UserId(40), 3), made_key(9, UserId(40), 4)];
    ada.sessions = vec![kept(40, 5, None, false), kept(40, 9, Some("jti"), true)];
    let nobody = newcomer(0, "bob");
    let arrivals = take(store, &[ada.clone(), nobody]).await;
    assert_eq!(arrivals, [Arrival::Stored(UserId(40)), Arrival::Stored(UserId(41))]);
    assert_eq!(everything(store).await[0], ada);
    assert_eq!(store.user_by_name("ada").await.unwrap(), Some(ada.user.clone()));
    assert_eq!(store.user_by_api_key([1; 32]).await.unwrap(), Some(ada.user.clone()));
    let ended = store.standing(UserId(40), SessionRef::Foreign("jti")).await.unwrap();
    assert_eq!(ended.session, Some(ada.sessions[1].session.clone()));
    assert_eq!(store.password_recipes().await.unwrap(), ["theirs$m=1"]);
    assert_eq!(store.key_owner([4; 32]).await.unwrap().unwrap().key, ada.keys[1]);
    // Numbers go on behind those that came.
    let added = store.add_key(new_key(UserId(41), 5), 9).await.unwrap();
    assert!(matches!(added, KeyAdded::Added(key) if key.id == 10));
    assert_eq!(user(store, "eve").await.id, UserId(42));
    assert_eq!(session(store, UserId(40)).await.id.number, 10);
    assert_eq!(store.whole_users(Some(UserId(40)), 1).await.unwrap()[0].user.id, UserId(41));
}

pub(crate) async fn who_is_there_is_not_changed(store: &Arc<dyn Store>) {
    let ada = newcomer(3, "ada");
    take(store, std::slice::from_ref(&ada)).await;
    assert_eq!(take(store, std::slice::from_ref(&ada)).await, [present(3, false, &[])]);
    // What a login changes makes no difference.
    store.change_user(UserId(3), UserChange::LoggedIn(at(9))).await.unwrap();
    let ours = portcullis::store::PasswordHash::new("$argon2id$v=19$m=1,t=1,p=1$s$h".to_owned());
    let renew = UserChange::Rehash { seen: hash("theirs"), hash: ours };
    store.change_user(UserId(3), renew).await.unwrap();
    assert_eq!(take(store, std::slice::from_ref(&ada)).await, [present(3, false, &[])]);
    store.change_user(UserId(3), UserChange::Active(false)).await.unwrap();
    store.change_user(UserId(3), UserChange::AddRole("c".to_owned())).await.unwrap();
    let before = everything(store).await;
    assert_eq!(
        take(store, std::slice::from_ref(&ada)).await,
        [present(3, false, &["active", "roles"])]
    );
    // By name, where the other side has no ids.
    let mut same = ada.clone();
    same.user.id = UserId(0);
    same.user.password = None;
    assert_eq!(take(store, &[same]).await, [present(3, false, &["password", "active", "roles"])]);
    assert_eq!(everything(store).await, before);
}

pub(crate) async fn news_about_who_is_there_are_added(store: &Arc<dyn Store>) {
    let mut ada = newcomer(3, "ada");
    take(store, std::slice::from_ref(&ada)).await;
    ada.key = Some(key(1));
    ada.sessions = vec![kept(3, 0, Some("ended"), true), kept(3, 0, Some("living"), false)];
    let dry = store.take_users(vec![ada.clone()], Trial::Dry).await.unwrap();
    assert_eq!(dry, [present(3, true, &[])]);
    assert_eq!(store.sessions(UserId(3), None, 100).await.unwrap(), []);
    assert_eq!(take(store, std::slice::from_ref(&ada)).await, [present(3, true, &[])]);
    assert!(store.user_by_api_key([1; 32]).await.unwrap().is_some());
    let ended = store.standing(UserId(3), SessionRef::Foreign("ended")).await.unwrap().session;
    assert!(ended.is_some_and(|session| session.ended.is_some()));
    // A session that lives there is none of theirs here: its token is adopted when it comes.
    let living = store.standing(UserId(3), SessionRef::Foreign("living")).await.unwrap();
    assert_eq!(living.session, None);
    assert_eq!(take(store, &[ada]).await, [present(3, false, &[])]);
    assert_eq!(store.sessions(UserId(3), None, 100).await.unwrap().len(), 1);
}

pub(crate) async fn a_clash_changes_nothing(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let gone = user(store, "gone").await;
    let own = session(store, ada.id).await;
    store.api_key(ada.id, key(1)).await.unwrap();
    store.add_key(new_key(ada.id, 9), 9).await.unwrap();
    store.delete_user(gone.id).await.unwrap();
    let before = (everything(store).await, store.numbers(Numbers::default()).await.unwrap());
    let (mut keyed, mut busy) = (newcomer(50, "keyed"), newcomer(51, "busy"));
    keyed.key = Some(key(1));
    let (mut maker, mut twice) = (newcomer(52, "maker"), newcomer(53, "twice"));
    maker.keys = vec![made_key(0, UserId(52), 8), made_key(0, UserId(52), 9)];
    twice.keys = vec![made_key(0, UserId(53), 7), made_key(0, UserId(53), 7)];
    busy.sessions = vec![kept(51, own.id.number, None, true)];
    let clashes = [
        (newcomer(9, "ada"), Arrival::NameTaken(ada.id)),
        (newcomer(ada.id.0, "other"), Arrival::IdTaken("ada".to_owned())),
        (newcomer(gone.id.0, "gone"), Arrival::IdGone),
        (keyed, Arrival::KeyTaken),
        (maker, Arrival::KeyTaken),
        (twice, Arrival::KeyTaken),
        (busy, Arrival::SessionTaken(own.id.number)),
    ];
    let (users, expected): (Vec<_>, Vec<_>) = clashes.into_iter().unzip();
    for trial in [Trial::Dry, Trial::Real] {
        assert_eq!(store.take_users(users.clone(), trial).await.unwrap(), expected);
        let now = (everything(store).await, store.numbers(Numbers::default()).await.unwrap());
        assert_eq!(now, before);
    }
    // One that clashes does not keep its neighbours out.
    let mixed = take(store, &[users[0].clone(), newcomer(60, "fine"), users[1].clone()]).await;
    assert_eq!(mixed[1], Arrival::Stored(UserId(60)));
}

pub(crate) async fn a_key_that_was_taken_back_does_not_come_back(store: &Arc<dyn Store>) {
    let mut ada = newcomer(3, "ada");
    ada.keys = vec![made_key(7, UserId(3), 1)];
    take(store, std::slice::from_ref(&ada)).await;
    let out = everything(store).await;
    assert!(store.remove_key(UserId(3), 7).await.unwrap());
    assert_eq!(take(store, &out).await, [present(3, false, &[])]);
    assert_eq!(store.key_owner([1; 32]).await.unwrap(), None);
    // Nor under the name of another, whose number it may not take.
    let added = store.add_key(new_key(UserId(3), 2), 9).await.unwrap();
    let KeyAdded::Added(added) = added else { panic!("{added:?}") };
    let mut bob = newcomer(4, "bob");
    bob.keys = vec![made_key(added.id, UserId(4), 3)];
    take(store, &[bob]).await;
    assert_eq!(store.user_key(added.id).await.unwrap(), Some(added.clone()));
    assert!(store.keys_of(UserId(4)).await.unwrap()[0].id > added.id);
}

pub(crate) async fn a_token_belongs_to_the_first_who_brings_it(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let adopted = store.adopt_session("jti", new_session(ada.id)).await.unwrap().unwrap();
    let mut bob = newcomer(9, "bob");
    bob.sessions = vec![kept(9, 0, Some("jti"), true)];
    assert_eq!(take(store, &[bob]).await, [Arrival::Stored(UserId(9))]);
    let standing = store.standing(ada.id, SessionRef::Foreign("jti")).await.unwrap();
    assert_eq!(standing.session, Some(adopted));
    assert_eq!(store.sessions(UserId(9), None, 100).await.unwrap(), []);
}

pub(crate) async fn numbers_are_lifted_and_never_lowered(store: &Arc<dyn Store>) {
    let numbers = |users, sessions| Numbers { users, sessions, ..Numbers::default() };
    assert_eq!(store.numbers(Numbers::default()).await.unwrap(), numbers(0, 0));
    assert_eq!(store.numbers(numbers(7, 0)).await.unwrap(), numbers(7, 0));
    assert_eq!(store.numbers(numbers(3, 5)).await.unwrap(), numbers(7, 5));
    let ada = user(store, "ada").await;
    assert_eq!(ada.id, UserId(8));
    assert_eq!(session(store, ada.id).await.id.number, 6);
}

fn group(name: &str, roles: &[&str]) -> Group {
    Group { name: name.to_owned(), roles: roles.iter().map(|role| (*role).to_owned()).collect() }
}

pub(crate) async fn groups_come_with_their_roles_and_members_with_theirs(store: &Arc<dyn Store>) {
    let (staff, it) = (group("Staff", &["editor"]), group("it", &[]));
    let take =
        async |groups: &[Group], trial| store.take_groups(groups.to_vec(), trial).await.unwrap();
    let both = [staff.clone(), it.clone()];
    assert_eq!(take(&both, Trial::Dry).await, [GroupArrival::Stored; 2]);
    assert_eq!(store.groups().await.unwrap(), []);
    assert_eq!(take(&both, Trial::Real).await, [GroupArrival::Stored; 2]);
    assert_eq!(store.groups().await.unwrap(), both);
    // What is there stays as it is.
    let other = [group("Staff", &["admin"]), it];
    let there = [true, false].map(|differs| GroupArrival::Present { differs });
    for trial in [Trial::Dry, Trial::Real] {
        assert_eq!(take(&other, trial).await, there);
        assert_eq!(store.group("Staff").await.unwrap(), Some(staff.clone()));
    }

    let mut ada = newcomer(3, "ada");
    ada.user.groups = vec!["Staff".to_owned(), "new".to_owned()];
    self::take(store, std::slice::from_ref(&ada)).await;
    // A group that nobody told of is made, and gives nothing.
    assert_eq!(store.group("new").await.unwrap(), Some(group("new", &[])));
    let now = store.user(UserId(3)).await.unwrap().unwrap();
    assert_eq!(
        (now.roles, now.inherited),
        (vec!["b".into(), "editor".into()], vec!["editor".into()])
    );
    assert_eq!(everything(store).await, [ada.clone()], "the roles of its own, and its groups");
    assert_eq!(self::take(store, std::slice::from_ref(&ada)).await, [present(3, false, &[])]);
    // Nobody who is here is put into a group, or back into one.
    store.change_user(UserId(3), UserChange::LeaveGroup("Staff".to_owned())).await.unwrap();
    assert_eq!(
        self::take(store, std::slice::from_ref(&ada)).await,
        [present(3, false, &["groups"])]
    );
    assert_eq!(store.user(UserId(3)).await.unwrap().unwrap().groups, ["new"]);
    store.delete_group("new").await.unwrap();
    assert_eq!(everything(store).await[0].user.groups, Vec::<String>::new());
}

fn invitation(id: u64, hash: u8) -> KeptInvitation {
    let invitation = Invitation {
        id,
        email: "a@x.test".to_owned(),
        roles: vec!["b".to_owned()],
        left: std::num::NonZeroU32::new(3).unwrap(),
        created: at(1),
        expires: at(100),
    };
    KeptInvitation { hash: [hash; 32], invitation }
}

pub(crate) async fn an_invitation_comes_once_and_never_again(store: &Arc<dyn Store>) {
    let take = async |all: &[KeptInvitation], trial| {
        store.take_invitations(all.to_vec(), trial).await.unwrap()
    };
    let kept = async || store.kept_invitations(None, 9).await.unwrap();
    let stored = [InvitationArrival::Stored, InvitationArrival::Stored];
    let both = [invitation(2, 2), invitation(5, 5)];
    assert_eq!(take(&both, Trial::Dry).await, stored);
    assert_eq!(kept().await, []);
    assert_eq!(take(&both, Trial::Real).await, stored);
    assert_eq!(kept().await, both);
    assert_eq!(store.kept_invitations(Some(2), 9).await.unwrap(), both[1..]);
    assert_eq!(store.invitation([5; 32]).await.unwrap().as_ref(), Some(&both[1].invitation));
    let present = InvitationArrival::Present { differs: Vec::new() };
    assert_eq!(take(&both, Trial::Real).await, [present.clone(), present]);

    let mut other = invitation(2, 2);
    other.invitation.left = std::num::NonZeroU32::MIN;
    other.invitation.roles.clear();
    store.remove_invitation(5).await.unwrap();
    let told = [
        (other, InvitationArrival::Present { differs: vec!["roles"] }),
        // It was taken back here.
        (invitation(5, 5), InvitationArrival::NumberTaken),
        (invitation(4, 4), InvitationArrival::NumberTaken),
        (invitation(2, 9), InvitationArrival::NumberTaken),
        (invitation(9, 2), InvitationArrival::HashTaken(2)),
    ];
    for trial in [Trial::Dry, Trial::Real] {
        for (one, arrival) in &told {
            assert_eq!(take(std::slice::from_ref(one), trial).await, std::slice::from_ref(arrival));
            assert_eq!(kept().await, both[..1], "{one:?}");
        }
    }
    let new = NewInvitation {
        hash: [7; 32],
        email: String::new(),
        roles: Vec::new(),
        uses: std::num::NonZeroU32::MIN,
        created: at(2),
        expires: at(9),
    };
    assert_eq!(store.add_invitation(new).await.unwrap().id, 6, "behind those that came");
}

pub(crate) async fn an_id_that_was_given_elsewhere_is_nobodys(store: &Arc<dyn Store>) {
    let ada = user(store, "ada").await;
    let ids: Vec<_> = [7, 1, 3].map(UserId).to_vec();
    for trial in [Trial::Dry, Trial::Real] {
        assert_eq!(store.deleted(None, 9).await.unwrap(), []);
        assert_eq!(store.take_deleted(ids.clone(), trial).await.unwrap(), [ada.id]);
    }
    assert_eq!(store.take_deleted(ids, Trial::Real).await.unwrap(), [ada.id]);
    assert_eq!(store.user(ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.deleted(None, 9).await.unwrap(), [3, 7].map(UserId));
    assert_eq!(store.deleted(None, 1).await.unwrap(), [UserId(3)]);
    assert_eq!(store.deleted(Some(UserId(3)), 9).await.unwrap(), [UserId(7)]);
    assert_eq!(take(store, &[newcomer(3, "eve")]).await, [Arrival::IdGone]);
    assert_eq!(user(store, "bob").await.id, UserId(8));
    store.delete_user(ada.id).await.unwrap();
    assert_eq!(store.deleted(None, 1).await.unwrap(), [ada.id]);
}
