//! An authenticator in software, with the browser before it: makes passkeys and uses them as those do,
//! or as somebody would who wants to be believed and should not.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::Encoder;
use serde_json::{Value, json};

pub(crate) const PRESENT: u8 = 1;
pub(crate) const VERIFIED: u8 = 4;
pub(crate) const MAY_BE_COPIED: u8 = 8;
pub(crate) const IS_COPIED: u8 = 16;

/// What keys are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Es256,
    EdDsa,
    Rs256,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

/// A passkey, and all that is said with it. Whoever sets a field lies about it.
pub(crate) struct Device {
    pair: Pair,
    pub(crate) credential: Vec<u8>,
    pub(crate) handle: Option<Vec<u8>>,
    pub(crate) count: u32,
    pub(crate) flags: u8,
    pub(crate) origin: String,
    pub(crate) relying_party: String,
    /// What the browser says beside.
    pub(crate) client: Value,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn hash(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}

impl Device {
    /// One at a page of that origin, with a key of its own.
    pub(crate) fn new(origin: &str, kind: Kind) -> Self {
        let pair = match kind {
            Kind::Es256 => {
                Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
            }
            Kind::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate().unwrap()),
            Kind::Rs256 => Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        };
        let mut credential = vec![0; 32];
        getrandom::fill(&mut credential).unwrap();
        let relying_party = origin.split("://").nth(1).unwrap().split(':').next().unwrap();
        Self {
            pair,
            credential,
            handle: None,
            count: 0,
            flags: PRESENT | VERIFIED,
            origin: origin.to_owned(),
            relying_party: relying_party.to_owned(),
            client: json!({}),
        }
    }

    fn client(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let mut said = json!({
            "type": kind,
            "challenge": challenge,
            "origin": self.origin,
            "crossOrigin": false,
        });
        let more = self.client.as_object().unwrap().clone();
        said.as_object_mut().unwrap().extend(more);
        said.to_string().into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = hash(self.relying_party.as_bytes());
        data.push(self.flags | flags);
        data.extend(self.count.to_be_bytes());
        data
    }

    /// The public key, in COSE's form.
    pub(crate) fn key(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut cose = Encoder::new(&mut bytes);
        match &self.pair {
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                cose.map(5).unwrap().i8(1).unwrap().i8(2).unwrap().i8(3).unwrap().i8(-7).unwrap();
                cose.i8(-1).unwrap().i8(1).unwrap().i8(-2).unwrap().bytes(&point[1..33]).unwrap();
                cose.i8(-3).unwrap().bytes(&point[33..65]).unwrap();
            }
            Pair::EdDsa(pair) => {
                let point = pair.public_key().as_ref();
                cose.map(4).unwrap().i8(1).unwrap().i8(1).unwrap().i8(3).unwrap().i8(-8).unwrap();
                cose.i8(-1).unwrap().i8(6).unwrap().i8(-2).unwrap().bytes(point).unwrap();
            }
            Pair::Rs256(pair) => {
                // PKCS #1: a sequence of modulus and exponent, which is 65537.
                let der = pair.public_key().as_ref();
                let (modulus, exponent) = der[der.len() - 261..].split_at(256);
                cose.map(4).unwrap().i8(1).unwrap().i8(3).unwrap().i8(3).unwrap();
                cose.i16(-257).unwrap().i8(-1).unwrap();
                cose.bytes(modulus).unwrap().i8(-2).unwrap().bytes(&exponent[2..]).unwrap();
            }
        }
        bytes
    }

    /// Makes a passkey as a page asked for it, and says so as browsers do.
    pub(crate) fn create(&mut self, options: &Value) -> Value {
        let handle = options["user"]["id"].as_str().unwrap();
        self.handle = Some(URL_SAFE_NO_PAD.decode(handle).unwrap());
        self.created(&options["challenge"], &self.key())
    }

    /// The same with a key in any form.
    pub(crate) fn created(&self, challenge: &Value, key: &[u8]) -> Value {
        let mut data = self.data(64);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.credential.len()).unwrap().to_be_bytes());
        data.extend(&self.credential);
        data.extend(key);
        let mut object = Vec::new();
        let mut cbor = Encoder::new(&mut object);
        cbor.map(3).unwrap().str("fmt").unwrap().str("none").unwrap();
        cbor.str("attStmt").unwrap().map(0).unwrap();
        cbor.str("authData").unwrap().bytes(&data).unwrap();
        let client = self.client("webauthn.create", challenge);
        json!({
            "id": text(&self.credential),
            "rawId": text(&self.credential),
            "type": "public-key",
            "response": { "clientDataJSON": text(&client), "attestationObject": text(&object) },
        })
    }

    /// Signs a challenge.
    pub(crate) fn get(&self, options: &Value) -> Value {
        let client = self.client("webauthn.get", &options["challenge"]);
        let data = self.data(0);
        let message = [&data[..], &hash(&client)].concat();
        let signature = match &self.pair {
            Pair::Es256(pair) => {
                pair.sign(&SystemRandom::new(), &message).unwrap().as_ref().to_vec()
            }
            Pair::EdDsa(pair) => pair.sign(&message).as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let random = SystemRandom::new();
                pair.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).unwrap();
                signature
            }
        };
        json!({
            "id": text(&self.credential),
            "rawId": text(&self.credential),
            "type": "public-key",
            "response": {
                "clientDataJSON": text(&client),
                "authenticatorData": text(&data),
                "signature": text(&signature),
                "userHandle": self.handle.as_deref().map(text),
            },
        })
    }
}
