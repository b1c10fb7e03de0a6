//! How a calling program, or a command, names an auth.

use crate::model::SubjectId;

/// How an auth is named: by its subject id, or by its `_auth/id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthName {
    /// A subject id.
    Subject(SubjectId),
    /// An `_auth/id`.
    Id(String),
}

impl From<SubjectId> for AuthName {
    fn from(subject: SubjectId) -> Self {
        Self::Subject(subject)
    }
}

impl From<&str> for AuthName {
    fn from(id: &str) -> Self {
        Self::Id(id.to_owned())
    }
}

impl From<String> for AuthName {
    fn from(id: String) -> Self {
        Self::Id(id)
    }
}
