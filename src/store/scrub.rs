//! Writing the file anew, so that nothing of what was erased is left on its free pages.
//!
//! redb does not clear a page that it frees. So the whole file is made again from the log, with what is kept beside
//! the ledger, under another name, and takes the name of the old one.
//!
//! 1. Before the rename the old file is whole and marked as due; after it the new one is. A crash leaves one of the
//!    two, and perhaps a file beside it, which is removed when the store is opened.
//! 2. The new file is locked before it gets its name, so that no other process comes between.
//! 3. Snapshots of the old file read on: it goes when the last of them does.
//! 4. The old store takes nothing more once the new one has its name.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::file::Store;
use super::key::Reader;
use super::table::META_SCRUB;
use crate::base::limits::STORE_CACHE_BYTES_MAX;
use crate::model::T;

impl Store {
    /// Opens the store at `path`; removes what a crash left beside it, and writes it anew if that is due.
    ///
    /// If there is no room to write it anew, that stays due, and the store is opened all the same.
    ///
    /// # Errors
    /// `NotOurs`, `Version`, `InUse`, `Corrupt` or `Unavailable`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_sized(path, STORE_CACHE_BYTES_MAX)
    }

    /// The same, with so many bytes of pages in memory at most.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_sized(path: impl AsRef<Path>, cache_bytes: usize) -> Result<Self, Error> {
        let store = Self::open_as_it_is_sized(path, cache_bytes)?;
        if let Some(path) = store.path() {
            remove(&beside(path))?;
        }
        if store.scrub_due()?.is_none() {
            return Ok(store);
        }
        match store.scrub() {
            Ok(Some(new)) => new.can_append().map(|()| new),
            Ok(None) | Err(Error::Unavailable { .. }) => Ok(store),
            Err(error) => Err(error),
        }
    }

    /// The newest block that asked for flakes to be erased, if the file's free pages may still hold them.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn scrub_due(&self) -> Result<Option<T>, Error> {
        let snapshot = self.snapshot()?;
        let due = snapshot.tables().meta.get(META_SCRUB)?;
        due.map(|due| Reader::new(due.value()).t()).transpose()
    }

    /// Writes the file anew, and gives the store on the new one; `None` if the store is on no file.
    ///
    /// It takes time and room in proportion to the database.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not answer or is full, `Corrupt` if the log is damaged: then this store is
    /// as it was. If the new file's name cannot be made durable, the new store takes no blocks.
    pub fn scrub(&self) -> Result<Option<Self>, Error> {
        let Some(path) = self.path() else {
            return Ok(None);
        };
        self.can_append()?;
        let commits = self.commits();
        let beside = beside(path);
        let made = self.write_beside(path, &beside);
        let renamed = made.and_then(|new| {
            self.give_way(&new, commits, || fs::rename(&beside, path))?;
            Ok(new)
        });
        match renamed {
            Ok(new) => Ok(Some(new.named(path))),
            Err(error) => {
                remove(&beside)?;
                Err(error)
            }
        }
    }

    fn write_beside(&self, path: &Path, beside: &Path) -> Result<Self, Error> {
        remove(beside)?;
        let new = Self::create_sized(beside, self.incarnation(), self.cache_bytes())?;
        fs::set_permissions(beside, fs::metadata(path)?.permissions())?;
        let new = Self::rebuild(self, new)?;
        if new.head() == self.head() {
            Ok(new)
        } else {
            Err(Error::corrupt("the file that was made anew ends elsewhere"))
        }
    }
}

/// The name of the file in the making.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".scrub");
    PathBuf::from(name)
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
