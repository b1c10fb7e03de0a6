//! The bytes that a query holds at one time.
//!
//! Rows that are joined stand in memory, and are counted as they are made and when they go. What is not counted, such
//! as what one subject's read binds, is bounded by steps.

use std::cell::Cell;
use std::rc::Rc;

use super::error::Error;
use super::pointer::Pointer;
use crate::base::limits::QUERY_MEMORY_BYTES_MAX;

/// What one query holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Rc<Cell<usize>>);

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    memory: Memory,
    bytes: usize,
}

impl Memory {
    /// Nothing yet, to be added to.
    pub(super) fn hold_nothing(&self) -> Held {
        Held {
            memory: self.clone(),
            bytes: 0,
        }
    }
}

impl Held {
    /// Whose it is.
    pub(super) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    /// Holds more, before it is allocated.
    ///
    /// # Errors
    /// `Limit` past [`QUERY_MEMORY_BYTES_MAX`].
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), Error> {
        let all = self.memory.0.get().saturating_add(bytes);
        if all > QUERY_MEMORY_BYTES_MAX {
            return Err(Error::Limit {
                at: Pointer::root(),
                what: "the bytes that a query holds at one time",
                max: QUERY_MEMORY_BYTES_MAX,
            });
        }
        self.memory.0.set(all);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let rest = self.memory.0.get().saturating_sub(self.bytes);
        self.memory.0.set(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_is_held_and_one_more_is_not_until_some_go() {
        let memory = Memory::default();
        let mut all = memory.hold_nothing();
        assert_eq!(all.add(QUERY_MEMORY_BYTES_MAX), Ok(()));
        let mut more = memory.hold_nothing();
        assert!(matches!(more.add(1), Err(Error::Limit { .. })));
        drop(all);
        assert_eq!(more.add(1), Ok(()));
    }
}
