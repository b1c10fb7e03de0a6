//! Why something is not permitted, or a change of the policy is not one.

use std::sync::Arc;

use crate::model::SubjectId;

/// What a refused bearer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the staged flakes was refused first, in the request's order.
    pub index: usize,
    /// The rule's own message, or the standing one.
    pub message: Arc<str>,
}

/// Why something is not permitted, or a change of the policy is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A write that the rules do not allow.
    #[error("{}", .0.message)]
    Write(Refusal),
    /// A change of what others may do, by one who may not give it.
    #[error("{why}")]
    Grant {
        /// The subject that would be changed.
        subject: SubjectId,
        /// What would be needed.
        why: &'static str,
    },
    /// A rule that is none: it lacks a part, or names what does not exist.
    #[error("{why}")]
    InvalidRule {
        /// The rule.
        subject: SubjectId,
        /// What is wrong.
        why: String,
    },
    /// A function that does not compile.
    #[error("{why}")]
    InvalidFunction {
        /// The function.
        subject: SubjectId,
        /// What is wrong, with line and column.
        why: String,
    },
    /// What the system needs would be changed.
    #[error("{why}")]
    Fixed {
        /// The subject that would be changed.
        subject: SubjectId,
        /// Why it stays as it is.
        why: &'static str,
    },
    /// Something that a rule uses would go.
    #[error("{why}")]
    InUse {
        /// What would go.
        subject: SubjectId,
        /// What uses it.
        why: String,
    },
    /// The facts could not be read, or a bound was passed: no decision.
    #[error(transparent)]
    Facts(#[from] crate::model::Error),
}
