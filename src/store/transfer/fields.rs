//! Records as bytes, each in one way only: what a sum is made over.
//!
//! Every field is named, so that one that is added does not compile until it counts as well.

use super::{AllNumbers, KeptToken, KeptTokens, StoreRecord};
use crate::clock::Timestamp;
use crate::identity::{SessionId, UserId};
use crate::store::factor::{Factors, Totp};
use crate::store::moving::{KeptInvitation, KeptSession, Numbers};
use crate::store::record::{Mark, PasswordHash, RefreshGrant, Session, SpentGrant, User};
use crate::store::{
    ApiKey, EndReason, Group, Invitation, Letter, Passkey, SecondFactor, SignedChallenge, UserKey,
};

/// Fields, one behind the other. Each says where it ends.
#[derive(Default)]
pub(super) struct Fields(Vec<u8>);

impl Fields {
    /// The bytes of a record; those of no other are the same.
    pub(super) fn of(record: &StoreRecord) -> Vec<u8> {
        let mut fields = Self::default();
        fields.record(record);
        fields.0
    }

    fn record(&mut self, record: &StoreRecord) {
        match record {
            StoreRecord::Numbers(AllNumbers { exported, groups, letters }) => {
                let Numbers { users, sessions, invitations, keys } = exported;
                for number in [users, sessions, invitations, keys, groups, letters] {
                    self.number(*number);
                }
            }
            StoreRecord::Group { number, group: Group { name, roles } } => {
                self.number(*number);
                self.text(name);
                self.texts(roles);
            }
            StoreRecord::User(user) => self.user(user),
            StoreRecord::Session(KeptSession { session, adopted }) => {
                self.session(session);
                self.maybe(adopted.as_ref(), |fields, jti| fields.text(jti));
            }
            StoreRecord::ApiKey { user: UserId(user), key: ApiKey { hash, sealed } } => {
                self.number(*user);
                self.bytes(hash);
                self.bytes(sealed);
            }
            StoreRecord::Invitation(KeptInvitation { hash, invitation }) => {
                let Invitation { id, email, roles, left, created, expires } = invitation;
                self.number(*id);
                self.bytes(hash);
                self.text(email);
                self.texts(roles);
                self.number(left.get().into());
                self.at(*created);
                self.at(*expires);
            }
            StoreRecord::Deleted(UserId(user)) => self.number(*user),
            StoreRecord::Letter(letter) => self.letter(letter),
            StoreRecord::Tokens(tokens) => self.tokens(tokens),
            StoreRecord::UserKey(key) => self.user_key(key),
            StoreRecord::Factors { user: UserId(user), factors } => {
                self.number(*user);
                self.factors(factors);
            }
            StoreRecord::Signed(SignedChallenge { hash, expires }) => {
                self.bytes(hash);
                self.at(*expires);
            }
        }
    }

    fn user(&mut self, user: &User) {
        let User {
            id: UserId(id),
            username,
            email,
            email_verified,
            password,
            active,
            roles,
            // What its groups give it is theirs.
            inherited: _,
            groups,
            claims,
            created,
            last_login,
            password_mark,
            logout_mark,
        } = user;
        self.number(*id);
        self.text(username);
        self.text(email);
        self.number((*email_verified).into());
        self.maybe(password.as_ref().map(PasswordHash::expose), Self::text);
        self.number((*active).into());
        self.texts(roles);
        self.texts(groups);
        self.number(claims.len() as u64);
        for (name, value) in claims {
            self.text(name);
            self.text(value);
        }
        self.at(*created);
        self.maybe(*last_login, Self::at);
        self.maybe(*password_mark, Self::mark);
        self.maybe(*logout_mark, Self::mark);
    }

    fn session(&mut self, session: &Session) {
        let Session {
            id: SessionId { number, tag },
            user: UserId(user),
            started,
            last_used,
            expires,
            ends,
            ended,
            refresh,
            spent,
            device,
            address,
            second,
            // It has the `jti` of a token made elsewhere, or it has not.
            is_adopted: _,
        } = session;
        for number in [number, tag, user] {
            self.number(*number);
        }
        for at in [started, last_used, expires, ends] {
            self.at(*at);
        }
        self.maybe(*ended, |fields, (at, reason): (Timestamp, EndReason)| {
            fields.at(at);
            fields.number(reason.code().into());
        });
        self.maybe(refresh.as_ref(), Self::grant);
        self.number(spent.len() as u64);
        for SpentGrant { jti, at, successor } in spent {
            self.text(jti);
            self.at(*at);
            self.grant(successor);
        }
        self.text(device);
        self.text(address);
        self.maybe(*second, |fields, second: SecondFactor| fields.number(second.code().into()));
    }

    fn grant(&mut self, grant: &RefreshGrant) {
        let RefreshGrant { jti, issued, expires } = grant;
        self.text(jti);
        self.at(*issued);
        self.at(*expires);
    }

    fn letter(&mut self, letter: &Letter) {
        let Letter { number, kind, user: UserId(user), to, basis, posted, due, attempts } = letter;
        self.number(*number);
        self.number(kind.code().into());
        self.number(*user);
        self.text(to);
        self.bytes(basis);
        self.at(*posted);
        self.at(*due);
        self.number((*attempts).into());
    }

    fn tokens(&mut self, kept: &KeptTokens) {
        let KeptTokens { user: UserId(user), purpose, tokens } = kept;
        self.number(*user);
        self.number((*purpose).into());
        self.number(tokens.len() as u64);
        for KeptToken { hash, basis, address, expires } in tokens {
            self.bytes(hash);
            self.bytes(basis);
            self.text(address);
            self.at(*expires);
        }
    }

    fn user_key(&mut self, key: &UserKey) {
        let UserKey {
            id,
            user: UserId(user),
            hash,
            name,
            hint,
            scopes,
            created,
            expires,
            last_used,
        } = key;
        self.number(*id);
        self.number(*user);
        self.bytes(hash);
        self.text(name);
        self.text(hint);
        self.maybe(scopes.as_deref(), Self::texts);
        self.at(*created);
        self.maybe(*expires, Self::at);
        self.maybe(*last_used, Self::at);
    }

    fn factors(&mut self, factors: &Factors) {
        let Factors { totp, recovery, passkeys } = factors;
        self.maybe(totp.as_ref(), |fields, totp| {
            let Totp { sealed, created, confirmed, step } = totp;
            fields.bytes(sealed);
            fields.at(*created);
            fields.maybe(*confirmed, Self::at);
            fields.number(*step);
        });
        self.number(recovery.len() as u64);
        for hash in recovery {
            self.bytes(hash);
        }
        self.number(passkeys.len() as u64);
        for passkey in passkeys {
            self.passkey(passkey);
        }
    }

    fn passkey(&mut self, passkey: &Passkey) {
        let Passkey {
            credential,
            key,
            handle,
            count,
            may_be_copied,
            is_copied,
            name,
            created,
            used,
        } = passkey;
        for bytes in [credential, key, handle] {
            self.bytes(bytes);
        }
        self.number((*count).into());
        self.number((*may_be_copied).into());
        self.number((*is_copied).into());
        self.text(name);
        self.at(*created);
        self.maybe(*used, Self::at);
    }

    fn mark(&mut self, mark: Mark) {
        let Mark { session, at } = mark;
        self.number(session);
        self.at(at);
    }

    fn at(&mut self, at: Timestamp) {
        self.number(at.as_millis());
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn texts(&mut self, texts: &[String]) {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.number(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }
}
