//! Public keys in COSE's form (RFC 9052 section 7, RFC 9053), of the three kinds that we ask for.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use minicbor::Decoder;
use minicbor::data::Type;

use crate::store::Passkey;

const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// The kinds of keys that we ask for, the best first: what every authenticator has, then what some
/// have, and what those of Windows had alone.
pub(in crate::session) const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];

/// A public key of a passkey.
pub(super) struct PublicKey(ParsedPublicKey);

/// What a key says of itself.
#[derive(Default)]
struct Parts<'a> {
    kind: Option<i64>,
    algorithm: Option<i64>,
    curve: Option<i64>,
    /// By label: -1 of RSA, and -2 and -3 of all.
    first: Option<&'a [u8]>,
    second: Option<&'a [u8]>,
    third: Option<&'a [u8]>,
}

impl PublicKey {
    /// `None` if it is damaged, or of a kind that nobody asked for. Its algorithm is that of the
    /// key, and never that of a signature.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        const OCTET: i64 = 1;
        const ELLIPTIC: i64 = 2;
        const RSA: i64 = 3;
        const P256: i64 = 1;
        const CURVE_25519: i64 = 6;
        let parts = Parts::read(bytes)?;
        let key = match (parts.kind?, parts.algorithm?, parts.curve) {
            (ELLIPTIC, ES256, Some(P256)) => {
                let (x, y) = (parts.second?, parts.third?);
                let is_whole = x.len() == 32 && y.len() == 32;
                let point = [&[4], x, y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, is_whole.then_some(point)?).ok()?
            }
            (OCTET, EDDSA, Some(CURVE_25519)) => {
                let point = parts.second.filter(|point| point.len() == 32)?;
                ParsedPublicKey::new(&ED25519, point).ok()?
            }
            (RSA, RS256, None) => {
                let components = RsaPublicKeyComponents { n: parts.first?, e: parts.second? };
                components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()?
            }
            _other => return None,
        };
        Some(Self(key))
    }

    /// Whether it has signed that.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

impl<'a> Parts<'a> {
    /// A label that comes twice is a fault, and so is anything behind the key.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
            slot.replace(value).is_none().then_some(())
        }
        if bytes.len() > Passkey::LONGEST_KEY {
            return None;
        }
        let mut decoder = Decoder::new(bytes);
        let mut parts = Self::default();
        for _ in 0..decoder.map().ok()?? {
            let label = decoder.i64().ok()?;
            let is_bytes = decoder.datatype().ok()? == Type::Bytes;
            match label {
                1 => once(&mut parts.kind, decoder.i64().ok()?)?,
                3 => once(&mut parts.algorithm, decoder.i64().ok()?)?,
                -1 if is_bytes => once(&mut parts.first, decoder.bytes().ok()?)?,
                -1 => once(&mut parts.curve, decoder.i64().ok()?)?,
                -2 => once(&mut parts.second, decoder.bytes().ok()?)?,
                -3 => once(&mut parts.third, decoder.bytes().ok()?)?,
                _other => decoder.skip().ok()?,
            }
        }
        (decoder.position() == bytes.len()).then_some(parts)
    }
}
