//! The one trait by which facts are read.
//!
//! 1. Whoever is handed a `&dyn Facts` cannot tell a snapshot from a permitted view, an overlay or the past, so
//!    a filter cannot be forgotten.
//! 2. Order is part of the contract: subjects ascend or descend as asked; within a subject facts ascend by
//!    predicate, then by value; a reverse list ascends by subject.
//! 3. Each fact holds at [`Facts::basis`] and is told once.
//!
//! It visits instead of returning iterators: the trait stays object-safe, and a value can be lent out of the
//! page it stands on.

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};

use super::error::Error;
use super::id::{CollectionId, PredicateId, SubjectId, T};
use super::value::{Value, ValueRef};

/// A fact that holds, lent to a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// The subject.
    pub s: SubjectId,
    /// The predicate.
    pub p: PredicateId,
    /// The object.
    pub o: ValueRef<'a>,
    /// The commit that asserted it.
    pub t: T,
}

/// What is called with each fact; `Break` ends the visit.
pub type Visit<'v> = dyn FnMut(Fact<'_>) -> ControlFlow<()> + 'v;

/// Which way subjects are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Lowest id first: the oldest subject.
    Ascending,
    /// Highest id first: the newest subject.
    Descending,
}

/// A range of values of one predicate.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Where it begins.
    pub from: Bound<Value>,
    /// Where it ends.
    pub to: Bound<Value>,
}

/// All facts that hold at one basis, as far as the reader may see them.
pub trait Facts {
    /// The `t` of the newest commit these facts include.
    fn basis(&self) -> T;

    /// Visits the facts of one subject, by predicate, then by value.
    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), Error>;

    /// Visits the facts of one subject and predicate, by value.
    fn values(&self, s: SubjectId, p: PredicateId, visit: &mut Visit<'_>) -> Result<(), Error> {
        self.subject(s, &mut |fact| match fact.p.cmp(&p) {
            Ordering::Less => ControlFlow::Continue(()),
            Ordering::Equal => visit(fact),
            Ordering::Greater => ControlFlow::Break(()),
        })
    }

    /// Visits the facts of one subject under some predicates, which ascend; by predicate, then by value.
    ///
    /// Who needs a few predicates of a row asks so: the others are neither read nor judged nor paid.
    fn among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let Some(last) = predicates.last() else {
            return Ok(());
        };
        self.subject(s, &mut |fact| {
            if fact.p > *last {
                ControlFlow::Break(())
            } else if predicates.contains(&fact.p) {
                visit(fact)
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    /// Visits the subjects that have `o` under `p`, ascending.
    ///
    /// `o` is a ref or a value of a kind that [is posted](ValueRef::is_posted); for any other kind none is visited.
    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Visits every ref to `o`, by predicate, then by subject.
    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Visits the posted scalars (no refs) of one predicate that lie within `bounds`, by value, then by subject.
    fn range(&self, p: PredicateId, bounds: &Bounds, visit: &mut Visit<'_>) -> Result<(), Error>;

    /// Visits all facts of a collection, subject after subject; within a subject as [`Facts::subject`] does.
    ///
    /// `after` continues a walk behind that subject.
    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error>;

    /// Visits the facts of a collection under some predicates, which ascend: as [`Facts::collection`] and
    /// [`Facts::among`] do.
    fn collection_among(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        self.collection(c, direction, after, &mut |fact| {
            if predicates.contains(&fact.p) {
                visit(fact)
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    /// Visits the subjects of a collection that have any fact.
    fn members(
        &self,
        c: CollectionId,
        direction: Direction,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut last = None;
        self.collection(c, direction, None, &mut |fact| {
            if last.replace(fact.s) == Some(fact.s) {
                ControlFlow::Continue(())
            } else {
                visit(fact.s)
            }
        })
    }

    /// The number that the next new subject of `c` may have: one more than any that was ever used, or 0.
    fn next_number(&self, c: CollectionId) -> Result<u64, Error>;

    /// Whether the subject has any fact.
    fn exists(&self, s: SubjectId) -> Result<bool, Error> {
        let mut found = false;
        self.subject(s, &mut |_| {
            found = true;
            ControlFlow::Break(())
        })?;
        Ok(found)
    }

    /// The values of one subject and predicate, collected.
    fn value_list(&self, s: SubjectId, p: PredicateId) -> Result<Vec<Value>, Error> {
        let mut values = Vec::new();
        self.values(s, p, &mut |fact| {
            values.push(fact.o.to_value());
            ControlFlow::Continue(())
        })?;
        Ok(values)
    }

    /// The subjects that have `o` under `p`, collected.
    fn subject_list(&self, p: PredicateId, o: ValueRef<'_>) -> Result<Vec<SubjectId>, Error> {
        let mut subjects = Vec::new();
        self.subjects(p, o, &mut |s| {
            subjects.push(s);
            ControlFlow::Continue(())
        })?;
        Ok(subjects)
    }
}

impl<F: Facts + ?Sized> Facts for &F {
    fn basis(&self) -> T {
        (**self).basis()
    }

    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), Error> {
        (**self).subject(s, visit)
    }

    fn values(&self, s: SubjectId, p: PredicateId, visit: &mut Visit<'_>) -> Result<(), Error> {
        (**self).values(s, p, visit)
    }

    fn among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        (**self).among(s, predicates, visit)
    }

    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        (**self).subjects(p, o, visit)
    }

    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        (**self).referrers(o, visit)
    }

    fn range(&self, p: PredicateId, bounds: &Bounds, visit: &mut Visit<'_>) -> Result<(), Error> {
        (**self).range(p, bounds, visit)
    }

    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        (**self).collection(c, direction, after, visit)
    }

    fn collection_among(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        (**self).collection_among(c, direction, after, predicates, visit)
    }

    fn members(
        &self,
        c: CollectionId,
        direction: Direction,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        (**self).members(c, direction, visit)
    }

    fn next_number(&self, c: CollectionId) -> Result<u64, Error> {
        (**self).next_number(c)
    }
}
