//! How far a database is, and for root how much is in it.
//!
//! Where the chain is, by number and instant, is no secret (law 14). Its hash hangs on facts that may be hidden, and
//! counts of hidden things are root's alone (law 15).

use std::path::Path;
use std::sync::Mutex;

use super::error::Error;
use crate::model::T;
use crate::store::{Snapshot, Store};

/// How far a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The number of the newest block.
    pub block: T,
    /// Its instant, Unix milliseconds.
    pub instant_ms: i64,
    /// How much there is; told to root alone.
    pub totals: Option<Totals>,
}

/// How much is in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The hash of the newest block, hex.
    pub hash: String,
    /// How many flakes the blocks have, erased ones counted.
    pub flakes: u64,
    /// The length of the file, bytes; none if the database is in none.
    pub size_bytes: Option<u64>,
    /// Whether something was erased that the file's free pages may still hold.
    pub is_scrub_due: bool,
}

impl Stats {
    /// How far the snapshot is.
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let head = snapshot.head();
        Self {
            block: head.t,
            instant_ms: head.instant_ms,
            totals: None,
        }
    }
}

/// Flakes counted so far: through which block, and how many.
#[derive(Debug, Default)]
pub(super) struct Counted(Mutex<(T, u64)>);

impl Counted {
    /// How much is in the snapshot. Blocks that were counted before are not read again.
    pub(super) fn totals(&self, snapshot: &Snapshot, store: &Store) -> Result<Totals, Error> {
        let size_bytes = store.path().map(length).transpose()?;
        Ok(Totals {
            hash: snapshot.head().hash.to_string(),
            flakes: self.flakes(snapshot)?,
            size_bytes,
            is_scrub_due: store.scrub_due()?.is_some(),
        })
    }

    fn flakes(&self, snapshot: &Snapshot) -> Result<u64, Error> {
        let head = snapshot.head().t;
        let known = self.0.lock().map_or((T(0), 0), |known| *known);
        // An older snapshot than the last that was asked is counted from the beginning.
        let (through, before) = if known.0 <= head { known } else { (T(0), 0) };
        let count = before.saturating_add(snapshot.flakes_after(through)?);
        if let Ok(mut known) = self.0.lock()
            && known.0 < head
        {
            *known = (head, count);
        }
        Ok(count)
    }
}

fn length(path: &Path) -> Result<u64, Error> {
    std::fs::metadata(path)
        .map(|it| it.len())
        .map_err(|error| Error::unavailable(error.to_string()))
}
