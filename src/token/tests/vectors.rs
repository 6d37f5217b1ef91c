//! The vectors of the Wycheproof project for signed tokens and for sets of keys, each judged as a
//! token of another issuer is until its claims are looked at.

use serde::Deserialize;

use super::*;
use crate::token::compact::Compact;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// A key or a set of them; the secret itself where that is all there is.
    public: Option<Value>,
    private: Value,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    jws: String,
    result: String,
}

/// The signature is good, and there is one reading of what was signed.
fn is_taken(keys: Option<&JwkSet>, token: &str) -> bool {
    let Ok(compact) = Compact::parse(token.as_bytes()) else { return false };
    let Compact { algorithm, kid, message, signature, .. } = &compact;
    keys.is_some_and(|keys| keys.verify(kid.as_deref(), *algorithm, message, signature))
        && compact.content().is_ok()
}

/// Judges every vector but `others`, about which we think differently and say why. Returns how many
/// were taken.
fn judge(json: &str, others: &[(u32, &str)]) -> usize {
    let file: File = serde_json::from_str(json).unwrap();
    let (mut seen, mut taken) = (0, 0);
    let mut problems = Vec::new();
    for group in file.test_groups {
        let key = group.public.unwrap_or(group.private);
        let set = if key.get("keys").is_some() { key } else { json!({ "keys": [key] }) };
        let keys = JwkSet::parse(&set.to_string()).ok();
        for Vector { tc_id, comment, jws, result } in &group.tests {
            let good = is_taken(keys.as_ref(), jws);
            let other = others.iter().any(|(known, _)| known == tc_id);
            if good != ((result == "valid") ^ other) {
                problems.push(format!("vector {tc_id}, {comment}: {result}"));
            }
            seen += 1;
            taken += usize::from(good);
        }
    }
    assert_eq!(seen, file.number_of_tests);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    taken
}

#[test]
fn signed_tokens_are_what_wycheproof_says() {
    let json = include_str!("../../../tests/data/wycheproof/json_web_signature_test.json");
    let unknown = "ES512 is not among our algorithms";
    let pinned = "the key is for PS256 and the token says PS384: RFC 7517 section 4.4 pins it";
    let stray = "RFC 7515 section 2: base64url has no other characters";
    let same = "to the letter the token of vector 357, which is valid";
    let refused =
        [(346, pinned), (347, unknown), (350, pinned), (351, unknown), (372, stray), (373, stray)];
    let taken = [(367, same), (370, same)];
    assert_eq!(judge(json, &[&refused[..], &taken].concat()), 46 - refused.len() + taken.len());
}

#[test]
fn sets_of_keys_are_what_wycheproof_says() {
    let json = include_str!("../../../tests/data/wycheproof/json_web_key_test.json");
    let mixed =
        "a secret beside public keys counts in the operator's own file, never in what is fetched";
    let named_alike =
        "RFC 7517 section 4.5: names should differ, and each of the keys is the issuer's";
    let factored = "how keys are made is the issuer's care: who can forge with them is the issuer";
    let taken = [(1, mixed), (4, named_alike), (7, factored)];
    assert_eq!(judge(json, &taken), 5 + taken.len());
}
