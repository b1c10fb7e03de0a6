//! Numbers and ids by chance that are the same each time: out of a seed, by SHA-256.
//!
//! They are for keys of an application's own and for samples, and no secrets: who knows the request and its block
//! knows the seed.

use std::cell::Cell;

use sha2::{Digest as _, Sha256};

/// Where the chance of one function comes from. Each use gives another.
#[derive(Clone, Debug)]
pub struct Seed {
    bytes: [u8; 32],
    used: Cell<u64>,
}

impl Seed {
    /// The seed that follows from these parts.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"solon/chance/1");
        for part in parts {
            // Lengths, so that no two lists of parts are told alike.
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part);
        }
        Self {
            bytes: hasher.finalize().into(),
            used: Cell::new(0),
        }
    }

    /// Sixteen bytes, others at each call.
    fn next(&self) -> u128 {
        let used = self.used.get();
        self.used.set(used.wrapping_add(1));
        let mut hasher = Sha256::new();
        hasher.update(self.bytes);
        hasher.update(used.to_be_bytes());
        let bytes: [u8; 32] = hasher.finalize().into();
        bytes
            .iter()
            .take(16)
            .fold(0, |number, byte| (number << 8) | u128::from(*byte))
    }

    /// A number from 0 up to `below`, which is not among them. The lean toward some is below 2^-64.
    pub fn number(&self, below: u64) -> u64 {
        let below = u128::from(below);
        let (high, low) = (self.next() >> 64, self.next() >> 64);
        let sum = (low.wrapping_mul(below) >> 64).wrapping_add(high.wrapping_mul(below));
        u64::try_from(sum >> 64).unwrap_or(0)
    }

    /// A uuid of version 4.
    pub(super) fn uuid(&self) -> uuid::Uuid {
        uuid::Builder::from_random_bytes(self.next().to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_each_use_another() {
        let draw = |seed: &Seed| (0..100).map(|_| seed.number(1_000)).collect::<Vec<_>>();
        let (a, b) = (Seed::of(&[b"ab", b"c"]), Seed::of(&[b"ab", b"c"]));
        let drawn = draw(&a);
        assert_eq!(drawn, draw(&b));
        assert!(drawn.iter().all(|it| *it < 1_000));
        assert_ne!(drawn, draw(&a), "a seed goes on");
        assert_ne!(
            drawn,
            draw(&Seed::of(&[b"a", b"bc"])),
            "parts are told apart"
        );
        assert_eq!(a.number(1), 0);
        assert_ne!(a.uuid(), a.uuid());
        assert_eq!(a.uuid().get_version_num(), 4);
    }

    #[test]
    fn every_number_below_the_bound_comes_about_as_often() {
        let seed = Seed::of(&[b"often"]);
        let mut counts = [0_u32; 7];
        for _ in 0..7_000 {
            counts[usize::try_from(seed.number(7)).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|it| (850..1_150).contains(it)),
            "{counts:?}"
        );
    }
}
