//! The vectors of the Wycheproof project for what tokens are signed with: each is taken by our keys
//! and by another issuer's, or by neither.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use wycheproof::{ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;

/// A file of vectors, as far as it concerns us.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

/// Vectors for one key, or of one length of keys and tags.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    public_key_pem: Option<String>,
    public_key_jwk: Option<Value>,
    public_key: Option<Value>,
    /// In bits.
    key_size: Option<usize>,
    /// In bits.
    tag_size: Option<usize>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    /// Of an HMAC.
    key: Option<String>,
    msg: String,
    sig: Option<String>,
    tag: Option<String>,
    result: String,
}

fn file(json: &str) -> File {
    let file: File = serde_json::from_str(json).unwrap();
    assert_eq!(file.test_groups.iter().map(|g| g.tests.len()).sum::<usize>(), file.number_of_tests);
    file
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

impl Vector {
    fn signature(&self) -> String {
        let signature = self.sig.as_ref().or(self.tag.as_ref()).unwrap();
        URL_SAFE_NO_PAD.encode(bytes(signature))
    }

    /// What the vector says of its signature; `None` where it leaves that to the reader.
    fn is_good(&self) -> Option<bool> {
        match &*self.result {
            "valid" => Some(true),
            "invalid" => Some(false),
            "acceptable" => None,
            other => panic!("a vector's result is {other}"),
        }
    }
}

impl Group {
    /// The group's public key as another issuer would publish it.
    fn published(&self) -> JwkSet {
        let key = self.public_key_jwk.clone().unwrap_or_else(|| self.written_down());
        JwkSet::parse(&json!({ "keys": [key] }).to_string()).unwrap()
    }

    /// The key by RFC 7518 section 6, where the group has it in other words.
    fn written_down(&self) -> Value {
        let key = self.public_key.as_ref().unwrap();
        if let Some(point) = key.get("uncompressed") {
            let (point, crv) = (bytes(point.as_str().unwrap()), &key["curve"]);
            let crv = if crv == "secp256r1" { "P-256" } else { "P-384" };
            let (x, y) = point[1..].split_at(point.len() / 2);
            let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
            return json!({"kty": "EC", "crv": crv, "x": x, "y": y});
        }
        let number = |name: &str| {
            let number = bytes(key[name].as_str().unwrap());
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            URL_SAFE_NO_PAD.encode(&number[zeros..])
        };
        json!({"kty": "RSA", "n": number("modulus"), "e": number("publicExponent")})
    }

    /// A ring in which the group's key is one of our former ones.
    fn ring(&self, algorithm: Algorithm) -> Option<KeyRing> {
        if !Algorithm::OWN.contains(&algorithm) {
            return None;
        }
        let pem = Secret::from(self.public_key_pem.clone().unwrap());
        let (source, ring) = (KeySource::Made, "unused.keys".into());
        let settings = KeySettings { algorithm, source, previous: vec![pem], ring };
        Some(KeyRing::ephemeral(settings, NOW).unwrap())
    }
}

/// Judges every vector of a file with the keys that it brings; says how many were taken.
fn judge(algorithm: Algorithm, json: &str) -> usize {
    let mut taken = 0;
    for group in file(json).test_groups {
        let (published, ring) = (group.published(), group.ring(algorithm));
        for vector in &group.tests {
            let (message, signature) = (bytes(&vector.msg), vector.signature());
            let good = published.verify(None, algorithm, &message, &signature);
            let Vector { tc_id, comment, .. } = vector;
            if let Some(expected) = vector.is_good() {
                assert_eq!(good, expected, "{algorithm}, vector {tc_id}: {comment}");
            }
            if let Some(ring) = &ring {
                let ours = ring.verify(None, algorithm, &message, &signature);
                assert_eq!(ours, good, "{algorithm}, vector {tc_id}, as our own: {comment}");
            }
            taken += usize::from(good);
        }
    }
    taken
}

#[test]
fn signatures_of_elliptic_curves_are_what_wycheproof_says() {
    use ecdsa::TestName::{EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363};

    assert_eq!(judge(Algorithm::Es256, EcdsaSecp256r1Sha256P1363.json_data()), 173);
    assert_eq!(judge(Algorithm::Es384, EcdsaSecp384r1Sha384P1363.json_data()), 193);
    assert_eq!(judge(Algorithm::EdDsa, eddsa::TestName::Ed25519.json_data()), 88);
}

#[test]
fn signatures_of_rsa_are_what_wycheproof_says() {
    use Algorithm::{Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    use rsa_pkcs1_verify::TestName as Pkcs1;
    use rsa_pss_verify::TestName as Pss;

    for (algorithm, json) in [
        (Rs256, Pkcs1::Rsa2048Sha256.json_data()),
        (Rs384, Pkcs1::Rsa2048Sha384.json_data()),
        (Rs512, Pkcs1::Rsa2048Sha512.json_data()),
        (Rs256, Pkcs1::Rsa3072Sha256.json_data()),
        (Rs384, Pkcs1::Rsa3072Sha384.json_data()),
        (Rs512, Pkcs1::Rsa3072Sha512.json_data()),
        (Rs256, Pkcs1::Rsa4096Sha256.json_data()),
        (Rs384, Pkcs1::Rsa4096Sha384.json_data()),
        (Rs512, Pkcs1::Rsa4096Sha512.json_data()),
        (Ps256, Pss::RsaPss2048Sha256Mgf1SaltLen32.json_data()),
        (Ps256, Pss::RsaPss3072Sha256Mgf1SaltLen32.json_data()),
        (Ps256, Pss::RsaPss4096Sha256Mgf1SaltLen32.json_data()),
        (Ps384, Pss::RsaPss2048Sha384Mgf1SaltLen48.json_data()),
        (Ps384, Pss::RsaPss4096Sha384Mgf1SaltLen48.json_data()),
        (Ps512, Pss::RsaPss4096Sha512Mgf1SaltLen64.json_data()),
    ] {
        assert!(judge(algorithm, json) > 5, "{algorithm}");
    }
}

/// RFC 7518 section 3.5: the salt is as long as the hash, and the mask is made with the same hash.
#[test]
fn a_salt_of_another_length_or_a_mask_of_another_hash_is_no_signature() {
    use rsa_pss_verify::TestName as Pss;

    for (algorithm, length, set) in [
        (Algorithm::Ps256, Some(32), Pss::RsaPss2048Sha256Mgf1SaltLen0),
        (Algorithm::Ps256, None, Pss::RsaPss2048Sha256Mgf1Sha1_20),
        (Algorithm::Ps512, Some(64), Pss::RsaPss4096Sha512Mgf1SaltLen32),
    ] {
        for group in file(set.json_data()).test_groups {
            let published = group.published();
            for vector in &group.tests {
                let (message, signature) = (bytes(&vector.msg), vector.signature());
                let taken = published.verify(None, algorithm, &message, &signature);
                // One that is bad there for having the very length that is wanted here.
                let expected = length
                    .is_some_and(|length| vector.comment == format!("s_len changed to {length}"));
                assert_eq!(taken, expected, "{set:?}, vector {}: {}", vector.tc_id, vector.comment);
            }
        }
    }
}

#[test]
fn macs_are_what_wycheproof_says_and_never_cut_short() {
    use mac::TestName::{HmacSha256, HmacSha384, HmacSha512};

    let hashes = [
        (Algorithm::Hs256, HmacSha256, 256),
        (Algorithm::Hs384, HmacSha384, 384),
        (Algorithm::Hs512, HmacSha512, 512),
    ];
    for (algorithm, set, length) in hashes {
        let mut taken = 0;
        for group in file(set.json_data()).test_groups {
            let whole = group.tag_size == Some(length);
            for vector in &group.tests {
                let (message, tag) = (bytes(&vector.msg), vector.signature());
                let expected = whole && vector.is_good().unwrap();
                let key = bytes(vector.key.as_ref().unwrap());
                let jwk = json!({"keys": [{"kty": "oct", "k": URL_SAFE_NO_PAD.encode(&key)}]});
                let theirs = JwkSet::parse(&jwk.to_string());
                let theirs = theirs.is_ok_and(|set| set.verify(None, algorithm, &message, &tag));
                let ours = given(algorithm, KeySource::Shared(Secret::from(key)));
                let ours = ours.is_ok_and(|ring| ring.verify(None, algorithm, &message, &tag));
                let Vector { tc_id, comment, .. } = vector;
                let context = format!("{algorithm}, vector {tc_id}: {comment}");
                // RFC 7518 section 3.2: a key as long as the hash. A key of our own may be as
                // short as the shortest of them, for projects that have one.
                assert_eq!(theirs, expected && group.key_size >= Some(length), "{context}");
                assert_eq!(ours, expected && group.key_size >= Some(256), "{context}, ours");
                taken += usize::from(theirs);
            }
        }
        assert!(taken > 20, "{algorithm}: {taken}");
    }
}
