//! Pages for people: sign in, look after one's account, read why something cannot be had.
//!
//! A page is a door to the auth endpoints: it asks them as any client would, and shows what they
//! say. No rule lives here, so that a page and a program are never told different things. What is
//! here alone is what browsers need: the cookie that holds a session, the way back to where
//! somebody wanted to go, languages, and the fields that keep a page what it is.
//!
//! What operators do, and what the record has of one's own account, is asked of the operators' door
//! ([`Office`]).
//!
//! `table.rs` is the whole of them, but for the admin site: that is `site`, where operators' commands
//! are given as at the admin socket. All work without their script; nothing is loaded from elsewhere.

mod account;
mod admission;
mod api;
mod api_keys;
mod assets;
mod blank;
mod colour;
mod confirm;
mod device;
mod devices;
mod email;
mod factors;
mod faults;
mod form;
mod language;
mod lately;
mod look;
mod moment;
mod next;
mod office;
mod onward;
mod outcome;
mod password;
mod portion;
mod qr;
mod question;
mod reader;
mod refusal;
mod register;
mod reset;
mod serve;
mod settings;
mod show;
mod sign_in;
mod sign_out;
mod site;
mod table;
mod verify;
mod visit;
mod wording;

pub use admission::SignIn;
pub use colour::Colour;
pub use look::{FILES, Look};
pub use office::{Commanded, Denied, Office};
pub use question::{Answer, Asked, Desk, Question};
pub use reader::Reader;
pub use serve::Pages;
pub use settings::{Logo, Offers, PagesSettings, Registering, SiteSettings};
pub use visit::{Shown, Visited};
pub use wording::{Wording, WordingFault};
