//! What is cheap enough, and that those who are not let in cost the same.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{NO_PAD, STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;

use super::super::matches;
use super::*;
use crate::store::PasswordHash;

/// Work in rounds, where one kind is comparable with itself only.
fn sum(costs: impl IntoIterator<Item = Cost>) -> Vec<u64> {
    let mut sums = vec![0; 5];
    let mut singles = BTreeSet::new();
    for cost in costs {
        let (kind, work) = match cost {
            Cost::Pbkdf2Sha256(rounds) => (0, u64::from(rounds)),
            Cost::Pbkdf2Sha1(rounds) => (1, u64::from(rounds)),
            Cost::Bcrypt(cost) => (2, 1 << cost),
            Cost::Sha256Crypt(rounds) => (3, u64::from(rounds)),
            Cost::Sha512Crypt(rounds) => (4, u64::from(rounds)),
            Cost::Argon2 { .. } | Cost::Scrypt { .. } => {
                assert!(singles.insert(cost), "{cost:?} is done twice");
                continue;
            }
        };
        sums[kind] += work;
    }
    sums.push(singles.len() as u64);
    sums
}

fn any_cost() -> impl Strategy<Value = Cost> {
    prop_oneof![
        (1..5_u32).prop_map(|passes| Cost::Argon2 { kind: 2, memory: 64, passes, lanes: 1 }),
        (1..9_u32).prop_map(|r| Cost::Scrypt { n: 16, r, p: 1 }),
        (1..1000_u32).prop_map(Cost::Pbkdf2Sha256),
        (1..1000_u32).prop_map(Cost::Pbkdf2Sha1),
        (4..13_u32).prop_map(Cost::Bcrypt),
        (1000..9000_u32).prop_map(Cost::Sha256Crypt),
        (1000..9000_u32).prop_map(Cost::Sha512Crypt),
    ]
}

proptest! {
    /// Whichever hash an account has, and whether there is one, the work is the same.
    #[test]
    fn whoever_is_not_let_in_has_cost_the_same(
        there_are in prop::collection::btree_set(any_cost(), 0..12),
    ) {
        let all = || there_are.iter().copied();
        let unknown = sum(missing(None, all()));
        for paid in &there_are {
            let known = sum(missing(Some(*paid), all()).into_iter().chain([*paid]));
            prop_assert_eq!(&known, &unknown, "{:?}", paid);
        }
    }
}

#[test]
fn the_cost_of_a_recipe_is_read() {
    for (recipe, cost) in [
        (
            "$argon2id$v=19$m=19456,t=2,p=1",
            Some(Cost::Argon2 { kind: 2, memory: 19456, passes: 2, lanes: 1 }),
        ),
        (
            "argon2$argon2i$v=19$m=512,t=2,p=2",
            Some(Cost::Argon2 { kind: 1, memory: 512, passes: 2, lanes: 2 }),
        ),
        ("pbkdf2_sha256$1000000", Some(Cost::Pbkdf2Sha256(1_000_000))),
        ("pbkdf2_sha1$10", Some(Cost::Pbkdf2Sha1(10))),
        ("bcrypt$$2b$12", Some(Cost::Bcrypt(12))),
        ("bcrypt_sha256$$2b$12", Some(Cost::Bcrypt(12))),
        ("$2y$05", Some(Cost::Bcrypt(5))),
        ("scrypt$16384$8$5", Some(Cost::Scrypt { n: 16384, r: 8, p: 5 })),
        ("$5", Some(Cost::Sha256Crypt(5000))),
        ("$6", Some(Cost::Sha512Crypt(5000))),
        ("$5$rounds=9000", Some(Cost::Sha256Crypt(9000))),
        ("$6$rounds=9000", Some(Cost::Sha512Crypt(9000))),
        // As the operator wants ours, and nobody else's.
        (
            "$argon2id$v=19$m=1024,t=1,p=65",
            Some(Cost::Argon2 { kind: 2, memory: 1024, passes: 1, lanes: 65 }),
        ),
        ("argon2$argon2id$v=19$m=1024,t=1,p=65", None),
        ("md5", None),
        ("$apr1", None),
        ("", None),
        ("pbkdf2_sha256$4000000000", None),
    ] {
        assert_eq!(Cost::of(recipe), cost, "{recipe}");
    }
}

#[test]
fn a_check_may_cost_so_much_and_no_more() {
    let argon2 = |memory, passes, lanes| Cost::Argon2 { kind: 2, memory, passes, lanes };
    let scrypt = |n, r, p| Cost::Scrypt { n, r, p };
    for (most, more) in [
        (argon2(524_288, 1, 1), argon2(524_289, 1, 1)),
        (argon2(1024, 1, 64), argon2(1024, 1, 65)),
        (argon2(524_288, 8, 1), argon2(524_288, 9, 1)),
        (argon2(1024, 4096, 1), argon2(1025, 4096, 1)),
        (scrypt(1 << 19, 8, 1), scrypt(1 << 20, 8, 1)),
        (scrypt(1 << 19, 8, 4), scrypt(1 << 19, 8, 5)),
        (Cost::Pbkdf2Sha256(10_000_000), Cost::Pbkdf2Sha256(10_000_001)),
        (Cost::Pbkdf2Sha1(10_000_000), Cost::Pbkdf2Sha1(10_000_001)),
        (Cost::Bcrypt(16), Cost::Bcrypt(17)),
        (Cost::Sha256Crypt(5_000_000), Cost::Sha256Crypt(5_000_001)),
        (Cost::Sha512Crypt(5_000_000), Cost::Sha512Crypt(5_000_001)),
    ] {
        assert_eq!((bearable(most), bearable(more)), (Ok(()), Err(HashFault::Costly)), "{most:?}");
    }
}

/// The work that is done for nothing is that of a check: what comes of it is the password's hash.
#[test]
fn the_work_for_nobody_is_the_work_of_a_check() {
    let salt = std::str::from_utf8(SALT).unwrap();
    let argon2 = |kind| Cost::Argon2 { kind, memory: 64, passes: 2, lanes: 1 };
    let made = |work| perform(b"password123", work).unwrap();
    let phc = |kind: u8, name| {
        let (salt, digest) =
            (STANDARD_NO_PAD.encode(SALT), STANDARD_NO_PAD.encode(made(argon2(kind))));
        format!("argon2${name}$v=19$m=64,t=2,p=1${salt}${digest}")
    };
    let digest = |work| STANDARD.encode(made(work));
    for encoded in [
        phc(0, "argon2d"),
        phc(1, "argon2i"),
        phc(2, "argon2id"),
        format!("pbkdf2_sha256$3${salt}${}", digest(Cost::Pbkdf2Sha256(3))),
        format!("pbkdf2_sha1$3${salt}${}", digest(Cost::Pbkdf2Sha1(3))),
        format!("scrypt$16${salt}$2$1${}", digest(Cost::Scrypt { n: 16, r: 2, p: 1 })),
    ] {
        assert!(matches(b"password123", &PasswordHash::new(encoded.clone())), "{encoded}");
    }
    // bcrypt's own text counts the NUL behind a password.
    let parts = bcrypt::hash_with_salt("password123", 4, *SALT).unwrap();
    let digest = perform(b"password123\0", Cost::Bcrypt(4)).unwrap();
    let bcrypt = base64::engine::GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);
    assert!(parts.to_string().ends_with(&bcrypt.encode(&digest[..23])));
    // These have an order of their own in writing.
    let params = sha_crypt::Params::new(1000).unwrap();
    let digest = sha_crypt::sha256_crypt(b"password123", SALT, params);
    assert_eq!(made(Cost::Sha256Crypt(1000)), digest);
    let digest = sha_crypt::sha512_crypt(b"password123", SALT, params);
    assert_eq!(made(Cost::Sha512Crypt(1000)), digest);
}

#[test]
fn where_nothing_is_missing_nothing_is_done() {
    assert!(missing(None, []).is_empty());
    for paid in [
        Cost::Pbkdf2Sha256(9),
        Cost::Sha512Crypt(5000),
        Cost::Bcrypt(10),
        Cost::Scrypt { n: 16, r: 8, p: 1 },
    ] {
        assert!(missing(Some(paid), [paid]).is_empty(), "{paid:?}");
        assert_eq!(missing(None, [paid]), [paid]);
    }
}

#[test]
fn the_time_of_a_check_is_evened_out_with_a_bounded_password() {
    // Would be hours if the length were taken as it is: its square counts in this format.
    let endless = vec![b'x'; 1 << 20];
    let longest = perform(&endless[..LONGEST], Cost::Sha512Crypt(1000));
    assert_eq!(perform(&endless, Cost::Sha512Crypt(1000)), longest);
}
