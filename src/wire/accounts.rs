//! Accounts and databases, as they are told.

use serde::Serialize;

use crate::db;

/// An account.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    id: i64,
    name: String,
    owners: Vec<Owner>,
}

#[derive(Clone, Debug, Serialize)]
struct Owner {
    id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
}

/// A database. Moments are Unix milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    #[serde(rename = "db/id")]
    name: String,
    incarnation: String,
    made: i64,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<i64>,
    /// Until when it can be restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

impl From<db::Account> for Account {
    fn from(account: db::Account) -> Self {
        let owner = |(id, username): (crate::model::SubjectId, _)| Owner {
            id: id.raw(),
            username,
        };
        Self {
            id: account.id.raw(),
            name: account.name,
            owners: account.owners.into_iter().map(owner).collect(),
        }
    }
}

impl From<db::ListedDatabase> for Listed {
    fn from(database: db::ListedDatabase) -> Self {
        let (state, deleted, until) = match database.state {
            db::DatabaseState::Live => ("live", None, None),
            db::DatabaseState::Deleted { at_ms, until_ms } => {
                ("deleted", Some(at_ms), Some(until_ms))
            }
        };
        Self {
            name: database.name,
            incarnation: database.incarnation.to_string(),
            made: database.made_ms,
            state,
            deleted,
            until,
        }
    }
}
