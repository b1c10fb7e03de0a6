//! Reading facts: values, identities, and walks along paths.
//!
//! A subject or value that is asked about costs a step, and so does each fact that is told, with one more for
//! each 1,024 bytes of its text. A subject is visited once in a walk, so that a circle in the data ends.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use super::collection::{Gather, bounded};
use super::error::{Fault, Stop};
use super::node::{Depth, Read, Step, Way};
use super::value::Val;
use crate::base::Budget;
use crate::model::system::{is_walked, predicate::TAG_ID};
use crate::model::{Bounds, Facts, PredicateId, SubjectId, ValueRef};

/// Facts, and what reading them is paid from.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) facts: &'a dyn Facts,
    pub(super) budget: &'a Budget,
}

/// Bytes of a stored text that are read for one step.
const BYTES_A_STEP: usize = 1_024;

fn weight(value: ValueRef<'_>) -> u64 {
    let bytes = match value {
        ValueRef::String(text) | ValueRef::Json(text) => text.len(),
        ValueRef::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    u64::try_from(bytes / BYTES_A_STEP)
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

impl Reader<'_> {
    /// Visits the values of one subject and predicate.
    pub(super) fn values(
        self,
        s: SubjectId,
        read: Read,
        visit: &mut dyn FnMut(ValueRef<'_>) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<(), Stop> {
        self.budget.spend(1)?;
        let mut ended = Ok(());
        self.facts.values(s, read.id, &mut |fact| {
            let paid = self.budget.spend(weight(fact.o)).map_err(Stop::from);
            paid.and_then(|()| visit(fact.o)).unwrap_or_else(|stop| {
                ended = Err(stop);
                ControlFlow::Break(())
            })
        })?;
        ended
    }

    /// Visits the subjects that have a value.
    fn subjects(
        self,
        read: Read,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<(), Stop> {
        self.pay_for_finding(read.id)?;
        let mut ended = Ok(());
        self.facts.subjects(read.id, o, &mut |s| {
            let paid = self.budget.spend(1).map_err(Stop::from);
            paid.and_then(|()| visit(s)).unwrap_or_else(|stop| {
                ended = Err(stop);
                ControlFlow::Break(())
            })
        })?;
        ended
    }

    /// A look-up is a step, and one for each block where all of them are looked at.
    fn pay_for_finding(self, p: PredicateId) -> Result<(), Stop> {
        let blocks = if is_walked(p) {
            self.facts.basis().0
        } else {
            0
        };
        Ok(self.budget.spend(blocks.saturating_add(1))?)
    }

    /// The subject that a value identifies.
    pub(super) fn identity(self, read: Read, o: ValueRef<'_>) -> Result<Option<SubjectId>, Stop> {
        let mut found = None;
        self.subjects(read, o, &mut |s| {
            found = Some(s);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The greatest value of a predicate, whoever has it.
    pub(super) fn greatest(self, read: Read) -> Result<Val, Stop> {
        self.pay_for_finding(read.id)?;
        let mut greatest = None;
        let mut ended = Ok(());
        let all = Bounds {
            from: Bound::Unbounded,
            to: Bound::Unbounded,
        };
        // Values come in order, so the last one is it.
        self.facts.range(read.id, &all, &mut |fact| {
            greatest = Some(fact.o.to_value());
            match self.budget.spend(weight(fact.o)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(exceeded) => {
                    ended = Err(exceeded);
                    ControlFlow::Break(())
                }
            }
        })?;
        ended?;
        Ok(greatest.map_or(Val::Nil, |value| Val::of(value.borrow())))
    }

    /// The short name of a tag: what follows the first colon of its `_tag/id`.
    pub(super) fn tag(self, tag: SubjectId) -> Result<Val, Stop> {
        let mut name = Val::Nil;
        let read = Read {
            id: TAG_ID,
            is_tag: false,
        };
        self.values(tag, read, &mut |o| {
            if let ValueRef::String(id) = o {
                name = Val::string(id.split_once(':').map_or(id, |(_, short)| short));
            }
            Ok(ControlFlow::Break(()))
        })?;
        Ok(name)
    }

    /// What a subject has under a predicate: absence, a value, or a set of several.
    pub(super) fn get(self, function: &'static str, s: SubjectId, read: Read) -> Result<Val, Stop> {
        let mut one = Val::Nil;
        let mut all = None;
        if read.is_tag {
            let mut gather = Gather::new(function);
            self.tell(function, s, read, &mut gather)?;
            all = Some(gather);
        } else {
            self.values(s, read, &mut |o| {
                let value = Val::of(o);
                if let Some(gather) = &mut all {
                    Gather::add(gather, value)?;
                } else if one.is_nil() {
                    one = value;
                } else {
                    let gather = all.insert(Gather::new(function));
                    gather.add(std::mem::replace(&mut one, Val::Nil))?;
                    gather.add(value)?;
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(all.map_or(one, Gather::unwrap_one))
    }

    /// Adds the values of one subject and predicate.
    fn tell(
        self,
        function: &'static str,
        s: SubjectId,
        read: Read,
        gather: &mut Gather,
    ) -> Result<(), Stop> {
        if !read.is_tag {
            return self.values(s, read, &mut |o| {
                gather.add(Val::of(o))?;
                Ok(ControlFlow::Continue(()))
            });
        }
        // Tags first, then their names: no visit stands within another.
        let mut tags = Vec::new();
        self.values(s, read, &mut |o| {
            tags.extend(o.as_ref());
            bounded(function, tags.len())?;
            Ok(ControlFlow::Continue(()))
        })?;
        for tag in tags {
            let name = self.tag(tag)?;
            if !name.is_nil() {
                gather.add(name)?;
            }
        }
        Ok(())
    }

    /// What stands at the ends of all paths from these subjects.
    pub(super) fn get_all(
        self,
        function: &'static str,
        starts: BTreeSet<SubjectId>,
        path: &[Step],
    ) -> Result<Val, Stop> {
        let mut gather = Gather::new(function);
        let Some((last, before)) = path.split_last() else {
            return Ok(gather.finish());
        };
        let subjects = self.walk(function, starts, before)?;
        if last.way == Way::Forward && last.depth == Depth::Once {
            for s in subjects {
                self.tell(function, s, last.read, &mut gather)?;
            }
        } else {
            for s in self.step(function, subjects, last, None)?.0 {
                gather.add(Val::Int(s.raw()))?;
            }
        }
        Ok(gather.finish())
    }

    /// Whether some path from one of these subjects ends at `end`.
    pub(super) fn related(
        self,
        function: &'static str,
        starts: BTreeSet<SubjectId>,
        path: &[Step],
        end: SubjectId,
    ) -> Result<bool, Stop> {
        let Some((last, before)) = path.split_last() else {
            return Ok(false);
        };
        let subjects = self.walk(function, starts, before)?;
        Ok(self.step(function, subjects, last, Some(end))?.1)
    }

    fn walk(
        self,
        function: &'static str,
        starts: BTreeSet<SubjectId>,
        path: &[Step],
    ) -> Result<BTreeSet<SubjectId>, Stop> {
        path.iter().try_fold(starts, |subjects, step| {
            Ok(self.step(function, subjects, step, None)?.0)
        })
    }

    /// The subjects one step on, and whether `until`, at which the step ends, is among them.
    fn step(
        self,
        function: &'static str,
        from: BTreeSet<SubjectId>,
        step: &Step,
        until: Option<SubjectId>,
    ) -> Result<(BTreeSet<SubjectId>, bool), Stop> {
        let mut queue: Vec<SubjectId> = from.iter().rev().copied().collect();
        let mut reached = BTreeSet::new();
        if step.depth == Depth::AnyTimes {
            if until.is_some_and(|until| from.contains(&until)) {
                return Ok((from, true));
            }
            reached = from;
        }
        let mut is_found = false;
        while let Some(s) = queue.pop() {
            self.neighbours(s, step, &mut |next| {
                if Some(next) == until {
                    is_found = true;
                    return Ok(ControlFlow::Break(()));
                }
                // Of a last step that is only asked for its end, nothing need be kept.
                let goes_on = step.depth != Depth::Once;
                if (goes_on || until.is_none()) && reached.insert(next) {
                    bounded(function, reached.len())?;
                    if goes_on {
                        queue.push(next);
                    }
                }
                Ok(ControlFlow::Continue(()))
            })?;
            if is_found {
                break;
            }
        }
        Ok((reached, is_found))
    }

    fn neighbours(
        self,
        s: SubjectId,
        step: &Step,
        visit: &mut dyn FnMut(SubjectId) -> Result<ControlFlow<()>, Stop>,
    ) -> Result<(), Stop> {
        match step.way {
            Way::Forward => self.values(s, step.read, &mut |o| {
                o.as_ref()
                    .map_or(Ok(ControlFlow::Continue(())), &mut *visit)
            }),
            Way::Reverse => self.subjects(step.read, ValueRef::Ref(s), visit),
        }
    }
}

/// The subjects that a value stands for: none, one, or those of a set.
pub(super) fn subjects(function: &'static str, value: &Val) -> Result<BTreeSet<SubjectId>, Fault> {
    match value {
        Val::Set(values) => {
            let ids = values.iter().map(|value| subject(function, value));
            ids.filter_map(Result::transpose).collect()
        }
        value => Ok(subject(function, value)?.into_iter().collect()),
    }
}

/// The subject that a value is the id of.
pub(super) fn subject(function: &'static str, value: &Val) -> Result<Option<SubjectId>, Fault> {
    let id = match value {
        Val::Nil => return Ok(None),
        value => value.as_int().and_then(SubjectId::from_raw),
    };
    let expected = "the id of a subject, or a two-tuple";
    id.map(Some).ok_or(Fault::Type { function, expected })
}
