//! A disk that stops writing at its first failure, and can still be read.
//!
//! redb answers nothing more once a write or a sync has failed. A store is read on: so this backend stands
//! between, notes the failure, and from then on keeps writes in memory and lets the disk alone.
//!
//! 1. After the first failed write or sync nothing reaches the disk: what is there is what a power cut at that
//!    moment would have left.
//! 2. Whoever commits asks [`Failure`] afterwards. INVARIANT(durable-ack): no commit is acknowledged once it
//!    tells of a failure.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// What became of the disk; shared between the backend and the store.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether `lost` is there, told without taking the lock: readers ask at every page.
    has_failed: AtomicBool,
    lost: Mutex<Option<Lost>>,
}

/// What was not written since the disk failed.
#[derive(Debug)]
struct Lost {
    why: String,
    length: u64,
    writes: Vec<(u64, Vec<u8>)>,
}

impl Failure {
    /// Why the disk takes no more, if it failed.
    pub(super) fn why(&self) -> Option<String> {
        self.lock().as_ref().map(|lost| lost.why.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Lost>> {
        self.0.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_failed(&self) -> bool {
        self.0.has_failed.load(Ordering::Acquire)
    }
}

/// A backend that stops writing at its first failure.
#[derive(Debug)]
pub(super) struct Latched<B> {
    disk: B,
    failure: Failure,
}

impl<B: StorageBackend> Latched<B> {
    pub(super) fn new(disk: B, failure: Failure) -> Self {
        Self { disk, failure }
    }

    /// Does it on the disk, or in memory once the disk has failed.
    fn change(
        &self,
        on_disk: impl FnOnce(&B) -> io::Result<()>,
        in_memory: impl FnOnce(&mut Lost),
    ) -> io::Result<()> {
        let mut failure = self.failure.lock();
        if failure.is_none() {
            let Err(error) = on_disk(&self.disk) else {
                return Ok(());
            };
            let length = self.disk.len()?;
            self.failure.0.has_failed.store(true, Ordering::Release);
            *failure = Some(Lost {
                why: error.to_string(),
                length,
                writes: Vec::new(),
            });
        }
        if let Some(lost) = failure.as_mut() {
            in_memory(lost);
        }
        Ok(())
    }
}

impl Lost {
    /// Lays the writes over what the disk holds at `offset`.
    fn lay_over(&self, offset: u64, out: &mut [u8]) {
        for (at, data) in &self.writes {
            let Ok(skip) = usize::try_from(at.saturating_sub(offset)) else {
                continue;
            };
            let Ok(behind) = usize::try_from(offset.saturating_sub(*at)) else {
                continue;
            };
            let to = out.get_mut(skip..).unwrap_or_default();
            let from = data.get(behind..).unwrap_or_default();
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from;
            }
        }
    }
}

impl<B: StorageBackend> StorageBackend for Latched<B> {
    fn len(&self) -> io::Result<u64> {
        match self.failure.lock().as_ref() {
            Some(lost) => Ok(lost.length),
            None => self.disk.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !self.failure.has_failed() {
            return self.disk.read(offset, out);
        }
        let failure = self.failure.lock();
        let Some(lost) = failure.as_ref() else {
            return self.disk.read(offset, out);
        };
        let there = self.disk.len()?.saturating_sub(offset);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(out.len());
        let (on_disk, beyond) = out.split_at_mut(there);
        if !on_disk.is_empty() {
            self.disk.read(offset, on_disk)?;
        }
        beyond.fill(0);
        lost.lay_over(offset, out);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|disk| disk.set_len(len), |lost| lost.length = len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(StorageBackend::sync_data, |_| {})
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(
            |disk| disk.write(offset, data),
            |lost| lost.writes.push((offset, data.to_vec())),
        )
    }

    fn close(&self) -> io::Result<()> {
        self.disk.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.disk.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.disk.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.disk.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.disk.query_lock_range(start, end)
    }
}
