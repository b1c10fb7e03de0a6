//! What a receipt warns of: uses of predicates that are deprecated.
//!
//! The request alone decides it: a predicate is told once, where it first stands, whether it is written, retracted
//! or changes nothing. What follows from the request warns of nothing. Every auth may see the schema, so nothing
//! hidden is told.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::named::{Named, named};
use super::parsed::Parsed;
use crate::schema::Schema;

/// Something that works, and that its author should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The request uses a predicate that is deprecated.
    Deprecated {
        /// The predicate's name, before the transaction.
        predicate: Arc<str>,
    },
}

impl Warning {
    /// A stable slug.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Deprecated { .. } => "deprecated",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deprecated { predicate } => write!(f, "`{predicate}` is deprecated"),
        }
    }
}

/// The warnings of a transaction that was made on this schema.
pub fn warnings_of(parsed: &Parsed, schema: &Schema) -> Vec<Warning> {
    let named = named(parsed.items.clone(), parsed.part.as_ref(), schema);
    named.map_or_else(|_| Vec::new(), |named| warnings(&named))
}

/// The warnings of a request, in its order: an item's predicates, then those of what is nested in it.
pub(super) fn warnings(named: &Named<'_>) -> Vec<Warning> {
    let mut told = BTreeSet::new();
    named
        .items
        .iter()
        .flat_map(|item| &item.fields)
        .map(|field| field.predicate)
        .filter(|it| it.deprecated && told.insert(it.id))
        .map(|it| Warning::Deprecated {
            predicate: Arc::clone(&it.name),
        })
        .collect()
}
