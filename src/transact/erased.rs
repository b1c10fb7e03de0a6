//! What a transaction erases, as it is handed on: the store knows where it stands in the log.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::system::predicate;
use crate::model::{PredicateId, SubjectId, Value};
use crate::schema::forms;

/// How much of a subject one item erases, from every moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// All that it has and ever had.
    Whole,
    /// Every value of one predicate.
    Predicate(PredicateId),
    /// One value of one predicate.
    Value(PredicateId, Value),
}

/// What a transaction erases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erases(BTreeMap<SubjectId, Parts>);

/// What of one subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    is_whole: bool,
    predicates: BTreeSet<PredicateId>,
    values: BTreeMap<PredicateId, BTreeSet<Value>>,
}

impl Erases {
    pub(super) fn add(&mut self, s: SubjectId, what: What) {
        let parts = self.0.entry(s).or_default();
        match what {
            What::Whole => parts.is_whole = true,
            What::Predicate(p) => drop(parts.predicates.insert(p)),
            What::Value(p, o) => drop(parts.values.entry(p).or_default().insert(o)),
        }
    }

    /// Whether nothing is erased.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The subjects of which something is erased, in order.
    pub fn subjects(&self) -> impl Iterator<Item = SubjectId> {
        self.0.keys().copied()
    }

    /// Whether anything of a subject is erased.
    pub(super) fn has(&self, s: SubjectId) -> bool {
        self.0.contains_key(&s)
    }

    /// Whether a subject is erased whole.
    pub(super) fn has_whole(&self, s: SubjectId) -> bool {
        self.0.get(&s).is_some_and(|parts| parts.is_whole)
    }

    /// Whether of a subject no more is erased than these predicates.
    pub(super) fn is_within(&self, s: SubjectId, predicates: &[PredicateId]) -> bool {
        self.0.get(&s).is_none_or(|parts| {
            let named = parts.values.keys();
            !parts.is_whole
                && parts
                    .predicates
                    .iter()
                    .chain(named)
                    .all(|p| predicates.contains(p))
        })
    }

    /// Whether a fact is erased.
    ///
    /// What keeps a request from being made twice stays on its block, and who signed it. A value that the predicate
    /// had under another type is the value that it became.
    pub fn covers(&self, s: SubjectId, p: PredicateId, o: &Value) -> bool {
        let stays = matches!(
            p,
            predicate::TX_KEY | predicate::TX_BODY_HASH | predicate::TX_AUTHORITY
        );
        let Some(parts) = self.0.get(&s).filter(|_| !stays) else {
            return false;
        };
        let is_named = |values: &BTreeSet<Value>| {
            values.contains(o) || forms(o).iter().any(|form| values.contains(form))
        };
        parts.is_whole
            || parts.predicates.contains(&p)
            || parts.values.get(&p).is_some_and(is_named)
    }
}
