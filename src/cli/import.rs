//! `solon import`: a file into a database, with a bar on a terminal, and what it came to.

use std::fs::File;
use std::io::{self, Read, Write as _};

use super::arguments::ImportArguments;
use super::error::Error;
use super::progress::Progress;
use crate::base::{Clock as _, SystemClock};
use crate::db::{Folder, Imported, Options};

/// Imports a file.
pub(super) fn import(arguments: &ImportArguments) -> Result<(), Error> {
    let ImportArguments {
        file,
        data,
        db,
        r#as,
        json,
    } = arguments;
    let unreadable = |why| Error::Unread {
        path: file.clone(),
        why,
    };
    let (input, length): (Box<dyn Read>, _) = if file.as_os_str() == "-" {
        (Box::new(io::stdin().lock()), None)
    } else {
        let opened = File::open(file).map_err(unreadable)?;
        let length = opened.metadata().map_err(unreadable)?.len();
        (Box::new(opened), Some(length))
    };
    let folder = Folder::open(data, &Options::default()).map_err(|why| Error::Folder {
        path: data.clone(),
        why,
    })?;
    let database = folder.database_named(db)?;
    let clock = SystemClock::new();
    let mut progress = Progress::new(length);
    let mut told = |imported: &Imported| {
        progress.tell(imported.bytes, imported.flakes, "flakes", clock.elapsed());
    };
    let done = match r#as {
        Some(auth) => database.import_as(auth.as_str(), input, &mut told),
        None => database.import(input, &mut told),
    };
    progress.end();
    let seconds = clock.elapsed().as_secs_f64();
    let imported = done.map_err(|stopped| Error::Import {
        path: file.clone(),
        stopped: Box::new(stopped),
    })?;
    let mut out = io::stdout().lock();
    if *json {
        writeln!(out, "{}", report(&imported, seconds))?;
    } else {
        let Imported {
            items,
            transactions,
            flakes,
            skipped,
            ..
        } = imported;
        writeln!(
            out,
            "imported {items} items, {skipped} of them before now: {flakes} flakes in {transactions} transactions, \
             {seconds:.1} s"
        )?;
    }
    out.flush()?;
    Ok(())
}

/// What an import came to, for programs.
fn report(imported: &Imported, seconds: f64) -> serde_json::Value {
    serde_json::json!({
        "lines": imported.lines,
        "items": imported.items,
        "transactions": imported.transactions,
        "flakes": imported.flakes,
        "skipped": imported.skipped,
        "seconds": seconds,
    })
}
