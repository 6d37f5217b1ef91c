use std::num::NonZeroU32;
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::admin::{Command, Door, Outcome, Place, Reply};
use crate::clock::{Clock, ManualClock};
use crate::password::{PasswordSettings, Passwords};
use crate::session::{Accounts, Rules};
use crate::store::{RedbStore, Store};
use crate::token::Revisions;

/// A door to a store that is empty.
fn door() -> Door {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_secs(1)));
    let settings = PasswordSettings {
        memory: NonZeroU32::new(64).unwrap(),
        at_once: std::num::NonZeroUsize::MIN,
        ..PasswordSettings::default()
    };
    let store: Arc<dyn Store> = Arc::new(RedbStore::in_memory().unwrap());
    let passwords = Arc::new(Passwords::start(settings).unwrap());
    let accounts = Accounts::new(
        store,
        Arc::clone(&clock),
        passwords,
        Arc::new(Revisions::default()),
        Rules::default(),
    );
    Door::new(Arc::new(accounts), clock)
}

async fn exported(door: &Door) -> Vec<Record> {
    let (mut all, mut place) = (Vec::new(), Place::default());
    loop {
        let command = Command::Export { place, limit: 3 };
        let Reply::Exported { records, next } = door.run(command).await.unwrap() else { panic!() };
        all.extend(records);
        let Some(next) = next else { return all };
        place = next;
    }
}

async fn imported(door: &Door, records: Vec<Record>) -> Vec<Outcome> {
    let command = Command::Import { records, dry_run: false };
    let Reply::Imported { outcomes } = door.run(command).await.unwrap() else { panic!() };
    outcomes
}

const HASHES: [&str; 3] = [
    "$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
    "md5$1nptTLyOCvE1h1Yxt7pTSG$b9265635987de42d75673397620cd16b",
    "$2y$05$abcdefghijklmnopqrstuuVvizFiIFKRHf5OQay/hm.7gM0NJgP1u",
];

fn grant() -> impl Strategy<Value = GrantRecord> {
    ("[a-f0-9]{8}", any::<u64>(), any::<u64>())
}

fn session() -> impl Strategy<Value = SessionRecord> {
    let reasons =
        prop_oneof![Just(Reason::LoggedOut), Just(Reason::Reused), Just(Reason::Operator)];
    let times = any::<[u64; 4]>();
    let spent = vec(("[a-f0-9]{8}", any::<u64>(), grant()), 0..3);
    let ended = option::of((any::<u64>(), reasons));
    let second = prop_oneof![
        Just(SecondRecord::Totp),
        Just(SecondRecord::RecoveryCode),
        Just(SecondRecord::Passkey),
        Just(SecondRecord::PasskeyAlone),
    ];
    let texts = ("\\PC{0,20}", "[0-9.]{0,15}", option::of(second));
    (times, ended, option::of(grant()), spent, texts, any::<bool>()).prop_map(
        |([started, last_used, expires, ends], ended, refresh, spent, texts, adopted)| {
            let (device, address, second) = texts;
            // The place of its number and of its token is filled in below.
            let adopted = adopted.then(String::new);
            SessionRecord {
                started,
                last_used,
                expires,
                ends,
                ended,
                refresh,
                spent,
                device,
                address,
                adopted,
                second,
                ..SessionRecord::default()
            }
        },
    )
}

fn made_key() -> impl Strategy<Value = UserKeyRecord> {
    let scopes = option::of(btree_set("[a-z0-9_.:-]{1,10}", 0..3));
    let times = (any::<u64>(), option::of(any::<u64>()), option::of(any::<u64>()));
    ("[a-z]{1,10}", "[a-z_0-9]{0,8}", scopes, times).prop_map(
        |(name, hint, scopes, (created, expires, last_used))| UserKeyRecord {
            name,
            hint,
            scopes: scopes.map(|scopes| scopes.into_iter().collect()),
            created,
            expires,
            last_used,
            // The place of its number and of its hash is filled in below.
            ..UserKeyRecord::default()
        },
    )
}

fn factors() -> impl Strategy<Value = FactorsRecord> {
    let app = (vec(any::<u8>(), 0..60), any::<u64>(), option::of(any::<u64>()), any::<u64>());
    let parts = (option::of(app), vec(any::<[u8; 32]>(), 0..11), vec(passkey(), 0..3));
    parts.prop_map(|(app, recovery, passkeys)| {
        let recovery = recovery.iter().map(|hash| hex(hash)).collect();
        let Some((sealed, created, confirmed, step)) = app else {
            return FactorsRecord {
                totp: None,
                created: 0,
                confirmed: None,
                step: 0,
                recovery,
                passkeys,
            };
        };
        let totp = Some(Hidden(STANDARD.encode(sealed)));
        FactorsRecord { totp, created, confirmed, step, recovery, passkeys }
    })
}

fn passkey() -> impl Strategy<Value = PasskeyRecord> {
    let bytes = || vec(any::<u8>(), 1..60).prop_map(|bytes| STANDARD.encode(bytes));
    let times = (any::<u64>(), option::of(any::<u64>()));
    let facts = (any::<u32>(), any::<bool>(), any::<bool>(), "[a-z ]{0,8}");
    ((bytes(), bytes(), bytes()), facts, times).prop_map(
        |((credential, key, handle), (count, may_be_copied, is_copied, name), (created, used))| {
            PasskeyRecord {
                credential,
                key,
                handle,
                count,
                may_be_copied,
                is_copied,
                name,
                created,
                used,
            }
        },
    )
}

fn user() -> impl Strategy<Value = UserRecord> {
    let mark = || {
        option::of(
            (any::<u64>(), any::<u64>()).prop_map(|(session, at)| MarkRecord { session, at }),
        )
    };
    let texts = ("[a-z0-9._@+-]{0,12}", option::of("[a-z]{1,8}@[a-z]{1,8}\\.com"));
    let flags = (any::<bool>(), any::<bool>());
    let sets =
        (btree_set("[a-z0-9_.:-]{1,10}", 0..4), btree_map("x[a-z_./-]{0,6}", "[!-~]{1,12}", 0..3));
    let times = (any::<u64>(), option::of(any::<u64>()), mark(), mark());
    let key = option::of(vec(any::<u8>(), 0..40));
    let key = (key, vec(made_key(), 0..3), option::of(factors()));
    (texts, flags, option::of(0..HASHES.len()), sets, times, key, vec(session(), 0..3)).prop_map(
        |((username, email), (active, verified), hash, (roles, claims), times, key, sessions)| {
            let (created, last_login, password_mark, logout_mark) = times;
            let (key, keys, factors) = key;
            let email_verified = verified && email.is_some();
            UserRecord {
                id: 0,
                username,
                email: email.unwrap_or_default(),
                email_verified,
                password: hash.map(|at| Hidden(HASHES[at].to_owned())),
                active,
                roles: roles.into_iter().collect(),
                groups: Vec::new(),
                claims,
                created,
                last_login,
                password_mark,
                logout_mark,
                key: key.map(|bytes| KeyRecord::Sealed {
                    hash: String::new(),
                    sealed: Hidden(STANDARD.encode(bytes)),
                }),
                keys,
                factors,
                sessions,
            }
        },
    )
}

/// Groups with roles, by name.
fn groups() -> impl Strategy<Value = BTreeMap<String, Vec<String>>> {
    let roles = btree_set("[a-z0-9_.:-]{1,10}", 0..3);
    btree_map("[A-Za-z]\\PC{0,8}[a-z]", roles, 0..4).prop_map(|groups| {
        let named = groups.into_iter().filter_map(|(name, roles)| {
            let name = crate::admin::check_group(&name).ok()?;
            Some((name, roles.into_iter().collect()))
        });
        named.collect()
    })
}

fn invitations() -> impl Strategy<Value = Vec<Record>> {
    let one = (
        1..4_u64,
        option::of("[a-z]{1,8}@[a-z]{1,8}\\.com"),
        btree_set("[a-z0-9_.:-]{1,10}", 0..3),
        1..=u32::MAX,
        any::<[u64; 2]>(),
    );
    vec(one, 0..5).prop_map(|all| {
        let mut id = 0;
        let numbered = all.into_iter().map(|(step, email, roles, left, [created, expires])| {
            id += step;
            Record::Invitation(InvitationRecord {
                id,
                hash: format!("{id:064x}"),
                email: email.unwrap_or_default(),
                roles: roles.into_iter().collect(),
                left: NonZeroU32::new(left).unwrap(),
                created,
                expires,
            })
        });
        numbered.collect()
    })
}

/// A store as it is exported: with gaps between the users where some were deleted, and members
/// in groups.
fn everything() -> impl Strategy<Value = Vec<Record>> {
    (population(), groups(), invitations(), vec(any::<u8>(), 8)).prop_map(
        |(mut users, groups, invitations, picks)| {
            let names: Vec<_> = groups.keys().cloned().collect();
            for (user, pick) in users.iter_mut().zip(&picks) {
                let picked = names.iter().enumerate().filter(|(bit, _)| pick >> bit & 1 == 1);
                user.groups = picked.map(|(_, name)| name.clone()).collect();
            }
            let last = users.last().map_or(3, |user| user.id + 2);
            let ids: Vec<_> =
                (1..last).filter(|id| users.iter().all(|user| user.id != *id)).collect();
            let deleted = (!ids.is_empty()).then_some(Record::Deleted(DeletedRecord { ids }));
            let groups =
                groups.into_iter().map(|(name, roles)| Record::Group(GroupRecord { name, roles }));
            let users = users.into_iter().map(|user| Record::User(Box::new(user)));
            deleted.into_iter().chain(groups).chain(users).chain(invitations).collect()
        },
    )
}

/// Users as a store could have them: ids, numbers, names and keys are each given once.
fn population() -> impl Strategy<Value = Vec<UserRecord>> {
    (vec((user(), 1..5_u64), 0..8)).prop_map(|users| {
        let (mut id, mut number) = (0, 0);
        let numbered = users.into_iter().map(|(mut user, step)| {
            id += step;
            user.id = id;
            user.username = format!("{}{id}", user.username);
            if let Some(KeyRecord::Sealed { hash, .. }) = &mut user.key {
                *hash = format!("{id:064x}");
            }
            for key in &mut user.keys {
                number += step;
                (key.id, key.hash) = (number, format!("{:064x}", number * 3));
            }
            for session in &mut user.sessions {
                number += step;
                session.sid = Some(format!("{number}-{:016x}", number * 7));
                session.adopted = session.adopted.as_ref().map(|_| format!("jti{number}"));
            }
            user
        });
        numbered.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nothing is lost on the way out and in again, nor on the way through JSON.
    #[test]
    fn what_was_exported_comes_back_as_it_was(all in everything()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (first, second) = (door(), door());
            let outcomes = imported(&first, all.clone()).await;
            prop_assert!(
                outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored { .. })),
                "{:?}", outcomes
            );
            let out = exported(&first).await;
            prop_assert_eq!(&out, &all);
            let written = |all: &[Record]| {
                all.iter().map(|one| serde_json::to_string(one).unwrap()).collect::<Vec<_>>()
            };
            let lines = written(&out);
            let read = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
            imported(&second, read).await;
            prop_assert_eq!(written(&exported(&second).await), lines);
            // And a second time: everything is there, and the same.
            let outcomes = imported(&second, out).await;
            prop_assert!(
                outcomes.iter().zip(&all).all(|(outcome, record)| match (outcome, record) {
                    (Outcome::Present { differs, .. }, _) => differs.is_empty(),
                    (Outcome::Stored { .. }, Record::Deleted(_)) => true,
                    _ => false,
                }),
                "{:?}", outcomes
            );
            Ok(())
        })?;
    }
}

#[test]
fn a_record_never_prints_its_hash_or_key() {
    let record = UserRecord {
        password: Some(Hidden("tellnot".to_owned())),
        key: Some(KeyRecord::Plain(Hidden("tellnot".to_owned()))),
        ..UserRecord::default()
    };
    assert!(!format!("{record:?}").contains("tellnot"));
    let sealed = KeyRecord::Sealed { hash: String::new(), sealed: Hidden("tellnot".to_owned()) };
    assert!(!format!("{sealed:?}").contains("tellnot"));
}
