//! `solon logs`: the audit trail, a line an event, the newest first; and taking its oldest rows away.
//!
//! What is asked becomes the body that the door takes, and what is shown is rows as the door answers them: so a trail
//! that a server reads is shown by the same two functions.

use std::io::{self, Write};

use serde_json::Value;

use super::arguments::{
    FolderArguments, LogStatus, LogsQueryArguments, PruneArguments, ShownLogsArguments,
};
use super::asked::Asked;
use super::error::Error;
use crate::db::{Folder, Options};
use crate::wire::Log;

/// Shows the trail of a database, as a server tells it or a folder that no server has open.
pub(super) fn logs(arguments: &ShownLogsArguments) -> Result<(), Error> {
    let ShownLogsArguments { place, asked } = arguments;
    let answer = Asked::of(place)?.post("logs", &body(asked))?;
    let rows: Vec<Log> = serde_json::from_value(answer).map_err(|_| Error::Answer("rows"))?;
    let mut out = io::stdout().lock();
    show(&mut out, &rows, place.caller.json)?;
    out.flush()?;
    Ok(())
}

/// Takes the oldest rows away.
pub(super) fn prune(arguments: &PruneArguments) -> Result<(), Error> {
    let PruneArguments {
        folder,
        db,
        before,
        json,
    } = arguments;
    let pruned = open(folder)?.prune_logs(db, *before)?;
    let mut out = io::stdout().lock();
    if *json {
        writeln!(out, "{}", serde_json::json!({"rows": pruned.rows}))?;
    } else {
        writeln!(out, "{} rows were taken away", pruned.rows)?;
    }
    out.flush()?;
    Ok(())
}

fn open(folder: &FolderArguments) -> Result<Folder, Error> {
    let FolderArguments { data } = folder;
    Folder::open_existing(data, &Options::default()).map_err(|why| Error::Folder {
        path: data.clone(),
        why,
    })
}

/// The body of the request that asks for these rows.
fn body(asked: &LogsQueryArguments) -> Value {
    let LogsQueryArguments {
        limit,
        before,
        after,
        status,
    } = asked;
    let mut body = serde_json::json!({"limit": limit});
    // What is all digits is the id of a row.
    let place = |text: &String| match text.parse::<u64>() {
        Ok(id) => serde_json::json!(id),
        Err(_) => serde_json::json!(text),
    };
    let members = [
        ("before", before.as_ref().map(place)),
        ("after", after.as_ref().map(place)),
        ("status", status.map(|it| status_name(it).into())),
    ];
    if let Some(object) = body.as_object_mut() {
        for (name, value) in members {
            object.extend(value.map(|value| (name.to_owned(), value)));
        }
    }
    body
}

fn status_name(status: LogStatus) -> &'static str {
    match status {
        LogStatus::Ok => "ok",
        LogStatus::Error => "error",
    }
}

/// Shows rows: as the JSON that the door answers, or a line each.
fn show(out: &mut dyn Write, rows: &[Log], json: bool) -> io::Result<()> {
    if json {
        return writeln!(out, "{}", serde_json::to_string(rows)?);
    }
    rows.iter()
        .try_for_each(|row| writeln!(out, "{}", line(row)))
}

/// A row as one line: its id, instant, status and event in columns, then what else it tells by name.
fn line(row: &Log) -> String {
    let Log {
        id,
        event,
        status,
        at,
        auth,
        by,
        user,
        token,
        address,
        code,
        block,
        count,
    } = row;
    let mut parts = vec![
        format!("{id:>8}"),
        printable(at),
        format!("{:<5}", printable(status)),
        printable(event),
    ];
    let told = [
        ("auth", auth.map(|it| it.to_string())),
        ("by", by.map(|it| it.to_string())),
        ("user", user.map(|it| it.to_string())),
        ("token", token.as_deref().map(printable)),
        ("address", address.map(|it| it.to_string())),
        ("code", code.as_deref().map(printable)),
        ("block", block.map(|it| it.to_string())),
        ("count", count.map(|it| it.to_string())),
    ];
    for (name, value) in told {
        parts.extend(value.map(|value| format!("{name}={value}")));
    }
    parts.join("  ")
}

/// The text with what would break the line, or act on a terminal, escaped. A server that was taken over is no reason
/// to let it write there.
fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_graphic() {
            shown.push(letter);
        } else {
            shown.extend(letter.escape_unicode());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Log {
        Log {
            id: 12,
            event: "denied".to_owned(),
            status: "error".to_owned(),
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            auth: Some(5),
            by: None,
            user: None,
            token: None,
            address: Some([127, 0, 0, 1].into()),
            code: Some("http/no-token".to_owned()),
            block: None,
            count: Some(3),
        }
    }

    fn shown(rows: &[Log], json: bool) -> String {
        let mut out = Vec::new();
        show(&mut out, rows, json).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_is_one_line() {
        assert_eq!(
            shown(&[row()], false),
            "      12  2026-01-01T00:00:00.000Z  error  denied  auth=5  address=127.0.0.1  code=http/no-token  \
             count=3\n"
        );
        assert_eq!(shown(&[], false), "");
        assert_eq!(shown(&[], true), "[]\n");
    }

    #[test]
    fn nothing_in_a_row_breaks_a_line_or_acts_on_a_terminal() {
        let nasty = "a\n\r\u{1b}[2J\u{9b}2J\u{202e}\u{2028} b\0";
        let mut row = row();
        for text in [&mut row.event, &mut row.status, &mut row.at] {
            nasty.clone_into(text);
        }
        row.token = Some(nasty.to_owned());
        row.code = Some(nasty.to_owned());
        let line = shown(&[row], false);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.trim_end()
                .chars()
                .all(|it| it == ' ' || it.is_ascii_graphic()),
            "{line:?}"
        );
    }

    #[test]
    fn what_is_asked_becomes_a_body() {
        let asked = LogsQueryArguments {
            limit: 5,
            before: Some("17".to_owned()),
            after: Some("2026-01-01T00:00:00Z".to_owned()),
            status: Some(LogStatus::Error),
        };
        assert_eq!(
            body(&asked),
            serde_json::json!({"limit": 5, "before": 17, "after": "2026-01-01T00:00:00Z", "status": "error"})
        );
    }
}
