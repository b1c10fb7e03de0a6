//! Lengths of time as people type them: `3599s`, `10m`, `12h`, `30d`, `1w`, or a bare number of seconds.

/// The seconds in `text`.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3_600),
        Some((at, 'd')) => (text.get(..at), 86_400),
        Some((at, 'w')) => (text.get(..at), 604_800),
        _ => (Some(text), 1),
    };
    number
        .filter(|number| number.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|number| number.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(unit))
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| {
            "expected a length of time such as `3599s`, `10m`, `12h`, `30d` or `1w`".to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read() {
        for (text, expected) in [
            ("3599s", Some(3_599)),
            ("3599", Some(3_599)),
            ("10m", Some(600)),
            ("12h", Some(43_200)),
            ("30d", Some(2_592_000)),
            ("0s", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("+1s", None),
            ("1.5h", None),
            ("1 h", None),
            ("99999999999999999999s", None),
            ("9999999999999999999d", None),
            ("1w", Some(604_800)),
            ("1y", None),
            ("1é", None),
        ] {
            assert_eq!(seconds(text).ok(), expected, "{text}");
        }
    }
}
