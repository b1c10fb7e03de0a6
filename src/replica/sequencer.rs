//! What gives batches of blocks their place.
//!
//! 1. A batch is consecutive sealed blocks that follow `previous`.
//! 2. It is asked while no disk transaction is open, and may block.
//! 3. After `Conflict` the batch is staged again on what came between; after `Fenced` this writer is none any more;
//!    after `Unknown` nothing may be said to be done or not done.

use crate::model::Head;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It follows `previous`, for everyone.
    Placed,
    /// Something else follows `previous`.
    Conflict,
    /// Another writer took over.
    Fenced,
    /// Nobody answered in time.
    Unknown,
}

/// Gives batches of blocks their place in the one order of commits.
pub trait Sequencer: Send + Sync + std::fmt::Debug {
    /// Places `batch`, which ends at its last head, behind `previous`.
    fn place(&self, previous: &Head, batch: &[Head]) -> Placement;
}

/// The one writer of the one process that has the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Embedded;

impl Sequencer for Embedded {
    fn place(&self, _: &Head, _: &[Head]) -> Placement {
        Placement::Placed
    }
}
