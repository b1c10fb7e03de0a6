//! The moment a query asks about: its `block`, or the time in the name of a clause's source.

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use crate::model::T;

/// A time that a clause has of its own, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub when: When,
    /// Where in the query.
    pub at: Pointer,
}

/// The moment a query asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A block by its number. 0 is before the first; one in the future means the newest.
    Block(T),
    /// The newest block not after this instant, Unix milliseconds.
    Instant(i64),
    /// The newest block not after so many milliseconds ago.
    AgoMs(i64),
}

impl When {
    /// Reads a `block`: a number, a negative number (the block's `t`), an instant or a duration as ISO-8601 text.
    ///
    /// # Errors
    /// `InvalidQuery` if it is none of these.
    pub fn read(json: &Json, at: &Pointer) -> Result<Self, Error> {
        let read = match json {
            Json::Int(number) => Some(Self::Block(T(number.unsigned_abs()))),
            Json::UInt(number) => Some(Self::Block(T(*number))),
            Json::String(text) => ago(text).map(Self::AgoMs).or_else(|| instant(text)),
            _ => None,
        };
        read.ok_or_else(|| Error::InvalidQuery {
            at: at.clone(),
            why: "a block is a number, an instant such as `2026-11-25T03:00:00Z`, or a duration such as `PT5M`"
                .to_owned(),
        })
    }

    /// Reads what stands behind `$fdb` in the name of a source: nothing, or what a `block` may be.
    ///
    /// # Errors
    /// `InvalidQuery` if it is none of these.
    pub(super) fn of_source(source: &str, at: &Pointer) -> Result<Option<Self>, Error> {
        let Some(text) = source.strip_prefix("$fdb") else {
            let why = format!("there is no source `{source}`; this database is `$fdb`");
            return Err(Error::InvalidQuery {
                at: at.clone(),
                why,
            });
        };
        if text.is_empty() {
            return Ok(None);
        }
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let read = if is_number {
            text.parse().ok().map(|number| Self::Block(T(number)))
        } else {
            ago(text).map(Self::AgoMs).or_else(|| instant(text))
        };
        let why = || {
            format!(
                "`{source}` is `$fdb` with no time; one is such as `$fdb4`, `$fdbPT5M` or `$fdb2026-11-25T03:00:00Z`"
            )
        };
        let refused = || Error::InvalidQuery {
            at: at.clone(),
            why: why(),
        };
        read.map(Some).ok_or_else(refused)
    }
}

fn instant(text: &str) -> Option<When> {
    let moment: jiff::Timestamp = text.parse().ok()?;
    // Blocks are stamped in whole milliseconds, so what is finer is dropped, towards the past.
    let ms = i64::try_from(moment.as_nanosecond().div_euclid(1_000_000)).ok()?;
    Some(When::Instant(ms))
}

/// A duration in milliseconds. Years and months have no length of their own and are not taken.
fn ago(text: &str) -> Option<i64> {
    if !text.starts_with('P') {
        return None;
    }
    let span: jiff::Span = text.parse().ok()?;
    let days_are_24_hours = jiff::SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(days_are_24_hours).ok()?;
    i64::try_from(duration.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_this_database_and_perhaps_a_time() {
        for (source, when) in [
            ("$fdb", None),
            ("$fdb4", Some(When::Block(T(4)))),
            ("$fdb0", Some(When::Block(T(0)))),
            ("$fdb007", Some(When::Block(T(7)))),
            ("$fdb18446744073709551615", Some(When::Block(T(u64::MAX)))),
            ("$fdbPT5M", Some(When::AgoMs(300_000))),
            ("$fdb1970-01-01T00:00:01Z", Some(When::Instant(1_000))),
        ] {
            assert_eq!(
                When::of_source(source, &Pointer::root()),
                Ok(when),
                "{source}"
            );
        }
        for source in [
            "$",
            "$wd",
            "$fd",
            "$FDB4",
            "$fdb-4",
            "$fdb 4",
            "$fdb4 ",
            "$fdb18446744073709551616",
            "$fdb1.5",
            "$fdb-PT5M",
            "$fdbP1M",
            "$fdb2026-11-25",
            "$fdbx",
        ] {
            let read = When::of_source(source, &Pointer::root());
            assert!(
                matches!(read, Err(Error::InvalidQuery { .. })),
                "{source}: {read:?}"
            );
        }
    }

    #[test]
    fn a_block_is_a_number_an_instant_or_a_duration() {
        for (json, when) in [
            ("4", When::Block(T(4))),
            ("-4", When::Block(T(4))),
            ("0", When::Block(T(0))),
            ("18446744073709551615", When::Block(T(u64::MAX))),
            (r#""1970-01-01T00:00:01Z""#, When::Instant(1_000)),
            (r#""1970-01-01T02:00:00+02:00""#, When::Instant(0)),
            (r#""PT5M""#, When::AgoMs(300_000)),
            (r#""P1DT1S""#, When::AgoMs(86_401_000)),
            (r#""P1W""#, When::AgoMs(604_800_000)),
        ] {
            let read = When::read(&Json::read(json).unwrap(), &Pointer::root());
            assert_eq!(read, Ok(when), "{json}");
        }
        for json in [
            "1.5",
            "null",
            "[1]",
            r#""4""#,
            r#""-PT5M""#,
            r#""P1M""#,
            r#""2026-11-25""#,
        ] {
            let read = When::read(&Json::read(json).unwrap(), &Pointer::root());
            assert!(
                matches!(read, Err(Error::InvalidQuery { .. })),
                "{json}: {read:?}"
            );
        }
    }
}
