//! A store in a database on its way from or to one of another kind.

mod pour;
mod put;
mod tables;
mod target;

pub use target::DatabaseCopy;

/// In the place of a version: a copy that was not finished. A program that knows of none takes it for a
/// version that is newer than its own, and does not open the store either.
pub(super) const UNFINISHED: u64 = i64::MAX.cast_unsigned();
