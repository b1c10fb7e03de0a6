//! Facts on disk: one file of redb tables, folded from a log of blocks that a chain of hashes holds together.
//!
//! Knows what facts are, and nothing of schema, rules, identities or JSON. Nothing else in the crate knows redb.
//!
//! 1. The log is the truth; every other table is a fold of it, which [`Store::verify`] checks and
//!    [`Store::rebuild`] repeats.
//! 2. A flake that holds stands twice: in its subject's row, and under its value or its target. A flake that
//!    held once stands in tables of its own, so that the present is not slowed by the past.
//! 3. A block's number, instant, hashes, id and auth are not stored as flakes: they are read from its header.
//!    What else is said of a block is stored as of any subject.
//! 4. What is erased is in no table, and in the log there is a hash in its place.
//!
//! Shape: docs/format.md.

mod append;
mod aside;
mod block;
mod blocks;
mod cached;
mod chain;
mod disk;
mod edit;
mod erase;
mod error;
mod file;
mod key;
mod life;
mod logged;
mod past;
mod row;
mod run;
mod scrub;
mod snapshot;
mod table;
mod tally;
mod verify;

pub use aside::{Aside, Reach, TrailRow};
pub use block::{Block, Sealed, seal};
pub use blocks::header_flakes;
pub use cached::Cached;
pub use error::Error;
pub use file::Store;
pub use life::{ByBlock, Life};
pub use past::Past;
pub use snapshot::Snapshot;
pub use verify::Verified;
