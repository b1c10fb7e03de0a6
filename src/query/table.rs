//! Tuples of small numbers: a set that only grows, found by any of its places.
//!
//! 1. A tuple stands where it was added, so what is new since some time is a range of rows.
//! 2. Who goes through the tuples with a number at a place may add others meanwhile: those are passed over.
//! 3. It is counted by the memory of its query as it grows.
//! 4. Pairs of which there are many among few numbers are known by a bit each, which is less than a word and lies near
//!    those of the same first; others are found by their hash.

use std::hash::{BuildHasher, RandomState};

use super::error::Error;
use super::memory::{Held, Memory};

/// No row, and no number of a term.
const NONE: u32 = u32::MAX;

/// No tuple: a place among those by which tuples are found.
const FREE: u64 = u64::MAX;

/// Up to so many numbers fit the word by which a tuple is found.
const WORD_NUMBERS: usize = 2;

/// A set of tuples of one width.
#[derive(Debug)]
pub(super) struct Table {
    width: usize,
    rows: Vec<u32>,
    len: u32,
    /// A power of two of words: a tuple itself if it fits, else its row and some bits of its hash.
    words: Vec<u64>,
    /// A bit for each pair of numbers below [`Table::side`], instead of words.
    bits: Vec<u64>,
    /// A power of two; 0 where there are words.
    side: u32,
    /// The greatest number of all pairs.
    most: u32,
    seed: u64,
    indexes: Vec<Option<Index>>,
    held: Held,
}

/// For each number, the rows that have it at one place: the newest, and from each row the one before.
#[derive(Debug, Default)]
struct Index {
    newest: Vec<u32>,
    before: Vec<u32>,
}

impl Table {
    /// Nothing yet.
    pub(super) fn new(width: usize, memory: &Memory) -> Self {
        Self {
            width,
            rows: Vec::new(),
            len: 0,
            words: Vec::new(),
            bits: Vec::new(),
            side: 0,
            most: 0,
            seed: RandomState::new().hash_one(width),
            indexes: (0..width).map(|_| None).collect(),
            held: memory.hold_nothing(),
        }
    }

    /// How many numbers a tuple has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// How many tuples it has.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// A tuple by its row.
    pub(super) fn tuple(&self, row: u32) -> &[u32] {
        let from = size(row).saturating_mul(self.width);
        let tuple = self.rows.get(from..from.saturating_add(self.width));
        tuple.unwrap_or_default()
    }

    /// From now on, tuples are found by this place too.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn index(&mut self, place: usize) -> Result<(), Error> {
        if !matches!(self.indexes.get(place), Some(None)) {
            return Ok(());
        }
        let mut index = Index::default();
        for row in 0..self.len {
            let number = self.tuple(row).get(place).copied().unwrap_or(NONE);
            index.add(number, row, &mut self.held)?;
        }
        if let Some(slot) = self.indexes.get_mut(place) {
            *slot = Some(index);
        }
        Ok(())
    }

    /// Whether tuples are found by a place.
    pub(super) fn is_indexed(&self, place: usize) -> bool {
        matches!(self.indexes.get(place), Some(Some(_)))
    }

    /// The newest row that has a number at a place that is indexed.
    pub(super) fn newest(&self, place: usize, number: u32) -> Option<u32> {
        let index = self.indexes.get(place)?.as_ref()?;
        let row = index.newest.get(size(number)).copied()?;
        (row != NONE).then_some(row)
    }

    /// The row before one that has the same number at a place that is indexed.
    pub(super) fn before(&self, place: usize, row: u32) -> Option<u32> {
        let index = self.indexes.get(place)?.as_ref()?;
        let row = index.before.get(size(row)).copied()?;
        (row != NONE).then_some(row)
    }

    /// Whether a tuple is in it.
    pub(super) fn contains(&self, tuple: &[u32]) -> bool {
        if self.side > 0 {
            let bit = self.bit(tuple);
            return bit.is_some_and(|(at, bit)| self.bits.get(at).is_some_and(|it| it & bit != 0));
        }
        let (word, start) = self.word(tuple);
        self.find(tuple, word, start).is_none()
    }

    /// Adds a tuple; whether it is new.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn add(&mut self, tuple: &[u32]) -> Result<bool, Error> {
        if self.side > 0 {
            if self.bit(tuple).is_none() {
                self.grow(tuple)?;
            }
        } else if self.is_full() {
            self.grow(tuple)?;
        }
        if !self.mark(tuple, self.len) {
            return Ok(false);
        }
        let room = self.rows.capacity().saturating_sub(self.rows.len());
        if room < tuple.len() {
            let more = self.rows.capacity().max(64);
            self.held.add(more.saturating_mul(size_of::<u32>()))?;
            self.rows.reserve_exact(more.saturating_add(room));
        }
        self.rows.extend_from_slice(tuple);
        for (index, number) in self.indexes.iter_mut().zip(tuple) {
            if let Some(index) = index {
                index.add(*number, self.len, &mut self.held)?;
            }
        }
        // More rows do not fit the memory of a query.
        self.len = self.len.saturating_add(1);
        Ok(true)
    }

    fn is_full(&self) -> bool {
        let taken = size(self.len).saturating_add(1);
        taken.saturating_mul(8) > self.words.len().saturating_mul(5)
    }

    /// Makes room for one more tuple, whichever way is the smaller.
    fn grow(&mut self, tuple: &[u32]) -> Result<(), Error> {
        let tuples = size(self.len).saturating_add(1);
        // At most five of eight words are taken.
        let words = tuples
            .saturating_mul(8)
            .div_ceil(5)
            .max(64)
            .next_power_of_two();
        let side = match tuple {
            [one, two] => {
                let most = self.most.max(*one).max(*two);
                most.checked_add(1).and_then(u32::checked_next_power_of_two)
            }
            _ => None,
        };
        let side = side.map(|side| side.max(8));
        let bits = side.map_or(usize::MAX, |side| {
            size(side).saturating_mul(size(side)).div_ceil(64)
        });
        (self.words, self.bits, self.side) = (Vec::new(), Vec::new(), 0);
        self.held
            .add(bits.min(words).saturating_mul(size_of::<u64>()))?;
        match side {
            Some(side) if bits <= words => {
                self.bits = vec![0; bits];
                self.side = side;
            }
            _ => self.words = vec![FREE; words],
        }
        let rows = std::mem::take(&mut self.rows);
        if self.width > 0 {
            for (row, tuple) in (0..self.len).zip(rows.chunks_exact(self.width)) {
                self.mark(tuple, row);
            }
        } else if self.len > 0 {
            self.mark(&[], 0);
        }
        self.rows = rows;
        Ok(())
    }

    /// Where the bit of a pair is; none, if it is beyond them.
    fn bit(&self, tuple: &[u32]) -> Option<(usize, u64)> {
        let [one, two] = tuple else {
            return None;
        };
        if *one >= self.side || *two >= self.side {
            return None;
        }
        let place = size(*one)
            .saturating_mul(size(self.side))
            .saturating_add(size(*two));
        Some((place >> 6, 1 << (place & 63)))
    }

    /// Keeps that a tuple is there; whether that is new.
    fn mark(&mut self, tuple: &[u32], row: u32) -> bool {
        if let [one, two] = tuple {
            self.most = self.most.max(*one).max(*two);
        }
        if self.side > 0 {
            let Some((at, bit)) = self.bit(tuple) else {
                return false;
            };
            return self.bits.get_mut(at).is_some_and(|word| {
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            });
        }
        let (word, start) = self.word(tuple);
        let Some(at) = self.find(tuple, word, start) else {
            return false;
        };
        let word = if self.width > WORD_NUMBERS {
            (word & !u64::from(NONE)) | u64::from(row)
        } else {
            word
        };
        if let Some(slot) = self.words.get_mut(at) {
            *slot = word;
        }
        true
    }

    /// The word of a tuple, and where to begin to look for it.
    fn word(&self, tuple: &[u32]) -> (u64, usize) {
        let (word, hash) = match tuple {
            [] => (0, 0),
            [one] => (u64::from(*one), mix(u64::from(*one), self.seed)),
            [one, two] => {
                let word = (u64::from(*one) << 32) | u64::from(*two);
                (word, mix(word, self.seed))
            }
            more => {
                let hash = more.iter().fold(self.seed, |hash, number| {
                    mix(hash ^ u64::from(*number), self.seed)
                });
                (hash, hash)
            }
        };
        (word, self.place_of(hash))
    }

    fn place_of(&self, hash: u64) -> usize {
        let mask = u64::try_from(self.words.len().saturating_sub(1)).unwrap_or(0);
        usize::try_from(hash & mask).unwrap_or(0)
    }

    fn after(&self, at: usize) -> usize {
        at.wrapping_add(1) & self.words.len().saturating_sub(1)
    }

    /// Where a tuple that is not in the table would be found; none, if it is in it.
    fn find(&self, tuple: &[u32], word: u64, start: usize) -> Option<usize> {
        let mut at = start;
        loop {
            match self.words.get(at).copied() {
                None | Some(FREE) => return Some(at),
                Some(other) if self.width <= WORD_NUMBERS => {
                    if other == word {
                        return None;
                    }
                }
                Some(other) => {
                    let row = u32::try_from(other & u64::from(NONE)).unwrap_or(NONE);
                    if (other ^ word) >> 32 == 0 && self.tuple(row) == tuple {
                        return None;
                    }
                }
            }
            at = self.after(at);
        }
    }
}

impl Index {
    fn add(&mut self, number: u32, row: u32, held: &mut Held) -> Result<(), Error> {
        let at = size(number);
        if at >= self.newest.len() {
            let new = at
                .saturating_add(1)
                .max(self.newest.len().saturating_mul(2))
                .max(64);
            let more = new.saturating_sub(self.newest.len());
            held.add(more.saturating_mul(size_of::<u32>()))?;
            self.newest.resize(new, NONE);
        }
        if self.before.len() == self.before.capacity() {
            let more = self.before.capacity().max(64);
            held.add(more.saturating_mul(size_of::<u32>()))?;
            self.before.reserve_exact(more);
        }
        let newest = self.newest.get_mut(at);
        let before = newest.map_or(NONE, |newest| std::mem::replace(newest, row));
        self.before.push(before);
        Ok(())
    }
}

/// Scatters a word, by a seed that nobody knows: whoever chooses ids cannot choose where they meet.
fn mix(word: u64, seed: u64) -> u64 {
    let product = u128::from(word ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let low = u64::try_from(product & u128::from(u64::MAX)).unwrap_or(0);
    let high = u64::try_from(product >> 64).unwrap_or(0);
    low ^ high
}

/// A number as the place in a list.
pub(super) fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_table_is_a_set_that_is_found_by_its_places() {
        for width in 0..5_usize {
            let mut table = Table::new(width, &Memory::default());
            let mut model = BTreeSet::new();
            let mut seed: u32 = 7;
            for step in 0..4_000_u32 {
                if step == 1_000 && width > 0 {
                    table.index(0).unwrap();
                    table.index(width - 1).unwrap();
                }
                let tuple: Vec<u32> = (0..width)
                    .map(|_| {
                        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        // Few numbers, then more and more, and few again.
                        (seed >> 16) % (3 + step % 2_500 / 20)
                    })
                    .collect();
                assert_eq!(table.contains(&tuple), model.contains(&tuple));
                assert_eq!(table.add(&tuple).unwrap(), model.insert(tuple.clone()));
                assert!(table.contains(&tuple));
            }
            assert_eq!(size(table.len()), model.len());
            for place in [0, width.saturating_sub(1)]
                .into_iter()
                .filter(|_| width > 0)
            {
                for number in 0..130 {
                    let mut found = BTreeSet::new();
                    let mut row = table.newest(place, number);
                    while let Some(at) = row {
                        assert!(found.insert(table.tuple(at).to_vec()));
                        row = table.before(place, at);
                    }
                    let wanted = model.iter().filter(|it| it.get(place) == Some(&number));
                    assert_eq!(found, wanted.cloned().collect());
                }
            }
        }
    }
}
