//! Which users an operator looks for.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::store::{User, fold_case};

/// Which users are listed; everybody where nothing is asked for.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserFilter {
    /// A part of the login name or of the address, in any case.
    pub text: String,
    /// A role that they have, their groups' roles included.
    pub role: String,
    /// Whether they are let in.
    pub active: Option<bool>,
    /// Those who have not logged in for so many days, or never.
    pub idle_days: Option<NonZeroU32>,
}

impl UserFilter {
    /// Whether it is everybody.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same with its text in the case that it is compared in.
    pub(in crate::admin) fn folded(self) -> Self {
        Self { text: fold_case(self.text.trim()), ..self }
    }

    /// Whether a user is one of them at that moment. The filter is [`folded`](Self::folded).
    pub(in crate::admin) fn takes(&self, user: &User, now: Timestamp) -> bool {
        let is_idle = |days: NonZeroU32| {
            let while_away = Duration::from_secs(u64::from(days.get()) * 24 * 60 * 60);
            user.last_login.is_none_or(|at| at.plus(while_away) <= now)
        };
        let says = |text: &str| has(text, &self.text);
        self.active.is_none_or(|active| user.active == active)
            && (self.role.is_empty() || user.roles.contains(&self.role))
            && self.idle_days.is_none_or(is_idle)
            && (self.text.is_empty() || says(&user.username) || says(&user.email))
    }
}

/// Whether a text has that folded part, in any case.
fn has(text: &str, part: &str) -> bool {
    // Nearly all names and addresses are ASCII: of those nothing is written anew, which is half the
    // time of a search.
    if !text.is_ascii() {
        return fold_case(text).contains(part);
    }
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|piece| piece.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_part_is_found_as_if_all_were_folded(
            text in "[a-cA-CkKıİßẞſK é.]{0,9}",
            part in "[a-cA-CkKıİßẞſK é.]{0,3}",
        ) {
            let part = fold_case(&part);
            prop_assert_eq!(has(&text, &part), fold_case(&text).contains(&part));
        }
    }
}
