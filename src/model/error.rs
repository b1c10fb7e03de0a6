//! Why reading facts can fail.

use crate::base::Exceeded;

/// Why facts could not be read. None of these is a decision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes on disk are not what was written.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// What was found, without values.
        what: String,
    },
    /// The facts cannot be read now: the snapshot's lease ended, or the disk does not answer.
    #[error("the facts cannot be read now: {why}")]
    Unavailable {
        /// The cause, without values.
        why: String,
    },
    /// The request's work passed a bound.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
}
