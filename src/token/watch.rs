//! Whether a key folder changed since it was read.
//!
//! 1. Between two looks nothing is asked of the system. A look that is due is made by the first who needs the keys,
//!    and all others who do wait for it: after `KEYS_LOOK_MS_MAX`, nobody goes on with keys that were taken away.
//! 2. A look lists the folder's files: their names, and what the system says of each that changes with its content.
//!    It is taken before the files are read, so that a change meanwhile is seen by the next look.
//! 3. A folder that could not be read whole is read again at every look.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Error;
use super::files::io_error;
use super::key_folder;
use crate::base::Clock;
use crate::base::limits::KEYS_LOOK_MS_MAX;

/// A key folder that is looked at now and then.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) dir: PathBuf,
    /// The issuer's name in place of the folder's.
    pub(super) issuer: Option<String>,
    clock: Arc<dyn Clock>,
    /// When a look is due, by the clock's elapsed time.
    due_ms: AtomicU64,
    seen: Mutex<Option<Listing>>,
}

/// What a folder's files looked like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing(Vec<(OsString, Look)>);

#[cfg(unix)]
type Look = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Look = (u64, Option<std::time::SystemTime>);

/// A look that is being made; nobody else makes one.
#[derive(Debug)]
pub(super) struct Looking<'a> {
    watch: &'a Watch,
    seen: MutexGuard<'a, Option<Listing>>,
    began_ms: u64,
}

impl Watch {
    /// A folder that was read after it looked like this.
    pub(super) fn new(
        dir: &Path,
        issuer: Option<&str>,
        clock: &Arc<dyn Clock>,
        seen: Listing,
    ) -> Self {
        let watch = Self {
            dir: dir.to_owned(),
            issuer: issuer.map(str::to_owned),
            clock: Arc::clone(clock),
            due_ms: AtomicU64::new(0),
            seen: Mutex::new(Some(seen)),
        };
        let due_ms = watch.elapsed_ms().saturating_add(KEYS_LOOK_MS_MAX);
        watch.due_ms.store(due_ms, Ordering::Release);
        watch
    }

    /// A look, if one is due.
    pub(super) fn look(&self) -> Option<Looking<'_>> {
        if !self.is_due() {
            return None;
        }
        // Nothing here panics while it is held, and what it holds is whole at any time.
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Another may have looked while this one waited.
        self.is_due().then(|| Looking {
            watch: self,
            seen,
            began_ms: self.elapsed_ms(),
        })
    }

    fn is_due(&self) -> bool {
        self.elapsed_ms() >= self.due_ms.load(Ordering::Acquire)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Looking<'_> {
    /// Whether the folder is as it was when it was last read whole.
    pub(super) fn is_as_before(&self, listing: &Listing) -> bool {
        self.seen.as_ref() == Some(listing)
    }

    /// Ends the look; those who waited go on. `read` is how the folder looked before it was read whole.
    pub(super) fn end(mut self, read: Option<Listing>) {
        *self.seen = read;
        let due_ms = self.began_ms.saturating_add(KEYS_LOOK_MS_MAX);
        self.watch.due_ms.store(due_ms, Ordering::Release);
    }
}

/// What a folder's files look like.
pub(super) fn list(dir: &Path) -> Result<Listing, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| io_error(dir, &error))? {
        let entry = entry.map_err(|error| io_error(dir, &error))?;
        let name = entry.file_name();
        if key_folder::is_ours(&name) {
            let path = entry.path();
            let metadata = fs::metadata(&path).map_err(|error| io_error(&path, &error))?;
            files.push((name, look(&metadata)));
        }
    }
    files.sort();
    Ok(Listing(files))
}

/// A file that takes another's place has an inode of its own; what is written into one moves its change time.
#[cfg(unix)]
fn look(metadata: &fs::Metadata) -> Look {
    use std::os::unix::fs::MetadataExt as _;
    (
        metadata.ino(),
        metadata.len(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

#[cfg(not(unix))]
fn look(metadata: &fs::Metadata) -> Look {
    (metadata.len(), metadata.modified().ok())
}
