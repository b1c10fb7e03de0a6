//! Changes of a predicate's type: its facts are written anew in the same commit.
//!
//! 1. A value is kept exactly, or the change is refused; no value is told.
//! 2. The change stands in a transaction of schema alone, and what is said of the transaction, so that nothing is judged on facts of two types.
//! 3. The facts are read with the eyes of root, and what that costs is bounded by the deadline alone.

use std::ops::ControlFlow;

use super::error::{Error, Problem};
use super::ground::Ground;
use super::rewrite::Rewriter;
use super::staged::Staged;
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::model::system::{USER_NUMBER_FIRST, collection, predicate};
use crate::model::{CollectionId, Direction, Op, PredicateId, Value};
use crate::policy::Cause;
use crate::query::Pointer;
use crate::schema::{self, Conversion, Schema, conversion, type_of};

/// A predicate whose facts are written anew.
pub(super) struct Retyped<'s> {
    of: &'s schema::Predicate,
    into: Conversion,
    at: Pointer,
}

/// The changes of type that are staged and allowed, where the facts are kept in another way then.
pub(super) fn retyped<'s>(
    staged: &Staged,
    schema: &'s Schema,
    ground: &Ground<'_>,
) -> Result<Vec<Retyped<'s>>, Error> {
    let mut retyped = Vec::new();
    let changes = staged.flakes.iter().zip(&staged.places);
    for (staged, at) in changes.filter(|(it, _)| it.cause != Cause::Unchanged) {
        let flake = &staged.flake;
        let (Op::Assert, predicate::PREDICATE_TYPE, Value::Ref(tag)) =
            (flake.op, flake.p, &flake.o)
        else {
            continue;
        };
        let id = PredicateId::of_subject(flake.s).filter(|id| u64::from(id.0) >= USER_NUMBER_FIRST);
        let Some(of) = id.and_then(|id| schema.predicate(id)) else {
            continue;
        };
        let new = type_of(*tag, ground.before)?;
        if let Some(into) = new.and_then(|new| conversion(of.value_type, new))
            && into.changes_values()
            && of.collection != CollectionId::TX
        {
            retyped.push(Retyped {
                of,
                into,
                at: at.clone(),
            });
        }
    }
    let Some(first) = retyped.first() else {
        return Ok(retyped);
    };
    let of_schema = [
        collection::PREDICATE,
        collection::COLLECTION,
        collection::TAG,
        CollectionId::TX,
    ];
    for (staged, at) in staged.flakes.iter().zip(&staged.places) {
        let is_said = matches!(
            staged.cause,
            Cause::Sent | Cause::Implied | Cause::Unchanged
        );
        if is_said && !of_schema.contains(&staged.flake.s.collection()) {
            let why = format!(
                "the type of `{}` changes in a transaction of schema alone: send this before or after it",
                first.of.name
            );
            return Err(Error::invalid(at, why));
        }
    }
    Ok(retyped)
}

impl Retyped<'_> {
    /// Writes its facts anew.
    pub(super) fn follow(
        &self,
        rewriter: &mut Rewriter<'_>,
        ground: &Ground<'_>,
    ) -> Result<(), Error> {
        let Self { of, into, at } = self;
        // What hidden facts cost is bounded by the deadline alone.
        let work = ground.budget.unbounded();
        let mut subjects = Vec::new();
        let mut fits = true;
        let mut ended = Ok(());
        ground
            .before
            .collection(of.collection, Direction::Ascending, None, &mut |fact| {
                if let Err(exceeded) = work.spend(1) {
                    ended = Err(exceeded);
                    return ControlFlow::Break(());
                }
                if fact.p != of.id {
                    return ControlFlow::Continue(());
                }
                fits = into.convert(fact.o).is_some();
                if subjects.last() != Some(&fact.s) {
                    subjects.push(fact.s);
                }
                // Each fact is two flakes at least.
                if fits && subjects.len() <= COMMIT_FLAKES_MAX / 2 {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        ended?;
        if !fits {
            let why = format!("`{}` has values that would not be kept exactly", of.name);
            rewriter.refuse(at, Problem::in_use(of.id.subject(), why));
            return Ok(());
        }
        for s in subjects {
            if rewriter.is_refused() {
                break;
            }
            rewriter.rewrite(s, of.id, false, &|value| {
                Some((into.convert(value.borrow())?, at))
            })?;
        }
        Ok(())
    }
}
