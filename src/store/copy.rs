//! A whole store, piece by piece: what a backup is made of.

use std::io;

/// A piece of a copy, in the order in which they come: one beginning, then each table with its
/// rows, then one end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Piece<'a> {
    /// The beginning.
    Store {
        /// The form of what follows, as the backend counts; an older backend cannot read a newer.
        format: u64,
        /// How many rows there will be, of all tables together.
        rows: u64,
    },
    /// A table begins.
    Table(&'a str),
    /// A row of the table that began last.
    Row {
        /// As the backend stores it.
        key: &'a [u8],
        /// As the backend stores it.
        value: &'a [u8],
    },
    /// That was all.
    End,
}

/// Takes the pieces of a copy. It may block; an error ends the copy.
pub type CopySink = Box<dyn FnMut(Piece<'_>) -> io::Result<()> + Send>;
