//! One fact and when it was asserted or retracted, and the commit that makes many of them true at once.

use std::fmt;

use super::erasure::Erasure;
use super::id::{PredicateId, SubjectId, T};
use super::value::Value;

/// Whether a flake says that a fact holds from its `t` on, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The fact no longer holds.
    Retract,
    /// The fact holds.
    Assert,
}

/// A fact, asserted or retracted by the commit it is in.
///
/// Its `t` is the commit's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flake {
    /// The subject.
    pub s: SubjectId,
    /// The predicate.
    pub p: PredicateId,
    /// The object.
    pub o: Value,
    /// Asserted or retracted.
    pub op: Op,
}

/// SHA-256 of something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Which life of a database this is: random, new at creation and at restore.
///
/// It stands in the hash of every block and in every token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub [u8; 16]);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incarnation({self})")
    }
}

/// Where a chain of blocks ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest block; `T(0)` if there is none.
    pub t: T,
    /// Its hash; all zero if there is none.
    pub hash: Digest,
    /// Its instant, Unix milliseconds.
    pub instant_ms: i64,
}

/// What a transaction became: flakes that passed every check, and who made them when.
///
/// INVARIANT(commit): it carries all that applying it needs. Applying needs no clock, no rules and no luck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The commit's own `t`: one more than the head it follows.
    pub t: T,
    /// The block's instant, Unix milliseconds: never before the head's.
    pub instant_ms: i64,
    /// The `_auth` that made the transaction.
    pub auth: SubjectId,
    /// The transaction's id: SHA-256 of author, nonce and body.
    pub id: Digest,
    /// The block's secret, out of which the salts of its leaves are made: random, kept in the log alone.
    pub secret: [u8; 16],
    /// The flakes: by subject, predicate, object, retractions first; no two are equal but for `op`.
    ///
    /// A retraction is of a fact that held before; an assertion of one that did not, or that this commit retracts.
    pub flakes: Vec<Flake>,
    /// What it erases of earlier blocks and of its own.
    pub erasure: Erasure,
}
