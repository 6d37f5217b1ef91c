//! Key pairs of somebody else, with the public half as RFC 7517 writes it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::part;

/// A signing key of another issuer.
pub(crate) enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<rsa::KeyPair>),
}

impl Signer {
    pub(crate) fn es256() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("no key"))
    }

    pub(crate) fn ed_dsa() -> Self {
        Self::EdDsa(Ed25519KeyPair::generate().expect("no key"))
    }

    pub(crate) fn rs256() -> Self {
        Self::Rs256(Box::new(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("no key")))
    }

    pub(crate) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
        }
    }

    /// The public key.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Es256(pair) => {
                // Uncompressed: 4, x, y.
                let point = pair.public_key().as_ref();
                let (x, y) = (part(&point[1..33]), part(&point[33..]));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "use": "sig" })
            }
            Self::EdDsa(pair) => {
                let x = part(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid })
            }
            Self::Rs256(pair) => {
                let key = pair.public_key();
                let n = part(key.modulus().big_endian_without_leading_zero());
                let e = part(key.exponent().big_endian_without_leading_zero());
                json!({ "kty": "RSA", "n": n, "e": e, "kid": kid, "alg": "RS256" })
            }
        }
    }

    /// A token signed with this key, whatever its header says.
    pub(crate) fn mint(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header.to_string()), part(claims.to_string()));
        let (random, bytes) = (SystemRandom::new(), message.as_bytes());
        let signature = match self {
            Self::Es256(pair) => pair.sign(&random, bytes).expect("no signature").as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(bytes).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).expect("no signature");
                signature
            }
        };
        format!("{message}.{}", part(signature))
    }
}

/// Whether a token is signed by the public key of a JWKS entry, checked without the gateway.
pub(crate) fn is_signed_by(token: &str, jwk: &Value) -> bool {
    let bytes = |name: &str| {
        URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("no such member")).expect("no base64url")
    };
    let (message, signature) = token.rsplit_once('.').expect("no token");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("no base64url");
    let message = message.as_bytes();
    match jwk["kty"].as_str() {
        Some("EC") => {
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
            key.verify(message, &signature).is_ok()
        }
        Some("OKP") => {
            let key = signature::UnparsedPublicKey::new(&signature::ED25519, bytes("x"));
            key.verify(message, &signature).is_ok()
        }
        Some("RSA") => {
            let key = signature::RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") };
            key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, &signature).is_ok()
        }
        other => panic!("a key of type {other:?}"),
    }
}
