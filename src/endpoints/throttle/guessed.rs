//! Whose password is guessed.

use super::key::Key;
use crate::endpoints::device::DeviceId;
use crate::identity::UserId;
use crate::session::normalize_username;

/// Whose password is guessed, as the guesses are counted: so many of each.
#[derive(Clone, Debug, Hash)]
pub(in crate::endpoints) enum Guessed {
    /// That of a normalised name, whether anybody has it or not.
    Name(String),
    /// On a device that the account was logged in on.
    Device(DeviceId),
    /// By somebody who is in.
    User(UserId),
    /// The second factor of somebody whose password is known.
    Factor(UserId),
    /// That of somebody who is in: whoever guesses at a login locks nobody out of a new password.
    OwnFactor(UserId),
    /// The first code of a secret that somebody who is in was offered.
    FirstCode(UserId),
}

impl Guessed {
    /// That of a name as it was typed.
    pub(in crate::endpoints) fn name(username: &str) -> Self {
        Self::Name(normalize_username(username))
    }
}

impl Key for Guessed {
    fn write(&self, to: &mut dyn FnMut(&[u8])) {
        let kind: &[u8] = match self {
            Self::Name(_) => b"name ",
            Self::Device(_) => b"device ",
            Self::User(_) => b"user ",
            Self::Factor(_) => b"factor ",
            Self::OwnFactor(_) => b"own factor ",
            Self::FirstCode(_) => b"first code ",
        };
        to(kind);
        match self {
            Self::Name(name) => to(name.as_bytes()),
            Self::Device(id) => to(id),
            Self::User(id) | Self::Factor(id) | Self::OwnFactor(id) | Self::FirstCode(id) => {
                id.write(to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_is_counted_apart_has_other_bytes() {
        let user = UserId(7);
        let all = [
            Guessed::name("x"),
            Guessed::name("y"),
            Guessed::name("\0\0\0\0\0\0\0\u{7}"),
            Guessed::Device([7; 16]),
            Guessed::Device([8; 16]),
            Guessed::User(user),
            Guessed::Factor(user),
            Guessed::OwnFactor(user),
            Guessed::FirstCode(user),
            Guessed::FirstCode(UserId(8)),
        ];
        let bytes = |guessed: &Guessed| {
            let mut bytes = Vec::new();
            guessed.write(&mut |part| bytes.extend_from_slice(part));
            bytes
        };
        let different: HashSet<_> = all.iter().map(bytes).collect();
        assert_eq!(different.len(), all.len());
        // As it is typed makes no difference.
        assert_eq!(bytes(&Guessed::name("ｘ")), bytes(&Guessed::name("x")));
    }
}
