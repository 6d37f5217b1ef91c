//! Whatever verifies was signed by us, with the algorithm of our key, and says one thing.

use std::sync::{Arc, LazyLock};

use portcullis::Secret;
use portcullis::clock::Timestamp;
use portcullis::rooms::keys::{Algorithm, KeyRing, KeySettings, KeySource};
use portcullis::rooms::token::{TokenSettings, Verifier};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECRET: &str = "a-signing-key-of-32-bytes-or-more!";

struct Ours {
    ring: Arc<KeyRing>,
    verifier: Verifier,
}

static OURS: LazyLock<Ours> = LazyLock::new(|| {
    let settings = KeySettings {
        algorithm: Algorithm::Hs256,
        source: KeySource::Shared(Secret::from(SECRET.to_owned())),
        previous: Vec::new(),
        ring: "unused".into(),
    };
    let ring = Arc::new(KeyRing::ephemeral(settings, NOW).expect("a ring"));
    let verifier = Verifier::new(Arc::clone(&ring), TokenSettings::default(), Vec::new());
    Ours { ring, verifier }
});

/// The bytes are a token as somebody sends it, or, behind a `!`, what we are made to sign.
pub(crate) fn run(bytes: &[u8]) {
    let Ours { ring, verifier } = &*OURS;
    let Some(message) = bytes.strip_prefix(b"!") else {
        if verifier.verify(bytes, NOW).is_ok() {
            let token = std::str::from_utf8(bytes).expect("a token is ASCII");
            let (message, _) = token.rsplit_once('.').expect("a token has a signature");
            let ours = ring.sign(|_, _| message.to_owned()).expect("a signature");
            assert_eq!(ours, token, "a token that we did not sign, or in another spelling");
        }
        return;
    };
    let Ok(message) = std::str::from_utf8(message) else { return };
    let (header, payload) = message.split_once('\n').unwrap_or((message, ""));
    let token = ring
        .sign(|_, _| format!("{}.{}", base64url(header), base64url(payload)))
        .expect("a signature");
    let Ok(verified) = verifier.verify(token.as_bytes(), NOW) else { return };
    let header: serde_json::Value = serde_json::from_str(header).expect("a header is JSON");
    assert_eq!(header["alg"], "HS256");
    for forbidden in ["crit", "cty", "b64"] {
        assert!(header.get(forbidden).is_none(), "{header}");
    }
    let payload: serde_json::Value = serde_json::from_str(payload).expect("claims are JSON");
    let claims = payload.as_object().expect("claims are an object");
    assert!(verified.claims.iter().eq(claims.iter()), "{payload}");
    // As the verifier sees it, a second has no parts.
    let at = |name: &str| claims.get(name).map(|time| time.as_f64().expect("a time is a number"));
    let now = f64::from(u32::try_from(NOW.as_secs()).expect("not far in the future"));
    assert!(at("exp").is_none_or(|end| end > now), "{payload}");
    assert!(at("nbf").is_none_or(|begin| begin <= now), "{payload}");
    assert!(at("iat").is_none_or(|issued| issued <= now), "{payload}");
}

/// RFC 4648 section 5, without padding.
fn base64url(text: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for group in text.as_bytes().chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            encoded.push(char::from(SIGNS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    encoded
}
