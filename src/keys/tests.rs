use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use pem::Pem;

use super::pair::SigningKey;
use super::*;
use crate::clock::Timestamp;
use crate::secret::Secret;

const LONGEST: Duration = Duration::from_secs(3600);
const NOW: Timestamp = Timestamp::from_secs(1000);

fn settings(folder: &Path, algorithm: Algorithm) -> KeySettings {
    KeySettings {
        algorithm,
        source: KeySource::Made,
        previous: Vec::new(),
        ring: folder.join("test.keys"),
    }
}

fn given(algorithm: Algorithm, source: KeySource) -> Result<KeyRing, KeyError> {
    let settings =
        KeySettings { algorithm, source, previous: Vec::new(), ring: "unused.keys".into() };
    KeyRing::ephemeral(settings, NOW)
}

/// A token of that ring: its message, its signature, and its key's name.
fn signed(ring: &KeyRing) -> (String, String, String) {
    let mut name = String::new();
    let token = ring
        .sign(|kid, _| {
            kid.clone_into(&mut name);
            "header.payload".to_owned()
        })
        .unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    (message.to_owned(), signature.to_owned(), name)
}

fn accepts(ring: &KeyRing, algorithm: Algorithm, token: &(String, String, String)) -> bool {
    ring.verify(Some(&token.2), algorithm, token.0.as_bytes(), &token.1)
}

#[test]
fn every_algorithm_of_ours_signs_and_publishes_what_verifies() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let ring = given(algorithm, KeySource::Made).unwrap();
        let token = signed(&ring);
        assert!(accepts(&ring, algorithm, &token), "{algorithm}");
        let published = serde_json::to_string(&ring.jwks()).unwrap();
        assert!(!published.contains("\"d\""), "a private part is published");
        let set = JwkSet::parse(&published).unwrap();
        let mut keys = set.candidates(Some(&token.2), algorithm);
        assert!(keys.next().unwrap().verify(token.0.as_bytes(), &token.1, algorithm));
        assert!(keys.next().is_none());
    }
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let secret = Secret::from("0123456789abcdef0123456789abcdef".to_owned());
        let ring = given(algorithm, KeySource::Shared(secret)).unwrap();
        assert!(accepts(&ring, algorithm, &signed(&ring)));
        assert!(ring.jwks().keys.is_empty(), "a shared secret is published");
    }
}

#[test]
fn a_key_is_good_for_its_own_algorithm_and_name_only() {
    let secret = || Secret::from("0123456789abcdef0123456789abcdef".to_owned());
    let ring = given(Algorithm::Hs256, KeySource::Shared(secret())).unwrap();
    let token = signed(&ring);
    for other in [Algorithm::Hs384, Algorithm::Hs512, Algorithm::Rs256, Algorithm::Es256] {
        assert!(!accepts(&ring, other, &token), "{other}");
    }
    assert!(ring.verify(None, Algorithm::Hs256, token.0.as_bytes(), &token.1));
    assert!(!ring.verify(Some("other"), Algorithm::Hs256, token.0.as_bytes(), &token.1));
}

#[test]
fn the_first_start_makes_the_keys_and_the_next_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), Algorithm::Es256);
    let first = KeyRing::open(settings.clone(), LONGEST, NOW).unwrap();
    let mode = fs::metadata(&settings.ring).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (token, sealed) = (signed(&first), first.seal(b"key", "a").unwrap());
    let written = fs::read(&settings.ring).unwrap();
    let second = KeyRing::open(settings.clone(), LONGEST, NOW).unwrap();
    assert_eq!(fs::read(&settings.ring).unwrap(), written);
    assert!(accepts(&second, Algorithm::Es256, &token));
    assert_eq!(second.unseal(&sealed, "a").unwrap().expose(), b"key");
    assert!(second.unseal(&sealed, "b").is_none(), "a record passes for another");
}

#[test]
fn a_retired_key_verifies_until_its_last_token_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), Algorithm::Es256);
    let ring = KeyRing::open(settings.clone(), LONGEST, NOW).unwrap();
    let old = signed(&ring);
    let fresh = ring.rotate(NOW).unwrap();
    let new = signed(&ring);
    assert_eq!(new.2, fresh.kid);
    assert_ne!(new.2, old.2);
    assert!(accepts(&ring, Algorithm::Es256, &old) && accepts(&ring, Algorithm::Es256, &new));
    let just_before = NOW.plus(Duration::from_millis(3_599_999));
    let later = KeyRing::open(settings.clone(), LONGEST, just_before).unwrap();
    assert!(accepts(&later, Algorithm::Es256, &old));
    assert_eq!(later.list().len(), 2);
    let after = KeyRing::open(settings, LONGEST, NOW.plus(LONGEST)).unwrap();
    assert!(!accepts(&after, Algorithm::Es256, &old));
    assert!(accepts(&after, Algorithm::Es256, &new));
}

/// A reload may let tokens live longer, and those that were made before go on when it does not.
#[test]
fn a_retired_key_is_kept_for_the_longest_life_that_tokens_had() {
    let folder = tempfile::tempdir().unwrap();
    let ring = KeyRing::open(settings(folder.path(), Algorithm::Es256), LONGEST, NOW).unwrap();
    let old = signed(&ring);
    ring.rotate(NOW).unwrap();
    ring.serve_tokens_of(2 * LONGEST);
    ring.serve_tokens_of(LONGEST / 2);
    ring.rotate(NOW.plus(LONGEST)).unwrap();
    assert!(accepts(&ring, Algorithm::Es256, &old));
    ring.rotate(NOW.plus(2 * LONGEST)).unwrap();
    assert!(!accepts(&ring, Algorithm::Es256, &old));
}

#[test]
fn another_algorithm_makes_a_new_key_and_keeps_the_old_for_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let before = KeyRing::open(settings(folder.path(), Algorithm::Es256), LONGEST, NOW).unwrap();
    let old = signed(&before);
    let ring = KeyRing::open(settings(folder.path(), Algorithm::EdDsa), LONGEST, NOW).unwrap();
    assert!(accepts(&ring, Algorithm::EdDsa, &signed(&ring)));
    assert!(accepts(&ring, Algorithm::Es256, &old));
}

#[test]
fn a_key_file_that_cannot_be_used_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), Algorithm::Es256);
    let newer = r#"{"version":2,"cipher":"?"}"#;
    for text in ["", "{}", "-----BEGIN PRIVATE KEY-----", r#"{"version":0}"#, newer] {
        fs::write(&settings.ring, text).unwrap();
        fs::set_permissions(&settings.ring, fs::Permissions::from_mode(0o600)).unwrap();
        let refused = KeyRing::open(settings.clone(), LONGEST, NOW).unwrap_err();
        assert_eq!(matches!(refused, KeyError::Newer(_)), text == newer, "{text:?}");
        assert_eq!(matches!(refused, KeyError::Foreign(_)), text != newer, "{text:?}");
        assert_eq!(fs::read_to_string(&settings.ring).unwrap(), text);
    }
    fs::set_permissions(&settings.ring, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = KeyRing::open(settings.clone(), LONGEST, NOW);
    assert!(matches!(refused, Err(KeyError::Exposed(_))));
    fs::remove_file(&settings.ring).unwrap();
    let refused = KeyRing::open_existing(settings.clone(), LONGEST, NOW);
    assert!(matches!(refused, Err(KeyError::Missing(_))));
    assert!(!settings.ring.exists());
}

#[test]
fn a_file_is_before_another_if_keys_were_rotated_between_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path(), Algorithm::Es256);
    let ring = KeyRing::open(settings.clone(), LONGEST, NOW).unwrap();
    let returned = || ReturnedKeys::read(&ring.file().unwrap().unwrap()).unwrap();
    let first = returned();
    assert_eq!(first.in_place(&settings.ring).unwrap(), KeysInPlace::Same);
    for seconds in [0, 0, 5] {
        let before = returned();
        ring.rotate(NOW.plus(Duration::from_secs(seconds))).unwrap();
        let after = returned();
        // The one with the other in its place, both ways.
        assert_eq!(before.in_place(&settings.ring).unwrap(), KeysInPlace::Same, "{seconds}");
        before.replace(&settings.ring).unwrap();
        assert_eq!(after.in_place(&settings.ring).unwrap(), KeysInPlace::Earlier, "{seconds}");
        assert!(matches!(after.publish(&settings.ring), Err(KeyError::Io { .. })));
        after.replace(&settings.ring).unwrap();
    }
    first.suit(&settings, NOW).unwrap();
    let shared = KeySource::Shared(Secret::from("short".to_owned()));
    let other = KeySettings { source: shared, algorithm: Algorithm::Hs256, ..settings };
    assert!(matches!(first.suit(&other, NOW), Err(KeyError::ShortSecret)));
}

#[test]
fn an_operators_key_must_fit_and_is_not_ours_to_rotate() {
    let der = SigningKey::generate(Algorithm::Es256).unwrap();
    let pem = |tag: &str, der: &[u8]| Secret::from(pem::encode(&Pem::new(tag, der)));
    let ec = pem("PRIVATE KEY", der.expose());
    let ring = given(Algorithm::Es256, KeySource::Pem(ec.clone())).unwrap();
    assert!(accepts(&ring, Algorithm::Es256, &signed(&ring)));
    assert!(matches!(ring.rotate(NOW), Err(KeyError::NotOurs)));
    for algorithm in [Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Es384] {
        let refused = given(algorithm, KeySource::Pem(ec.clone()));
        assert!(matches!(refused, Err(KeyError::WrongKind(_))), "{algorithm}");
    }
    let text = Secret::from("no key".to_owned());
    assert!(matches!(given(Algorithm::Es256, KeySource::Pem(text)), Err(KeyError::NotPem)));
    let short = Secret::from("0123456789abcdef0123456789abcde".to_owned());
    let refused = given(Algorithm::Hs256, KeySource::Shared(short));
    assert!(matches!(refused, Err(KeyError::ShortSecret)));
}

#[test]
fn previous_keys_verify_whether_they_are_private_or_public() {
    let old = SigningKey::generate(Algorithm::Es256).unwrap();
    let text = |tag: &str, der: &[u8]| Secret::from(pem::encode(&Pem::new(tag, der)));
    let private = text("PRIVATE KEY", old.expose());
    let before = given(Algorithm::Es256, KeySource::Pem(private.clone())).unwrap();
    let token = signed(&before);
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, old.expose()).unwrap();
    let spki = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
    for previous in [private, text("PUBLIC KEY", spki.as_ref())] {
        let settings = KeySettings {
            algorithm: Algorithm::Es256,
            source: KeySource::Made,
            previous: vec![previous],
            ring: "unused.keys".into(),
        };
        let ring = KeyRing::ephemeral(settings, NOW).unwrap();
        assert!(accepts(&ring, Algorithm::Es256, &token));
        assert_ne!(signed(&ring).2, token.2, "an old key signs");
    }
}

#[test]
fn nothing_of_a_key_is_ever_printed() {
    let secret = "0123456789abcdef0123456789abcdef";
    let shared = KeySource::Shared(Secret::from(secret.to_owned()));
    let ring = given(Algorithm::Hs256, shared).unwrap();
    let printed = format!("{ring:?}");
    assert!(!printed.contains(secret) && !printed.contains("3031323334"), "{printed}");
    assert!(!printed.contains("48, 49, 50"), "{printed}");
}

#[test]
fn a_key_set_takes_only_what_can_check_signatures() {
    let encryption = r#"{"keys":[{"kty":"EC","crv":"P-256","use":"enc",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
    let short = r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#;
    for json in [encryption, short, r#"{"keys":[]}"#, r#"{"keys":[{"kty":"new"}]}"#] {
        assert!(matches!(JwkSet::parse(json), Err(JwksError::NoKeys)), "{json}");
    }
    assert!(matches!(JwkSet::parse("[]"), Err(JwksError::Syntax(_))));
    let oct = r#"{"keys":[{"kty":"oct","kid":"a","alg":"HS256",
        "k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGVm"}]}"#;
    let set = JwkSet::parse(oct).unwrap();
    assert_eq!(set.candidates(Some("a"), Algorithm::Hs256).count(), 1);
    assert_eq!(set.candidates(None, Algorithm::Hs256).count(), 1);
    assert_eq!(set.candidates(Some("b"), Algorithm::Hs256).count(), 0);
    assert_eq!(set.candidates(Some("a"), Algorithm::Hs384).count(), 0, "alg pins the key");
}

mod vectors;
