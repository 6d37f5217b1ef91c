//! A store in a file on its way from or to one of another kind.

mod rows;
mod spans;
mod target;

pub use rows::RowReader;
pub use target::FileCopy;

/// In the place of a version: a copy that was not finished. A binary that knows of none takes it for a
/// version that is newer than its own, and does not open the file either.
pub(super) const UNFINISHED: u64 = u64::MAX;

pub(super) const UNFINISHED_COPY: &str = "this is a copy that was not finished: run the same `portcullis \
                                          store copy` again, or remove the file";
