//! Challenges: a login by password goes on with a second factor.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::authenticate::hash_of_key;
use super::passkeys::PasskeyOptions;
use super::{AuthError, Sessions};
use crate::audit::Kind;
use crate::clock::Timestamp;
use crate::keys::KeyError;
use crate::secret::unseen;
use crate::store::{Answered, Factors, NewToken, Purpose, SecondFactor, TokenRef, User};

/// How long a challenge may wait for its answer.
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(5 * 60);

/// What a login by password gets that has to show a second factor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// An access and a refresh token.
    Pair,
    /// A sliding token.
    Sliding,
}

/// A question to somebody whose password was right. `Debug` does not show it.
pub struct Challenge {
    /// What has to come with the second factor, once.
    pub text: Zeroizing<String>,
    /// Whether a code of an authenticator app answers it.
    pub totp: bool,
    /// Whether there are recovery codes left to answer it with.
    pub recovery: bool,
    /// What a browser is to ask for that a passkey answers it, if the user has any.
    pub passkey: Option<PasskeyOptions>,
}

/// Somebody whose second factor was right.
#[derive(Clone, Debug)]
pub struct Met {
    /// Who it is.
    pub user: User,
    /// What was shown.
    pub second: SecondFactor,
    /// What the password was shown for.
    pub wanted: Wanted,
}

/// What became of an answer.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one is made and taken apart at once")]
pub enum Reply {
    /// It was right.
    Met(Met),
    /// It was not, or was used before.
    Wrong,
    /// The challenge is unknown, used, or too old, or its account is another by now.
    BadChallenge,
}

/// A challenge taken apart.
#[derive(Clone, Copy, Debug)]
pub struct ChallengeRef {
    token: TokenRef,
    wanted: Wanted,
}

unseen! { Challenge }

impl Sessions {
    /// A challenge for a user whose password was right, and who has these second factors.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; the password alone opens nothing then.
    pub async fn challenge(
        &self,
        user: &User,
        factors: &Factors,
        wanted: Wanted,
    ) -> Result<Challenge, AuthError> {
        let mut bits = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bits).map_err(|_| KeyError::NoRandomness)?;
        let random = Zeroizing::new(URL_SAFE_NO_PAD.encode(*bits));
        let text = Zeroizing::new(format!("{}.{}.{}", user.id, wanted.letter(), *random));
        let at = self.clock.now();
        let token = NewToken {
            user: user.id,
            purpose: Purpose::Challenge,
            hash: hash_of_key(text.as_bytes()),
            basis: user.basis(),
            address: String::new(),
            at,
            expires: at.plus(CHALLENGE_LIFE),
        };
        if !self.store.add_token(token).await? {
            return Err(AuthError::PasswordChanged);
        }
        Ok(Challenge {
            text,
            totp: factors.confirmed_totp().is_some(),
            recovery: !factors.recovery.is_empty(),
            passkey: self.ask_for_passkey_of(user.id, factors)?,
        })
    }

    /// Whose challenge that is, if it is good now. It is not used up by asking.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; never treat it as a bad challenge.
    pub async fn challenged(&self, text: &str) -> Result<Option<(ChallengeRef, User)>, AuthError> {
        let Some(challenge) = ChallengeRef::read(text, self.clock.now()) else { return Ok(None) };
        let user = self.store.token_user(challenge.token).await?;
        Ok(user.map(|user| (challenge, user)))
    }

    /// Takes the answer to a challenge. Right, it is used up with the challenge.
    ///
    /// # Errors
    ///
    /// [`AuthError`]; never treat it as a wrong answer.
    pub async fn answer(
        &self,
        challenge: ChallengeRef,
        user: &User,
        code: &str,
    ) -> Result<Reply, AuthError> {
        let factors = self.store.factors(user.id).await?.filter(Factors::are_confirmed);
        let Some(factors) = factors else { return Ok(Reply::BadChallenge) };
        let proof = match self.proof(user.id, &factors, code)? {
            Ok(proof) => proof,
            Err(wrong) => {
                self.record_wrong(user, &wrong);
                return Ok(Reply::Wrong);
            }
        };
        let second = proof.kind();
        Ok(match self.store.answer_challenge(challenge.token, proof).await? {
            Answered::Right(user) => {
                self.record_factor(&user, Kind::FactorUsed, Some(second));
                Reply::Met(Met { user, second, wanted: challenge.wanted })
            }
            Answered::Wrong => {
                self.record_factor(user, Kind::FactorFailed, Some(second));
                Reply::Wrong
            }
            Answered::BadChallenge => Reply::BadChallenge,
        })
    }
}

impl Wanted {
    const fn letter(self) -> char {
        match self {
            Self::Pair => 'p',
            Self::Sliding => 's',
        }
    }
}

impl ChallengeRef {
    /// What the password was shown for.
    pub const fn wanted(self) -> Wanted {
        self.wanted
    }

    /// The whole text is hashed, so that no part of it can be exchanged.
    fn read(text: &str, at: Timestamp) -> Option<Self> {
        let (user, rest) = text.split_once('.')?;
        let wanted = match rest.split_once('.')?.0 {
            "p" => Wanted::Pair,
            "s" => Wanted::Sliding,
            _ => return None,
        };
        let hash = hash_of_key(text.as_bytes());
        let user = user.parse().ok()?;
        Some(Self { token: TokenRef { user, purpose: Purpose::Challenge, hash, at }, wanted })
    }
}
