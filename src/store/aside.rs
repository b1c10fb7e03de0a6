//! What is kept beside the ledger: in its file, in the disk transactions of its commits, and in no block.
//!
//! 1. The trail is only ever added to. Its rows are numbered from 1, in the order in which they came.
//! 2. Of a mark the newest value is kept alone.
//! 3. Neither is hashed, rebuilt from the log, or read as facts. The store does not know what they say.
//!
//! Shape: docs/format.md, "Beside the ledger".

use std::ops::{Bound, ControlFlow};

use redb::{ReadableTable, WriteTransaction};

use super::error::Error;
use super::snapshot::Snapshot;
use super::table::{MARKS, TRAIL};

/// What a commit keeps beside the ledger.
#[derive(Clone, Debug, Default)]
pub struct Aside {
    /// Rows of the trail, oldest first.
    pub trail: Vec<Vec<u8>>,
    /// Marks, by name. Of two with one name, the later counts.
    pub marks: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Aside {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.trail.is_empty() && self.marks.is_empty()
    }

    /// Puts it into the tables of the transaction.
    pub(super) fn put(&self, transaction: &WriteTransaction) -> Result<(), Error> {
        if !self.trail.is_empty() {
            let mut table = transaction.open_table(TRAIL)?;
            let last = match table.last()? {
                None => 0,
                Some((key, _)) => number(key.value())?,
            };
            let numbers = last.saturating_add(1)..;
            for (number, row) in numbers.zip(&self.trail) {
                table.insert(number.to_be_bytes().as_slice(), row.as_slice())?;
            }
        }
        if !self.marks.is_empty() {
            let mut table = transaction.open_table(MARKS)?;
            for (name, value) in &self.marks {
                table.insert(name.as_slice(), value.as_slice())?;
            }
        }
        Ok(())
    }
}

impl Snapshot {
    /// Visits the rows of the trail with numbers below `before`, newest first.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn trail(
        &self,
        before: Option<u64>,
        visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let end = before.map(u64::to_be_bytes);
        let end = match &end {
            Some(key) => Bound::Excluded(key.as_slice()),
            None => Bound::Unbounded,
        };
        let rows = self
            .tables()
            .trail
            .range::<&[u8]>((Bound::Unbounded, end))?;
        for row in rows.rev() {
            let (key, value) = row?;
            if visit(number(key.value())?, value.value()).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// A mark's value, if there is one with this name.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn mark(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let found = self.tables().marks.get(name)?;
        Ok(found.map(|value| value.value().to_vec()))
    }
}

fn number(key: &[u8]) -> Result<u64, Error> {
    let key = key
        .try_into()
        .map_err(|_| Error::corrupt("a row of the trail has no number"))?;
    Ok(u64::from_be_bytes(key))
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::model::Incarnation;
    use crate::store::Store;

    #[test]
    fn the_trail_keeps_its_order_and_a_mark_its_newest_value() {
        let store = Store::create_on(InMemoryBackend::new(), Incarnation([1; 16])).unwrap();
        let aside = |rows: &[&str], marks: &[(&str, &str)]| Aside {
            trail: rows.iter().map(|row| row.as_bytes().to_vec()).collect(),
            marks: marks
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
                .collect(),
        };
        let before = store.snapshot().unwrap();
        store
            .append_with(&[], &aside(&["a", "b"], &[("x", "1"), ("x", "2")]))
            .unwrap();
        store
            .append_with(&[], &aside(&["c"], &[("y", "3")]))
            .unwrap();
        let read = |snapshot: &Snapshot, before, most: usize| {
            let mut rows = Vec::new();
            snapshot
                .trail(before, &mut |number, row| {
                    rows.push((number, String::from_utf8(row.to_vec()).unwrap()));
                    if rows.len() == most {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })
                .unwrap();
            rows
        };
        let row = |number: u64, text: &str| (number, text.to_owned());
        let after = store.snapshot().unwrap();
        assert_eq!(
            read(&after, None, 9),
            [row(3, "c"), row(2, "b"), row(1, "a")]
        );
        assert_eq!(read(&after, Some(3), 1), [row(2, "b")]);
        assert_eq!(read(&after, Some(1), 9), []);
        assert_eq!(after.mark(b"x").unwrap(), Some(b"2".to_vec()));
        assert_eq!(after.mark(b"z").unwrap(), None);
        assert_eq!(read(&before, None, 9), []);
        assert_eq!(before.mark(b"x").unwrap(), None);
    }
}
