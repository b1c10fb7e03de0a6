//! Facts as a query reads them: each one paid for, sealed ones left out.
//!
//! A permitted view leaves sealed facts out as well. Here they are dropped for those who are handed the facts
//! themselves.

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};

use super::error::Error;
use super::json::Json;
use super::memory::Memory;
use crate::base::{Budget, Exceeded};
use crate::model::{
    Bounds, CollectionId, Direction, Fact, Facts, PredicateId, SubjectId, Value, ValueRef,
};
use crate::schema::{Predicate, Schema};

/// The facts of one subject: by predicate, then by value.
pub(super) type Row = Vec<(PredicateId, Value)>;

/// How many bytes of a text that is told, or kept to be joined, are paid by one step.
pub(super) const TOLD_BYTES_OF_A_STEP: usize = 16;

/// What a query reads through.
pub(super) struct Reader<'a> {
    pub(super) facts: &'a dyn Facts,
    pub(super) schema: &'a Schema,
    pub(super) budget: &'a Budget,
    pub(super) memory: Memory,
}

/// The values of one predicate in a row.
pub(super) fn values(row: &Row, p: PredicateId) -> impl Iterator<Item = &Value> {
    let start = row.partition_point(|(of, _)| *of < p);
    row.iter()
        .skip(start)
        .take_while(move |(of, _)| *of == p)
        .map(|(_, o)| o)
}

/// The newest subject first: the highest id, but the lowest among blocks, which count downwards.
pub(super) fn newest_first(a: SubjectId, b: SubjectId) -> Ordering {
    match (a.block(), b.block()) {
        (Some(a), Some(b)) => b.cmp(&a),
        _ => b.cmp(&a),
    }
}

/// The predicate that a name means in a collection, whose own name may be left out.
///
/// `_tx` and `_block` are two names of one collection, and predicates of either stand on it.
pub(super) fn predicate_in<'s>(
    c: CollectionId,
    name: &str,
    schema: &'s Schema,
) -> Option<&'s Predicate> {
    let collection = schema.collection(c)?;
    let of = schema.predicate_of(&collection.name, name);
    if of.is_none() && c == CollectionId::TX {
        return schema.predicate_of("_block", name);
    }
    of
}

impl Reader<'_> {
    /// Pays for a text that is told, by its length: one fact may be told very many times.
    pub(super) fn pay_for(&self, told: &Json) -> Result<(), Error> {
        let length = told.as_str().map_or(0, str::len);
        let steps = u64::try_from(length / TOLD_BYTES_OF_A_STEP).unwrap_or(u64::MAX);
        Ok(self.budget.spend(steps)?)
    }

    /// The facts of one subject; none if it is not there or not seen.
    pub(super) fn row(&self, s: SubjectId) -> Result<Row, Error> {
        let mut row = Row::new();
        self.paid(|pay| {
            self.facts.subject(s, &mut |fact| {
                self.keep(&mut row, fact);
                pay(())
            })
        })?;
        Ok(row)
    }

    /// The subjects that have `o` under `p`, ascending.
    pub(super) fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
    ) -> Result<Vec<SubjectId>, Error> {
        let mut subjects = Vec::new();
        self.paid(|pay| {
            self.facts.subjects(p, o, &mut |s| {
                subjects.push(s);
                pay(())
            })
        })?;
        Ok(subjects)
    }

    /// The subjects that have a value within `bounds` under a predicate whose values are posted scalars.
    pub(super) fn range(&self, p: PredicateId, bounds: &Bounds) -> Result<Vec<SubjectId>, Error> {
        let mut subjects = Vec::new();
        self.paid(|pay| {
            self.facts.range(p, bounds, &mut |fact| {
                subjects.push(fact.s);
                pay(())
            })
        })?;
        Ok(subjects)
    }

    /// Visits the subjects of a collection with their facts, the newest first, until told to stop.
    pub(super) fn scan(
        &self,
        c: CollectionId,
        visit: &mut dyn FnMut(SubjectId, Row) -> Result<ControlFlow<()>, Error>,
    ) -> Result<(), Error> {
        // Blocks have negative ids, so the lowest is the newest.
        let direction = if c == CollectionId::TX {
            Direction::Ascending
        } else {
            Direction::Descending
        };
        let mut current: Option<(SubjectId, Row)> = None;
        let mut ended = Ok(ControlFlow::Continue(()));
        self.paid(|pay| {
            self.facts.collection(c, direction, None, &mut |fact| {
                if current.as_ref().is_some_and(|(s, _)| *s != fact.s)
                    && let Some((s, row)) = current.take()
                    && !row.is_empty()
                {
                    ended = visit(s, row);
                    if !matches!(ended, Ok(ControlFlow::Continue(()))) {
                        return ControlFlow::Break(());
                    }
                }
                let (_, row) = current.get_or_insert_with(|| (fact.s, Row::new()));
                self.keep(row, fact);
                pay(())
            })
        })?;
        if ended?.is_continue()
            && let Some((s, row)) = current
            && !row.is_empty()
        {
            let _last = visit(s, row)?;
        }
        Ok(())
    }

    /// The subjects that have a predicate.
    pub(super) fn having(&self, of: &Predicate) -> Result<Vec<SubjectId>, Error> {
        if is_posted_scalar(of) {
            let all = Bounds {
                from: Bound::Unbounded,
                to: Bound::Unbounded,
            };
            return self.range(of.id, &all);
        }
        let mut subjects = Vec::new();
        self.scan(of.collection, &mut |s, row| {
            if values(&row, of.id).next().is_some() {
                subjects.push(s);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(subjects)
    }

    fn keep(&self, row: &mut Row, fact: Fact<'_>) {
        let is_sealed = |it: &Predicate| it.sealed;
        if !self.schema.predicate(fact.p).is_some_and(is_sealed) {
            row.push((fact.p, fact.o.to_value()));
        }
    }

    /// Makes a visit that pays a step for each fact and ends when none is left.
    fn paid(
        &self,
        visit: impl FnOnce(&mut dyn FnMut(()) -> ControlFlow<()>) -> Result<(), crate::model::Error>,
    ) -> Result<(), Error> {
        let mut exceeded: Option<Exceeded> = None;
        visit(&mut |()| match self.budget.spend(1) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                exceeded = Some(error);
                ControlFlow::Break(())
            }
        })?;
        exceeded.map_or(Ok(()), |exceeded| Err(exceeded.into()))
    }
}

/// Whether a predicate's values can be found in order, by themselves.
pub(super) fn is_posted_scalar(of: &Predicate) -> bool {
    of.value_type.is_posted() && !of.is_ref()
}
