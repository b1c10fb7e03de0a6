//! Hashes of words and values, and tables of row numbers by them.
//!
//! What is hashed comes from whoever writes data, so the key is drawn anew in each process: nobody can choose values
//! that collide. Nothing that is answered depends on a hash.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::OnceLock;

use crate::model::ValueRef;

/// What hashes are made with.
#[derive(Clone, Copy, Debug)]
struct Key {
    first: u64,
    factor: u64,
}

static KEY: OnceLock<Key> = OnceLock::new();

fn key() -> Key {
    *KEY.get_or_init(|| {
        let state = RandomState::new();
        Key {
            first: state.hash_one(0_u8),
            factor: state.hash_one(1_u8) | 1,
        }
    })
}

/// Both halves of a product: every bit of the result depends on every bit of both.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a).wrapping_mul(u128::from(b));
    let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or_default();
    let high = u64::try_from(product >> 64).unwrap_or_default();
    low ^ high
}

/// The hash of some words, in their order.
pub(super) fn of_words(words: impl Iterator<Item = u64>) -> u64 {
    let Key { first, factor } = key();
    words.fold(first, |hash, word| fold(hash ^ word, factor))
}

/// The hash of a value.
pub(super) fn of_value(value: ValueRef<'_>) -> u64 {
    let Key { first, factor } = key();
    let mut hasher = Folding {
        hash: first,
        factor,
    };
    value.hash(&mut hasher);
    hasher.finish()
}

struct Folding {
    hash: u64,
    factor: u64,
}

impl Hasher for Folding {
    fn finish(&self) -> u64 {
        fold(self.hash, self.factor)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.write_u64(u64::from_be_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.hash = fold(self.hash ^ word, self.factor);
    }
}

/// What a table takes for each of its entries, in bytes.
pub(super) const BYTES_OF_AN_ENTRY: usize = 24;

/// No entry.
const NONE: u32 = u32::MAX;

/// Behind an entry that is in no slot.
const UNLINKED: u32 = u32::MAX - 1;

/// Entries by their hashes: their numbers go up from 0 in the order in which they are added.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The newest entry of each slot; as many slots as a power of two.
    heads: Vec<u32>,
    /// The hash of each entry, and the entry of its slot that was added before it.
    entries: Vec<(u64, u32)>,
}

impl Table {
    /// No entries, and room for so many.
    pub(super) fn for_entries(count: usize) -> Self {
        let mut table = Self::default();
        table.entries.reserve_exact(count);
        table.spread(count);
        table
    }

    /// Adds the next entry; with no hash, one that is never found.
    pub(super) fn add(&mut self, hash: Option<u64>) {
        if self.entries.len() >= self.heads.len() {
            self.spread(self.entries.len().saturating_mul(2));
        }
        self.entries.push((hash.unwrap_or_default(), UNLINKED));
        if hash.is_some() {
            self.link(self.entries.len().saturating_sub(1));
        }
    }

    /// The numbers of the entries of one hash.
    pub(super) fn chain(&self, hash: u64) -> impl Iterator<Item = usize> {
        let entry = |number: u32| {
            let number = usize::try_from(number).ok()?;
            let (hash, before) = self.entries.get(number)?;
            Some((number, *hash, *before))
        };
        let head = self.heads.get(self.slot(hash)).copied();
        let first = head.and_then(entry);
        let chain = std::iter::successors(first, move |(_, _, before)| entry(*before));
        chain
            .filter(move |(_, of, _)| *of == hash)
            .map(|(number, _, _)| number)
    }

    fn slot(&self, hash: u64) -> usize {
        let mask = u64::try_from(self.heads.len().saturating_sub(1)).unwrap_or_default();
        usize::try_from(hash & mask).unwrap_or_default()
    }

    fn link(&mut self, number: usize) {
        let hash = self.entries.get(number).map_or(0, |(hash, _)| *hash);
        let slot = self.slot(hash);
        // So many entries do not fit any memory.
        let as_head = u32::try_from(number).unwrap_or(NONE);
        if let (Some(head), Some((_, before))) =
            (self.heads.get_mut(slot), self.entries.get_mut(number))
        {
            *before = std::mem::replace(head, as_head);
        }
    }

    /// Makes slots for so many entries, and links those that there are anew.
    fn spread(&mut self, count: usize) {
        let slots = count.max(8).next_power_of_two();
        if slots <= self.heads.len() {
            return;
        }
        self.heads = vec![NONE; slots];
        for number in 0..self.entries.len() {
            let before = self.entries.get(number).map(|(_, before)| *before);
            if before != Some(UNLINKED) {
                self.link(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_hash_however_many_there_are() {
        let mut table = Table::default();
        for number in 0..1_000_u64 {
            table.add((number % 3 != 0).then_some(number % 100));
        }
        let of = |hash: u64| {
            let mut found: Vec<usize> = table.chain(hash).collect();
            found.sort_unstable();
            found
        };
        assert_eq!(
            of(1),
            [1, 101, 201, 301, 401, 501, 601, 701, 801, 901]
                .map(|n: usize| n)
                .into_iter()
                .filter(|n| n % 3 != 0)
                .collect::<Vec<_>>()
        );
        assert_eq!(of(100), Vec::<usize>::new());
    }
}
