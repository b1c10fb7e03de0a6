//! The state a transaction stands on, and who makes it.

use crate::base::Budget;
use crate::model::Facts;
use crate::policy::{History, Permissions, Policy, View};

/// The state a transaction stands on, and who makes it.
#[expect(
    missing_debug_implementations,
    reason = "facts cannot be told in one line"
)]
pub struct Ground<'a> {
    /// What holds, unfiltered.
    pub before: &'a dyn Facts,
    /// The policy and schema of that state.
    pub policy: &'a Policy,
    /// What the author may write.
    pub writes: &'a Permissions,
    /// What the author may see of the state.
    pub sight: &'a View<'a>,
    /// What was true before.
    pub history: &'a dyn History,
    /// The block's instant, Unix milliseconds.
    pub now_ms: i64,
    /// The steps the transaction may take.
    pub budget: &'a Budget,
}
