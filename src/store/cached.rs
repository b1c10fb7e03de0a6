//! A snapshot as one request reads it: the row that was read last stays at hand.
//!
//! Whoever judges a fact by rules reads the row of the fact's subject again, most often while it is being told. Here
//! that costs no second way down the tree.
//!
//! 1. It tells what the snapshot tells.
//! 2. The row that is being told stays, whatever is read in between.
//! 3. It is one thread's, and holds the page of one row.

use std::cell::RefCell;
use std::fmt;
use std::ops::ControlFlow;

use super::error::Error;
use super::row::Row;
use super::snapshot::{Chunk, Snapshot, Wanted, tell_chunks};
use super::table::subject_key;
use crate::model::{
    self, Bounds, CollectionId, Direction, Facts, PredicateId, SubjectId, T, ValueRef, Visit,
};

/// A snapshot with a row at hand.
pub struct Cached<'a> {
    snapshot: &'a Snapshot,
    last: RefCell<Option<(SubjectId, Chunk)>>,
}

impl fmt::Debug for Cached<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cached").field(self.snapshot).finish()
    }
}

impl<'a> Cached<'a> {
    /// The snapshot, with no row at hand yet.
    pub const fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            last: RefCell::new(None),
        }
    }

    /// Reads a row, if the subject has one.
    fn row<R: Default>(
        &self,
        s: SubjectId,
        run: impl FnOnce(Row<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let fwd = &self.snapshot.tables().fwd;
        if let Ok(last) = self.last.try_borrow()
            && let Some((of, chunk)) = &*last
            && *of == s
        {
            return run(Row::new(fwd, s, chunk.value()));
        }
        let Some(chunk) = fwd.get(subject_key(s).as_slice())? else {
            return Ok(R::default());
        };
        match self.keep(s, chunk) {
            None => match &*self.last.borrow() {
                Some((_, chunk)) => run(Row::new(fwd, s, chunk.value())),
                None => Ok(R::default()),
            },
            Some(chunk) => run(Row::new(fwd, s, chunk.value())),
        }
    }

    /// Keeps a row at hand; gives it back while another is being told.
    fn keep(&self, s: SubjectId, chunk: Chunk) -> Option<Chunk> {
        match self.last.try_borrow_mut() {
            Ok(mut last) => {
                *last = Some((s, chunk));
                None
            }
            Err(_) => Some(chunk),
        }
    }

    fn walk(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        wanted: Wanted<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        self.snapshot
            .visit_collection(c, direction, after, &mut |s, chunks| {
                // A row of more chunks than one is seldom, and read anew.
                if chunks.len() == 1
                    && let Some(chunk) = chunks.pop()
                {
                    chunks.extend(self.keep(s, chunk));
                    if chunks.is_empty()
                        && let Some((_, chunk)) = &*self.last.borrow()
                    {
                        return tell_chunks(s, std::slice::from_ref(chunk), wanted, visit);
                    }
                }
                tell_chunks(s, chunks, wanted, visit)
            })
    }
}

impl Facts for Cached<'_> {
    fn basis(&self) -> T {
        self.snapshot.basis()
    }

    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), model::Error> {
        if s.block().is_some() {
            return self.snapshot.subject(s, visit);
        }
        Ok(self.row(s, |row| row.all(visit).map(|_| ()))?)
    }

    fn values(
        &self,
        s: SubjectId,
        p: PredicateId,
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        if s.block().is_some() {
            return self.snapshot.values(s, p, visit);
        }
        Ok(self.row(s, |row| row.values(p, visit))?)
    }

    fn among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        if s.block().is_some() {
            return self.snapshot.among(s, predicates, visit);
        }
        Ok(self.row(s, |row| row.among(predicates, visit))?)
    }

    fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), model::Error> {
        self.snapshot.subjects(p, o, visit)
    }

    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), model::Error> {
        self.snapshot.referrers(o, visit)
    }

    fn range(
        &self,
        p: PredicateId,
        bounds: &Bounds,
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        self.snapshot.range(p, bounds, visit)
    }

    fn collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        if c == CollectionId::TX {
            return self.snapshot.collection(c, direction, after, visit);
        }
        Ok(self.walk(c, direction, after, None, visit)?)
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
            return self
                .snapshot
                .collection_among(c, direction, after, predicates, visit);
        }
        Ok(self.walk(c, direction, after, Some(predicates), visit)?)
    }

    fn members(
        &self,
        c: CollectionId,
        direction: Direction,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), model::Error> {
        self.snapshot.members(c, direction, visit)
    }

    fn next_number(&self, c: CollectionId) -> Result<u64, model::Error> {
        self.snapshot.next_number(c)
    }
}
