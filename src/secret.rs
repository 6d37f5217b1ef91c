//! Bytes that must not be printed, compared carelessly or left behind in memory.

use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret bytes: a password, a signing secret, an opaque key.
///
/// Wiped on drop. It has no `Display`, `Serialize` or `PartialEq` on purpose: reading it takes
/// a visible [`expose`](Self::expose), comparing it the constant-time [`matches`](Self::matches).
///
/// ```
/// let password = portcullis::Secret::from("hunter2".to_owned());
/// assert!(password.matches(b"hunter2"));
/// assert_eq!(format!("{password:?}"), "Secret(..)");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The bytes themselves. Keep the borrow short and never format it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Compares in time that depends on the lengths only.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }
}

impl From<String> for Secret {
    // Takes the buffer over instead of copying it, so that no unwiped copy stays behind.
    fn from(value: String) -> Self {
        Self(Zeroizing::new(value.into_bytes()))
    }
}

impl From<Vec<u8>> for Secret {
    fn from(value: Vec<u8>) -> Self {
        Self(Zeroizing::new(value))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// Has types print their names alone.
macro_rules! unseen {
    ($($kind:ident)+) => {
        $(impl std::fmt::Debug for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($kind), "(..)"))
            }
        })+
    };
}

pub(crate) use unseen;

unseen! { Secret }
