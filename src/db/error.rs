//! What a user of the library sees when something is refused or fails.

use std::fmt;

use crate::base::Exceeded;
use crate::{model, policy, query, schema, store, token, transact};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Fix the request.
    Invalid,
    /// Get a token.
    Unauthenticated,
    /// A rule said no, or none said yes.
    Denied,
    /// It is not there, or not to be seen.
    NotFound,
    /// Read again and retry.
    Conflict,
    /// Ask for less.
    Limit(LimitKind),
    /// Retry later.
    Unavailable,
    /// Stop and restore.
    Corrupt,
    /// Report it.
    Internal,
}

/// Which limit was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// The request asks for too much work, or for too large an answer.
    Request,
    /// The request is too large.
    Body,
    /// The request's deadline.
    Time,
    /// Too many requests.
    Rate,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    at: Option<String>,
    retry_after_seconds: Option<u64>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            code,
            message: message.into(),
            at: None,
            retry_after_seconds: None,
        }
    }

    pub(super) fn with_place(mut self, at: Option<&query::Pointer>) -> Self {
        self.at = at.map(ToString::to_string);
        self
    }

    /// The same, about another place.
    pub(super) fn with_at(mut self, at: String) -> Self {
        self.at = Some(at);
        self
    }

    /// The same, and when it may be tried again.
    pub(super) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds.max(1));
        self
    }

    /// The same, found in a part of the request that is a text by itself: its place is one in that text.
    pub(super) fn within(mut self, part: &str) -> Self {
        self.message = format!("in {part}: {}", self.message);
        self
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, "db/unavailable", message)
    }

    pub(super) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, "db/corrupt", message)
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "db/internal", message)
    }

    /// Law 1: the auth has no allow rule at all, or the rules of the op do not reach the target.
    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, "db/no-permission", message)
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// A stable slug, such as `db/invalid-tx`. Every code stands in docs/errors.md.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Prose for people; it may change.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the request: a JSON pointer, or a line and a column.
    pub fn at(&self) -> Option<&str> {
        self.at.as_deref()
    }

    /// When it may be tried again, seconds from now, where that is known; 1 at the least.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_seconds
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) if !at.is_empty() => write!(f, "{}: {} (at {at})", self.code, self.message),
            _ => write!(f, "{}: {}", self.code, self.message),
        }
    }
}

impl std::error::Error for Error {}

impl From<Exceeded> for Error {
    fn from(error: Exceeded) -> Self {
        let kind = match error {
            Exceeded::Steps { .. } | Exceeded::Query { .. } => LimitKind::Request,
            Exceeded::Deadline => LimitKind::Time,
        };
        let code = match error {
            Exceeded::Steps { .. } | Exceeded::Query { .. } => "db/exceeded-cost",
            Exceeded::Deadline => "db/deadline",
        };
        Self::new(ErrorKind::Limit(kind), code, error.to_string())
    }
}

impl From<model::Error> for Error {
    fn from(error: model::Error) -> Self {
        match error {
            model::Error::Corrupt { .. } => {
                Self::new(ErrorKind::Corrupt, "db/corrupt", error.to_string())
            }
            model::Error::Unavailable { .. } => Self::unavailable(error.to_string()),
            model::Error::Exceeded(exceeded) => exceeded.into(),
        }
    }
}

impl From<query::Error> for Error {
    fn from(error: query::Error) -> Self {
        let message = error.to_string();
        let code = match &error {
            query::Error::Json { .. } => "db/invalid-json",
            query::Error::InvalidQuery { .. } => "db/invalid-query",
            query::Error::InvalidCollection { .. } => "db/invalid-collection",
            query::Error::InvalidIdentity { .. } => "db/invalid-ident",
            query::Error::Limit { .. } => {
                let kind = ErrorKind::Limit(LimitKind::Request);
                return Self::new(kind, "db/exceeded-cost", message).with_place(error.at());
            }
            query::Error::Facts(facts) => return facts.clone().into(),
        };
        let mut made = Self::new(ErrorKind::Invalid, code, message).with_place(error.at());
        if let query::Error::Json { line, column, .. } = error {
            made.at = Some(format!("line {line}, column {column}"));
        }
        made
    }
}

impl From<schema::Error> for Error {
    fn from(error: schema::Error) -> Self {
        let message = error.to_string();
        match error {
            schema::Error::InvalidPredicate { .. } => {
                Self::new(ErrorKind::Invalid, "db/invalid-predicate", message)
            }
            schema::Error::InvalidCollection { .. } => {
                Self::new(ErrorKind::Invalid, "db/invalid-collection", message)
            }
            schema::Error::InUse { .. } => Self::new(ErrorKind::Conflict, "db/in-use", message),
            schema::Error::Bootstrap(_) => Self::internal(message),
            schema::Error::Facts(error) => error.into(),
        }
    }
}

impl From<policy::Error> for Error {
    fn from(error: policy::Error) -> Self {
        let message = error.to_string();
        match error {
            policy::Error::Write(_) | policy::Error::Grant { .. } => {
                Self::new(ErrorKind::Denied, "db/write-permission", message)
            }
            policy::Error::InvalidRule { .. } => {
                Self::new(ErrorKind::Invalid, "db/invalid-rule", message)
            }
            policy::Error::InvalidFunction { .. } => {
                Self::new(ErrorKind::Invalid, "db/invalid-fn", message)
            }
            policy::Error::Fixed { .. } => Self::new(ErrorKind::Invalid, "db/invalid-tx", message),
            policy::Error::InUse { .. } => Self::new(ErrorKind::Conflict, "db/in-use", message),
            policy::Error::Facts(error) => error.into(),
        }
    }
}

impl From<transact::Error> for Error {
    fn from(error: transact::Error) -> Self {
        use crate::lang::Fault;
        use transact::{Problem, SpecKind};
        let message = error.to_string();
        let made = match error.problem {
            Problem::Json(error) => return error.into(),
            Problem::Shape(_) => Self::new(ErrorKind::Invalid, "db/invalid-transaction", message),
            Problem::Invalid(_) => Self::new(ErrorKind::Invalid, "db/invalid-tx", message),
            Problem::Fault(Fault::Stale) => {
                Self::new(ErrorKind::Conflict, "db/validation-error", message)
            }
            Problem::Function(_) | Problem::Fault(_) => {
                Self::new(ErrorKind::Invalid, "db/invalid-fn", message)
            }
            Problem::Spec { kind, .. } => {
                let code = match kind {
                    SpecKind::Predicate => "db/predicate-spec",
                    SpecKind::Transaction => "db/predicate-tx-spec",
                    SpecKind::Collection => "db/collection-spec",
                };
                Self::new(ErrorKind::Invalid, code, message)
            }
            Problem::NotAllowed(why) => Self::denied(why),
            Problem::Denied(_) => Self::new(ErrorKind::Denied, "db/write-permission", message),
            Problem::Unique(_) => Self::new(ErrorKind::Conflict, "db/unique", message),
            Problem::Schema(error) => error.into(),
            Problem::Policy(error) => error.into(),
            Problem::Stale => Self::new(ErrorKind::Conflict, "db/conflict", message),
            Problem::Limit { .. } => {
                Self::new(ErrorKind::Limit(LimitKind::Body), "db/limit", message)
            }
            Problem::Facts(error) => error.into(),
        };
        made.with_place(error.at.as_ref())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let message = error.to_string();
        match error {
            store::Error::Corrupt { .. } => Self::new(ErrorKind::Corrupt, "db/corrupt", message),
            store::Error::Unavailable { .. } => Self::unavailable(message),
            store::Error::InUse => Self::new(ErrorKind::Unavailable, "db/file-in-use", message),
            store::Error::NotOurs | store::Error::Version { .. } | store::Error::Exists => {
                Self::new(ErrorKind::Invalid, "db/not-a-database", message)
            }
            store::Error::Invalid { .. } => Self::internal(message),
        }
    }
}

impl From<token::Error> for Error {
    fn from(error: token::Error) -> Self {
        let message = error.to_string();
        match error {
            token::Error::KeyFile { .. } => Self::new(ErrorKind::Invalid, "db/key-file", message),
            token::Error::Random | token::Error::Provider | token::Error::PasswordCost => {
                Self::internal(message)
            }
            token::Error::KeysUnread | token::Error::NoRefreshKey => Self::unavailable(message),
            token::Error::NoSuchKey(_) => Self::new(ErrorKind::NotFound, "db/not-found", message),
            token::Error::NextKeyStands | token::Error::TooManyKeys { .. } => {
                Self::new(ErrorKind::Conflict, "db/conflict", message)
            }
            token::Error::Password { .. } | token::Error::PasswordRecord(_) => {
                Self::new(ErrorKind::Invalid, "db/invalid-request", message)
            }
            token::Error::Expired => {
                Self::new(ErrorKind::Unauthenticated, "db/expired-token", message)
            }
            _ => Self::new(ErrorKind::Unauthenticated, "db/invalid-token", message),
        }
    }
}
