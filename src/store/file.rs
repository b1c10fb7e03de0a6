//! The store: one file, one writer, any number of snapshots.
//!
//! 1. Whatever was acknowledged is on disk, whole; whatever was not is there whole or not at all.
//! 2. INVARIANT(durable-ack): `append` answers `Ok` only after both syncs of the commit succeeded.
//! 3. After a commit that failed, snapshots are still given, of the newest state that was acknowledged; appends
//!    answer `Unavailable` until the store is opened again.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, ReadableDatabase, StorageBackend, WriteTransaction};

use super::append::{self, Blocks};
use super::aside::Aside;
use super::block::Sealed;
use super::disk::{Failure, Latched};
use super::error::Error;
use super::key::{Reader, put_uint};
use super::snapshot::Snapshot;
use super::table::{
    ABOUT, FORMAT, FWD, HFWD, HREV, LOG, MARKS, META, META_FORMAT, META_INCARNATION, OPST, POST,
    TRAIL,
};
use crate::base::limits::STORE_CACHE_BYTES_MAX;
use crate::model::{Head, Incarnation};

/// A database file that is open.
pub struct Store {
    incarnation: Incarnation,
    database: Database,
    failure: Failure,
    /// Where the file is, if it is one.
    path: Option<PathBuf>,
    /// Bytes of pages that it keeps in memory; a file that is written anew keeps as many.
    cache_bytes: usize,
    newest: Mutex<Snapshot>,
    writer: Mutex<Writer>,
}

/// The one writer.
#[derive(Debug)]
struct Writer {
    head: Head,
    /// How many commits there were since the store was opened.
    commits: u64,
    poison: Option<String>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a new store at `path`.
    ///
    /// # Errors
    /// `Exists` if the file holds a database, `NotOurs` if it holds anything else, `InUse`, `Unavailable`.
    pub fn create(path: impl AsRef<Path>, incarnation: Incarnation) -> Result<Self, Error> {
        Self::create_sized(path, incarnation, STORE_CACHE_BYTES_MAX)
    }

    /// The same, with so many bytes of pages in memory at most.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_sized(
        path: impl AsRef<Path>,
        incarnation: Incarnation,
        cache_bytes: usize,
    ) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut store = Self::make(file(path, Missing::Created)?, incarnation, cache_bytes)?;
        sync_name(path)?;
        store.path = Some(path.canonicalize()?);
        Ok(store)
    }

    /// Opens the store at `path`, and leaves it as it is.
    ///
    /// # Errors
    /// `NotOurs`, `Version`, `InUse`, `Corrupt` or `Unavailable`.
    pub fn open_as_it_is(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_as_it_is_sized(path, STORE_CACHE_BYTES_MAX)
    }

    /// The same, with so many bytes of pages in memory at most.
    pub(super) fn open_as_it_is_sized(
        path: impl AsRef<Path>,
        cache_bytes: usize,
    ) -> Result<Self, Error> {
        // Through a link, so that the file that is written anew takes the place of the right one.
        let path = path.as_ref().canonicalize()?;
        let file = open_file(&path, Missing::Refused)?;
        let opened = file.metadata()?;
        if opened.len() == 0 {
            return Err(Error::NotOurs);
        }
        let failure = Failure::default();
        let database = database(FileBackend::new(file)?, &failure, cache_bytes)?;
        let mut store = Self::of(database, failure, cache_bytes)?;
        // Who had it open may have written it anew between our opening and our locking it.
        if !is_still(&path, &opened)? {
            return Err(Error::InUse);
        }
        store.path = Some(path);
        Ok(store)
    }

    /// [`Store::create`] on something that is not a file.
    pub fn create_on(
        backend: impl StorageBackend,
        incarnation: Incarnation,
    ) -> Result<Self, Error> {
        Self::make(backend, incarnation, STORE_CACHE_BYTES_MAX)
    }

    fn make(
        backend: impl StorageBackend,
        incarnation: Incarnation,
        cache_bytes: usize,
    ) -> Result<Self, Error> {
        let failure = Failure::default();
        let database = database(backend, &failure, cache_bytes)?;
        // A file without tables is one whose creation was cut short.
        let transaction = database.begin_read()?;
        if transaction.list_tables()?.next().is_some() {
            return Err(Error::Exists);
        }
        drop(transaction);
        let transaction = begin(&database)?;
        for table in [FWD, POST, OPST, HFWD, HREV, LOG, TRAIL, ABOUT, MARKS] {
            transaction.open_table(table)?;
        }
        let mut format = Vec::new();
        put_uint(&mut format, FORMAT);
        let mut meta = transaction.open_table(META)?;
        meta.insert(META_FORMAT, format.as_slice())?;
        meta.insert(META_INCARNATION, incarnation.0.as_slice())?;
        drop(meta);
        transaction.commit()?;
        Self::of(database, failure, cache_bytes)
    }

    /// [`Store::open_as_it_is`] on something that is not a file.
    pub fn open_on(backend: impl StorageBackend) -> Result<Self, Error> {
        let failure = Failure::default();
        let database = database(backend, &failure, STORE_CACHE_BYTES_MAX)?;
        Self::of(database, failure, STORE_CACHE_BYTES_MAX)
    }

    fn of(database: Database, failure: Failure, cache_bytes: usize) -> Result<Self, Error> {
        if let Some(why) = failure.why() {
            return Err(Error::unavailable(why));
        }
        let incarnation = check_meta(&database)?;
        let newest = Snapshot::new(&database.begin_read()?)?;
        let writer = Writer {
            head: newest.head(),
            commits: 0,
            poison: None,
        };
        Ok(Self {
            incarnation,
            database,
            failure,
            path: None,
            cache_bytes,
            newest: Mutex::new(newest),
            writer: Mutex::new(writer),
        })
    }

    /// Which life of the database this is.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The end of the chain: the newest block that was acknowledged.
    pub fn head(&self) -> Head {
        lock(&self.newest).head()
    }

    /// Everything that was acknowledged, as it is now and stays for this reader.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Ok(lock(&self.newest).clone())
    }

    /// Whether it still takes blocks.
    ///
    /// # Errors
    /// `Unavailable` after a commit failed.
    pub fn can_append(&self) -> Result<(), Error> {
        match &lock(&self.writer).poison {
            Some(why) => Err(Error::unavailable(why.clone())),
            None => Ok(()),
        }
    }

    /// Where the file is, if the store is on one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(super) const fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// How many commits there were since it was opened.
    pub(super) fn commits(&self) -> u64 {
        lock(&self.writer).commits
    }

    /// Does what puts `new` in this store's place, and takes nothing more if that is done. `new` was made after the
    /// commit of this number.
    pub(super) fn give_way(
        &self,
        new: &Self,
        commits: u64,
        take_place: impl FnOnce() -> std::io::Result<()>,
    ) -> Result<(), Error> {
        let mut writer = lock(&self.writer);
        if let Some(why) = &writer.poison {
            return Err(Error::unavailable(why.clone()));
        }
        // What is kept beside the ledger tells of no block.
        if writer.head != new.head() || writer.commits != commits {
            return Err(Error::unavailable(
                "a commit came while it was written anew",
            ));
        }
        take_place()?;
        writer.poison = Some("the file was written anew, and this is the old one".to_owned());
        Ok(())
    }

    /// The store with its file's new name; if that cannot be made durable, it takes no blocks.
    pub(super) fn named(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        if let Err(error) = sync_name(path) {
            lock(&self.writer).poison = Some(format!("the file's name is not durable: {error}"));
        }
        self
    }

    /// Appends consecutive blocks in one durable transaction: all of them or none.
    ///
    /// # Errors
    /// `Invalid` if the first block does not follow the head, a later one the one before it, or a flake what
    /// holds; then nothing happened. `Unavailable` or `Corrupt` if the commit failed, and ever after.
    pub fn append(&self, blocks: &[Sealed]) -> Result<(), Error> {
        self.append_with(blocks, &Aside::default())
    }

    /// The same, with what is kept beside the ledger, in the same disk transaction. There may be no block at all.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_with(&self, blocks: &[Sealed], aside: &Aside) -> Result<(), Error> {
        let mut writer = lock(&self.writer);
        if let Some(why) = &writer.poison {
            return Err(Error::unavailable(why.clone()));
        }
        let head = follow(writer.head, blocks)?;
        aside.check()?;
        if blocks.is_empty() && aside.is_empty() {
            return Ok(());
        }
        self.write(&mut writer, head, Blocks::New(blocks), aside)
    }

    /// Appends blocks out of another log, whose chain was checked.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub(super) fn fill(&self, blocks: Blocks<'_>) -> Result<(), Error> {
        let mut writer = lock(&self.writer);
        match blocks.head() {
            Some(head) => self.write(&mut writer, head, blocks, &Aside::default()),
            None => Ok(()),
        }
    }

    fn write(
        &self,
        writer: &mut Writer,
        head: Head,
        blocks: Blocks<'_>,
        aside: &Aside,
    ) -> Result<(), Error> {
        match self.commit(blocks, aside) {
            Ok(newest) => {
                writer.head = head;
                writer.commits = writer.commits.saturating_add(1);
                *lock(&self.newest) = newest;
                Ok(())
            }
            Err(error @ Error::Invalid { .. }) if self.failure.why().is_none() => Err(error),
            Err(error) => {
                writer.poison = Some(format!("a commit failed: {error}"));
                Err(error)
            }
        }
    }

    /// Writes a row of the log as no commit would.
    #[cfg(test)]
    pub(super) fn forge(&self, t: crate::model::T, bytes: &[u8]) {
        let transaction = begin(&self.database).unwrap();
        let mut log = transaction.open_table(LOG).unwrap();
        let key = super::table::log_key(t);
        log.insert(key.as_slice(), bytes).unwrap();
        drop(log);
        transaction.commit().unwrap();
        *lock(&self.newest) = Snapshot::new(&self.database.begin_read().unwrap()).unwrap();
    }

    fn commit(&self, blocks: Blocks<'_>, aside: &Aside) -> Result<Snapshot, Error> {
        let transaction = begin(&self.database)?;
        append::append(&transaction, blocks)?;
        aside.put(&transaction)?;
        transaction.commit()?;
        if let Some(why) = self.failure.why() {
            return Err(Error::unavailable(why));
        }
        Snapshot::new(&self.database.begin_read()?)
    }
}

/// Checks that the blocks are consecutive and follow `head`; tells where they end.
fn follow(head: Head, blocks: &[Sealed]) -> Result<Head, Error> {
    blocks.iter().try_fold(head, |head, sealed| {
        if sealed.commit.t != head.t.next() || sealed.previous != head.hash {
            return Err(Error::invalid(format!(
                "block {} does not follow block {}",
                sealed.commit.t.0, head.t.0
            )));
        }
        Ok(sealed.head())
    })
}

fn lock<L>(mutex: &Mutex<L>) -> MutexGuard<'_, L> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn database(
    backend: impl StorageBackend,
    failure: &Failure,
    cache_bytes: usize,
) -> Result<Database, Error> {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes.min(STORE_CACHE_BYTES_MAX));
    Ok(builder.create_with_backend(Latched::new(backend, failure.clone()))?)
}

/// Begins a transaction in the mode that docs/format.md promises.
fn begin(database: &Database) -> Result<WriteTransaction, Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    Ok(transaction)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Created,
    Refused,
}

fn file(path: &Path, missing: Missing) -> Result<FileBackend, Error> {
    Ok(FileBackend::new(open_file(path, missing)?)?)
}

fn open_file(path: &Path, missing: Missing) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(missing == Missing::Created)
        .truncate(false)
        .open(path)
}

/// Whether the path still names the file that was opened.
fn is_still(path: &Path, opened: &Metadata) -> std::io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let there = std::fs::metadata(path)?;
        Ok((there.dev(), there.ino()) == (opened.dev(), opened.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = opened;
        path.try_exists()
    }
}

/// Makes the name of a new file as durable as its content.
fn sync_name(path: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    {
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))
            .and_then(|directory| directory.sync_all())?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn check_meta(database: &Database) -> Result<Incarnation, Error> {
    let transaction = database.begin_read()?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Err(Error::NotOurs),
    };
    let format = meta.get(META_FORMAT)?.ok_or(Error::NotOurs)?;
    let found = Reader::new(format.value()).uint()?;
    if found != FORMAT {
        return Err(Error::Version {
            found,
            known: FORMAT,
        });
    }
    let incarnation = meta.get(META_INCARNATION)?.ok_or(Error::NotOurs)?;
    Ok(Incarnation(Reader::new(incarnation.value()).array()?))
}
