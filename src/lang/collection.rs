//! Sets and lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::Fault;
use super::value::Val;
use crate::base::limits::RULE_SET_MAX;

/// A set that is being made, bounded.
#[derive(Debug)]
pub(super) struct Gather {
    function: &'static str,
    values: BTreeSet<Val>,
}

impl Gather {
    pub(super) fn new(function: &'static str) -> Self {
        Self {
            function,
            values: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, value: Val) -> Result<(), Fault> {
        self.values.insert(value);
        bounded(self.function, self.values.len())
    }

    pub(super) fn finish(self) -> Val {
        Val::Set(Arc::new(self.values))
    }

    /// Nothing is absence, one value is that value, several are a set.
    pub(super) fn unwrap_one(mut self) -> Val {
        if self.values.len() > 1 {
            return self.finish();
        }
        self.values.pop_first().unwrap_or(Val::Nil)
    }
}

/// Refuses a set that is too large.
pub(super) fn bounded(function: &'static str, count: usize) -> Result<(), Fault> {
    if count > RULE_SET_MAX {
        let (what, max) = ("elements of a set", RULE_SET_MAX);
        return Err(Fault::TooLarge {
            function,
            what,
            max,
        });
    }
    Ok(())
}

/// How many there are: elements that are not absent, or characters.
pub(super) fn count(function: &'static str, value: &Val) -> Result<Val, Fault> {
    let count = match value {
        Val::Nil => 0,
        Val::String(it) => it.chars().count(),
        Val::Set(it) => it.iter().filter(|it| !it.is_nil()).count(),
        Val::List(it) => it.iter().filter(|it| !it.is_nil()).count(),
        Val::Map(it) => it.len(),
        Val::Bool(_) | Val::Int(_) | Val::Double(_) | Val::Decimal(_) => {
            return Err(Fault::Type {
                function,
                expected: "a set, a vector or a text",
            });
        }
    };
    i64::try_from(count)
        .map(Val::Int)
        .map_err(|_| Fault::Overflow { function })
}

/// Whether there is nothing in it.
pub(super) fn is_empty(value: &Val) -> bool {
    match value {
        Val::Nil => true,
        Val::String(it) => it.is_empty(),
        Val::Set(it) => it.iter().all(Val::is_nil),
        Val::List(it) => it.iter().all(Val::is_nil),
        Val::Map(it) => it.is_empty(),
        Val::Bool(_) | Val::Int(_) | Val::Double(_) | Val::Decimal(_) => false,
    }
}

/// Whether the value is among the elements, or among theirs; what is no collection is its own one element.
pub(super) fn contains(collection: &Val, value: &Val) -> bool {
    match collection {
        // In the order of values, elements that are collections stand last.
        Val::Set(it) => {
            it.contains(value)
                || it
                    .iter()
                    .rev()
                    .take_while(|it| nests(it))
                    .any(|it| contains(it, value))
        }
        Val::List(it) => it.iter().any(|it| contains(it, value)),
        Val::Nil => false,
        other => other == value,
    }
}

const fn nests(value: &Val) -> bool {
    matches!(value, Val::Set(_) | Val::List(_) | Val::Map(_))
}

/// The element at a place, from 0.
pub(super) fn nth(function: &'static str, collection: &Val, place: i64) -> Result<Val, Fault> {
    let out_of_range = Fault::OutOfRange { function };
    let Ok(place) = usize::try_from(place) else {
        return Err(out_of_range);
    };
    match collection {
        Val::Nil => Err(Fault::Absent { function }),
        Val::Set(it) => it.iter().nth(place).cloned().ok_or(out_of_range),
        Val::List(it) => it.get(place).cloned().ok_or(out_of_range),
        _ => Err(Fault::Type {
            function,
            expected: "a set or a vector, and a place",
        }),
    }
}

/// The set of these values; of one collection, the set of its elements.
pub(super) fn hash_set(function: &'static str, values: &[Val]) -> Result<Val, Fault> {
    let mut gather = Gather::new(function);
    let mut add = |value: &Val| match value {
        Val::Nil => Err(Fault::Absent { function }),
        value => gather.add(value.clone()),
    };
    match values {
        [set @ Val::Set(_)] => return Ok(set.clone()),
        [Val::List(items)] => items.iter().try_for_each(&mut add)?,
        items => items.iter().try_for_each(&mut add)?,
    }
    Ok(gather.finish())
}
