//! Why a transaction is refused, and where in the request.

use std::fmt;
use std::sync::Arc;

use crate::model::SubjectId;
use crate::query::{self, Pointer};

/// Why a transaction is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The place in the request.
    pub at: Option<Pointer>,
    /// What is wrong there.
    pub problem: Problem,
}

/// What a spec is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecKind {
    /// `_predicate/spec`
    Predicate,
    /// `_predicate/txSpec`
    Transaction,
    /// `_collection/spec`
    Collection,
}

/// What is wrong with a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The body is no JSON that is read here.
    #[error(transparent)]
    Json(query::Error),
    /// The body is JSON, and no transaction.
    #[error("{0}")]
    Shape(String),
    /// A name, an identity or a value that is not one.
    #[error("{0}")]
    Invalid(String),
    /// A function in a value does not compile.
    #[error("the function does not compile: {0}")]
    Function(crate::lang::Error),
    /// A function in a value has no answer.
    #[error("the function has no answer: {0}")]
    Fault(crate::lang::Fault),
    /// A spec says no, or has no answer.
    #[error("{message}")]
    Spec {
        /// Which kind of spec.
        kind: SpecKind,
        /// What it is of, and its doc.
        message: String,
    },
    /// The author may not write this.
    #[error("{0}")]
    Denied(Arc<str>),
    /// The author may not do this at this subject.
    #[error("{0}")]
    NotAllowed(String),
    /// A value that names at most one subject names another.
    #[error("a value of the unique predicate `{0}` is taken")]
    Unique(Arc<str>),
    /// The schema does not allow it.
    #[error(transparent)]
    Schema(crate::schema::Error),
    /// The policy does not allow it, or would be none.
    #[error(transparent)]
    Policy(crate::policy::Error),
    /// Flakes that are laid over the state are of another block than the next.
    #[error("the flakes are not of the block that would be next; make them again")]
    Stale,
    /// A bound was passed.
    #[error("a transaction may have at most {max} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        max: usize,
    },
    /// The facts could not be read, or the work passed a bound.
    #[error(transparent)]
    Facts(#[from] crate::model::Error),
}

impl Problem {
    /// Something is used as it is.
    pub(super) fn in_use(subject: SubjectId, why: String) -> Self {
        Self::Schema(crate::schema::Error::InUse { subject, why })
    }
}

impl Error {
    pub(super) fn shape(at: &Pointer, why: impl Into<String>) -> Self {
        Self {
            at: Some(at.clone()),
            problem: Problem::Shape(why.into()),
        }
    }

    pub(super) fn invalid(at: &Pointer, why: impl Into<String>) -> Self {
        Self {
            at: Some(at.clone()),
            problem: Problem::Invalid(why.into()),
        }
    }
}

/// What a query says of an identity, said of a transaction.
pub(super) fn unidentified(error: query::Error) -> Error {
    match error {
        query::Error::InvalidIdentity { at, why } => Error::invalid(&at, why),
        query::Error::Facts(error) => error.into(),
        other => Error {
            at: other.at().cloned(),
            problem: Problem::Json(other),
        },
    }
}

/// Hidden and absent read the same, and no id is told that was not sent.
pub(super) fn absent(at: &Pointer) -> Error {
    Error::invalid(at, "invalid identity, does not exist")
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<crate::model::Error> for Error {
    fn from(error: crate::model::Error) -> Self {
        Self {
            at: None,
            problem: Problem::Facts(error),
        }
    }
}

impl From<crate::base::Exceeded> for Error {
    fn from(error: crate::base::Exceeded) -> Self {
        crate::model::Error::from(error).into()
    }
}
