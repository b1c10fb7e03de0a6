//! The numbers of a JSON text as they are written.
//!
//! The reader of JSON hands numbers over as doubles, which hold most decimal numbers only nearly. It does so in the
//! order in which they stand, one after the other, so that whoever looks for numbers from the front finds the text of
//! each.

use std::cell::Cell;

use crate::model::Decimal;

/// Characters of a number, its point among them, that has no more digits than any double tells apart.
const SHORT_CHARACTERS: usize = 16;

/// The texts of the numbers in a JSON text, one after the other.
#[derive(Debug)]
pub(super) struct Numbers<'t> {
    rest: Cell<&'t str>,
}

impl<'t> Numbers<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            rest: Cell::new(text),
        }
    }

    /// The next number's text; empty if there is none.
    pub(super) fn next(&self) -> &'t str {
        let mut rest = self.rest.get();
        loop {
            // What stands before a number is all ASCII but in strings, and a string begins with a quote.
            let start = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
            rest = start.and_then(|at| rest.get(at..)).unwrap_or("");
            let Some(string) = rest.strip_prefix('"') else {
                break;
            };
            rest = behind_string(string);
        }
        let end = rest.find(|c: char| !is_of_number(c)).unwrap_or(rest.len());
        let (number, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        self.rest.set(behind);
        number
    }
}

/// What stands behind the quote that ends a string.
fn behind_string(mut rest: &str) -> &str {
    loop {
        let Some((_, behind)) = rest.split_once(['"', '\\']) else {
            return "";
        };
        let is_escape = rest
            .strip_suffix(behind)
            .is_some_and(|before| before.ends_with('\\'));
        if !is_escape {
            return behind;
        }
        let mut escaped = behind.chars();
        escaped.next();
        rest = escaped.as_str();
    }
}

/// Whether a double tells the number that a text is: whether its own decimal form is that number, and is told apart
/// from a whole number where the text is one.
pub(super) fn is_told(text: &str, double: f64) -> bool {
    if !text.contains(['.', 'e', 'E']) {
        // No integer has the sign of `-0`; other whole numbers keep their text, so that they still are whole.
        return double.abs() <= 0.0;
    }
    // No two numbers of so few digits are near to one double, if they are not near to zero.
    let is_short = text.len() <= SHORT_CHARACTERS && !text.contains(['e', 'E']);
    is_short || Decimal::parse(text).is_ok_and(|it| Decimal::parse(&told(double)) == Ok(it))
}

/// A double as JSON writes it: of the shortest decimal numbers that are read as it, there may be two.
pub(super) fn told(double: f64) -> String {
    // Writing a number into memory cannot fail.
    serde_json::to_string(&double).unwrap_or_default()
}

/// Whether a number may have this character.
pub(super) const fn is_of_number(c: char) -> bool {
    matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_they_stand_and_not_in_strings() {
        let text = r#"{"a1": -1.50, "é2\\": [0, "3\"4", {"5": 6e7}], "\u0038": "\\\"", "x": 9}"#;
        let numbers = Numbers::new(text);
        let mut found = Vec::new();
        loop {
            match numbers.next() {
                "" => break,
                number => found.push(number),
            }
        }
        assert_eq!(found, ["-1.50", "0", "6e7", "9"]);
    }

    #[test]
    fn a_number_is_told_by_a_double_that_is_told_the_same() {
        for (text, is) in [
            ("0.1", true),
            ("-0.10", true),
            ("0.00000000000000", true),
            ("99999999999999.9", true),
            ("0.00000000000001", true),
            ("9007199254740993.5", false),
            ("1.0000000000000001", false),
            ("0.100000000000000005", false),
            ("1e22", true),
            ("1e23", true),
            ("1.00000000000000000000e5", true),
            ("100000000000000000000", false),
            ("-0", true),
        ] {
            assert_eq!(is_told(text, text.parse().unwrap()), is, "{text}");
            let same = Decimal::parse(&told(text.parse().unwrap())) == Decimal::parse(text);
            assert!(same || !is, "{text}");
        }
    }
}
