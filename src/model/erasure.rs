//! What a commit takes out of the log: flakes of earlier blocks, and of its own, of which only a hash stays.
//!
//! 1. A fact is erased whole: its assertion and the retraction that ended it, by one commit.
//! 2. So a commit that erases what holds retracts it too, and erases that retraction, which carries the value.
//! 3. Ids are never used twice, of what was erased neither: the commit says how far they went.

use super::id::{CollectionId, T};

/// A flake of the log: its block, and its place among the block's flakes, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Erased {
    /// The block.
    pub t: T,
    /// Its place in [`Commit::flakes`](super::Commit::flakes).
    pub index: u32,
}

/// Why flakes are erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Their predicate keeps no history, and they hold no longer.
    #[default]
    Superseded,
    /// Someone asked for it: then nothing of them stays in the file either.
    Asked,
}

/// What a commit erases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erasure {
    /// Why.
    pub reason: Reason,
    /// The flakes, in order, each once.
    pub flakes: Vec<Erased>,
    /// For each collection of whose subjects flakes are erased: one more than the highest number any subject of it
    /// had up to this commit. In order.
    pub next: Vec<(CollectionId, u64)>,
}

impl Erasure {
    /// Whether nothing is erased.
    pub fn is_empty(&self) -> bool {
        self.flakes.is_empty()
    }
}
