//! What the audit trail says: one event of tokens, passwords, policy or databases.
//!
//! It names subjects and ids, and never a secret, a password, or a name that is no user's: people type passwords there.
//!
//! Shape of a row, JSON: `{"event", "status", "at", "auth"?, "by"?, "user"?, "token"?, "address"?, "code"?, "block"?,
//! "count"?}`; see docs/tokens.md.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::error::{Error, ErrorKind};
use super::source::Source;
use crate::base::limits::EVENT_BYTES_MAX;
use crate::model::{SubjectId, T};
use crate::store::TrailRow;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A user signed in.
    SignIn,
    /// A sign-in was refused.
    SignInFailed,
    /// Sign-ins of a user, from one place or from all, are refused for a while.
    LockedOut,
    /// A lock-out was ended by hand.
    Unlocked,
    /// A token was minted.
    Minted,
    /// A refresh token was rotated.
    Refreshed,
    /// A refresh token was used that had been used before: its family ended.
    RefreshReused,
    /// One token, a family, or all tokens of an auth were revoked.
    Revoked,
    /// A password was set.
    PasswordSet,
    /// A token that resets a password was made.
    ResetMade,
    /// What anyone may do was changed.
    PolicyChanged,
    /// A request was refused: who asked is not known, or may not.
    Denied,
    /// The oldest rows of the trail were taken away by the operator.
    TrailPruned,
    /// A database was made.
    DatabaseMade,
    /// A database was deleted.
    DatabaseDeleted,
    /// A database that was deleted is back.
    DatabaseRestored,
}

/// Whether what was asked for was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventStatus {
    /// It was done.
    Ok,
    /// It was refused.
    Error,
}

/// One event, as it stands in the trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What happened.
    pub event: EventKind,
    /// Whether what was asked for was done.
    pub status: EventStatus,
    /// When, Unix milliseconds.
    pub at: i64,
    /// The auth that asked, or whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<i64>,
    /// The auth that asked, where `auth` is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<i64>,
    /// The user it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<i64>,
    /// The id of the token it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Where the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The code of the refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The block that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<u64>,
    /// How many times, where that is more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl Event {
    /// An event that happened now; the rest is filled in by whoever tells it.
    pub(super) fn new(event: EventKind, status: EventStatus, at: i64) -> Self {
        Self {
            event,
            status,
            at,
            auth: None,
            by: None,
            user: None,
            token: None,
            address: None,
            code: None,
            block: None,
            count: None,
        }
    }

    pub(super) fn auth(mut self, auth: SubjectId) -> Self {
        self.auth = Some(auth.raw());
        self
    }

    /// Who asked, if that is not whom it is about.
    pub(super) fn by(mut self, asker: SubjectId) -> Self {
        let asker = asker.raw();
        self.by = (self.auth != Some(asker)).then_some(asker);
        self
    }

    pub(super) fn user(mut self, user: Option<SubjectId>) -> Self {
        self.user = user.map(SubjectId::raw);
        self
    }

    pub(super) fn token(mut self, id: &str) -> Self {
        self.token = Some(id.to_owned());
        self
    }

    pub(super) fn from(mut self, source: Source) -> Self {
        self.address = source.address;
        self
    }

    pub(super) fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    pub(super) fn block(mut self, t: T) -> Self {
        self.block = Some(t.0);
        self
    }

    /// As it stands in the trail. It cannot fail: there are neither maps nor foreign types in it.
    pub(super) fn row(&self) -> TrailRow {
        let about = self.auth.and_then(SubjectId::from_raw);
        let text = serde_json::to_vec(self).unwrap_or_default();
        if text.len() <= EVENT_BYTES_MAX {
            return TrailRow { about, text };
        }
        // Ids and codes are the engine's own and short. One that is not must not stand in the way of a commit.
        let short = Self {
            token: None,
            code: None,
            ..self.clone()
        };
        TrailRow {
            about,
            text: serde_json::to_vec(&short).unwrap_or_default(),
        }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// `Corrupt` with the row's number if it is none.
    pub(super) fn read(number: u64, text: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(text).map_err(|_| {
            let why = format!("row {number} of the trail cannot be read");
            Error::new(ErrorKind::Corrupt, "db/corrupt", why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_of_json_and_bounded_whatever_it_tells() {
        let mut event = Event::new(EventKind::RefreshReused, EventStatus::Error, 7)
            .token("a\nb\u{1b}[2J\u{85}\"")
            .code("db/invalid-token");
        event.auth = Some(5);
        let row = event.row();
        assert_eq!(row.about, SubjectId::from_raw(5));
        assert!(!row.text.iter().any(u8::is_ascii_control));
        assert_eq!(Event::read(1, &row.text).unwrap(), event);

        event.token = Some("x".repeat(EVENT_BYTES_MAX));
        let row = event.row();
        assert!(row.text.len() <= EVENT_BYTES_MAX);
        assert_eq!(Event::read(1, &row.text).unwrap().auth, Some(5));
    }

    #[test]
    fn a_row_that_is_none_is_named() {
        for text in ["", "{}", "[]", r#"{"event":"x","status":"ok","at":1}"#] {
            let error = Event::read(9, text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("row 9"), "{error}");
        }
    }
}
