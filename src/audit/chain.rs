//! The codes that hold the record together.

use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret::Secret;

/// What a code speaks of, so that none can be passed off as another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    /// A line of the record.
    Line,
    /// How far the record goes.
    Head,
    /// A text that is not to be read, but to be known again.
    Text,
}

/// Makes and checks codes.
#[derive(Clone)]
pub(super) struct Chain(Key);

impl Chain {
    pub(super) fn new(key: &Secret) -> Self {
        Self(Key::new(HMAC_SHA256, key.expose()))
    }

    pub(super) fn code(&self, of: Of, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(sign(&self.0, &message(of, text)))
    }

    /// Whether the code is that of the text, in its one spelling.
    pub(super) fn holds(&self, of: Of, text: &str, code: &str) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(code);
        bytes.is_ok_and(|bytes| verify(&self.0, &message(of, text), &bytes).is_ok())
    }
}

fn message(of: Of, text: &str) -> Vec<u8> {
    let mark: &[u8] = match of {
        Of::Line => b"line\n",
        Of::Head => b"head\n",
        Of::Text => b"text\n",
    };
    [mark, text.as_bytes()].concat()
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain(..)")
    }
}
