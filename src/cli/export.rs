//! `solon export`: a database as JSON lines, to standard output or whole into a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::arguments::{ExportArguments, ExportBy, FolderArguments};
use super::error::Error;
use super::progress::Progress;
use crate::base::{Clock as _, SystemClock};
use crate::db::{Exported, Folder, Options};
use crate::model::T;

/// Exports a database.
pub(super) fn export(arguments: &ExportArguments) -> Result<(), Error> {
    let ExportArguments {
        folder: FolderArguments { data },
        db,
        by,
        out,
        json,
        ..
    } = arguments;
    let names_blocks = arguments.from.is_some() || arguments.to.is_some();
    if *by == ExportBy::State && names_blocks {
        let why = "`--from` and `--to` name blocks, and need `--by block`";
        return Err(Error::Arguments(why));
    }
    if *by == ExportBy::Block && arguments.r#as.is_some() {
        let why = "blocks are told to root alone: `--as` needs `--by state`";
        return Err(Error::Arguments(why));
    }
    let folder = Folder::open_existing(data, &Options::default()).map_err(|why| Error::Folder {
        path: data.clone(),
        why,
    })?;
    folder.database_named(db)?;
    let clock = SystemClock::new();
    let Some(path) = out else {
        let mut out = BufWriter::new(io::stdout().lock());
        write(arguments, &folder, &mut out, &clock)?;
        return Ok(());
    };
    let exported = whole(path, |file| write(arguments, &folder, file, &clock))?;
    let seconds = clock.elapsed().as_secs_f64();
    let Exported {
        items,
        bytes,
        block,
    } = exported;
    let what = match by {
        ExportBy::State => "items",
        ExportBy::Block => "blocks",
    };
    let mut out = io::stdout().lock();
    if *json {
        let report =
            serde_json::json!({what: items, "bytes": bytes, "block": block.0, "seconds": seconds});
        writeln!(out, "{report}")?;
    } else {
        writeln!(
            out,
            "exported {items} {what}, {bytes} bytes, as of block {}, in {seconds:.1} s",
            block.0
        )?;
    }
    out.flush()?;
    Ok(())
}

fn write(
    arguments: &ExportArguments,
    folder: &Folder,
    out: &mut dyn Write,
    clock: &SystemClock,
) -> Result<Exported, Error> {
    let ExportArguments {
        db,
        by,
        from,
        to,
        r#as,
        ..
    } = arguments;
    let database = folder.database_named(db)?;
    let mut progress = Progress::new(None);
    let what = match by {
        ExportBy::State => "items",
        ExportBy::Block => "blocks",
    };
    let mut told = |bytes, made| progress.tell(bytes, made, what, clock.elapsed());
    let done = match (by, r#as) {
        (ExportBy::State, None) => database.export(out, &mut told),
        (ExportBy::State, Some(auth)) => database.export_as(auth.as_str(), out, &mut told),
        (ExportBy::Block, _) => database.export_blocks(from.map(T), to.map(T), out, &mut told),
    };
    progress.end();
    Ok(done?)
}

/// Writes a file beside `path`, and gives it that name when it is whole and on disk.
fn whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<Exported, Error>,
) -> Result<Exported, Error> {
    let unwritten = |why| Error::Written {
        path: path.to_owned(),
        why,
    };
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let file = private(&part).map_err(unwritten)?;
    let mut out = BufWriter::new(file);
    let done = write(&mut out).and_then(|exported| {
        let file = out.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, path))
            .map_err(unwritten)?;
        Ok(exported)
    });
    if done.is_err() {
        // What is not whole is of no use.
        let _ = fs::remove_file(&part);
    }
    done
}

/// A new file that its owner alone can read: all of a database may stand in it. What is there already may be open to
/// others, or lead elsewhere, so it is not written into.
fn private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
