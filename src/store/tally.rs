//! A sum over many things, in no order: two collections have the same sum if they are the same.
//!
//! Each thing counts as its keyed SHA-256, read as two numbers of 128 bits, and these are added. The key is random,
//! so that nobody who writes the things can aim at a sum.

use std::hash::{BuildHasher as _, RandomState};

use sha2::{Digest as _, Sha256};

/// A sum over things.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tally {
    key: [u64; 4],
    sum: (u128, u128),
    count: u64,
    bytes: Vec<u8>,
}

impl Tally {
    /// An empty sum with a key of its own.
    pub(super) fn new() -> Self {
        let random = RandomState::new();
        Self {
            key: [1, 2, 3, 4].map(|part: u64| random.hash_one(part)),
            sum: (0, 0),
            count: 0,
            bytes: Vec::new(),
        }
    }

    /// An empty sum with the same key.
    pub(super) fn empty(&self) -> Self {
        Self {
            key: self.key,
            sum: (0, 0),
            count: 0,
            bytes: Vec::new(),
        }
    }

    /// Adds the thing that `put` writes.
    pub(super) fn add(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::mem::take(&mut self.bytes);
        put(&mut bytes);
        let mut hasher = Sha256::new();
        for part in self.key {
            hasher.update(part.to_be_bytes());
        }
        hasher.update(&bytes);
        let hash: [u8; 32] = hasher.finalize().into();
        let (halves, _) = hash.as_chunks::<16>();
        if let [high, low] = halves {
            self.sum.0 = self.sum.0.wrapping_add(u128::from_be_bytes(*high));
            self.sum.1 = self.sum.1.wrapping_add(u128::from_be_bytes(*low));
        }
        self.count = self.count.saturating_add(1);
        bytes.clear();
        self.bytes = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_count_and_everything_else_does() {
        let first = Tally::new();
        let of = |things: &[&[u8]]| {
            let mut sum = first.empty();
            for thing in things {
                sum.add(|out| out.extend_from_slice(thing));
            }
            sum
        };
        assert!(of(&[b"a", b"bc"]) == of(&[b"bc", b"a"]));
        for other in [&[&b"a"[..]][..], &[b"ab", b"c"], &[b"a", b"bc", b"a"], &[]] {
            assert!(of(&[b"a", b"bc"]) != of(other));
        }
    }
}
