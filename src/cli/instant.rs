//! Instants as people type them: ISO-8601 with an offset.

/// The Unix milliseconds of `text`.
pub(super) fn instant(text: &str) -> Result<i64, String> {
    let moment: Result<jiff::Timestamp, _> = text.parse();
    moment
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|_| "expected an instant such as `2026-11-25T03:00:00Z`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:01Z", Some(1_000)),
            ("1970-01-01T02:00:00+02:00", Some(0)),
            ("1970-01-01", None),
            ("1970-01-01T00:00:01", None),
            ("now", None),
            ("7", None),
            ("", None),
        ] {
            assert_eq!(instant(text).ok(), expected, "{text}");
        }
    }
}
