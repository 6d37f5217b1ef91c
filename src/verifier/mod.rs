//! Verifying the gateway's access tokens elsewhere: in a service of another process, which has the
//! public keys and follows the gateway's feed of revocations.
//!
//! A token is judged here, without a question to anybody, as long as nothing has changed about its
//! user since it was issued. Of whom something has changed (a logout, another password, a role that
//! was taken, an account that was shut out), the feed tells within moments, and from then on each
//! older token of that user is asked about at the gateway once, which knows what is so now. Who has
//! not heard from the feed for a while cannot know that: it says so by
//! [`VerifyError::Silent`], and the caller decides.

mod ask;
mod builder;
mod error;
mod follow;
mod known;
mod verify;

pub use builder::{Builder, SourceError};
pub use error::VerifyError;
pub use verify::Verifier;

pub use crate::token::TokenError;
