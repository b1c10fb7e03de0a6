//! A row of the answer of `logs`: `{"id", "event", "status", "at", "auth"?, "by"?, "user"?, "token"?, "address"?, "code"?,
//! "block"?, "count"?}`; `at` is an ISO-8601 instant in UTC with milliseconds. The answer is a bare array of these,
//! the newest first.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::instant::instant;
use crate::db::{self, EventKind, EventStatus};

/// A row of the audit trail. The command line reads it too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Its number.
    pub id: u64,
    /// What happened, as [`EventKind`] is written.
    pub event: String,
    /// `ok` or `error`.
    pub status: String,
    /// When.
    pub at: String,
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

impl From<db::Logged> for Log {
    fn from(logged: db::Logged) -> Self {
        let db::Logged { id, event } = logged;
        Self {
            id,
            event: event_name(event.event).to_owned(),
            status: match event.status {
                EventStatus::Ok => "ok",
                EventStatus::Error => "error",
            }
            .to_owned(),
            at: instant(event.at),
            auth: event.auth,
            by: event.by,
            user: event.user,
            token: event.token,
            address: event.address,
            code: event.code,
            block: event.block,
            count: event.count,
        }
    }
}

/// What an event is called. A new one does not compile until it has a name here.
fn event_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::SignIn => "sign-in",
        EventKind::SignInFailed => "sign-in-failed",
        EventKind::LockedOut => "locked-out",
        EventKind::Unlocked => "unlocked",
        EventKind::Minted => "minted",
        EventKind::Refreshed => "refreshed",
        EventKind::RefreshReused => "refresh-reused",
        EventKind::Revoked => "revoked",
        EventKind::PasswordSet => "password-set",
        EventKind::ResetMade => "reset-made",
        EventKind::PolicyChanged => "policy-changed",
        EventKind::Denied => "denied",
        EventKind::TrailPruned => "trail-pruned",
        EventKind::DatabaseMade => "database-made",
        EventKind::DatabaseDeleted => "database-deleted",
        EventKind::DatabaseRestored => "database-restored",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event: &str) -> db::Logged {
        db::Logged {
            id: 7,
            event: serde_json::from_str(event).unwrap(),
        }
    }

    #[test]
    fn a_row_has_the_members_that_were_promised() {
        let all = r#"{"event":"denied","status":"error","at":1767225600007,"auth":5,"user":6,"token":"t",
                      "address":"::1","code":"db/x","block":3,"count":9}"#;
        assert_eq!(
            serde_json::to_string(&Log::from(row(all))).unwrap(),
            concat!(
                r#"{"id":7,"event":"denied","status":"error","at":"2026-01-01T00:00:00.007Z","auth":5,"user":6,"#,
                r#""token":"t","address":"::1","code":"db/x","block":3,"count":9}"#
            )
        );
        let least = Log::from(row(r#"{"event":"sign-in","status":"ok","at":-1}"#));
        let text = serde_json::to_string(&least).unwrap();
        assert_eq!(
            text,
            r#"{"id":7,"event":"sign-in","status":"ok","at":"1969-12-31T23:59:59.999Z"}"#
        );
        assert_eq!(serde_json::from_str::<Log>(&text).unwrap(), least);
    }

    #[test]
    fn an_event_is_called_on_the_wire_as_it_is_in_the_trail() {
        for name in [
            "sign-in",
            "sign-in-failed",
            "locked-out",
            "unlocked",
            "minted",
            "refreshed",
            "refresh-reused",
            "revoked",
            "password-set",
            "reset-made",
            "policy-changed",
            "denied",
            "trail-pruned",
            "database-made",
            "database-deleted",
            "database-restored",
        ] {
            let event = format!(r#"{{"event":"{name}","status":"ok","at":0}}"#);
            assert_eq!(Log::from(row(&event)).event, name);
        }
    }
}
