//! What rules, functions and specs use, and so is not taken away or changed from under them.
//!
//! 1. They are bound to what they name, not to a name: what goes is looked for in the texts of before, so that
//!    something else that takes the name does not take its place.
//! 2. Who uses it is named only to an author who sees that.
//! 3. A tag is told to functions by its name alone: it is renamed only where no function could tell.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::change::PolicyChange;
use super::error::Error;
use super::permissions::Policy;
use crate::base::limits::RULE_SYMBOL_BYTES_MAX;
use crate::lang::{Bound, Renamed};
use crate::model::system::{USER_NUMBER_FIRST, collection, predicate};
use crate::model::{
    CollectionId, Direction, Facts, Names, PredicateId, SubjectId, Value, ValueRef,
};
use crate::schema::{Conversion, Schema, conversion};

/// The predicates by which a function is referred to where it is used.
const USES_OF_FUNCTIONS: [PredicateId; 4] = [
    predicate::RULE_FNS,
    predicate::PREDICATE_SPEC,
    predicate::PREDICATE_TX_SPEC,
    predicate::COLLECTION_SPEC,
];

/// Checks that nothing goes or changes its type that is still used.
///
/// # Errors
/// `InUse`, for the lowest subject.
pub(super) fn check_uses(change: &PolicyChange<'_>) -> Result<(), Error> {
    let touched: BTreeSet<SubjectId> = change.flakes.iter().map(|flake| flake.s).collect();
    let mut texts = None;
    for s in touched {
        let is_gone = match s.collection() {
            collection::FUNCTION | collection::PREDICATE | collection::COLLECTION => {
                !change.after.0.exists(s)?
            }
            _ => continue,
        };
        if !is_gone && !is_kept_otherwise(s, change) {
            continue;
        }
        if is_gone && let Some(user) = referrer(s, change)? {
            return Err(in_use(s, format!("{} uses it", name_of(user, change)?)));
        }
        let texts = match &mut texts {
            Some(texts) => texts,
            None => texts.insert(unchanged_texts(change)?),
        };
        let name = schema_name(s, change);
        for (function, text) in texts {
            let is_used = text.calls(s)
                || match (PredicateId::of_subject(s), is_gone) {
                    (Some(p), true) => text.names(p),
                    (Some(p), false) => {
                        text.finds_by(p)
                            || (is_told_apart(s, change) && text.sees(Renamed::TagOf(p)))
                    }
                    (None, _) => false,
                };
            // What a query says it means by its name before, and its values as they were.
            let is_used = is_used || name.as_deref().is_some_and(|name| text.asks_for(name));
            if is_used {
                let who = name_of(*function, change)?;
                return Err(in_use(s, format!("{who} uses it")));
            }
        }
    }
    Ok(())
}

/// Checks that a tag keeps its predicate, and that no function tells it by the name that changes.
///
/// # Errors
/// `Fixed` or `InUse`.
pub(super) fn check_tag_renamed(
    tag: SubjectId,
    old: &str,
    new: &str,
    change: &PolicyChange<'_>,
) -> Result<(), Error> {
    let fixed = |why| Err(Error::Fixed { subject: tag, why });
    let (of, own) = old.split_once(':').unwrap_or((old, ""));
    let (new_of, new_own) = new.split_once(':').unwrap_or((new, ""));
    let id = |schema: &Schema, name: &str| schema.predicate_named(name).map(|it| it.id);
    let (before, after) = (
        id(change.before.1.schema(), of),
        id(change.after.1.schema(), new_of),
    );
    if before != after || (before.is_none() && of != new_of) {
        return fixed("a tag keeps its predicate, with which its id begins");
    }
    if new.len() > RULE_SYMBOL_BYTES_MAX {
        return Err(in_use(tag, "the id of a tag would be too long".to_owned()));
    }
    if own == new_own {
        return Ok(());
    }
    if new_own.is_empty() {
        return fixed("a tag's id is its predicate's name, a colon, and a name of its own");
    }
    let Some(of) = before else { return Ok(()) };
    if u64::from(of.0) < USER_NUMBER_FIRST {
        return fixed("a tag of the system's predicates keeps its name");
    }
    let policy = change.after.1;
    let name_of_predicate = policy.schema().predicate(of).map(|it| &*it.name);
    for (function, text) in texts(change.after.0, policy)? {
        let is_asked_for = || name_of_predicate.is_some_and(|name| text.asks_for(name));
        if text.sees(Renamed::TagOf(of)) || is_asked_for() {
            let who = name_of(function, change)?;
            return Err(in_use(tag, format!("{who} may tell the tag by its name")));
        }
    }
    Ok(())
}

/// What is told of a function or a rule that the request does not change, and that would be broken.
pub(super) fn broken(user: SubjectId, change: &PolicyChange<'_>) -> Result<Error, Error> {
    let is_of_schema = |s: &SubjectId| {
        matches!(
            s.collection(),
            collection::PREDICATE | collection::COLLECTION | collection::FUNCTION
        )
    };
    let subject = change.sent.iter().map(|(s, _)| *s).find(is_of_schema);
    let why = format!("{} needs it as it is", name_of(user, change)?);
    Ok(in_use(subject.unwrap_or(user), why))
}

/// The name of before of a predicate or a collection.
fn schema_name(s: SubjectId, change: &PolicyChange<'_>) -> Option<Arc<str>> {
    let schema = change.before.1.schema();
    if let Some(p) = PredicateId::of_subject(s) {
        return schema.predicate(p).map(|it| Arc::clone(&it.name));
    }
    let of_collections = s.collection() == collection::COLLECTION;
    let id = of_collections.then(|| CollectionId::new(s.number()))??;
    schema.collection(id).map(|it| Arc::clone(&it.name))
}

/// Whether a predicate's values are kept in another way after a change of its type.
fn is_kept_otherwise(s: SubjectId, change: &PolicyChange<'_>) -> bool {
    conversion_of(s, change).is_some_and(Conversion::changes_values)
}

/// How a predicate's values change with its type.
fn conversion_of(s: SubjectId, change: &PolicyChange<'_>) -> Option<Conversion> {
    let id = PredicateId::of_subject(s)?;
    let type_of = |schema: &Schema| schema.predicate(id).map(|it| it.value_type);
    conversion(
        type_of(change.before.1.schema())?,
        type_of(change.after.1.schema())?,
    )
}

/// Whether a function may tell a predicate's values after a change of its type from those before.
///
/// A `double` 0.1 is not the `bigdec` 0.1, so a plain comparison tells them. What tells a 7 from a 7.0, as its text
/// or a sum with halves does, is for root to judge: nobody else changes so what a rule says.
fn is_told_apart(s: SubjectId, change: &PolicyChange<'_>) -> bool {
    !change.is_root || conversion_of(s, change) == Some(Conversion::DoubleToDecimal)
}

/// A rule or a spec that uses what goes, and stays.
fn referrer(s: SubjectId, change: &PolicyChange<'_>) -> Result<Option<SubjectId>, Error> {
    let (before, after) = (change.before.0, change.after.0);
    let (name, user) = match s.collection() {
        collection::PREDICATE => (predicate::PREDICATE_NAME, predicate::RULE_PREDICATES),
        collection::COLLECTION => (predicate::COLLECTION_NAME, predicate::RULE_COLLECTION),
        _ => {
            for p in USES_OF_FUNCTIONS {
                for user in before.subject_list(p, ValueRef::Ref(s))? {
                    if after.exists(user)? {
                        return Ok(Some(user));
                    }
                }
            }
            return Ok(None);
        }
    };
    let names = before.value_list(s, name)?;
    let Some(name) = names.first() else {
        return Ok(None);
    };
    for rule in before.subject_list(user, name.borrow())? {
        if after.value_list(rule, user)?.contains(name) {
            return Ok(Some(rule));
        }
    }
    Ok(None)
}

/// The functions whose texts stay as they are, bound to what they name before.
fn unchanged_texts(change: &PolicyChange<'_>) -> Result<Vec<(SubjectId, Bound)>, Error> {
    let mut unchanged = texts(change.before.0, change.before.1)?;
    let mut changed = BTreeSet::new();
    for (s, _) in &unchanged {
        if change.sent.contains(&(*s, predicate::FN_CODE)) || !change.after.0.exists(*s)? {
            changed.insert(*s);
        }
    }
    unchanged.retain(|(s, _)| !changed.contains(s));
    Ok(unchanged)
}

/// All functions that compile, bound to what they name.
fn texts(facts: &dyn Facts, policy: &Policy) -> Result<Vec<(SubjectId, Bound)>, Error> {
    let mut names: Vec<(SubjectId, String)> = Vec::new();
    facts.collection(
        collection::FUNCTION,
        Direction::Ascending,
        None,
        &mut |fact| {
            if let (predicate::FN_NAME, Some(name)) = (fact.p, fact.o.as_str()) {
                names.push((fact.s, name.to_owned()));
            }
            ControlFlow::Continue(())
        },
    )?;
    let schema = &**policy.schema();
    let mut texts = Vec::new();
    for (s, name) in names {
        let Some(stored) = schema.function(&name) else {
            continue;
        };
        if let Ok(text) = Bound::of(&stored.code, &stored.params, schema, policy.queries()) {
            texts.push((s, text));
        }
    }
    Ok(texts)
}

/// What an author is told of who uses something: its name, if they see it.
fn name_of(s: SubjectId, change: &PolicyChange<'_>) -> Result<String, Error> {
    let (kind, name) = match s.collection() {
        collection::RULE => ("rule", predicate::RULE_ID),
        collection::FUNCTION => ("function", predicate::FN_NAME),
        collection::PREDICATE => ("predicate", predicate::PREDICATE_NAME),
        _ => ("collection", predicate::COLLECTION_NAME),
    };
    let seen: Option<Arc<str>> = change
        .sight
        .value_list(s, name)?
        .into_iter()
        .find_map(|value| match value {
            Value::String(name) => Some(name),
            _ => None,
        });
    Ok(match seen {
        Some(name) => format!("{kind} `{name}`"),
        None => format!("a {kind}"),
    })
}

fn in_use(subject: SubjectId, why: String) -> Error {
    Error::InUse { subject, why }
}
