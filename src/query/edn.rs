//! What a `select` is in the other notation of a query in a function: EDN without quotes, such as
//! `[* {person/user [*]}]`.
//!
//! ```text
//! value  = vector | map | string | number | symbol          blank = white space | ","
//! vector = "[" value* "]"          map = "{" ( value value )* "}"
//! string = '"' ( any but '"' and '\' )* '"'          symbol, number = any but blank and []{}()"\;:#
//! ```
//!
//! A symbol is a text, and so is a key of a map. Keywords, tags, lists, comments and escapes are not taken.

use super::json::Json;
use crate::base::limits::JSON_DEPTH_MAX;

/// Reads a value.
///
/// # Errors
/// What was expected, and the byte at which.
pub(super) fn read(text: &str) -> Result<Json, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(JSON_DEPTH_MAX)?;
    reader.blank();
    match reader.next() {
        None => Ok(value),
        Some(_) => Err(reader.expected("the end")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes past the characters that are `taken`, and gives them.
    fn take(&mut self, taken: impl Fn(char) -> bool) -> &str {
        let rest = self.rest();
        let length = rest.find(|c| !taken(c)).unwrap_or(rest.len());
        let from = self.at;
        self.at = self.at.saturating_add(length);
        self.text.get(from..self.at).unwrap_or("")
    }

    fn blank(&mut self) {
        self.take(|c| c.is_ascii_whitespace() || c == ',');
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.blank();
        let is_next = self.next() == Some(wanted);
        if is_next {
            self.at = self.at.saturating_add(wanted.len_utf8());
        }
        is_next
    }

    fn value(&mut self, levels: usize) -> Result<Json, String> {
        let Some(levels) = levels.checked_sub(1) else {
            return Err(format!("it nests deeper than {JSON_DEPTH_MAX} levels"));
        };
        if self.takes('[') {
            let mut items = Vec::new();
            while !self.takes(']') {
                items.push(self.value(levels)?);
            }
            return Ok(Json::Array(items));
        }
        if self.takes('{') {
            let mut members: Vec<(String, Json)> = Vec::new();
            while !self.takes('}') {
                let Json::String(key) = self.value(levels)? else {
                    return Err(self.expected("a name as key"));
                };
                if members.iter().any(|(name, _)| *name == key) {
                    return Err(format!("the key `{key}` stands twice"));
                }
                members.push((key, self.value(levels)?));
            }
            return Ok(Json::Object(members));
        }
        if self.takes('"') {
            let text = self.take(|c| c != '"' && c != '\\').to_owned();
            return if self.next() == Some('"') {
                self.at = self.at.saturating_add(1);
                Ok(Json::String(text))
            } else {
                Err(self.expected("a quote without escapes before it"))
            };
        }
        let symbol = self.take(is_of_symbol).to_owned();
        if symbol.is_empty() {
            return Err(self.expected("a name, `[` or `{`"));
        }
        Ok(match symbol.parse::<i64>() {
            Ok(number) => Json::Int(number),
            Err(_) => Json::String(symbol),
        })
    }

    fn expected(&self, what: &str) -> String {
        format!("expected {what} at byte {}", self.at.saturating_add(1))
    }
}

fn is_of_symbol(c: char) -> bool {
    !c.is_whitespace() && !",[]{}()\"\\;:#".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_select_is_read_without_quotes() {
        let rows = [
            ("[*]", r#"["*"]"#),
            ("[* {person/user [*]}]", r#"["*",{"person/user":["*"]}]"#),
            (
                " [ handle, {chat/_person [message {\"_limit\" 3}], boss [_id]} ] ",
                r#"["handle",{"chat/_person":["message",{"_limit":3}],"boss":["_id"]}]"#,
            ),
            ("[?x (max ?y)]", "expected a name, `[` or `{` at byte 5"),
            ("[*", "expected a name, `[` or `{` at byte 3"),
            ("[*] 1", "expected the end at byte 5"),
            ("[:a]", "expected a name, `[` or `{` at byte 2"),
            ("{[a] b}", "expected a name as key at byte 5"),
            ("{a b a c}", "the key `a` stands twice"),
            (
                "[\"a\\\"\"]",
                "expected a quote without escapes before it at byte 4",
            ),
            (
                "[\"a",
                "expected a quote without escapes before it at byte 4",
            ),
            ("", "expected a name, `[` or `{` at byte 1"),
        ];
        for (text, expected) in rows {
            let told = read(text).map_or_else(|why| why, |json| json.write());
            assert_eq!(told, expected, "{text}");
        }
    }

    #[test]
    fn a_value_nests_so_deep_and_no_deeper() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(JSON_DEPTH_MAX)).is_ok());
        assert!(read(&nested(JSON_DEPTH_MAX + 1)).is_err());
    }
}
