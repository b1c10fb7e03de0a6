//! A compiled function: one small typed tree, with predicates bound to ids and calls put in.
//!
//! A fused node stands for several plain ones. INVARIANT(fused): it gives the same value or fault, and spends the
//! same steps, as the nodes it stands for.

use std::sync::Arc;

use super::builtin::{Asked, Builtin, Comparison};
use super::question::Question;
use super::value::Val;
use crate::model::{PredicateId, ValueType};

/// What a function's answer depends on, beside facts reached by fixed ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// On the bearer and the request alone.
    Bearer,
    /// Also on the subject: `?sid`, `?s`.
    Subject,
    /// Also on the rest of the flake: `?pid`, `?p`, `?o`, `?pO`.
    Flake,
}

/// A predicate that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) id: PredicateId,
    /// Whether its values are told by the short names of the tags they refer to.
    pub(super) is_tag: bool,
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) read: Read,
    pub(super) way: Way,
    pub(super) depth: Depth,
}

/// Which way a step goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From a subject to the values it has.
    Forward,
    /// From a subject to those that refer to it.
    Reverse,
}

/// How often a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    Once,
    /// `p+`
    OnceOrMore,
    /// `p*`
    AnyTimes,
}

/// One of the two ids that a row is most often compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    Auth,
    User,
}

/// The order in which a fused comparison was written, and so in which it is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    BearerFirst,
    BearerLast,
}

/// How a comparison treats absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absence {
    /// An absent argument is a fault.
    Fault,
    /// A literal `nil` is among the arguments: absence is a value like others.
    Value,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Literal(Val),
    /// The function's own parameter, by its place.
    Argument(usize),
    Context(Asked),
    List(Vec<Node>),
    /// A two-tuple: the subject that has the value under a unique predicate.
    Identity {
        read: Read,
        value_type: ValueType,
        value: Box<Node>,
    },
    Get {
        subject: Box<Node>,
        read: Read,
    },
    /// Fused: `(get (?s) p)`.
    GetOfSubject(Read),
    /// Fused: `(== (get (?s) p) (?user_id))`, or the other way round, where `p` is a ref.
    SubjectHasBearer {
        read: Read,
        bearer: Bearer,
        written: Written,
    },
    /// `(get (?context) "key")`, `(get-in (?context) ["a" "b"])`
    Keys {
        map: Box<Node>,
        keys: Vec<Val>,
        function: &'static str,
    },
    /// The greatest value of a predicate.
    MaxValue(Read),
    /// What a query tells, given the values of these context functions.
    Query {
        question: Arc<dyn Question>,
        given: Vec<Node>,
    },
    GetAll {
        start: Box<Node>,
        path: Vec<Step>,
        function: &'static str,
    },
    Related {
        start: Box<Node>,
        path: Vec<Step>,
        end: Box<Node>,
    },
    Compare {
        comparison: Comparison,
        absence: Absence,
        function: &'static str,
        items: Vec<Node>,
    },
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Boolean(Box<Node>),
    /// Test, then, else.
    IfElse(Box<(Node, Node, Node)>),
    /// The first that is there.
    Coalesce(Vec<Node>),
    ReFind {
        pattern: regex::Regex,
        text: Box<Node>,
    },
    Call {
        builtin: Builtin,
        function: &'static str,
        items: Vec<Node>,
    },
}

impl Node {
    /// The truth this node has whatever the facts are.
    pub(super) fn constant(&self) -> Option<bool> {
        match self {
            Self::Literal(Val::Bool(it)) => Some(*it),
            Self::Not(of) => of.constant().map(|it| !it),
            Self::And(items) => unanimous(items, false),
            Self::Or(items) => unanimous(items, true),
            Self::IfElse(parts) => {
                let (test, then, other) = parts.as_ref();
                if test.constant()? {
                    then.constant()
                } else {
                    other.constant()
                }
            }
            _ => None,
        }
    }
}

/// One item that is `decisive` decides, even beside faults; else all must be known.
fn unanimous(items: &[Node], decisive: bool) -> Option<bool> {
    let mut all_known = true;
    for item in items {
        match item.constant() {
            Some(it) if it == decisive => return Some(decisive),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!decisive)
}
