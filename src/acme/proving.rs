//! The one place where an order depends on how names are proved.

use instant_acme::{ChallengeHandle, ChallengeType};

use super::challenges::{Answering, Challenges};
use super::{AcmeError, Proof};
use crate::tls::{self, ServerTls};

/// Gives the proofs of one order; dropped, it takes them away.
#[derive(Debug)]
pub(super) enum Proving<'a> {
    Http01(Answering<'a>),
    TlsAlpn01(tls::Proving<'a>),
}

impl<'a> Proving<'a> {
    /// Begins to give them.
    pub(super) fn begin(proof: Proof, challenges: &'a Challenges, tls: &'a ServerTls) -> Self {
        match proof {
            Proof::Http01 => Self::Http01(challenges.open()),
            Proof::TlsAlpn01 => Self::TlsAlpn01(tls.prove()),
        }
    }

    /// What the authority calls it.
    pub(super) const fn kind(&self) -> ChallengeType {
        match self {
            Self::Http01(_) => ChallengeType::Http01,
            Self::TlsAlpn01(_) => ChallengeType::TlsAlpn01,
        }
    }

    /// Gives what a challenge asks for, from now on.
    pub(super) fn meet(
        &self,
        domain: &str,
        challenge: &ChallengeHandle<'_>,
    ) -> Result<(), AcmeError> {
        let answer = challenge.key_authorization();
        match self {
            Self::Http01(answering) => answering.add(&challenge.token, answer.as_str()),
            Self::TlsAlpn01(proving) => {
                proving.add(domain, answer.as_str()).map_err(AcmeError::NoProof)?;
            }
        }
        Ok(())
    }
}
