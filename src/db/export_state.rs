//! All that holds, as items that an import into an empty database makes the same facts of.
//!
//! An item refers to nothing that does not stand before it, so that it does not matter where an import cuts:
//!
//! 1. Each subject with its scalars, its tags and its refs to what comes before it.
//! 2. A subject that has refs alone, to what comes behind it, waits for a target to be there.
//!    Where several wait for each other and for nothing else, a circle of them is made in one transaction.
//! 3. The other refs, as updates. Those of the schema, which are its specs, are last: they bind what is written after
//!    them, and what was written before they were need not pass them.
//!
//! What every database has is told as far as it was changed.

use std::collections::{BTreeSet, VecDeque};

use super::error::{Error, ErrorKind, LimitKind};
use super::export_facts::{Row, Source};
use super::export_out::{Does, Out, items};
use crate::base::limits::TRANSACTION_ITEMS_MAX;
use crate::model::system::collection;
use crate::model::{CollectionId, PredicateId, SubjectId, Value};

/// An export of state that is under way.
pub(super) struct Stating<'a, 'o, 'w> {
    source: &'a Source<'a>,
    /// Whether what was taken away from a given subject is known to be gone, and not hidden.
    sees_all: bool,
    out: &'o mut Out<'w>,
    told: &'o mut dyn FnMut(u64, u64),
    /// Subjects that are not made where they stand.
    waited: BTreeSet<SubjectId>,
    /// Those of them that are not made yet.
    waiting: BTreeSet<SubjectId>,
    /// Subjects of which nothing can be told.
    lost: BTreeSet<SubjectId>,
}

/// One fact of a row.
type Said = (PredicateId, Value);

impl<'a, 'o, 'w> Stating<'a, 'o, 'w> {
    pub(super) fn new(
        source: &'a Source<'a>,
        sees_all: bool,
        out: &'o mut Out<'w>,
        told: &'o mut dyn FnMut(u64, u64),
    ) -> Self {
        Self {
            source,
            sees_all,
            out,
            told,
            waited: BTreeSet::new(),
            waiting: BTreeSet::new(),
            lost: BTreeSet::new(),
        }
    }

    /// Writes every item.
    ///
    /// # Errors
    /// As reading the facts or writing fails; `Limit` for a circle that no transaction can make.
    pub(super) fn run(mut self) -> Result<(), Error> {
        let collections = self.source.collections();
        for c in &collections {
            self.each(*c, Self::make)?;
        }
        self.make_those_that_wait()?;
        let (schema, others): (Vec<_>, Vec<_>) =
            collections.into_iter().partition(|c| is_schema(*c));
        let late = others.into_iter().chain(schema);
        for c in late
            .filter(|c| self.source.has_refs(*c))
            .collect::<Vec<_>>()
        {
            self.each(c, Self::make_late_refs)?;
        }
        Ok(())
    }

    fn each(
        &mut self,
        c: CollectionId,
        mut make: impl FnMut(&mut Self, SubjectId, &Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let rows = self.source.rows(c, after)?;
            let Some(last) = rows.iter().map(|(s, _)| *s).max() else {
                return Ok(());
            };
            for (s, row) in &rows {
                make(self, *s, row)?;
            }
            after = Some(last);
            (self.told)(self.out.bytes(), self.out.count());
        }
    }

    /// Makes a subject, with all but its late refs.
    fn make(&mut self, s: SubjectId, row: &Row) -> Result<(), Error> {
        if Source::is_given(s) {
            return self.change(s, row);
        }
        let (mut early, mut has_late) = (Row::new(), false);
        for said in row {
            match self.source.target(said.0, &said.1) {
                None => early.push(said.clone()),
                Some(to) if !self.can_refer(to)? => {}
                Some(to) if self.is_early(s, to) => early.push(said.clone()),
                Some(_) => has_late = true,
            }
        }
        let fields = self.source.fields(&early, &|to| self.reference(to))?;
        if fields.is_empty() {
            if has_late {
                self.waited.insert(s);
                self.waiting.insert(s);
            } else {
                self.lost.insert(s);
            }
            return Ok(());
        }
        let mut is_named = has_late || self.source.is_referred_to(s)?;
        let mut made = items(&self.source.tempid(s, is_named), Does::Write, &fields);
        if made.len() > 1 && !is_named {
            is_named = true;
            made = items(&self.source.tempid(s, is_named), Does::Write, &fields);
        }
        self.out.items(&made)
    }

    /// What was changed of a subject that every database has, but for its late refs.
    fn change(&mut self, s: SubjectId, row: &Row) -> Result<(), Error> {
        let empty = BTreeSet::new();
        let given = self.source.given(s).unwrap_or(&empty);
        let is_ref = |(p, o): &&Said| self.source.target(*p, o).is_some();
        let new = row
            .iter()
            .filter(|said| !given.contains(said) && !is_ref(said));
        let new: Row = new.cloned().collect();
        let fields = self.source.fields(&new, &|to| self.reference(to))?;
        let id = self.source.given_identity(s);
        self.out.items(&items(&id, Does::Write, &fields))?;
        if !self.sees_all || !matches!(s.collection(), collection::AUTH | collection::SETTING) {
            return Ok(());
        }
        // A value that was replaced goes by itself.
        let is_gone = |(p, _): &&Said| row.iter().all(|(of, _)| of != p);
        let gone: Row = given.iter().filter(is_gone).cloned().collect();
        let fields = self.source.fields(&gone, &|to| self.reference(to))?;
        let id = self.source.identity(s)?;
        self.out.items(&items(&id, Does::Delete, &fields))
    }

    /// Whether a target is there when a subject is made where it stands.
    fn is_early(&self, s: SubjectId, to: SubjectId) -> bool {
        if is_schema(s.collection()) {
            return false;
        }
        if Source::is_given(to) || s == to {
            return true;
        }
        // Functions do not stand in the order of their ids.
        let is_sorted = s.collection() != collection::FUNCTION || to.collection() != s.collection();
        is_sorted && Source::order(to, s).is_lt() && !self.waited.contains(&to)
    }

    fn can_refer(&self, to: SubjectId) -> Result<bool, Error> {
        Ok(!self.lost.contains(&to) && self.source.is_told(to)?)
    }

    fn reference(&self, to: SubjectId) -> Result<String, Error> {
        if Source::is_given(to) {
            self.source.identity(to)
        } else {
            Ok(self.source.tempid(to, true))
        }
    }

    /// Makes the subjects that have nothing but refs to what stands behind them.
    fn make_those_that_wait(&mut self) -> Result<(), Error> {
        let mut made = VecDeque::new();
        for s in self.waiting.clone() {
            for said in self.source.row(s)? {
                let Some(to) = self.source.target(said.0, &said.1) else {
                    continue;
                };
                if self.waiting.contains(&s) && !self.waiting.contains(&to) && self.can_refer(to)? {
                    self.make_by(s, said)?;
                    made.push_back(s);
                }
            }
        }
        self.make_referrers(&mut made)?;
        while let Some(s) = self.waiting.first().copied() {
            self.make_circle(s, &mut made)?;
            self.make_referrers(&mut made)?;
        }
        Ok(())
    }

    /// Makes those that waited for what is made, and so on.
    fn make_referrers(&mut self, made: &mut VecDeque<SubjectId>) -> Result<(), Error> {
        while let Some(to) = made.pop_front() {
            for (p, from) in self.source.referrers(to)? {
                if self.waiting.contains(&from) {
                    self.make_by(from, (p, Value::Ref(to)))?;
                    made.push_back(from);
                }
            }
        }
        Ok(())
    }

    /// Makes a subject by one of its refs.
    fn make_by(&mut self, s: SubjectId, said: Said) -> Result<(), Error> {
        self.waiting.remove(&s);
        let fields = self.source.fields(&[said], &|to| self.reference(to))?;
        let id = self.source.tempid(s, true);
        self.out.items(&items(&id, Does::Write, &fields))
    }

    /// Goes from target to target until it comes back, and makes the circle in one transaction.
    fn make_circle(&mut self, s: SubjectId, made: &mut VecDeque<SubjectId>) -> Result<(), Error> {
        let mut path: Vec<(SubjectId, Said)> = Vec::new();
        let mut on_path = BTreeSet::new();
        let mut at = s;
        while on_path.insert(at) {
            let row = self.source.row(at)?;
            let next = row.into_iter().find_map(|said| {
                let to = self.source.target(said.0, &said.1)?;
                self.waiting.contains(&to).then_some((to, said))
            });
            let Some((to, said)) = next else {
                // All its targets turned out to be lost, and so is it.
                self.waiting.remove(&at);
                self.lost.insert(at);
                return Ok(());
            };
            path.push((at, said));
            at = to;
        }
        let circle: Vec<_> = path.into_iter().skip_while(|(s, _)| *s != at).collect();
        if circle.len() > TRANSACTION_ITEMS_MAX {
            let why = format!(
                "more than {TRANSACTION_ITEMS_MAX} subjects refer to each other in a circle and have nothing else, \
                 and no transaction makes so many"
            );
            let kind = ErrorKind::Limit(LimitKind::Request);
            return Err(Error::new(kind, "db/limit", why));
        }
        let mut together = Vec::new();
        for (s, said) in circle {
            let fields = self.source.fields(&[said], &|to| self.reference(to))?;
            together.extend(items(&self.source.tempid(s, true), Does::Write, &fields));
            self.waiting.remove(&s);
            made.push_back(s);
        }
        self.out.together(&together)
    }

    /// The refs that a subject was not made with.
    fn make_late_refs(&mut self, s: SubjectId, row: &Row) -> Result<(), Error> {
        if self.lost.contains(&s) {
            return Ok(());
        }
        let given = self.source.given(s);
        let is_given = Source::is_given(s);
        let mut late = Row::new();
        for said in row {
            let Some(to) = self.source.target(said.0, &said.1) else {
                continue;
            };
            let was_made = !is_given && !self.waited.contains(&s) && self.is_early(s, to);
            let is_old = given.is_some_and(|given| given.contains(said));
            if !was_made && !is_old && self.can_refer(to)? {
                late.push(said.clone());
            }
        }
        let fields = self.source.fields(&late, &|to| self.reference(to))?;
        let id = if is_given {
            self.source.identity(s)?
        } else {
            self.source.tempid(s, true)
        };
        self.out.items(&items(&id, Does::Write, &fields))
    }
}

fn is_schema(c: CollectionId) -> bool {
    matches!(c, collection::COLLECTION | collection::PREDICATE)
}
