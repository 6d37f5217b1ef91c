//! `expect` lines beside those of the policy.

use std::fmt;

use crate::config::Config;
use crate::policy::Expectation;

/// Lines that do not hold, or are none; `Display` and `Debug` say what happens instead, a line
/// each, so that a test that returns or unwraps it shows them.
#[derive(Clone, Eq, PartialEq)]
pub struct Unmet(Vec<String>);

/// Asks a policy, as `expect` in it does: `role:editor DELETE /orders/7 -> app`. The lines in the
/// policy itself hold already, or there would be no [`Config`].
///
/// ```
/// use std::path::Path;
///
/// use portcullis::Config;
/// use portcullis::testing::{Unmet, expect};
///
/// // In a program: #[test]
/// fn the_policy_is_as_we_think() -> Result<(), Unmet> {
///     let policy = "[upstreams]\nx = { whoami = true }\n[routes]\n\"/*\" = { to = \"x\" }\n";
///     let checked = Config::parse("policy", policy, Path::new(".")).unwrap();
///     expect(&checked.config, ["anyone GET /a -> 401", "user GET /a -> x"])
/// }
/// # the_policy_is_as_we_think().unwrap();
/// ```
///
/// # Errors
///
/// [`Unmet`] with every line that does not hold.
pub fn expect<L: AsRef<str>>(
    config: &Config,
    lines: impl IntoIterator<Item = L>,
) -> Result<(), Unmet> {
    let unmet: Vec<_> = lines.into_iter().filter_map(|line| fault(config, line.as_ref())).collect();
    if unmet.is_empty() { Ok(()) } else { Err(Unmet(unmet)) }
}

fn fault(config: &Config, line: &str) -> Option<String> {
    match Expectation::parse(line) {
        Ok(expectation) => Some(expectation.check(&config.routes).err()?.to_string()),
        Err(error) => Some(format!("`{line}`: {error}")),
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl fmt::Debug for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for Unmet {}
