//! The files of a data folder, and how they change their places.
//!
//! Shape: docs/format.md, "The data folder".
//! ```text
//! DIR/NETWORK/NAME.redb                      a database
//! DIR/new/NETWORK.NAME.INCARNATION.redb      one in the making: it gets its place once `solon/master` has its fact
//! DIR/deleted/NETWORK.NAME.INCARNATION.redb  one that was deleted, while it can be restored
//! DIR/keys/NETWORK.NAME.incarnation          for whoever mints from the key alone
//! ```
//! A file is moved by one rename, and the folders on both sides are synced. Which file belongs where is told by the
//! facts of `solon/master`, and by nothing here.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind as IoErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::database_name::DatabaseName;
use super::error::Error;
use crate::model::Incarnation;

/// Where files wait that are not in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// In the making.
    New,
    /// Deleted, and to be restored.
    Deleted,
}

/// A data folder, as far as it is files.
#[derive(Clone, Debug)]
pub(super) struct DataDir {
    dir: PathBuf,
}

impl Aside {
    const fn folder(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Deleted => "deleted",
        }
    }
}

impl DataDir {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Where the keys are.
    pub(super) fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// The place of a database.
    pub(super) fn place(&self, name: &DatabaseName) -> PathBuf {
        self.dir.join(format!("{name}.redb"))
    }

    /// Where a database's file waits.
    pub(super) fn aside(&self, aside: Aside, name: &DatabaseName, life: Incarnation) -> PathBuf {
        let file = format!("{}.{life}.redb", name.dotted());
        self.dir.join(aside.folder()).join(file)
    }

    /// Removes every file that waits to be made: none has a fact once those that have one are in their place.
    pub(super) fn sweep_new(&self) -> Result<(), Error> {
        sweep(&self.dir.join(Aside::New.folder()), |_| true)
    }

    /// Writes the incarnation of a database beside the keys, whole or not at all.
    pub(super) fn keep_incarnation(
        &self,
        name: &DatabaseName,
        life: Incarnation,
    ) -> Result<(), Error> {
        let path = self.incarnation_path(name);
        let text = format!("{life}\n");
        if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
            return Ok(());
        }
        let new = path.with_extension("new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(|error| failed(&path, &error))
    }

    /// Takes the incarnation of a database away from beside the keys.
    pub(super) fn forget_incarnation(&self, name: &DatabaseName) -> Result<(), Error> {
        remove(&self.incarnation_path(name))
    }

    /// Takes those away that are of no database that `keeps` knows.
    pub(super) fn sweep_incarnations(
        &self,
        keeps: impl Fn(&DatabaseName) -> bool,
    ) -> Result<(), Error> {
        sweep(&self.keys(), |file| {
            let name = file.to_str().and_then(|it| it.strip_suffix(".incarnation"));
            name.is_some_and(|it| !DatabaseName::parse(it).is_some_and(|it| keeps(&it)))
        })
    }

    /// The incarnation of a database, as it stands beside the keys; `None` where there is none.
    ///
    /// # Errors
    /// `Corrupt` for a file that holds none.
    pub(super) fn incarnation(&self, name: &DatabaseName) -> Result<Option<Incarnation>, Error> {
        let Ok(text) = fs::read_to_string(self.incarnation_path(name)) else {
            return Ok(None);
        };
        let life = parse_incarnation(text.trim_end());
        life.map(Some)
            .ok_or_else(|| Error::corrupt("the incarnation file is damaged"))
    }

    fn incarnation_path(&self, name: &DatabaseName) -> PathBuf {
        self.keys().join(format!("{}.incarnation", name.dotted()))
    }
}

/// An incarnation as it is written, 32 hexadecimal digits.
pub(super) fn parse_incarnation(text: &str) -> Option<Incarnation> {
    u128::from_str_radix(text, 16)
        .ok()
        .map(|number| Incarnation(number.to_be_bytes()))
        .filter(|life| life.to_string() == text)
}

/// Moves a file to where nothing is, and makes that last. Whether there was one to move.
///
/// # Errors
/// `Unavailable` if something stands there, or the disk does not answer.
pub(super) fn move_file(from: &Path, to: &Path) -> Result<bool, Error> {
    if !exists(from)? {
        return Ok(false);
    }
    make_parent(to)?;
    if exists(to)? {
        let why = format!("`{}` is in the way", to.display());
        return Err(Error::unavailable(why));
    }
    fs::rename(from, to)
        .and_then(|()| sync_parent(to))
        .and_then(|()| sync_parent(from))
        .map_err(|error| failed(to, &error))?;
    Ok(true)
}

/// Whether a file is there.
pub(super) fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|error| failed(path, &error))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != IoErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

/// Makes the folder that a file is to stand in.
pub(super) fn make_parent(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    if exists(parent)? {
        return Ok(());
    }
    fs::create_dir_all(parent)
        .and_then(|()| sync_parent(parent))
        .map_err(|error| failed(parent, &error))
}

/// Removes the files of a folder that `goes` says, if the folder is there.
fn sweep(dir: &Path, goes: impl Fn(&OsStr) -> bool) -> Result<(), Error> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(dir, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| failed(dir, &error))?;
        if goes(&entry.file_name()) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes what was done to a name in a folder last.
#[cfg(unix)]
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new("."))).and_then(|it| it.sync_all())
}

#[cfg(not(unix))]
fn sync_parent(_: &Path) -> io::Result<()> {
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::unavailable(format!("`{}`: {error}", path.display()))
}
