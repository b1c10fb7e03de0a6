//! Reading groups out of the tables, and facts out of rows.

use std::ops::{Bound, ControlFlow};

use super::error::Error;
use super::key::{KeyValue, Reader, cut_text, is_long, put_predicate};
use super::run::{Entries, More, Payloads};
use super::table::{FORWARD, put_forward, subject_key};
use crate::model::{Fact, PredicateId, SubjectId, T, Value, ValueRef, Visit};

/// A table of a snapshot.
pub(super) type Table = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The end of the keys that begin with `prefix`: no key goes on with `FF`.
pub(super) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    end.push(0xFF);
    end
}

/// Visits the entries of a group whose suffixes are `from` or behind it.
pub(super) fn visit_group(
    table: &Table,
    payloads: Payloads,
    group: &[u8],
    from: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>,
) -> Result<ControlFlow<()>, Error> {
    let Some(head) = table.get(group)? else {
        return Ok(ControlFlow::Continue(()));
    };
    let entries = Entries::new(head.value(), payloads)?;
    if entries.more() == More::Last {
        return visit_chunk(entries, from, &mut visit);
    }
    visit_chunks(table, payloads, group, from, &mut visit)
}

/// The same, of a group that is known to have more than one chunk.
fn visit_chunks(
    table: &Table,
    payloads: Payloads,
    group: &[u8],
    from: &[u8],
    visit: &mut impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>,
) -> Result<ControlFlow<()>, Error> {
    let mut target = group.to_vec();
    target.extend_from_slice(from);
    let mut start = group.to_vec();
    if let Some(row) = table.range::<&[u8]>(group..=target.as_slice())?.next_back() {
        start = row?.0.value().to_vec();
    }
    let end = end_of(group);
    for row in table.range::<&[u8]>(start.as_slice()..end.as_slice())? {
        let (_, chunk) = row?;
        let entries = Entries::new(chunk.value(), payloads)?;
        let more = entries.more();
        if visit_chunk(entries, from, visit)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if more == More::Last {
            return Ok(ControlFlow::Continue(()));
        }
    }
    Err(Error::corrupt("a chunk that should follow is missing"))
}

fn visit_chunk(
    mut entries: Entries<'_>,
    from: &[u8],
    visit: &mut impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>,
) -> Result<ControlFlow<()>, Error> {
    let mut is_there = if from.is_empty() {
        entries.advance()?
    } else {
        entries.seek(from)?
    };
    while is_there {
        if visit(entries.suffix(), entries.payload())?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        is_there = entries.advance()?;
    }
    Ok(ControlFlow::Continue(()))
}

/// One entry of a row of `fwd`.
pub(super) struct Held<'a> {
    pub(super) p: PredicateId,
    pub(super) t: T,
    key: KeyValue<'a>,
    text: &'a [u8],
}

impl<'a> Held<'a> {
    pub(super) fn read(suffix: &'a [u8], payload: &'a [u8]) -> Result<Self, Error> {
        let mut suffix = Reader::new(suffix);
        let p = suffix.predicate()?;
        let key = suffix.key_value()?;
        let mut payload = Reader::new(payload);
        let t = payload.t()?;
        Ok(Self {
            p,
            t,
            key,
            text: payload.rest(),
        })
    }

    pub(super) fn value(&self) -> Result<ValueRef<'_>, Error> {
        match &self.key {
            KeyValue::Whole(scalar) => scalar.value(),
            KeyValue::Cut(kind) => kind.value(self.text),
        }
    }
}

/// One entry of a row of `hfwd`: a fact that held from `t0` until before `t1`.
pub(super) struct Gone {
    pub(super) p: PredicateId,
    pub(super) o: Value,
    pub(super) t0: T,
    pub(super) t1: T,
}

impl Gone {
    pub(super) fn read(suffix: &[u8], payload: &[u8]) -> Result<Self, Error> {
        let gone = Self::read_if(suffix, payload, |_, _| true)?;
        gone.ok_or_else(|| Error::corrupt("a fact of the past is not there"))
    }

    /// The entry, if the fact held at `t`; of any other the value is not read.
    pub(super) fn held_at(suffix: &[u8], payload: &[u8], t: T) -> Result<Option<Self>, Error> {
        Self::read_if(suffix, payload, |t0, t1| t0 <= t && t < t1)
    }

    fn read_if(
        suffix: &[u8],
        payload: &[u8],
        is_wanted: impl FnOnce(T, T) -> bool,
    ) -> Result<Option<Self>, Error> {
        let mut suffix = Reader::new(suffix);
        let p = suffix.predicate()?;
        let key = suffix.key_value()?;
        let t0 = suffix.t()?;
        let mut payload = Reader::new(payload);
        let t1 = payload.t()?;
        if !is_wanted(t0, t1) {
            return Ok(None);
        }
        let o = super::key::whole_value(key, payload.rest())?;
        Ok(Some(Self { p, o, t0, t1 }))
    }
}

/// Tells the entries of one subject as facts, in the order of their values.
///
/// Long texts are held back until they can be put in order.
pub(super) struct Teller<'v, 'f> {
    s: SubjectId,
    held: Vec<(PredicateId, Value, T)>,
    visit: &'v mut Visit<'f>,
}

impl<'v, 'f> Teller<'v, 'f> {
    pub(super) fn new(s: SubjectId, visit: &'v mut Visit<'f>) -> Self {
        Self {
            s,
            held: Vec::new(),
            visit,
        }
    }

    pub(super) fn tell(&mut self, suffix: &[u8], payload: &[u8]) -> Result<ControlFlow<()>, Error> {
        let entry = Held::read(suffix, payload)?;
        let o = entry.value()?;
        if is_long(o) {
            self.held.push((entry.p, o.to_value(), entry.t));
            return Ok(ControlFlow::Continue(()));
        }
        if !self.held.is_empty() && self.end().is_break() {
            return Ok(ControlFlow::Break(()));
        }
        Ok((self.visit)(Fact {
            s: self.s,
            p: entry.p,
            o,
            t: entry.t,
        }))
    }

    /// Tells what was held back.
    pub(super) fn end(&mut self) -> ControlFlow<()> {
        self.held.sort();
        let held = std::mem::take(&mut self.held);
        tell_all(self.s, &held, self.visit)
    }
}

pub(super) fn tell_all(
    s: SubjectId,
    facts: &[(PredicateId, Value, T)],
    visit: &mut Visit<'_>,
) -> ControlFlow<()> {
    facts.iter().try_for_each(|(p, o, t)| {
        visit(Fact {
            s,
            p: *p,
            o: o.borrow(),
            t: *t,
        })
    })
}

/// The row of one subject, whose first chunk is at hand.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    fwd: &'a Table,
    s: SubjectId,
    head: &'a [u8],
}

/// How many entries are passed over before the next that is wanted is sought from above: about what a chunk holds.
const PASSED_OVER_MAX: usize = 64;

impl<'a> Row<'a> {
    pub(super) const fn new(fwd: &'a Table, s: SubjectId, head: &'a [u8]) -> Self {
        Self { fwd, s, head }
    }

    /// Visits the facts.
    pub(super) fn all(self, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let mut teller = Teller::new(self.s, visit);
        let flow = self.entries(&[], |suffix, payload| teller.tell(suffix, payload))?;
        Ok(if flow.is_break() { flow } else { teller.end() })
    }

    /// Visits the facts of one predicate.
    pub(super) fn values(self, p: PredicateId, visit: &mut Visit<'_>) -> Result<(), Error> {
        let mut prefix = Vec::new();
        put_predicate(&mut prefix, p);
        let mut teller = Teller::new(self.s, visit);
        let mut is_over = false;
        let _ = self.entries(&prefix, |suffix, payload| {
            if !suffix.starts_with(&prefix) {
                return Ok(ControlFlow::Break(()));
            }
            let flow = teller.tell(suffix, payload)?;
            is_over = flow.is_break();
            Ok(flow)
        })?;
        if !is_over {
            let _ = teller.end();
        }
        Ok(())
    }

    /// Visits the facts of some predicates, which ascend.
    pub(super) fn among(
        self,
        predicates: &[PredicateId],
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let mut teller = Teller::new(self.s, visit);
        let mut wanted = predicates;
        let mut is_over = false;
        while let Some(first) = wanted.first() {
            let mut from = Vec::new();
            put_predicate(&mut from, *first);
            let mut passed_over = 0;
            let flow = self.entries(&from, |suffix, payload| {
                let p = Reader::new(suffix).predicate()?;
                wanted = behind(wanted, p);
                if wanted.first() == Some(&p) {
                    passed_over = 0;
                    let flow = teller.tell(suffix, payload)?;
                    is_over = flow.is_break();
                    return Ok(flow);
                }
                passed_over += 1;
                Ok(if wanted.is_empty() || passed_over > PASSED_OVER_MAX {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            })?;
            if is_over {
                return Ok(());
            }
            if flow.is_continue() {
                break;
            }
        }
        let _ = teller.end();
        Ok(())
    }

    /// Visits the entries that are `from` or behind it.
    fn entries(
        self,
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error>,
    ) -> Result<ControlFlow<()>, Error> {
        let entries = Entries::new(self.head, FORWARD)?;
        if entries.more() == More::Last {
            return visit_chunk(entries, from, &mut visit);
        }
        visit_chunks(self.fwd, FORWARD, &subject_key(self.s), from, &mut visit)
    }
}

/// Visits the facts in one subject's row.
pub(super) fn visit_row(
    fwd: &Table,
    s: SubjectId,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Error> {
    with_row(fwd, s, |row| row.all(visit)).map(|flow| flow.unwrap_or(ControlFlow::Continue(())))
}

/// Visits the facts of one predicate in one subject's row.
pub(super) fn visit_values(
    fwd: &Table,
    s: SubjectId,
    p: PredicateId,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    with_row(fwd, s, |row| row.values(p, visit)).map(Option::unwrap_or_default)
}

/// Visits the facts of some predicates, which ascend, in one subject's row.
pub(super) fn visit_among(
    fwd: &Table,
    s: SubjectId,
    predicates: &[PredicateId],
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    with_row(fwd, s, |row| row.among(predicates, visit)).map(Option::unwrap_or_default)
}

fn with_row<R>(
    fwd: &Table,
    s: SubjectId,
    run: impl FnOnce(Row<'_>) -> Result<R, Error>,
) -> Result<Option<R>, Error> {
    let head = fwd.get(subject_key(s).as_slice())?;
    head.map(|head| run(Row::new(fwd, s, head.value())))
        .transpose()
}

/// Of predicates that ascend, those that are `p` or behind it.
pub(super) fn behind(predicates: &[PredicateId], p: PredicateId) -> &[PredicateId] {
    let mut rest = predicates;
    while let Some((first, others)) = rest.split_first() {
        if *first >= p {
            break;
        }
        rest = others;
    }
    rest
}

/// Finds one fact by its place in its subject's row: since when it holds, and its text if its key is cut.
pub(super) fn find(
    fwd: &Table,
    s: SubjectId,
    suffix: &[u8],
) -> Result<Option<(T, Vec<u8>)>, Error> {
    let mut found = None;
    let _ = visit_group(fwd, FORWARD, &subject_key(s), suffix, |here, payload| {
        if here == suffix {
            let mut payload = Reader::new(payload);
            found = Some((payload.t()?, payload.rest().to_vec()));
        }
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// Since when the subject has exactly this value, if it does.
pub(super) fn find_value(
    fwd: &Table,
    s: SubjectId,
    p: PredicateId,
    o: ValueRef<'_>,
) -> Result<Option<T>, Error> {
    let mut suffix = Vec::new();
    put_forward(&mut suffix, p, o);
    let found = find(fwd, s, &suffix)?;
    Ok(found
        .filter(|(_, text)| cut_text(o).is_none_or(|whole| whole == text.as_slice()))
        .map(|(t, _)| t))
}

/// Visits the rows whose keys begin with `prefix`.
pub(super) fn rows_of(
    table: &Table,
    prefix: &[u8],
) -> Result<redb::Range<'static, &'static [u8], &'static [u8]>, Error> {
    let end = end_of(prefix);
    let bounds = (Bound::Included(prefix), Bound::Excluded(end.as_slice()));
    Ok(table.range::<&[u8]>(bounds)?)
}
