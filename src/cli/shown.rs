//! What a command shows: a table on a terminal, lines with tabs between elsewhere, JSON where that is asked for.
//!
//! A text from elsewhere is written so that it cannot act on the terminal, nor look like more than one cell: control
//! characters, and those that turn the direction of writing, stand as escapes.

use std::io::{self, IsTerminal as _, Write};

use serde_json::Value;

use super::error::Error;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For programs, each with the shape of the door's answer.
    Json,
    /// Columns, with a headline.
    Table,
    /// Cells with tabs between, and no headline.
    Tabs,
}

impl Form {
    /// The form for standard output.
    pub(super) fn of(json: bool) -> Self {
        match json {
            true => Self::Json,
            false if io::stdout().is_terminal() => Self::Table,
            false => Self::Tabs,
        }
    }
}

/// The text without anything that acts on a terminal.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let turns = matches!(
            letter,
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        );
        if letter.is_control() || turns {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// The value of a member as one cell.
pub(super) fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => plain(text),
        Some(Value::Array(items)) => {
            let cells: Vec<_> = items.iter().map(|item| cell(Some(item))).collect();
            cells.join(",")
        }
        Some(other) => plain(&other.to_string()),
    }
}

/// Writes one line of JSON, or what `otherwise` writes.
pub(super) fn show(
    form: Form,
    answer: &Value,
    otherwise: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match form {
        Form::Json => writeln!(out, "{answer}")?,
        Form::Table | Form::Tabs => otherwise(&mut out)?,
    }
    out.flush()?;
    Ok(())
}

/// Writes rows of cells under these headlines.
pub(super) fn rows(
    out: &mut dyn Write,
    form: Form,
    headlines: &[&str],
    rows: &[Vec<String>],
) -> io::Result<()> {
    if form != Form::Table {
        for row in rows {
            writeln!(out, "{}", row.join("\t"))?;
        }
        return Ok(());
    }
    let headline: Vec<String> = headlines.iter().map(|it| (*it).to_owned()).collect();
    let all = || std::iter::once(&headline).chain(rows);
    let widths: Vec<usize> = (0..headlines.len())
        .map(|column| {
            let width = |row: &Vec<String>| row.get(column).map_or(0, |cell| cell.chars().count());
            all().map(width).max().unwrap_or(0)
        })
        .collect();
    for row in all() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let missing = width.saturating_sub(cell.chars().count()).saturating_add(2);
            line.extend(std::iter::repeat_n(' ', missing));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes what one thing is: a name and a value a line.
pub(super) fn facts(out: &mut dyn Write, form: Form, facts: &[(&str, String)]) -> io::Result<()> {
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        match form {
            Form::Table => writeln!(out, "{name}: {value}")?,
            Form::Json | Form::Tabs => writeln!(out, "{name}\t{value}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form) -> String {
        let mut out = Vec::new();
        let told = [
            vec!["a".to_owned(), "long one".to_owned()],
            vec!["bcd".to_owned(), "e".to_owned()],
        ];
        rows(&mut out, form, &["id", "name"], &told).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_are_a_table_for_people_and_tabs_for_programs() {
        assert_eq!(written(Form::Table), "id   name\na    long one\nbcd  e\n");
        assert_eq!(written(Form::Tabs), "a\tlong one\nbcd\te\n");
    }

    #[test]
    fn a_text_from_elsewhere_cannot_act_on_the_terminal() {
        assert_eq!(plain("Ünter\tden\n\u{1b}[31m"), "Ünter\\tden\\n\\u{1b}[31m");
        assert_eq!(plain("a\u{202e}b\u{9b}c"), "a\\u{202e}b\\u{9b}c");
        let value = serde_json::json!(["a\tb", 1, null, true]);
        assert_eq!(cell(Some(&value)), "a\\tb,1,,true");
    }
}
