//! What a text says of names, noted while it is compiled.
//!
//! Only what stands in the text itself is noted, not what stands in the texts it calls: those are compiled by
//! themselves. INVARIANT(mentions): noting changes neither what a text compiles to nor what is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::expression::{Expr, Kind};
use super::question::Question;
use crate::model::system::predicate;
use crate::model::{PredicateId, SubjectId};

/// What a word of a text names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A literal that is a predicate's name, perhaps with the signs of a path.
    Predicate { id: PredicateId, literal: String },
    /// A symbol that is a stored function's name.
    Function(SubjectId),
}

/// What a value that is written stands beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Beside {
    /// Anything.
    #[default]
    Values,
    /// `(?p)`, with which it is compared, and so it is a predicate's name if there is one.
    PredicateName,
}

/// What a text says of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    /// By the byte at which they begin.
    pub(super) names: BTreeMap<usize, Named>,
    /// Where literals begin that are values.
    pub(super) values: BTreeSet<usize>,
    /// The predicates by whose values it finds subjects.
    pub(super) finds_by: BTreeSet<PredicateId>,
    /// The predicates it reads whose values are names.
    pub(super) reads_names: BTreeSet<PredicateId>,
    /// Whether it does more with `(?p)` than compare it with literals.
    pub(super) asks_predicate_name: bool,
    /// Its queries.
    pub(super) questions: Vec<Arc<dyn Question>>,
    /// Whether it asks for `(?o)` or `(?pO)`, which tell a tag by its name.
    pub(super) asks_object: bool,
}

/// The predicates whose values are names of predicates, collections, functions or tags, or hold such.
const OF_NAMES: [PredicateId; 8] = [
    predicate::PREDICATE_NAME,
    predicate::PREDICATE_RESTRICT_COLLECTION,
    predicate::TAG_ID,
    predicate::COLLECTION_NAME,
    predicate::RULE_COLLECTION,
    predicate::RULE_PREDICATES,
    predicate::FN_NAME,
    predicate::FN_CODE,
];

impl Mentions {
    /// Notes a literal that names a predicate.
    pub(super) fn predicate(&mut self, id: PredicateId, at: &Expr, is_own: bool) {
        if OF_NAMES.contains(&id) {
            self.reads_names.insert(id);
        }
        self.compared(id, at, is_own);
    }

    /// Notes a literal that is compared with `(?p)`, and is a predicate's name.
    pub(super) fn compared(&mut self, id: PredicateId, at: &Expr, is_own: bool) {
        if let (true, Kind::String(literal)) = (is_own, &at.kind) {
            let literal = literal.clone();
            self.names.insert(at.at, Named::Predicate { id, literal });
        }
    }

    /// Notes a symbol that names a stored function.
    pub(super) fn function(&mut self, subject: SubjectId, at: &Expr, is_own: bool) {
        if is_own {
            self.names.insert(at.at, Named::Function(subject));
        }
    }

    /// Notes a query.
    pub(super) fn question(&mut self, question: &Arc<dyn Question>, is_own: bool) {
        if is_own {
            self.questions.push(Arc::clone(question));
        }
    }

    /// Notes a literal that is a value.
    pub(super) fn value(&mut self, at: &Expr, is_own: bool) {
        if is_own {
            self.values.insert(at.at);
        }
    }
}
