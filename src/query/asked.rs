//! When a query is asked, and of which state.

use super::trace::Counts;
use crate::model::T;

/// What an answer follows from beside the query and the facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `(now)`, Unix milliseconds.
    pub now_ms: i64,
    /// The basis of the facts: what is drawn by chance is drawn by it and by the query.
    pub basis: T,
    /// Whether a plan tells how many rows there were.
    pub counts: Counts,
}
