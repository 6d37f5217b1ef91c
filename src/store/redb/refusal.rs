//! What is wrong at the place of a store, and what to do about it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use redb::DatabaseError;

use super::open::Place;
use crate::store::{OpenError, StoreError};

pub(super) const EMPTY: &str =
    "the file is empty: remove it to begin a new store, or put a backup in its place";
pub(super) const ALIEN: &str = "this is no store of portcullis: set `[store] path` to another file";
const DAMAGED: &str = "the store is damaged: put a backup in its place";
const NEWER: &str =
    "the store was written by a newer portcullis: run that one, or restore a backup";

impl Place<'_> {
    pub(super) fn damaged(self) -> OpenError {
        self.foreign(DAMAGED, None)
    }

    pub(super) fn newer(self) -> OpenError {
        self.foreign(NEWER, None)
    }

    /// The disk's fault, or the file's.
    pub(super) fn failed(self, error: redb::Error) -> OpenError {
        // What the file holds, or what the disk says?
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        if let redb::Error::Io(error) = error {
            if !matches!(error.kind(), InvalidData | UnexpectedEof) {
                return self.io(error);
            }
            return self.foreign(DAMAGED, Some(error.into()));
        }
        self.foreign(DAMAGED, Some(error.into()))
    }

    /// What is stored is not what has to be, unless it was the disk.
    pub(super) fn spoiled(self, error: StoreError) -> OpenError {
        match error {
            StoreError::Unavailable(cause) => match cause.downcast() {
                Ok(error) => self.failed(*error),
                Err(cause) => self.foreign(DAMAGED, Some(cause)),
            },
            error @ (StoreError::Corrupt { .. } | StoreError::HandedOver) => {
                self.foreign(DAMAGED, Some(error.into()))
            }
        }
    }

    /// No store can be made of what is there.
    pub(super) fn unfit(self, why: &'static str) -> OpenError {
        self.foreign(DAMAGED, Some(why.into()))
    }

    pub(super) fn refused(self, error: DatabaseError) -> OpenError {
        if let DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch = error {
            return OpenError::Locked { path: self.path() };
        }
        self.failed(error.into())
    }

    pub(super) fn foreign(
        self,
        reason: &'static str,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> OpenError {
        OpenError::Foreign { path: self.path(), reason, newer: reason == NEWER, source }
    }

    pub(super) fn io(self, source: io::Error) -> OpenError {
        OpenError::Io { path: self.path(), source }
    }

    pub(super) fn path(self) -> PathBuf {
        self.0.to_owned()
    }
}
