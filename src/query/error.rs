//! Why a query, or the JSON it came as, is refused or fails.

use super::pointer::Pointer;

/// Why there is no answer. None of these is a decision, and none comes with a part of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no JSON, or JSON that is not taken: keys that stand twice, nesting that is too deep.
    #[error("the JSON is invalid at line {line}, column {column}: {why}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1, in bytes.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// The query is malformed, or asks for what there is not.
    #[error("{why}")]
    InvalidQuery {
        /// Where in the request.
        at: Pointer,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// `from` names no collection.
    #[error("there is no collection `{name}`")]
    InvalidCollection {
        /// Where in the request.
        at: Pointer,
        /// The name.
        name: String,
    },
    /// An identity is malformed, or its predicate cannot name a subject.
    #[error("{why}")]
    InvalidIdentity {
        /// Where in the request.
        at: Pointer,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A bound was passed.
    #[error("{what} may be at most {max}")]
    Limit {
        /// Where in the request; the whole of it for a bound on the answer.
        at: Pointer,
        /// What is bounded, with its unit.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The facts could not be read, or the request's budget is spent.
    #[error(transparent)]
    Facts(#[from] crate::model::Error),
}

impl Error {
    /// Where in the request, if it is at one place in it.
    pub fn at(&self) -> Option<&Pointer> {
        match self {
            Self::InvalidQuery { at, .. }
            | Self::InvalidCollection { at, .. }
            | Self::InvalidIdentity { at, .. }
            | Self::Limit { at, .. } => Some(at),
            Self::Json { .. } | Self::Facts(_) => None,
        }
    }
}

impl From<crate::base::Exceeded> for Error {
    fn from(exceeded: crate::base::Exceeded) -> Self {
        Self::Facts(exceeded.into())
    }
}
