//! What is asked of the audit trail.
//!
//! Shape: `{"limit"?: 1 to 1000 (100), "before"?: place, "after"?: place, "status"?: "ok" | "error", "db"?: name}`, or
//! `["logs", that]`. A place is the id of a row, or an instant as ISO-8601 text with an offset. Rows before an id have
//! lower ones, and rows after it higher ones; rows before an instant are older, and rows after it are of that instant
//! or newer. So pages follow each other by the id of the last row, and spans of time by their ends.

use super::command::is_spelling;
use super::error::{Error, ErrorKind};
use super::event::EventStatus;
use crate::base::limits::{LOG_ROWS_DEFAULT, LOG_ROWS_MAX};
use crate::model::{Value, ValueType};
use crate::query::{Json, Pointer, value_of};

/// What is asked of the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// How many rows, at the most.
    pub limit: usize,
    /// Only rows before this place.
    pub before: Option<LogPlace>,
    /// Only rows after this place.
    pub after: Option<LogPlace>,
    /// Only rows with this status.
    pub status: Option<EventStatus>,
}

/// A place in the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogPlace {
    /// At the row with this id.
    Row(u64),
    /// At this instant, Unix milliseconds.
    Instant(i64),
}

impl Default for LogQuery {
    fn default() -> Self {
        Self {
            limit: LOG_ROWS_DEFAULT,
            before: None,
            after: None,
            status: None,
        }
    }
}

impl LogQuery {
    /// Reads the body of a request to the database `name`. An empty one asks for the newest rows.
    ///
    /// # Errors
    /// `Invalid` with the place, for what is no such query and for the name of another database.
    pub fn parse(body: &str, name: &str) -> Result<Self, Error> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let root = Pointer::root();
        match Json::read(body)? {
            Json::Object(members) => Self::read(members, &root, name),
            Json::Array(parts) => match <[Json; 2]>::try_from(parts) {
                Ok([Json::String(action), Json::Object(members)]) if action == "logs" => {
                    Self::read(members, &root.index(1), name)
                }
                _ => Err(invalid(&root, "as an array it is `[\"logs\", {..}]`")),
            },
            _ => Err(invalid(&root, "a query of the audit trail is an object")),
        }
    }

    fn read(members: Vec<(String, Json)>, root: &Pointer, name: &str) -> Result<Self, Error> {
        let mut query = Self::default();
        for (key, value) in members {
            let at = root.key(&key);
            match (key.as_str(), value) {
                ("limit", Json::Int(limit)) => {
                    let limit = usize::try_from(limit).ok();
                    let limit = limit.filter(|it| (1..=LOG_ROWS_MAX).contains(it));
                    query.limit = limit.ok_or_else(|| not_a_limit(&at))?;
                }
                ("limit", _) => return Err(not_a_limit(&at)),
                ("before", value) => query.before = Some(place(&value, &at)?),
                ("after", value) => query.after = Some(place(&value, &at)?),
                ("status", Json::String(status)) if status == "ok" => {
                    query.status = Some(EventStatus::Ok);
                }
                ("status", Json::String(status)) if status == "error" => {
                    query.status = Some(EventStatus::Error);
                }
                ("status", _) => return Err(invalid(&at, "`status` is `ok` or `error`")),
                ("db", Json::String(named)) if is_spelling(&named, name) => {}
                ("db", _) => {
                    let why = "a database's token reads the trail of that database alone";
                    let error = Error::new(ErrorKind::Invalid, "db/invalid-db", why);
                    return Err(error.with_place(Some(&at)));
                }
                _ => {
                    let why = format!("`{key}` is no part of a query of the audit trail");
                    return Err(invalid(&at, why));
                }
            }
        }
        Ok(query)
    }
}

fn place(json: &Json, at: &Pointer) -> Result<LogPlace, Error> {
    let read = match json {
        Json::Int(id) => u64::try_from(*id).ok().map(LogPlace::Row),
        Json::UInt(id) => Some(LogPlace::Row(*id)),
        Json::String(_) => match value_of(json, ValueType::Instant) {
            Ok(Value::Instant(ms)) => Some(LogPlace::Instant(ms)),
            _ => None,
        },
        _ => None,
    };
    read.ok_or_else(|| {
        let why =
            "a place in the trail is the id of a row, or an instant such as `2026-11-25T03:00:00Z`";
        invalid(at, why)
    })
}

fn not_a_limit(at: &Pointer) -> Error {
    invalid(at, format!("`limit` is from 1 to {LOG_ROWS_MAX}"))
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<LogQuery, Error> {
        LogQuery::parse(body, "local/default")
    }

    #[test]
    fn a_query_is_read_in_both_its_forms() {
        let all = LogQuery {
            limit: 7,
            before: Some(LogPlace::Row(9)),
            after: Some(LogPlace::Instant(1_000)),
            status: Some(EventStatus::Error),
        };
        let members = r#"{"limit": 7, "before": 9, "after": "1970-01-01T00:00:01Z", "status": "error",
                          "db": "local.default"}"#;
        assert_eq!(parse(members), Ok(all));
        assert_eq!(parse(&format!(r#"["logs", {members}]"#)), Ok(all));
        for body in ["", "{}", r#"["logs", {}]"#, r#"{"db": "local/default"}"#] {
            assert_eq!(parse(body), Ok(LogQuery::default()), "{body}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused_at_its_place() {
        for (body, at) in [
            (r#"{"limit": 0}"#, "/limit"),
            (r#"{"limit": 1.5}"#, "/limit"),
            (r#"{"limit": -1}"#, "/limit"),
            (r#"{"before": -1}"#, "/before"),
            (r#"{"before": "yesterday"}"#, "/before"),
            (r#"["logs", {"after": null}]"#, "/1/after"),
            (r#"{"status": "denied"}"#, "/status"),
            (r#"{"auth": 5}"#, "/auth"),
            (r#"["log", {}]"#, ""),
            ("7", ""),
        ] {
            let error = parse(body).unwrap_err();
            assert_eq!(error.code(), "db/invalid-request", "{body}");
            assert_eq!(error.at().unwrap_or_default(), at, "{body}");
        }
        let other = parse(r#"["logs", {"db": "local/other"}]"#).unwrap_err();
        assert_eq!((other.code(), other.at()), ("db/invalid-db", Some("/1/db")));
    }

    #[test]
    fn a_limit_is_as_large_as_it_may_be_and_no_larger() {
        let body = |limit: usize| format!(r#"{{"limit": {limit}}}"#);
        assert_eq!(parse(&body(LOG_ROWS_MAX)).unwrap().limit, LOG_ROWS_MAX);
        assert!(parse(&body(LOG_ROWS_MAX + 1)).is_err());
    }
}
