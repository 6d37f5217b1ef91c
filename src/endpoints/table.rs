//! The endpoints, one row for each method of each.

mod account;
mod factors;
mod keys;
mod logins;
mod others;
mod sessions;

use super::Row;
use super::fields::{Field, Rule};
use super::given::{Kind, Member, Shape};

const ACCESS: Field = Field::new("access", "Access", Rule::Answered);
const EMAIL: Field = Field::new("email", "Email address", Rule::Email);
const USERNAME: Field = Field::new("username", "Username", Rule::Text);
const CREDENTIAL: Field = Field::new("credential", "Passkey", Rule::Text);
const OTP: Field = Field::new("otp", "Code", Rule::Text);
const PASSWORD: Field = Field::new("password", "Password", Rule::Text);
const REFRESH: Field = Field::new("refresh", "Refresh", Rule::Text);
const TOKEN: Field = Field::new("token", "Token", Rule::Text);
const USERNAME_IS: Member = Member::text("username");
const EMAIL_IS: Member = Member::text("email");
const ACCESS_IS: Member = Member::text("access");
const REFRESH_IS: Member = Member::text("refresh");
const EMPTY: Shape = Shape::Object(&[]);
const OPTIONS: Shape = Shape::Object(&[
    Member::new("publicKey", Kind::Object),
    Member::new("expires_in", Kind::Whole),
]);

/// All of them, by what they are about. Rows of one path stand together.
pub(super) static TABLE: [&[Row]; 6] =
    [&logins::ROWS, &sessions::ROWS, &keys::ROWS, &factors::ROWS, &account::ROWS, &others::ROWS];
