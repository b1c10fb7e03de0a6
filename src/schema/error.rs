//! Why a change of the schema is refused.

use crate::model::SubjectId;

/// Why a change of the schema is refused, and at which subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A predicate is described wrongly.
    #[error("{why}")]
    InvalidPredicate {
        /// The predicate's subject.
        subject: SubjectId,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A collection is described wrongly.
    #[error("{why}")]
    InvalidCollection {
        /// The collection's subject.
        subject: SubjectId,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Something that is still used would go.
    #[error("{why}")]
    InUse {
        /// What would go.
        subject: SubjectId,
        /// What uses it.
        why: String,
    },
    /// The bootstrap that is compiled in is broken.
    #[error("the bootstrap is broken: {0}")]
    Bootstrap(String),
    /// The facts could not be read.
    #[error(transparent)]
    Facts(#[from] crate::model::Error),
}
