//! What passkeys sign.

use crate::clock::Timestamp;
use crate::identity::UserId;
use crate::keys::KeyError;
use crate::session::Sessions;
use crate::session::authenticate::hash_of_key;
use crate::session::challenges::CHALLENGE_LIFE;
use crate::session::webauthn::Fault;
use crate::store::SignedChallenge;

/// What a challenge is for. Nothing that is signed for one is good for another.
#[derive(Clone, Copy)]
pub(super) enum Aim {
    /// To come in, whoever it is.
    SignIn,
    /// To show that it is this user, who has shown something else already.
    Proof(UserId),
    /// To have a passkey more.
    New(UserId),
}

/// A challenge as it comes back.
pub(super) struct Challenged {
    /// When it was made.
    pub(super) at: Timestamp,
    pub(super) handle: Vec<u8>,
    pub(super) signed: SignedChallenge,
}

impl Sessions {
    /// A challenge that nobody else can make and nobody has to remember, until it was signed: only
    /// then a store keeps that it was used, so strangers who ask for many of them fill nothing.
    pub(super) fn passkey_challenge(&self, aim: Aim, handle: &[u8]) -> Result<Vec<u8>, KeyError> {
        let at = self.clock.now().as_millis().to_be_bytes();
        self.keys.seal(&[&at, handle].concat(), &aim.context())
    }

    pub(super) fn challenged_passkey(
        &self,
        aim: Aim,
        challenge: &[u8],
    ) -> Result<Challenged, Fault> {
        let plain = self.keys.unseal(challenge, &aim.context()).ok_or(Fault::Challenge)?;
        let (at, handle) = plain.expose().split_first_chunk::<8>().ok_or(Fault::Challenge)?;
        let at = Timestamp::from_millis(u64::from_be_bytes(*at));
        let expires = at.plus(CHALLENGE_LIFE);
        if self.clock.now() >= expires {
            return Err(Fault::Challenge);
        }
        let signed = SignedChallenge { hash: hash_of_key(challenge), expires };
        Ok(Challenged { at, handle: handle.to_vec(), signed })
    }
}

impl Aim {
    fn context(self) -> String {
        match self {
            Self::SignIn => "passkey challenge to sign in".to_owned(),
            Self::Proof(user) => format!("passkey challenge of user {user}"),
            Self::New(user) => format!("challenge for a new passkey of user {user}"),
        }
    }
}
