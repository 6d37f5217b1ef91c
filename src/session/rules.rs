//! What the operator has decided about accounts, in the form in which it is asked.

use std::collections::HashSet;

use super::settings::{AccountRules, Lookalikes};
use super::{UserKeySettings, normalize_username};
use crate::mail::Links;
use crate::store::{Terms, fold_case, looks};

/// What holds for accounts until a reload says otherwise.
#[derive(Debug, Default)]
pub struct Rules {
    settings: AccountRules,
    /// Names that only an operator may make, by what they are compared by.
    reserved: HashSet<String>,
    links: Option<Links>,
    user_keys: Option<UserKeySettings>,
}

impl Rules {
    /// `named` are names that a policy rule speaks of: only an operator may make them, in any
    /// case. Without `links` none are made.
    pub fn new(
        named: impl IntoIterator<Item = String>,
        settings: AccountRules,
        links: Option<Links>,
    ) -> Self {
        let all = named.into_iter().chain(settings.reserved.iter().cloned());
        let mut reserved: HashSet<_> = all.map(|name| in_one_case(&name)).collect();
        if settings.lookalikes == Lookalikes::Refuse {
            let alike: Vec<_> = reserved.iter().flat_map(|name| looks(name)).collect();
            reserved.extend(alike);
        }
        Self { settings, reserved, links, user_keys: None }
    }

    /// Lets users make keys.
    #[must_use]
    pub fn with_user_keys(self, user_keys: Option<UserKeySettings>) -> Self {
        Self { user_keys, ..self }
    }

    /// What users may do with keys; `None`: they make none.
    pub(super) const fn user_keys(&self) -> Option<&UserKeySettings> {
        self.user_keys.as_ref()
    }

    /// What a registration without an invitation has to meet.
    pub(super) fn terms(&self) -> Terms {
        self.settings.terms()
    }

    /// Whether the name is for operators.
    pub(super) fn reserve(&self, username: &str) -> bool {
        let alike = || looks(username).iter().any(|look| self.reserved.contains(look));
        self.reserved.contains(&in_one_case(username))
            || (self.settings.lookalikes == Lookalikes::Refuse && alike())
    }

    /// What makes links, if they are made.
    pub(super) const fn links(&self) -> Option<&Links> {
        self.links.as_ref()
    }
}

/// What reserved names are compared by.
fn in_one_case(name: &str) -> String {
    fold_case(&normalize_username(name))
}
