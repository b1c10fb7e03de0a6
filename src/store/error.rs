//! Why the store could not do what was asked.

use crate::model;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes on disk are not what was written.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// What was found, without values.
        what: String,
    },
    /// The disk does not answer, or a commit failed and the store takes no more until it is opened again.
    #[error("the store does not answer: {why}")]
    Unavailable {
        /// The cause, without values.
        why: String,
    },
    /// Another process, or another part of this one, has the file open.
    #[error("the file is in use elsewhere")]
    InUse,
    /// The file is not one that this product wrote.
    #[error("the file is not a Solon database")]
    NotOurs,
    /// A new store was asked for where there is one.
    #[error("the file already holds a database")]
    Exists,
    /// The file has a format that this version does not know.
    #[error("the file has format {found}; this version knows format {known}")]
    Version {
        /// The version that stands in the file.
        found: u64,
        /// The version that this code writes.
        known: u64,
    },
    /// A commit that cannot follow what is there.
    #[error("the commit cannot be applied: {why}")]
    Invalid {
        /// The rule of [`Commit`](crate::model::Commit) that it breaks, without values.
        why: String,
    },
}

impl Error {
    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }

    pub(super) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid { why: why.into() }
    }

    pub(super) fn unavailable(why: impl Into<String>) -> Self {
        Self::Unavailable { why: why.into() }
    }
}

impl From<Error> for model::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Corrupt { what } => Self::Corrupt { what },
            Error::Unavailable { why } => Self::Unavailable { why },
            other @ (Error::InUse
            | Error::NotOurs
            | Error::Exists
            | Error::Version { .. }
            | Error::Invalid { .. }) => Self::Unavailable {
                why: other.to_string(),
            },
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<redb::StorageError> for Error {
    fn from(error: redb::StorageError) -> Self {
        match error {
            redb::StorageError::Corrupted(what) => Self::Corrupt { what },
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<redb::TableError> for Error {
    fn from(error: redb::TableError) -> Self {
        match error {
            redb::TableError::Storage(error) => error.into(),
            other => Self::corrupt(other.to_string()),
        }
    }
}

impl From<redb::TransactionError> for Error {
    fn from(error: redb::TransactionError) -> Self {
        match error {
            redb::TransactionError::Storage(error) => error.into(),
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<redb::CommitError> for Error {
    fn from(error: redb::CommitError) -> Self {
        match error {
            redb::CommitError::Storage(error) => error.into(),
            other => Self::unavailable(other.to_string()),
        }
    }
}

impl From<redb::SetDurabilityError> for Error {
    fn from(error: redb::SetDurabilityError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<redb::CursorError> for Error {
    fn from(error: redb::CursorError) -> Self {
        match error {
            redb::CursorError::Storage(error) => error.into(),
            other => Self::corrupt(other.to_string()),
        }
    }
}

impl From<redb::DatabaseError> for Error {
    fn from(error: redb::DatabaseError) -> Self {
        match error {
            redb::DatabaseError::DatabaseAlreadyOpen
            | redb::DatabaseError::LockProtocolMismatch => Self::InUse,
            redb::DatabaseError::UpgradeRequired(_) => Self::NotOurs,
            redb::DatabaseError::Storage(redb::StorageError::Io(error))
                if error.kind() == std::io::ErrorKind::InvalidData =>
            {
                Self::NotOurs
            }
            redb::DatabaseError::Storage(error) => error.into(),
            other => Self::unavailable(other.to_string()),
        }
    }
}
