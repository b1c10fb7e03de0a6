//! All that is true at one basis, read straight from the tables.
//!
//! 1. A snapshot is a redb read transaction with its tables open; a clone shares it. It never changes.
//! 2. Pages that it may still read are not reused while it lives: hold it no longer than
//!    `SNAPSHOT_SECONDS_MAX`.
//! 3. Reads take no lock.
//! 4. A fact of [`Facts::range`] costs a look into its subject's row, where its `t` and its full text stand.

use std::fmt;
use std::ops::{Bound, ControlFlow, RangeBounds};
use std::sync::Arc;

use redb::ReadTransaction;

use super::block::{Block, Sealed};
use super::blocks::{Blocks, is_of_blocks};
use super::error::Error;
use super::key::{
    KeyValue, Reader, cut, cut_text, put_collection, put_place, put_predicate, text_of, whole_value,
};
use super::logged::{Logged, decode_header};
use super::row::{
    Table, Teller, behind, end_of, find, find_value, rows_of, tell_all, visit_among, visit_group,
    visit_row, visit_values,
};
use super::run::Entries;
use super::table::{
    ABOUT, FORWARD, FWD, HFWD, HREV, LOG, MARKS, META, OPST, POST, REVERSE, TRAIL, log_key,
    next_key, put_reverse, subject_key,
};
use crate::model::system::predicate;
use crate::model::{
    self, Bounds, CollectionId, Digest, Direction, Fact, Facts, Head, PredicateId, SubjectId, T,
    Value, ValueRef, Visit,
};

/// All that is true at the newest block when it was taken.
#[derive(Clone)]
pub struct Snapshot(Arc<Tables>);

/// The open tables of one read transaction.
pub(super) struct Tables {
    pub(super) fwd: Table,
    pub(super) post: Table,
    pub(super) opst: Table,
    pub(super) hfwd: Table,
    pub(super) hrev: Table,
    pub(super) log: Table,
    pub(super) meta: Table,
    pub(super) trail: Table,
    pub(super) about: Table,
    pub(super) marks: Table,
    pub(super) head: Head,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.0.head).finish()
    }
}

impl Snapshot {
    pub(super) fn new(transaction: &ReadTransaction) -> Result<Self, Error> {
        let log = transaction.open_table(LOG)?;
        Ok(Self(Arc::new(Tables {
            fwd: transaction.open_table(FWD)?,
            post: transaction.open_table(POST)?,
            opst: transaction.open_table(OPST)?,
            hfwd: transaction.open_table(HFWD)?,
            hrev: transaction.open_table(HREV)?,
            meta: transaction.open_table(META)?,
            trail: transaction.open_table(TRAIL)?,
            about: transaction.open_table(ABOUT)?,
            marks: transaction.open_table(MARKS)?,
            head: head(&log)?,
            log,
        })))
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.0
    }

    pub(super) fn blocks(&self) -> Blocks<'_> {
        Blocks::new(&self.0.log, self.0.head.t)
    }

    /// Where the chain ends: `T(0)` and a hash of zeros if there is no block.
    pub fn head(&self) -> Head {
        self.0.head
    }

    /// A block without its flakes, if there is one with this number.
    pub fn block(&self, t: T) -> Result<Option<Block>, Error> {
        self.blocks().get(t)
    }

    /// A block as it was appended, if there is one with this number; without the flakes that were erased since, and
    /// then without its secret.
    pub fn log(&self, t: T) -> Result<Option<Sealed>, Error> {
        Ok(self.logged(t)?.map(Logged::into_sealed))
    }

    pub(super) fn logged(&self, t: T) -> Result<Option<Logged>, Error> {
        match self.0.log.get(log_key(t).as_slice())? {
            None => Ok(None),
            Some(bytes) => Logged::decode(t, bytes.value()).map(Some),
        }
    }

    /// The newest block whose instant is not after `instant_ms`, Unix milliseconds.
    pub fn newest_at(&self, instant_ms: i64) -> Result<Option<T>, Error> {
        self.blocks().newest_at(instant_ms)
    }

    /// A posted group's subjects, those whose text differs left out.
    fn visit_post(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let mut group = Vec::new();
        put_reverse(&mut group, p, o);
        let table = if o.as_ref().is_some() {
            &self.0.opst
        } else {
            &self.0.post
        };
        let is_cut = cut_text(o).is_some();
        let _ = visit_group(table, REVERSE, &group, &[], |suffix, _| {
            let s = Reader::new(suffix).subject()?;
            if is_cut && find_value(&self.0.fwd, s, p, o)?.is_none() {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(visit(s))
        })?;
        Ok(())
    }

    fn visit_referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        for row in rows_of(&self.0.opst, &subject_key(o))? {
            let (key, chunk) = row?;
            let mut key = Reader::new(key.value());
            key.subject()?;
            let p = key.predicate()?;
            let mut entries = Entries::new(chunk.value(), REVERSE)?;
            while entries.advance()? {
                let s = Reader::new(entries.suffix()).subject()?;
                if visit(p, s).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn visit_range(
        &self,
        p: PredicateId,
        bounds: &Bounds,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let (from, to) = post_keys(p, bounds);
        if from > to {
            return Ok(());
        }
        let limits = (bounds.from.as_ref(), bounds.to.as_ref());
        let mut held: Vec<(Value, SubjectId, T)> = Vec::new();
        for row in self.0.post.range::<&[u8]>(from.as_slice()..to.as_slice())? {
            let (key, chunk) = row?;
            let group = post_group(key.value())?;
            let mut entries = Entries::new(chunk.value(), REVERSE)?;
            while entries.advance()? {
                let s = Reader::new(entries.suffix()).subject()?;
                let (t, text) = find(&self.0.fwd, s, group.bytes)?
                    .ok_or_else(|| Error::corrupt("a posted fact is not in its row"))?;
                let o = whole_value(group.key.clone(), &text)?;
                if held.last().is_some_and(|(last, ..)| !is_tied(last, &o))
                    && tell_held(p, &mut held, visit).is_break()
                {
                    return Ok(());
                }
                if !RangeBounds::<Value>::contains(&limits, &o) {
                    continue;
                }
                held.push((o, s, t));
            }
        }
        let _ = tell_held(p, &mut held, visit);
        Ok(())
    }

    /// Walks the rows of a collection; `tell` is handed the chunks of each, and may take them.
    pub(super) fn visit_collection(
        &self,
        c: CollectionId,
        direction: Direction,
        after: Option<SubjectId>,
        tell: &mut Tell<'_>,
    ) -> Result<(), Error> {
        let mut tell = |s: SubjectId, chunks: &mut Vec<Chunk>| {
            if direction == Direction::Descending {
                chunks.reverse();
            }
            let flow = tell(s, chunks)?;
            chunks.clear();
            Ok::<_, Error>(flow)
        };
        let (from, to) = collection_keys(c, direction, after);
        if from > to {
            return Ok(());
        }
        let rows = self.0.fwd.range::<&[u8]>(from.as_slice()..to.as_slice())?;
        let rows: &mut dyn Iterator<Item = _> = match direction {
            Direction::Ascending => &mut { rows },
            Direction::Descending => &mut rows.rev(),
        };
        let mut chunks = Vec::new();
        let mut now = None;
        for row in rows {
            let (key, chunk) = row?;
            let s = Reader::new(key.value()).subject()?;
            if let Some(before) = now.replace(s)
                && before != s
                && tell(before, &mut chunks)?.is_break()
            {
                return Ok(());
            }
            chunks.push(chunk);
        }
        if let Some(s) = now {
            let _ = tell(s, &mut chunks)?;
        }
        Ok(())
    }

    fn visit_members(
        &self,
        c: CollectionId,
        direction: Direction,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (from, to) = collection_keys(c, direction, None);
        let rows = self.0.fwd.range::<&[u8]>(from.as_slice()..to.as_slice())?;
        let rows: &mut dyn Iterator<Item = _> = match direction {
            Direction::Ascending => &mut { rows },
            Direction::Descending => &mut rows.rev(),
        };
        let mut last = None;
        for row in rows {
            let s = Reader::new(row?.0.value()).subject()?;
            if last.replace(s) != Some(s) && visit(s).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// The predicates whose facts are told, ascending; without any, all are.
pub(super) type Wanted<'a> = Option<&'a [PredicateId]>;

/// What is called with the chunks of each row.
type Tell<'t> = dyn FnMut(SubjectId, &mut Vec<Chunk>) -> Result<ControlFlow<()>, Error> + 't;

/// A chunk of a row, which holds the page it stands on.
pub(super) type Chunk = redb::AccessGuard<'static, &'static [u8]>;

/// Tells the chunks of one subject's row.
pub(super) fn tell_chunks(
    s: SubjectId,
    chunks: &[Chunk],
    mut wanted: Wanted<'_>,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Error> {
    let mut teller = Teller::new(s, visit);
    for chunk in chunks {
        let mut entries = Entries::new(chunk.value(), FORWARD)?;
        while entries.advance()? {
            if let Some(predicates) = &mut wanted {
                let p = Reader::new(entries.suffix()).predicate()?;
                *predicates = behind(predicates, p);
                match predicates.first() {
                    None => return Ok(teller.end()),
                    Some(first) if *first > p => continue,
                    Some(_) => {}
                }
            }
            if teller.tell(entries.suffix(), entries.payload())?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(teller.end())
}

/// The stretch of `fwd` that holds the subjects of a collection behind `after`.
pub(super) fn collection_keys(
    c: CollectionId,
    direction: Direction,
    after: Option<SubjectId>,
) -> (Vec<u8>, Vec<u8>) {
    let mut from = Vec::new();
    put_collection(&mut from, c);
    let mut to = end_of(&from);
    match (after, direction) {
        (None, _) => {}
        // Subjects of another collection lie wholly before or wholly behind this one.
        (Some(after), Direction::Ascending) => from = from.max(end_of(&subject_key(after))),
        (Some(after), Direction::Descending) => to = to.min(subject_key(after)),
    }
    (from, to)
}

/// A group of `post`, parsed.
pub(super) struct PostGroup<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) key: KeyValue<'a>,
}

pub(super) fn post_group(key: &[u8]) -> Result<PostGroup<'_>, Error> {
    let mut reader = Reader::new(key);
    reader.predicate()?;
    let value = reader.key_value()?;
    let length = key.len().saturating_sub(reader.rest().len());
    Ok(PostGroup {
        bytes: key.get(..length).unwrap_or(key),
        key: value,
    })
}

/// The stretch of `post` in which everything within the bounds stands, and perhaps more.
pub(super) fn post_keys(p: PredicateId, bounds: &Bounds) -> (Vec<u8>, Vec<u8>) {
    let mut prefix = Vec::new();
    put_predicate(&mut prefix, p);
    let place = |value: &Value| {
        let mut key = prefix.clone();
        put_place(&mut key, value.borrow());
        key
    };
    let from = match &bounds.from {
        Bound::Unbounded => prefix.clone(),
        Bound::Included(value) | Bound::Excluded(value) => place(value),
    };
    let to = match &bounds.to {
        Bound::Unbounded => end_of(&prefix),
        Bound::Included(value) | Bound::Excluded(value) => end_of(&place(value)),
    };
    (from, to)
}

/// Whether two values may stand out of order to each other in `post`.
fn is_tied(a: &Value, b: &Value) -> bool {
    match (text_of(a.borrow()), text_of(b.borrow())) {
        (Some(a), Some(b)) => cut(a) == cut(b),
        _ => a == b,
    }
}

fn tell_held(
    p: PredicateId,
    held: &mut Vec<(Value, SubjectId, T)>,
    visit: &mut Visit<'_>,
) -> ControlFlow<()> {
    held.sort();
    std::mem::take(held).iter().try_for_each(|(o, s, t)| {
        visit(Fact {
            s: *s,
            p,
            o: o.borrow(),
            t: *t,
        })
    })
}

fn head(log: &Table) -> Result<Head, Error> {
    let Some(row) = log.range::<&[u8]>(..)?.next_back() else {
        return Ok(Head {
            t: T(0),
            hash: Digest([0; 32]),
            instant_ms: 0,
        });
    };
    let (key, bytes) = row?;
    let t = T(u64::from_be_bytes(Reader::new(key.value()).array()?));
    let block = decode_header(t, bytes.value())?;
    Ok(Head {
        t,
        hash: block.hash,
        instant_ms: block.instant_ms,
    })
}

impl Facts for Snapshot {
    fn basis(&self) -> T {
        self.0.head.t
    }

    fn subject(&self, s: SubjectId, visit: &mut Visit<'_>) -> Result<(), model::Error> {
        let Some(t) = s.block() else {
            let _ = visit_row(&self.0.fwd, s, visit)?;
            return Ok(());
        };
        let mut facts = self.blocks().facts(t)?;
        collect(&mut facts, |visit| {
            visit_row(&self.0.fwd, s, visit).map(|_| ())
        })?;
        facts.sort();
        let _ = tell_all(s, &facts, visit);
        Ok(())
    }

    fn values(
        &self,
        s: SubjectId,
        p: PredicateId,
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        let Some(t) = s.block() else {
            return Ok(visit_values(&self.0.fwd, s, p, visit)?);
        };
        let mut facts = self.blocks().facts(t)?;
        collect(&mut facts, |visit| visit_values(&self.0.fwd, s, p, visit))?;
        facts.retain(|fact| fact.0 == p);
        let _ = tell_all(s, &facts, visit);
        Ok(())
    }

    fn among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), model::Error> {
        let Some(t) = s.block() else {
            return Ok(visit_among(&self.0.fwd, s, predicates, visit)?);
        };
        let mut facts = self.blocks().facts(t)?;
        facts.retain(|fact| predicates.contains(&fact.0));
        collect(&mut facts, |visit| {
            visit_among(&self.0.fwd, s, predicates, visit)
        })?;
        facts.sort();
        let _ = tell_all(s, &facts, visit);
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
        Ok(self.visit_post(p, o, visit)?)
    }

    fn referrers(
        &self,
        o: SubjectId,
        visit: &mut dyn FnMut(PredicateId, SubjectId) -> ControlFlow<()>,
    ) -> Result<(), model::Error> {
        Ok(self.visit_referrers(o, visit)?)
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
            return each_block(self.0.head.t, direction, after, visit, |s, visit| {
                self.subject(s, visit)
            });
        }
        let mut tell = |s, chunks: &mut Vec<Chunk>| tell_chunks(s, chunks, None, visit);
        Ok(self.visit_collection(c, direction, after, &mut tell)?)
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
            return each_block(self.0.head.t, direction, after, visit, |s, visit| {
                self.among(s, predicates, visit)
            });
        }
        let wanted = Some(predicates);
        let mut tell = |s, chunks: &mut Vec<Chunk>| tell_chunks(s, chunks, wanted, visit);
        Ok(self.visit_collection(c, direction, after, &mut tell)?)
    }

    fn members(
        &self,
        c: CollectionId,
        direction: Direction,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), model::Error> {
        if c == CollectionId::TX {
            // Every block has its number.
            return self.collection_among(
                c,
                direction,
                None,
                &[predicate::BLOCK_NUMBER],
                &mut |fact| visit(fact.s),
            );
        }
        Ok(self.visit_members(c, direction, visit)?)
    }

    fn next_number(&self, c: CollectionId) -> Result<u64, model::Error> {
        if c == CollectionId::TX {
            return Ok(self.0.head.t.next().0);
        }
        let value = self
            .0
            .meta
            .get(next_key(c).as_slice())
            .map_err(Error::from)?;
        Ok(match value {
            None => 0,
            Some(value) => Reader::new(value.value()).uint()?,
        })
    }
}

fn collect(
    facts: &mut Vec<(PredicateId, Value, T)>,
    read: impl FnOnce(&mut Visit<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    read(&mut |fact| {
        facts.push((fact.p, fact.o.to_value(), fact.t));
        ControlFlow::Continue(())
    })
}

/// Walks the blocks as subjects.
pub(super) fn each_block(
    last: T,
    direction: Direction,
    after: Option<SubjectId>,
    visit: &mut Visit<'_>,
    subject: impl Fn(SubjectId, &mut Visit<'_>) -> Result<(), model::Error>,
) -> Result<(), model::Error> {
    let numbers = 1..=last.0;
    let numbers: &mut dyn Iterator<Item = u64> = match direction {
        Direction::Ascending => &mut numbers.rev(),
        Direction::Descending => &mut { numbers },
    };
    for number in numbers {
        let s = SubjectId::of_block(T(number));
        let is_behind = match direction {
            Direction::Ascending => after.is_none_or(|after| s > after),
            Direction::Descending => after.is_none_or(|after| s < after),
        };
        let mut flow = ControlFlow::Continue(());
        if is_behind {
            subject(s, &mut |fact| {
                flow = visit(fact);
                flow
            })?;
        }
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}
