//! When a query is asked, and what may be told of its plan.

use super::trace::Counts;

/// What an answer follows from beside the query and the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `(now)`, Unix milliseconds.
    pub now_ms: i64,
    /// Whether a plan tells how many rows there were.
    pub counts: Counts,
}
