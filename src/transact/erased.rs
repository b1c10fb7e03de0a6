//! What a transaction erases, as it is handed on: the store knows where it stands in the log.

use crate::model::{PredicateId, SubjectId, Value};

/// What is to be erased of a subject, from every moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erase {
    /// The subject.
    pub s: SubjectId,
    /// What of it.
    pub what: What,
}

/// How much of a subject is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// All that it has and ever had.
    Whole,
    /// Every value of one predicate.
    Predicate(PredicateId),
    /// One value of one predicate.
    Value(PredicateId, Value),
}

impl Erase {
    /// Whether a fact of the subject is erased.
    pub fn covers(&self, s: SubjectId, p: PredicateId, o: &Value) -> bool {
        self.s == s
            && match &self.what {
                What::Whole => true,
                What::Predicate(of) => *of == p,
                What::Value(of, value) => *of == p && value == o,
            }
    }
}
