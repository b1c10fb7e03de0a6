//! What a transaction makes of the policy, as the checks of it are asked.

use std::collections::BTreeSet;

use super::permissions::Policy;
use crate::model::{Facts, Flake, PredicateId, SubjectId};

/// What a transaction makes of the policy.
#[expect(
    missing_debug_implementations,
    reason = "facts cannot be told in one line"
)]
pub struct PolicyChange<'a> {
    /// The facts before it, and the policy and schema of those.
    pub before: (&'a dyn Facts, &'a Policy),
    /// The facts after it, and the policy and schema of those.
    pub after: (&'a dyn Facts, &'a Policy),
    /// All its flakes.
    pub flakes: &'a [Flake],
    /// What the request itself changes: what is wrong with another subject is that it needs what is changed.
    pub sent: &'a BTreeSet<(SubjectId, PredicateId)>,
    /// What the author sees of the facts before: only what is in it may be named to them.
    pub sight: &'a dyn Facts,
    /// Whether the author holds the root role.
    pub is_root: bool,
    /// The block's instant, Unix milliseconds.
    pub now_ms: i64,
}

impl PolicyChange<'_> {
    /// Whether the request itself changes the subject.
    pub(super) fn is_sent(&self, s: SubjectId) -> bool {
        let first = (s, PredicateId(0));
        self.sent
            .range(first..)
            .next()
            .is_some_and(|(of, _)| *of == s)
    }
}
