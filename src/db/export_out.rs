//! The lines of an export: items of bounded length, records, and what was written so far.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::error::Error;
use crate::query::Json;

/// A longer item is cut in two, bytes.
const ITEM_BYTES: usize = 1024 * 1024;

/// An item of more values is cut in two.
const ITEM_VALUES: usize = 1_000;

/// What is written to.
pub(super) struct Out<'w> {
    writer: &'w mut dyn Write,
    items: u64,
    bytes: u64,
}

/// Some values under one predicate, as JSON texts.
#[derive(Debug)]
pub(super) struct Field<'n> {
    pub(super) name: &'n str,
    pub(super) is_multi: bool,
    pub(super) values: Vec<String>,
}

/// What an item does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Write,
    Delete,
}

impl<'w> Out<'w> {
    pub(super) fn new(writer: &'w mut dyn Write) -> Self {
        Self {
            writer,
            items: 0,
            bytes: 0,
        }
    }

    /// Items so far.
    pub(super) fn count(&self) -> u64 {
        self.items
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes a record: an object with one member.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written.
    pub(super) fn record(&mut self, name: &str, members: Vec<(&str, Json)>) -> Result<(), Error> {
        let members = members.into_iter();
        let inner = Json::Object(members.map(|(key, it)| (key.to_owned(), it)).collect());
        self.line(&Json::Object(vec![(name.to_owned(), inner)]).write())
    }

    /// Writes items, each by itself.
    ///
    /// # Errors
    /// As of [`Out::record`].
    pub(super) fn items(&mut self, items: &[String]) -> Result<(), Error> {
        for item in items {
            self.line(item)?;
            self.items += 1;
        }
        Ok(())
    }

    /// Writes items that stand or fall together.
    ///
    /// # Errors
    /// As of [`Out::record`].
    pub(super) fn together(&mut self, items: &[String]) -> Result<(), Error> {
        self.line(&format!("[{}]", items.join(",")))?;
        self.items += u64::try_from(items.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Writes one line.
    ///
    /// # Errors
    /// As of [`Out::record`].
    pub(super) fn line(&mut self, line: &str) -> Result<(), Error> {
        let written = self.writer.write_all(line.as_bytes());
        written
            .and_then(|()| self.writer.write_all(b"\n"))
            .map_err(|error| unwritten(&error))?;
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length).saturating_add(1);
        Ok(())
    }

    /// Hands on what is held back.
    ///
    /// # Errors
    /// As of [`Out::record`].
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.writer.flush().map_err(|error| unwritten(&error))
    }
}

/// What is said of a subject, in as many items as its length needs; `id` is the JSON text of its `_id`.
pub(super) fn items(id: &str, does: Does, fields: &[Field<'_>]) -> Vec<String> {
    let begin = || match does {
        Does::Write => format!("{{\"_id\":{id}"),
        Does::Delete => format!("{{\"_id\":{id},\"_action\":\"delete\""),
    };
    let mut items = Vec::new();
    let mut item = begin();
    let mut count = 0;
    for field in fields {
        let mut is_open = false;
        for value in &field.values {
            let is_full = item.len().saturating_add(value.len()) > ITEM_BYTES;
            if count > 0 && (is_full || count >= ITEM_VALUES) {
                close(&mut item, &mut is_open);
                item.push('}');
                items.push(std::mem::replace(&mut item, begin()));
                count = 0;
            }
            count += 1;
            if is_open {
                item.push(',');
            } else {
                // Writing into a text does not fail.
                let _ = write!(item, ",{}:", Json::string(field.name).write());
                if field.is_multi {
                    item.push('[');
                    is_open = true;
                }
            }
            item.push_str(value);
        }
        close(&mut item, &mut is_open);
    }
    if count > 0 {
        item.push('}');
        items.push(item);
    }
    items
}

fn close(item: &mut String, is_open: &mut bool) {
    if std::mem::take(is_open) {
        item.push(']');
    }
}

fn unwritten(error: &io::Error) -> Error {
    Error::unavailable(format!("the export cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, is_multi: bool, values: impl IntoIterator<Item = String>) -> Field<'_> {
        let values = values.into_iter().collect();
        Field {
            name,
            is_multi,
            values,
        }
    }

    #[test]
    fn an_item_says_all_of_its_fields() {
        let fields = [
            field("a", false, ["1".to_owned()]),
            field("b", true, ["2".to_owned(), "[3]".to_owned()]),
        ];
        let written = items(r#""x$1""#, Does::Write, &fields);
        assert_eq!(written, [r#"{"_id":"x$1","a":1,"b":[2,[3]]}"#]);
        let deleted = items("5", Does::Delete, &fields[1..]);
        assert_eq!(deleted, [r#"{"_id":5,"_action":"delete","b":[2,[3]]}"#]);
        assert!(items("5", Does::Write, &[]).is_empty());
        assert!(items("5", Does::Write, &[field("a", true, [])]).is_empty());
    }

    #[test]
    fn an_item_has_so_many_values_and_bytes_and_no_more() {
        let numbers = |count: usize| field("n", true, (0..count).map(|n| n.to_string()));
        let one = || field("a", false, ["0".to_owned()]);
        for (fields, expected) in [
            (vec![numbers(ITEM_VALUES)], 1),
            (vec![numbers(ITEM_VALUES + 1)], 2),
            (vec![numbers(ITEM_VALUES), one()], 2),
            (vec![one(), numbers(2 * ITEM_VALUES)], 3),
        ] {
            assert_eq!(items("1", Does::Write, &fields).len(), expected);
        }
        let begun = r#"{"_id":1,"a":["#.len();
        for (length, expected) in [(ITEM_BYTES - begun, 2), (ITEM_BYTES - begun - 1, 1)] {
            let long = format!("\"{}\"", "a".repeat(length - 2));
            let fields = [field("a", true, [long, "2".to_owned()])];
            let written = items("1", Does::Write, &fields);
            assert_eq!(written.len(), expected, "{length}");
            assert!(written.iter().all(|item| Json::read(item).is_ok()));
        }
    }
}
