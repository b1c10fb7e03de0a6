//! The exit codes: what a script may rely on.

use std::process::ExitCode;

use crate::db::{ErrorKind, LimitKind};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// As asked.
    Ok,
    /// It failed.
    Failed,
    /// The arguments or an input file are wrong.
    Usage,
    /// Policy denied it.
    Denied,
    /// Not signed in, or the token is no longer good.
    Unauthenticated,
    /// It is not there.
    NotFound,
    /// Something else was there first.
    Conflict,
    /// Not now.
    Unavailable,
}

impl Exit {
    /// The code.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Denied => 3,
            Self::Unauthenticated => 4,
            Self::NotFound => 5,
            Self::Conflict => 6,
            Self::Unavailable => 7,
        }
    }
}

impl Exit {
    /// How a command ends whose request was answered with this HTTP status.
    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            400 | 413 | 415 | 422 => Self::Usage,
            401 => Self::Unauthenticated,
            403 => Self::Denied,
            404 => Self::NotFound,
            409 => Self::Conflict,
            408 | 429 | 502 | 503 | 504 => Self::Unavailable,
            _ => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::Unauthenticated => Self::Unauthenticated,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Limit(which) => match which {
                LimitKind::Request | LimitKind::Body => Self::Usage,
                LimitKind::Time | LimitKind::Rate => Self::Unavailable,
            },
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Corrupt | ErrorKind::Internal => Self::Failed,
        }
    }
}
