//! Which changes of the schema are allowed.
//!
//! A transaction's flakes on `_predicate` and `_collection` are looked at as a whole, on the facts that would hold
//! after it. What the system made is not changed by users; a predicate keeps its collection; what has facts keeps
//! its meaning. Flags whose meaning is not built yet are refused, so that no flag does nothing.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::conversion::{conversion, conversions, type_name};
use super::error::Error;
use super::load::{Predicate, Schema, type_of};
use super::name::{is_collection_name, is_predicate_name};
use crate::model::system::{USER_COLLECTION_FIRST, USER_NUMBER_FIRST, collection, predicate};
use crate::model::{
    CollectionId, Direction, Facts, Flake, PredicateId, SubjectId, Value, ValueRef, ValueType,
};

/// Predicates that stand in the schema and whose meaning is not built yet.
const NOT_YET: [(PredicateId, &str); 2] = [
    (PredicateId(27), "_predicate/fullText"),
    (predicate::AUTH_REDIRECT_URIS, "_auth/redirectUris"),
];

/// System collections that users may give predicates of their own.
const EXTENSIBLE: [CollectionId; 7] = [
    CollectionId::TX,
    collection::USER,
    collection::AUTH,
    collection::ROLE,
    collection::RULE,
    collection::FUNCTION,
    collection::SETTING,
];

/// Whether a commit of these flakes changes what [`Schema::load`] reads.
pub fn touches_schema(flakes: &[Flake]) -> bool {
    flakes.iter().any(|flake| {
        let of = flake.s.collection();
        of == collection::PREDICATE || of == collection::COLLECTION || of == collection::FUNCTION
    })
}

/// Checks what `flakes` change of the schema `before`, where `after` are the facts with them applied.
///
/// # Errors
/// `InvalidPredicate`, `InvalidCollection` or `InUse`, for the lowest subject that is wrong.
pub fn check(before: &Schema, after: &dyn Facts, flakes: &[Flake]) -> Result<(), Error> {
    for flake in flakes {
        if let Some((_, name)) = NOT_YET.iter().find(|(p, _)| *p == flake.p) {
            let why = format!("`{name}` is not supported yet");
            return Err(Error::InvalidPredicate {
                subject: flake.s,
                why,
            });
        }
    }
    let touched: BTreeSet<SubjectId> = flakes
        .iter()
        .map(|flake| flake.s)
        .filter(|s| {
            matches!(
                s.collection(),
                collection::PREDICATE | collection::COLLECTION
            )
        })
        .collect();
    if touched.is_empty() {
        return Ok(());
    }
    // Collections come first: a predicate without its collection cannot be loaded.
    for s in touched
        .iter()
        .filter(|s| s.collection() == collection::COLLECTION)
    {
        check_collection(before, after, *s)?;
    }
    for s in touched
        .iter()
        .filter(|s| s.collection() == collection::PREDICATE)
    {
        check_description(before, after, *s)?;
    }
    let loaded = Schema::load(after)?;
    for s in touched
        .iter()
        .filter(|s| s.collection() == collection::COLLECTION)
    {
        no_refs_restricted_to(before, &loaded, *s)?;
    }
    for s in touched
        .iter()
        .filter(|s| s.collection() == collection::PREDICATE)
    {
        let Some(id) = PredicateId::of_subject(*s) else {
            continue;
        };
        match (before.predicate(id), loaded.predicate(id)) {
            (_, None) => no_facts_of(before, after, id)?,
            (old, Some(new)) => check_predicate(old, new, before, &loaded, after)?,
        }
    }
    Ok(())
}

fn check_collection(before: &Schema, after: &dyn Facts, s: SubjectId) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::InvalidCollection { subject: s, why });
    let id = CollectionId::new(s.number());
    let old = id.and_then(|id| before.collection(id));
    if s.number() < USER_COLLECTION_FIRST {
        return refuse("a system collection cannot be changed".to_owned());
    }
    let new = text(after, s, predicate::COLLECTION_NAME)?;
    match (old, new) {
        (_, Some(name))
            if old.is_none_or(|old| *old.name != *name) && !is_collection_name(&name) =>
        {
            refuse(format!(
                "invalid collection name `{name}`: a letter or digit first, then letters, digits, `.`, `-` and `_`"
            ))
        }
        (None, None) => refuse("a collection needs a `_collection/name`".to_owned()),
        (Some(old), None) => {
            let mut has_predicates = false;
            for it in before.predicates().filter(|it| it.collection == old.id) {
                has_predicates |= after.exists(it.id.subject())?;
            }
            let mut subject = None;
            after.collection(old.id, Direction::Ascending, None, &mut |fact| {
                subject = Some(fact.s);
                ControlFlow::Break(())
            })?;
            if !has_predicates && subject.is_none() {
                return Ok(());
            }
            let why = format!("collection `{}` still has predicates or subjects", old.name);
            Err(Error::InUse { subject: s, why })
        }
        _ => Ok(()),
    }
}

/// What must hold of a predicate's subject before it can be loaded at all.
fn check_description(before: &Schema, after: &dyn Facts, s: SubjectId) -> Result<(), Error> {
    let refuse = |why: String| Err(Error::InvalidPredicate { subject: s, why });
    if s.number() < USER_NUMBER_FIRST {
        return refuse("a system predicate cannot be changed".to_owned());
    }
    if !after.exists(s)? {
        return Ok(());
    }
    let Some(name) = text(after, s, predicate::PREDICATE_NAME)? else {
        return refuse("a predicate needs a `_predicate/name`".to_owned());
    };
    match after.value_list(s, predicate::PREDICATE_TYPE)?.first() {
        Some(Value::Ref(tag)) if type_of(*tag, after)?.is_some() => {}
        Some(_) => {
            return refuse(format!(
                "the type of predicate `{name}` is none that there is"
            ));
        }
        None => return refuse(format!("predicate `{name}` needs a `_predicate/type`")),
    }
    let old = PredicateId::of_subject(s).and_then(|id| before.predicate(id));
    match old {
        Some(old) if *old.name == *name => Ok(()),
        _ if !is_predicate_name(&name) => refuse(format!(
            "invalid predicate name `{name}`: a collection's name, `/`, and a name of letters, digits, `.`, `-` and `_`"
        )),
        old => {
            let of = name.split_once('/').map_or("", |(of, _)| of);
            // What is said of transactions has a collection, and the collection no subject.
            let virtual_id = (of == "_tx").then_some(CollectionId::TX);
            let named = after
                .subject_list(predicate::COLLECTION_NAME, ValueRef::String(of))?
                .into_iter()
                .find_map(|s| CollectionId::new(s.number()))
                .or(virtual_id);
            match named {
                None => refuse(format!(
                    "predicate `{name}` is of no collection that exists"
                )),
                Some(id) if old.is_some_and(|old| old.collection != id) => refuse(format!(
                    "`{name}` would be of another collection: a predicate keeps its own"
                )),
                Some(id) if of.starts_with('_') && !EXTENSIBLE.contains(&id) => {
                    refuse(format!("`{of}` takes no predicates but the system's"))
                }
                Some(_) => Ok(()),
            }
        }
    }
}

fn check_predicate(
    old: Option<&Predicate>,
    new: &Predicate,
    before: &Schema,
    schema: &Schema,
    after: &dyn Facts,
) -> Result<(), Error> {
    let name = &new.name;
    let refuse = |why: String| {
        Err(Error::InvalidPredicate {
            subject: new.id.subject(),
            why,
        })
    };
    if let Some(old) = old {
        if let Some(why) = keeps_type(old, new) {
            return refuse(why);
        }
        if new.unique && !old.unique {
            return refuse(format!(
                "`{name}` cannot become unique: make a new predicate"
            ));
        }
        if old.multi && !new.multi {
            return refuse(format!(
                "`{name}` has several values and cannot go back to one"
            ));
        }
    }
    if new.component && new.value_type != ValueType::Ref {
        return refuse(format!(
            "`{name}` has `component` and so must be of type ref"
        ));
    }
    if new.component && old.is_some_and(|old| !old.component) {
        return refuse(format!(
            "`{name}` cannot become a component: make a new predicate"
        ));
    }
    let unordered = !new.value_type.is_posted();
    if new.unique && (new.value_type == ValueType::Boolean || unordered) {
        return refuse(format!(
            "`{name}` cannot be unique: its type has no values to tell apart"
        ));
    }
    if new.index && unordered {
        return refuse(format!("`{name}` cannot be indexed: its type has no order"));
    }
    if new.upsert && !new.unique {
        return refuse(format!("`{name}` has `upsert` and so must be unique"));
    }
    if new.restrict_tag && new.value_type != ValueType::Tag {
        return refuse(format!(
            "`{name}` has `restrictTag` and so must be of type tag"
        ));
    }
    check_restricted(old, new, (before, schema), after)
}

/// The collection that the refs of a predicate must point into.
fn check_restricted(
    old: Option<&Predicate>,
    new: &Predicate,
    (before, schema): (&Schema, &Schema),
    after: &dyn Facts,
) -> Result<(), Error> {
    let name = &new.name;
    let refuse = |why: String| {
        Err(Error::InvalidPredicate {
            subject: new.id.subject(),
            why,
        })
    };
    let Some(restricted) = &new.restrict_collection else {
        return Ok(());
    };
    if new.value_type != ValueType::Ref {
        return refuse(format!(
            "`{name}` has `restrictCollection` and so must be of type ref"
        ));
    }
    let Some(target) = schema.collection_named(restricted) else {
        return refuse(format!(
            "`{name}` is restricted to a collection that does not exist"
        ));
    };
    // A collection that is renamed is the same one.
    let was = old.map(|old| {
        let was = old.restrict_collection.as_deref();
        was.and_then(|was| before.collection_named(was))
            .map(|it| it.id)
    });
    if was.is_some_and(|was| was != Some(target.id)) {
        let mut strays = false;
        after.collection(new.collection, Direction::Ascending, None, &mut |fact| {
            strays = fact.p == new.id
                && fact
                    .o
                    .as_ref()
                    .is_some_and(|to| to.collection() != target.id);
            if strays {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        // It tells of facts, so it is told as what is in use is: after the permissions.
        if strays {
            let why = format!("`{name}` has refs that do not point into `{restricted}`");
            return Err(Error::InUse {
                subject: new.id.subject(),
                why,
            });
        }
    }
    Ok(())
}

/// Why a predicate's type does not change so.
fn keeps_type(old: &Predicate, new: &Predicate) -> Option<String> {
    if old.value_type == new.value_type {
        return None;
    }
    match conversion(old.value_type, new.value_type) {
        None => Some(unconvertible(&new.name, old.value_type)),
        Some(it) if it.changes_values() && new.collection == CollectionId::TX => Some(format!(
            "the type of `{}` stays: what was said of a transaction is not written anew",
            new.name
        )),
        Some(_) => None,
    }
}

/// Why a type stays as it is, and what it could be.
fn unconvertible(name: &str, of: ValueType) -> String {
    let names: Vec<String> = conversions(of)
        .map(|it| format!("`{}`", type_name(it)))
        .collect();
    if names.is_empty() {
        format!("the type of `{name}` stays: make a new predicate")
    } else {
        let names = names.join(" or ");
        format!("the type of `{name}` may become {names} only: make a new predicate")
    }
}

/// A collection that goes is none that a predicate is restricted to.
fn no_refs_restricted_to(before: &Schema, loaded: &Schema, s: SubjectId) -> Result<(), Error> {
    let id = CollectionId::new(s.number());
    let Some(old) = id.and_then(|id| before.collection(id)) else {
        return Ok(());
    };
    if loaded.collection(old.id).is_some() {
        return Ok(());
    }
    let restricted = |it: &&Predicate| it.restrict_collection.as_deref() == Some(&*old.name);
    match loaded.predicates().find(restricted) {
        Some(it) => {
            let why = format!("`{}` refers to subjects of `{}`", it.name, old.name);
            Err(Error::InUse { subject: s, why })
        }
        None => Ok(()),
    }
}

fn no_facts_of(before: &Schema, after: &dyn Facts, id: PredicateId) -> Result<(), Error> {
    let Some(old) = before.predicate(id) else {
        return Ok(());
    };
    let mut used = false;
    after.collection(old.collection, Direction::Ascending, None, &mut |fact| {
        used = fact.p == id;
        if used {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    if used {
        let why = format!("predicate `{}` still has facts", old.name);
        return Err(Error::InUse {
            subject: id.subject(),
            why,
        });
    }
    Ok(())
}

fn text(facts: &dyn Facts, s: SubjectId, p: PredicateId) -> Result<Option<Arc<str>>, Error> {
    let mut found = None;
    facts.values(s, p, &mut |fact| {
        found = fact.o.as_str().map(Arc::from);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
