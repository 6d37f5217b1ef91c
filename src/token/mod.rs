//! Tokens: made, taken apart, verified, remembered. One verifier for all of the code.

mod cache;
mod claims;
mod compact;
mod freshness;
mod identity;
mod issue;
mod journal;
mod news;
mod published;
mod revision;
mod settings;
mod strict_json;
mod verify;

pub use cache::{CALLERS, Entry, TokenCache};
pub use claims::{Claims, TokenKind};
pub use freshness::{FreshnessSettings, WhenStale};
pub use identity::Bound;
pub use issue::{Grant, Profile, Signer, methods, new_id};
pub use journal::Passage;
pub use news::{Caller, News, Question, Sealed, Verdict};
pub use published::{Demands, PublishedToken};
pub use revision::{Bumped, Revision, Revisions};
pub use settings::{IssuerKeys, IssuerSettings, TokenSettings};
pub use verify::{Origin, TokenError, Verified, Verifier, VerifyError};

#[cfg(test)]
mod tests;
