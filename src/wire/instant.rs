//! An instant as answers tell it.

/// ISO-8601 in UTC with milliseconds; the number, for what no calendar has.
pub(super) fn instant(ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(ms) {
        Ok(moment) => format!("{moment:.3}"),
        Err(_) => ms.to_string(),
    }
}
