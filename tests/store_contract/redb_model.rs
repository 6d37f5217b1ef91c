//! redb: any changes in any order, with a disk that fails at any write and a machine that is killed or
//! loses its power, against a model that never fails. What was acknowledged is there; what was not is
//! there wholly or not at all; numbers are given once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use portcullis::identity::{SessionId, UserId};
use portcullis::store::{
    Creation, EndReason, NewSession, RedbStore, Rotation, RotationRequest, Store, StoreError,
    UserChange,
};

use crate::build::{all_sessions, at, grant, new_session, new_user, request};
use crate::disk::Disk;

/// Every number that was given, and every account that there is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Model {
    users: u64,
    sessions: u64,
    accounts: BTreeMap<u64, Account>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Account {
    name: String,
    active: bool,
    roles: BTreeSet<String>,
    /// By number: the refresh token that is good, where the session is.
    logins: BTreeMap<u64, Option<String>>,
}

/// A change, about the account of that number and the session of that number.
#[derive(Clone, Debug)]
enum Change {
    Create(String),
    Delete(u64),
    Activate(u64, bool),
    AddRole(u64, String),
    RemoveRole(u64, String),
    LogIn(u64, String),
    Rotate(u64, u64, String, String),
    /// A token that is none of the session's: somebody made a copy.
    Reuse(u64, u64),
    LogOut(u64, u64),
    LogOutEverywhere(u64),
}

/// Numbers that look random and are the same in each run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((bits ^ (bits >> 31)) >> 33).unwrap() % end
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        if all.is_empty() { None } else { Some(all[self.below(all.len())].clone()) }
    }
}

impl Change {
    /// One that makes sense now; `text` is new.
    fn any(model: &Model, dice: &mut Dice, text: String) -> Self {
        let accounts: Vec<u64> = model.accounts.keys().copied().collect();
        let Some(user) = dice.one_of(&accounts) else { return Self::Create(text) };
        let living = model.accounts[&user].logins.iter();
        let living: Vec<_> = living.filter_map(|(n, jti)| Some((*n, jti.clone()?))).collect();
        let role = ["editor", "staff"][dice.below(2)].to_owned();
        match (dice.below(16), dice.one_of(&living)) {
            (0 | 1, _) => Self::Create(text),
            (2, _) => Self::Delete(user),
            (3, _) => Self::Activate(user, dice.below(2) == 0),
            (4, _) => Self::AddRole(user, role),
            (5, _) => Self::RemoveRole(user, role),
            (6, _) => Self::LogOutEverywhere(user),
            (7, Some((number, _))) => Self::Reuse(user, number),
            (8, Some((number, _))) => Self::LogOut(user, number),
            (9..=12, Some((number, jti))) => Self::Rotate(user, number, jti, text),
            _ => Self::LogIn(user, text),
        }
    }

    /// What has to become of the model.
    fn of(&self, before: &Model) -> Model {
        let mut model = before.clone();
        let account = |model: &mut Model, user: u64, with: &dyn Fn(&mut Account)| {
            model.accounts.entry(user).and_modify(with);
        };
        match self.clone() {
            Self::Create(name) => {
                model.users += 1;
                let fresh = Account { name, active: true, ..Account::default() };
                model.accounts.insert(model.users, fresh);
            }
            Self::Delete(user) => drop(model.accounts.remove(&user)),
            Self::Activate(user, to) => account(&mut model, user, &|it| it.active = to),
            Self::AddRole(user, role) => {
                account(&mut model, user, &|it| it.roles.extend([role.clone()]));
            }
            Self::RemoveRole(user, role) => {
                account(&mut model, user, &|it| it.roles.retain(|one| *one != role));
            }
            Self::LogIn(user, jti) => {
                model.sessions += 1;
                let number = model.sessions;
                account(&mut model, user, &|it| {
                    it.logins.insert(number, Some(jti.clone()));
                });
            }
            Self::Rotate(user, number, _, jti) => account(&mut model, user, &|it| {
                it.logins.insert(number, Some(jti.clone()));
            }),
            Self::Reuse(user, number) | Self::LogOut(user, number) => {
                account(&mut model, user, &|it| {
                    it.logins.insert(number, None);
                });
            }
            Self::LogOutEverywhere(user) => account(&mut model, user, &|it| {
                it.logins.values_mut().for_each(|jti| *jti = None);
            }),
        }
        model
    }

    /// Does it; it has to succeed as the model says, unless the disk fails.
    async fn take(&self, store: &Arc<dyn Store>, after: &Model) -> Result<(), StoreError> {
        let id = |number: u64| SessionId { number, tag: 0xfeed };
        let strictly = |number, presented: &str, next: &str| {
            let grace = Duration::ZERO;
            store.rotate(RotationRequest { grace, ..request(id(number), presented, next, 20) })
        };
        let (user, change) = match self.clone() {
            Self::Create(name) => match store.create_user(new_user(&name)).await? {
                Creation::Created(user) => {
                    assert_eq!(user.id.0, after.users);
                    return Ok(());
                }
                Creation::NameTaken => panic!("{name} is taken"),
            },
            Self::Delete(user) => {
                assert!(store.delete_user(UserId(user)).await?);
                return Ok(());
            }
            Self::LogIn(user, jti) => {
                let refresh = Some(grant(&jti, 100));
                let new = NewSession { refresh, ..new_session(UserId(user)) };
                let session = store.start_session(new).await?.unwrap();
                assert_eq!(session.id.number, after.sessions);
                return Ok(());
            }
            Self::Rotate(_, number, presented, next) => {
                let rotation = strictly(number, &presented, &next).await?;
                assert!(matches!(rotation, Rotation::Rotated(_)), "{rotation:?}");
                return Ok(());
            }
            Self::Reuse(_, number) => {
                assert_eq!(strictly(number, "a copy", "never").await?, Rotation::Reused);
                return Ok(());
            }
            Self::LogOut(_, number) => {
                assert!(store.end_session(id(number), at(30), EndReason::LoggedOut).await?);
                return Ok(());
            }
            Self::Activate(user, to) => (user, UserChange::Active(to)),
            Self::AddRole(user, role) => (user, UserChange::AddRole(role)),
            Self::RemoveRole(user, role) => (user, UserChange::RemoveRole(role)),
            Self::LogOutEverywhere(user) => (user, UserChange::LoggedOutEverywhere(at(40))),
        };
        store.change_user(UserId(user), change).await?.unwrap();
        Ok(())
    }
}

/// All accounts as the store has them.
async fn seen(store: &Arc<dyn Store>, most: u64) -> BTreeMap<u64, Account> {
    let mut accounts = BTreeMap::new();
    for number in 1..=most {
        let Some(user) = store.user(UserId(number)).await.unwrap() else { continue };
        let line = user.logout_mark.map_or(0, |mark| mark.session);
        let logins = all_sessions(store, user.id).await.into_iter().map(|session| {
            let lives = session.ended.is_none() && session.id.number > line;
            (session.id.number, session.refresh.filter(|_| lives).map(|grant| grant.jti))
        });
        let (name, active, roles) = (user.username, user.active, user.roles.into_iter().collect());
        accounts.insert(number, Account { name, active, roles, logins: logins.collect() });
    }
    accounts
}

/// One life of a store: changes until the disk fails, or until it is enough, and then the crash.
struct Life {
    /// What was acknowledged.
    before: Model,
    /// The same with the change that was not, if there is one.
    after: Model,
    wreck: Disk,
}

async fn live(disk: &Disk, mut before: Model, dice: &mut Dice, age: usize) -> Life {
    let store: Arc<dyn Store> = Arc::new(RedbStore::with_backend(disk.clone()).unwrap());
    if dice.below(8) > 0 {
        disk.fail_after(dice.below(70));
    }
    let mut after = before.clone();
    for step in 0..12 {
        let change = Change::any(&before, dice, format!("t{age}x{step}"));
        after = change.of(&before);
        if change.take(&store, &after).await.is_err() {
            break;
        }
        before = after.clone();
    }
    // While it is open: a store that is closed has time to tidy up.
    let wreck = if dice.below(2) == 0 { disk.after_power_loss() } else { disk.after_kill() };
    drop(store);
    Life { before, after, wreck }
}

#[tokio::test]
async fn any_changes_survive_any_crash_as_the_model_has_them() {
    let (mut broken, mut done) = (0, 0);
    for seed in 0..25 {
        let mut dice = Dice(seed);
        let (mut disk, mut model) = (Disk::default(), Model::default());
        drop(RedbStore::with_backend(disk.clone()).unwrap());
        for age in 0..12 {
            let Life { before, after, wreck } = live(&disk, model, &mut dice, age).await;
            disk = wreck;
            let store: Arc<dyn Store> = Arc::new(RedbStore::with_backend(disk.clone()).unwrap());
            let found = seen(&store, after.users).await;
            drop(store);
            let is = [&before, &after].into_iter().find(|model| model.accounts == found);
            let is =
                is.unwrap_or_else(|| panic!("seed {seed}, life {age}: {found:#?}\n{before:#?}"));
            (broken, done) = (broken + usize::from(before != after), done + 1);
            model = is.clone();
        }
    }
    assert!(broken > done / 2, "only {broken} of {done} lives ended with a disk that failed");
}
