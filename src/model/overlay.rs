//! Facts with a commit's flakes laid over them, in memory.
//!
//! This is how a transaction sees what it would make true before anything is written, and how the transactions of
//! one group commit stand on each other.
//!
//! 1. The base and the overlay are told as one, in the order [`Facts`] promises.
//! 2. A block's auth is told with its block, and never among the referrers of the auth: it is no stored flake.
//! 3. Flakes are as [`Commit::flakes`](super::Commit) has them: retractions of what the base tells, assertions of
//!    what it does not (or that the overlay also retracts).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::error::Error;
use super::facts::{Bounds, Direction, Fact, Facts, Visit};
use super::flake::{Flake, Op};
use super::id::{CollectionId, PredicateId, SubjectId, T};
use super::system::predicate;
use super::value::{Value, ValueRef};

type Row = BTreeMap<(PredicateId, Value), Change>;

/// What the overlay says of one fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Gone,
    Holds(T),
}

/// Some facts, with changes over them.
#[derive(Debug)]
pub struct Overlay<B> {
    base: B,
    basis: T,
    rows: BTreeMap<SubjectId, Row>,
    /// Asserted values, by predicate and value.
    posted: BTreeMap<(PredicateId, Value), BTreeSet<SubjectId>>,
    /// Asserted refs, by target.
    refs: BTreeMap<(SubjectId, PredicateId), BTreeSet<SubjectId>>,
    next: BTreeMap<CollectionId, u64>,
}

impl<B: Facts> Overlay<B> {
    /// An overlay that changes nothing, at the base's own basis.
    pub fn new(base: B) -> Self {
        let basis = base.basis();
        Self {
            base,
            basis,
            rows: BTreeMap::new(),
            posted: BTreeMap::new(),
            refs: BTreeMap::new(),
            next: BTreeMap::new(),
        }
    }

    /// Lays the flakes of the commit at `t` over what is there.
    pub fn apply<'f>(&mut self, t: T, flakes: impl IntoIterator<Item = &'f Flake>) {
        self.basis = t;
        for flake in flakes {
            self.change(t, flake);
        }
    }

    /// What lies below.
    pub fn base(&self) -> &B {
        &self.base
    }

    /// What lies below, alone again.
    pub fn into_base(self) -> B {
        self.base
    }

    fn change(&mut self, t: T, flake: &Flake) {
        let Flake { s, p, o, op } = flake;
        let row = self.rows.entry(*s).or_default();
        match op {
            Op::Assert => {
                row.insert((*p, o.clone()), Change::Holds(t));
                if let Value::Ref(target) = o {
                    self.refs.entry((*target, *p)).or_default().insert(*s);
                } else {
                    self.posted.entry((*p, o.clone())).or_default().insert(*s);
                }
                let next = self.next.entry(s.collection()).or_default();
                *next = (*next).max(s.number().saturating_add(1));
            }
            Op::Retract => {
                row.insert((*p, o.clone()), Change::Gone);
                if let Value::Ref(target) = o {
                    if let Some(subjects) = self.refs.get_mut(&(*target, *p)) {
                        subjects.remove(s);
                    }
                } else if let Some(subjects) = self.posted.get_mut(&(*p, o.clone())) {
                    subjects.remove(s);
                }
            }
        }
    }

    fn is_changed(&self, s: SubjectId, p: PredicateId, o: ValueRef<'_>) -> bool {
        self.rows
            .get(&s)
            .is_some_and(|row| row.contains_key(&(p, o.to_value())))
    }

    /// Tells facts of the base, read by `base`, and the changes to them as one.
    fn merge<'r>(
        s: SubjectId,
        changes: impl Iterator<Item = (&'r (PredicateId, Value), &'r Change)>,
        base: impl FnOnce(&mut Visit<'_>) -> Result<(), Error>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut changes = changes.peekable();
        let mut flow = ControlFlow::Continue(());
        let tell = |p: PredicateId, o: &Value, change: Change, visit: &mut Visit<'_>| match change {
            Change::Holds(t) => visit(Fact {
                s,
                p,
                o: o.borrow(),
                t,
            }),
            Change::Gone => ControlFlow::Continue(()),
        };
        base(&mut |fact| {
            let mut replaced = false;
            while let Some(((p, o), change)) = changes.peek() {
                let order = (*p, o.borrow()).cmp(&(fact.p, fact.o));
                if order.is_gt() {
                    break;
                }
                replaced |= order.is_eq();
                flow = tell(*p, o, **change, visit);
                changes.next();
                if flow.is_break() || replaced {
                    break;
                }
            }
            if flow.is_continue() && !replaced {
                flow = visit(fact);
            }
            flow
        })?;
        for ((p, o), change) in changes {
            if flow.is_break() {
                break;
            }
            flow = tell(*p, o, *change, visit);
        }
        Ok(flow)
    }

    /// Tells a row of the base and the changes to it as one; of some predicates, if they are named.
    fn merge_row(
        &self,
        s: SubjectId,
        row: &Row,
        only: Option<&[PredicateId]>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let Some(predicates) = only else {
            return Self::merge(s, row.iter(), |each| self.base.subject(s, each), visit);
        };
        let changes = row.iter().filter(|((p, _), _)| predicates.contains(p));
        Self::merge(
            s,
            changes,
            |each| self.base.among(s, predicates, each),
            visit,
        )
    }

    /// Tells the subjects of a collection, of the base and of what changed, as one; `base` walks the base.
    fn merge_collection(
        &self,
        walk: (CollectionId, Direction, Option<SubjectId>),
        only: Option<&[PredicateId]>,
        base: impl FnOnce(&mut Visit<'_>) -> Result<(), Error>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let (c, direction, after) = walk;
        let Some((first, last)) = SubjectId::range(c) else {
            return base(visit);
        };
        let is_behind = |s: &SubjectId| match (after, direction) {
            (None, _) => true,
            (Some(after), Direction::Ascending) => *s > after,
            (Some(after), Direction::Descending) => *s < after,
        };
        let mut changed: Vec<SubjectId> = self
            .rows
            .range(first..=last)
            .map(|(s, _)| *s)
            .filter(is_behind)
            .collect();
        if direction == Direction::Descending {
            changed.reverse();
        }
        let comes_first = |a: SubjectId, b: SubjectId| match direction {
            Direction::Ascending => a < b,
            Direction::Descending => a > b,
        };
        let mut changed = changed.into_iter().peekable();
        let mut flow = ControlFlow::Continue(());
        let mut failed = None;
        let mut changed_row = |s: SubjectId, visit: &mut Visit<'_>| {
            let Some(row) = self.rows.get(&s) else {
                return ControlFlow::Continue(());
            };
            match self.merge_row(s, row, only, visit) {
                Ok(flow) => flow,
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        };
        base(&mut |fact| {
            while let Some(s) = changed.next_if(|s| comes_first(*s, fact.s) || *s == fact.s) {
                flow = changed_row(s, visit);
                if flow.is_break() {
                    return flow;
                }
            }
            if !self.rows.contains_key(&fact.s) {
                flow = visit(fact);
            }
            flow
        })?;
        for s in changed {
            if flow.is_break() {
                break;
            }
            flow = changed_row(s, visit);
        }
        failed.map_or(Ok(()), Err)
    }
}

impl<B: Facts> Facts for Overlay<B> {
    fn basis(&self) -> T {
        self.basis
    }

    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), Error> {
        match self.rows.get(&s) {
            None => self.base.subject(s, visit),
            Some(row) => self.merge_row(s, row, None, visit).map(|_| ()),
        }
    }

    fn values(&self, s: SubjectId, p: PredicateId, visit: &mut Visit<'_>) -> Result<(), Error> {
        match self.rows.get(&s) {
            None => self.base.values(s, p, visit),
            Some(row) => {
                // No value is lower than false.
                let of = row
                    .range((p, Value::Boolean(false))..)
                    .take_while(|((q, _), _)| *q == p);
                Self::merge(s, of, |each| self.base.values(s, p, each), visit).map(|_| ())
            }
        }
    }

    fn among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        match self.rows.get(&s) {
            None => self.base.among(s, predicates, visit),
            Some(row) => self.merge_row(s, row, Some(predicates), visit).map(|_| ()),
        }
    }

    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if !o.is_posted() {
            return Ok(());
        }
        let added = match o {
            ValueRef::Ref(target) => self.refs.get(&(target, p)),
            scalar => self.posted.get(&(p, scalar.to_value())),
        };
        let mut added = added.into_iter().flatten().copied().peekable();
        let mut flow = ControlFlow::Continue(());
        self.base.subjects(p, o, &mut |s| {
            while let Some(new) = added.next_if(|new| *new < s) {
                flow = visit(new);
                if flow.is_break() {
                    return flow;
                }
            }
            // A subject that the base has too was retracted and asserted again.
            if added.next_if_eq(&s).is_some() || !self.is_changed(s, p, o) {
                flow = visit(s);
            }
            flow
        })?;
        for new in added {
            if flow.is_break() {
                break;
            }
            flow = visit(new);
        }
        Ok(())
    }

    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut all = BTreeSet::new();
        self.base.referrers(o, &mut |p, s| {
            if !self.is_changed(s, p, ValueRef::Ref(o)) {
                all.insert((p, s));
            }
            ControlFlow::Continue(())
        })?;
        let (first, last) = ((o, PredicateId(0)), (o, PredicateId(u32::MAX)));
        let refs = self.refs.range(first..=last);
        for ((_, p), subjects) in refs.filter(|((_, p), _)| *p != predicate::TX_AUTH) {
            all.extend(subjects.iter().map(|s| (*p, *s)));
        }
        for (p, s) in all {
            if visit(p, s).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn range(&self, p: PredicateId, bounds: &Bounds, visit: &mut Visit<'_>) -> Result<(), Error> {
        let within = |o: &Value| {
            use std::ops::RangeBounds;
            o.borrow().is_posted() && (bounds.from.as_ref(), bounds.to.as_ref()).contains(o)
        };
        let mut added = self
            .posted
            .range((p, Value::Boolean(false))..)
            .take_while(|((of, _), _)| *of == p)
            .filter(|((_, o), _)| within(o))
            .flat_map(|((_, o), subjects)| subjects.iter().map(move |s| (o, *s)))
            .peekable();
        let holds = |o: &Value, s: SubjectId| match self.rows.get(&s)?.get(&(p, o.clone()))? {
            Change::Holds(t) => Some(*t),
            Change::Gone => None,
        };
        let mut flow = ControlFlow::Continue(());
        let tell = |o: &Value, s: SubjectId, visit: &mut Visit<'_>| match holds(o, s) {
            Some(t) => visit(Fact {
                s,
                p,
                o: o.borrow(),
                t,
            }),
            None => ControlFlow::Continue(()),
        };
        self.base.range(p, bounds, &mut |fact| {
            while let Some((o, s)) = added.next_if(|(o, s)| (o.borrow(), *s) < (fact.o, fact.s)) {
                flow = tell(o, s, visit);
                if flow.is_break() {
                    return flow;
                }
            }
            if !self.is_changed(fact.s, p, fact.o) {
                flow = visit(fact);
            } else if let Some((o, s)) =
                added.next_if(|(o, s)| (o.borrow(), *s) == (fact.o, fact.s))
            {
                flow = tell(o, s, visit);
            }
            flow
        })?;
        for (o, s) in added {
            if flow.is_break() {
                break;
            }
            flow = tell(o, s, visit);
        }
        Ok(())
    }

    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let walk = (c, direction, after);
        let base = |each: &mut Visit<'_>| self.base.collection(c, direction, after, each);
        self.merge_collection(walk, None, base, visit)
    }

    fn collection_among(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let walk = (c, direction, after);
        let base = |each: &mut Visit<'_>| {
            self.base
                .collection_among(c, direction, after, predicates, each)
        };
        self.merge_collection(walk, Some(predicates), base, visit)
    }

    fn next_number(&self, c: CollectionId) -> Result<u64, Error> {
        let below = self.base.next_number(c)?;
        Ok(self.next.get(&c).copied().unwrap_or(0).max(below))
    }
}
