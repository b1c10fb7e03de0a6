//! All that was true at an earlier basis.
//!
//! 1. A fact held at *T* if its row has it since `t <= T`, or its history has it with `t0 <= T < t1`.
//! 2. Reverse reads gather candidates, from the present and from those who ever had the value, and ask each
//!    candidate's own row and history: exactness comes from the forward tables alone.
//! 3. [`Facts::next_number`] tells the present's: ids are never used twice, in the past neither.
//! 4. A walk of a collection first gathers the ids of its subjects, and a range its candidates.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow, RangeBounds};

use super::blocks::{Blocks, is_of_blocks};
use super::error::Error;
use super::key::{Reader, put_predicate};
use super::row::{Gone, Held, Table, rows_of, tell_all, visit_group};
use super::run::Entries;
use super::snapshot::{Snapshot, collection_keys, each_block, post_keys};
use super::table::{
    FORWARD, HREV_REF, HREV_SCALAR, REVERSE, put_reverse, reverse_kind, subject_key,
};
use crate::model::{
    self, Bounds, CollectionId, Direction, Fact, Facts, PredicateId, SubjectId, T, Value, ValueRef,
    Visit,
};

/// The facts as of an earlier block.
#[derive(Clone, Debug)]
pub struct Past {
    snapshot: Snapshot,
    t: T,
}

impl Past {
    pub(super) const fn new(snapshot: Snapshot, t: T) -> Self {
        Self { snapshot, t }
    }

    fn blocks(&self) -> Blocks<'_> {
        Blocks::new(&self.snapshot.tables().log, self.t)
    }

    /// The facts of one subject, of some predicates if they are named, in order.
    fn facts(
        &self,
        s: SubjectId,
        only: Option<&[PredicateId]>,
    ) -> Result<Vec<(PredicateId, Value, T)>, Error> {
        let mut facts = match s.block() {
            Some(t) => self.blocks().facts(t)?,
            None => Vec::new(),
        };
        facts.retain(|fact| only.is_none_or(|only| only.contains(&fact.0)));
        let key = subject_key(s);
        match only {
            None => self.gather(&key, &[], &mut facts)?,
            // One that is read at very many moments has a long history, of which most is of other predicates.
            Some(only) => {
                for p in only {
                    let mut prefix = Vec::new();
                    put_predicate(&mut prefix, *p);
                    self.gather(&key, &prefix, &mut facts)?;
                }
            }
        }
        facts.sort();
        facts.dedup();
        Ok(facts)
    }

    /// Adds the facts of a row, those whose place begins so.
    fn gather(
        &self,
        key: &[u8],
        prefix: &[u8],
        facts: &mut Vec<(PredicateId, Value, T)>,
    ) -> Result<(), Error> {
        let tables = self.snapshot.tables();
        let _ = visit_group(&tables.fwd, FORWARD, key, prefix, |suffix, payload| {
            if !suffix.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            let held = Held::read(suffix, payload)?;
            if held.t <= self.t {
                facts.push((held.p, held.value()?.to_value(), held.t));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let _ = visit_group(&tables.hfwd, FORWARD, key, prefix, |suffix, payload| {
            if !suffix.starts_with(prefix) {
                return Ok(ControlFlow::Break(()));
            }
            if let Some(gone) = Gone::held_at(suffix, payload, self.t)? {
                facts.push((gone.p, gone.o, gone.t0));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(())
    }

    fn had(&self, s: SubjectId, p: PredicateId, o: ValueRef<'_>) -> Result<bool, Error> {
        Ok(self
            .facts(s, Some(&[p]))?
            .iter()
            .any(|(_, value, _)| value.borrow() == o))
    }

    fn candidates(&self, p: PredicateId, o: ValueRef<'_>) -> Result<BTreeSet<SubjectId>, Error> {
        let tables = self.snapshot.tables();
        let mut group = vec![reverse_kind(o)];
        put_reverse(&mut group, p, o);
        let now = if o.as_ref().is_some() {
            &tables.opst
        } else {
            &tables.post
        };
        let mut found = BTreeSet::new();
        let mut add = |suffix: &[u8], _: &[u8]| {
            found.insert(Reader::new(suffix).subject()?);
            Ok(ControlFlow::Continue(()))
        };
        let without_kind = group.get(1..).unwrap_or_default();
        let _ = visit_group(now, REVERSE, without_kind, &[], &mut add)?;
        let _ = visit_group(&tables.hrev, REVERSE, &group, &[], &mut add)?;
        Ok(found)
    }

    /// Who refers to `o` or ever did.
    fn referring(&self, o: SubjectId) -> Result<BTreeSet<(PredicateId, SubjectId)>, Error> {
        let tables = self.snapshot.tables();
        let mut found = BTreeSet::new();
        let now = subject_key(o);
        let mut ever = vec![HREV_REF];
        ever.extend_from_slice(&now);
        for (table, prefix, skip) in [(&tables.opst, now, 0), (&tables.hrev, ever, 1)] {
            for row in rows_of(table, &prefix)? {
                let (key, chunk) = row?;
                let mut key = Reader::new(key.value());
                key.take(skip)?;
                key.subject()?;
                let p = key.predicate()?;
                add_subjects(chunk.value(), |s| {
                    found.insert((p, s));
                })?;
            }
        }
        Ok(found)
    }

    /// Who has a value in this stretch, or ever had.
    fn within(&self, p: PredicateId, bounds: &Bounds) -> Result<BTreeSet<SubjectId>, Error> {
        let tables = self.snapshot.tables();
        let (from, to) = post_keys(p, bounds);
        let mut found = BTreeSet::new();
        if from > to {
            return Ok(found);
        }
        let behind = |key: &[u8]| [&[HREV_SCALAR], key].concat();
        let ever = (behind(&from), behind(&to));
        for (table, (from, to)) in [(&tables.post, (from, to)), (&tables.hrev, ever)] {
            for row in table.range::<&[u8]>(from.as_slice()..to.as_slice())? {
                add_subjects(row?.1.value(), |s| {
                    found.insert(s);
                })?;
            }
        }
        Ok(found)
    }

    fn visit_range(
        &self,
        p: PredicateId,
        bounds: &Bounds,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let limits = (bounds.from.as_ref(), bounds.to.as_ref());
        let mut facts = Vec::new();
        for s in self.within(p, bounds)? {
            for (_, o, t) in self.facts(s, Some(&[p]))? {
                let is_scalar = o.borrow().is_posted() && o.borrow().as_ref().is_none();
                if is_scalar && RangeBounds::<Value>::contains(&limits, &o) {
                    facts.push((o, s, t));
                }
            }
        }
        facts.sort();
        let _ = facts.iter().try_for_each(|(o, s, t)| {
            visit(Fact {
                s: *s,
                p,
                o: o.borrow(),
                t: *t,
            })
        });
        Ok(())
    }

    fn visit_collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        only: Option<&[PredicateId]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let tables = self.snapshot.tables();
        let (from, to) = collection_keys(c, direction, after);
        if from > to {
            return Ok(());
        }
        let bounds = (
            Bound::Included(from.as_slice()),
            Bound::Excluded(to.as_slice()),
        );
        let mut found = BTreeSet::new();
        for table in [&tables.fwd, &tables.hfwd] {
            for row in Table::range::<&[u8]>(table, bounds)? {
                found.insert(Reader::new(row?.0.value()).subject()?);
            }
        }
        let subjects: &mut dyn Iterator<Item = &SubjectId> = match direction {
            Direction::Ascending => &mut found.iter(),
            Direction::Descending => &mut found.iter().rev(),
        };
        for s in subjects {
            if tell_all(*s, &self.facts(*s, only)?, visit).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Snapshot {
    /// The facts as of `t`; as of now if that is still to come.
    pub fn past(&self, t: T) -> Past {
        Past::new(self.clone(), t.min(self.head().t))
    }

    /// The newest commit that retracted a fact of this subject, if any did: for a subject without facts, the one
    /// by which it went.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn went(&self, s: SubjectId) -> Result<Option<T>, model::Error> {
        let mut newest = None;
        let key = subject_key(s);
        let _ = visit_group(
            &self.tables().hfwd,
            FORWARD,
            &key,
            &[],
            |suffix, payload| {
                newest = newest.max(Some(Gone::read(suffix, payload)?.t1));
                Ok(ControlFlow::Continue(()))
            },
        )?;
        Ok(newest)
    }
}

fn add_subjects(chunk: &[u8], mut add: impl FnMut(SubjectId)) -> Result<(), Error> {
    let mut entries = Entries::new(chunk, REVERSE)?;
    while entries.advance()? {
        add(Reader::new(entries.suffix()).subject()?);
    }
    Ok(())
}

impl Facts for Past {
    fn basis(&self) -> T {
        self.t
    }

    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), model::Error> {
        let _ = tell_all(s, &self.facts(s, None)?, visit);
        Ok(())
    }

    fn values(
        &self,
        s: SubjectId,
        p: PredicateId,
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        let _ = tell_all(s, &self.facts(s, Some(&[p]))?, visit);
        Ok(())
    }

    fn among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        let _ = tell_all(s, &self.facts(s, Some(predicates))?, visit);
        Ok(())
    }

    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), model::Error> {
        if is_of_blocks(p) {
            return Ok(self.blocks().subjects(p, o, visit)?);
        }
        if !o.is_posted() {
            return Ok(());
        }
        for s in self.candidates(p, o)? {
            if self.had(s, p, o)? && visit(s).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), model::Error> {
        for (p, s) in self.referring(o)? {
            if self.had(s, p, ValueRef::Ref(o))? && visit(p, s).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn range(
        &self,
        p: PredicateId,
        bounds: &Bounds,
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        if is_of_blocks(p) {
            return Ok(self.blocks().range(p, bounds, visit)?);
        }
        Ok(self.visit_range(p, bounds, visit)?)
    }

    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        if c == CollectionId::TX {
            return each_block(self.t, direction, after, visit, |s, visit| {
                self.subject(s, visit)
            });
        }
        Ok(self.visit_collection(c, direction, after, None, visit)?)
    }

    fn collection_among(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        if c == CollectionId::TX {
            return each_block(self.t, direction, after, visit, |s, visit| {
                self.among(s, predicates, visit)
            });
        }
        Ok(self.visit_collection(c, direction, after, Some(predicates), visit)?)
    }

    fn next_number(&self, c: CollectionId) -> Result<u64, model::Error> {
        if c == CollectionId::TX {
            return Ok(self.t.next().0);
        }
        self.snapshot.next_number(c)
    }
}
