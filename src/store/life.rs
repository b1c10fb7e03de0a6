//! When facts held, and where the log says so: what it takes to erase them, and to tell their history.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::error::Error;
use super::key::Reader;
use super::logged::decode_count;
use super::row::{Gone, Held, visit_group};
use super::run::Entries;
use super::snapshot::{Snapshot, collection_keys};
use super::table::{FORWARD, REVERSE, log_key, put_reverse, reverse_kind, subject_key};
use crate::model::{
    CollectionId, Direction, Erased, Flake, PredicateId, SubjectId, T, Value, ValueRef,
};

/// One time that a fact held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The subject.
    pub s: SubjectId,
    /// The predicate.
    pub p: PredicateId,
    /// The object.
    pub o: Value,
    /// The block that asserted it.
    pub since: T,
    /// The block that retracted it, if it holds no longer.
    pub until: Option<T>,
}

/// Flakes, by the block that they are in.
pub type ByBlock = BTreeMap<T, BTreeSet<Flake>>;

impl Snapshot {
    /// Visits all that a subject has and ever had, but what was erased.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn lives(
        &self,
        s: SubjectId,
        visit: &mut dyn FnMut(Life) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let key = subject_key(s);
        let flow = visit_group(
            &self.tables().hfwd,
            FORWARD,
            &key,
            &[],
            |suffix, payload| {
                let Gone { p, o, t0, t1 } = Gone::read(suffix, payload)?;
                Ok(visit(Life {
                    s,
                    p,
                    o,
                    since: t0,
                    until: Some(t1),
                }))
            },
        )?;
        if flow.is_break() {
            return Ok(());
        }
        let _ = visit_group(&self.tables().fwd, FORWARD, &key, &[], |suffix, payload| {
            let held = Held::read(suffix, payload)?;
            Ok(visit(Life {
                s,
                p: held.p,
                o: held.value()?.to_value(),
                since: held.t,
                until: None,
            }))
        })?;
        Ok(())
    }

    /// Visits all that the subjects of a stored collection have and ever had, but what was erased: first what is gone,
    /// then what holds, each by subject, predicate and value.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn lives_of(
        &self,
        c: CollectionId,
        visit: &mut dyn FnMut(Life) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (from, to) = collection_keys(c, Direction::Ascending, None);
        for row in self
            .tables()
            .hfwd
            .range::<&[u8]>(from.as_slice()..to.as_slice())?
        {
            let (key, chunk) = row?;
            let s = Reader::new(key.value()).subject()?;
            let mut entries = Entries::new(chunk.value(), FORWARD)?;
            while entries.advance()? {
                let Gone { p, o, t0, t1 } = Gone::read(entries.suffix(), entries.payload())?;
                let life = Life {
                    s,
                    p,
                    o,
                    since: t0,
                    until: Some(t1),
                };
                if visit(life).is_break() {
                    return Ok(());
                }
            }
        }
        for row in self
            .tables()
            .fwd
            .range::<&[u8]>(from.as_slice()..to.as_slice())?
        {
            let (key, chunk) = row?;
            let s = Reader::new(key.value()).subject()?;
            let mut entries = Entries::new(chunk.value(), FORWARD)?;
            while entries.advance()? {
                let held = Held::read(entries.suffix(), entries.payload())?;
                let life = Life {
                    s,
                    p: held.p,
                    o: held.value()?.to_value(),
                    since: held.t,
                    until: None,
                };
                if visit(life).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Visits the subjects that have `o` under `p` or may ever have had it: first those that have it no longer, or have
    /// it anew, then the others, each ascending. Of long texts that begin alike it tells more than there are.
    ///
    /// `o` is a ref or a value of a kind that [is posted](ValueRef::is_posted); for any other kind none is visited.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn ever_had(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if !o.is_posted() {
            return Ok(());
        }
        let tables = self.tables();
        let mut group = vec![reverse_kind(o)];
        put_reverse(&mut group, p, o);
        let flow = visit_group(&tables.hrev, REVERSE, &group, &[], |suffix, _| {
            Ok(visit(Reader::new(suffix).subject()?))
        })?;
        if flow.is_break() {
            return Ok(());
        }
        let now = if o.as_ref().is_some() {
            &tables.opst
        } else {
            &tables.post
        };
        let without_kind = group.get(1..).unwrap_or_default();
        let _ = visit_group(now, REVERSE, without_kind, &[], |suffix, _| {
            let s = Reader::new(suffix).subject()?;
            if self.had_before(&group, s)? {
                return Ok(ControlFlow::Continue(()));
            }
            Ok(visit(s))
        })?;
        Ok(())
    }

    /// Whether a subject is in a group of `hrev`.
    fn had_before(&self, group: &[u8], s: SubjectId) -> Result<bool, Error> {
        let mut found = false;
        let _ = visit_group(
            &self.tables().hrev,
            REVERSE,
            group,
            &subject_key(s),
            |suffix, _| {
                found = Reader::new(suffix).subject()? == s;
                Ok(ControlFlow::Break(()))
            },
        )?;
        Ok(found)
    }

    /// Where flakes stand in the log, in order. Each block is read once.
    ///
    /// # Errors
    /// `Corrupt` if one of them is not there.
    pub fn places(&self, flakes: &ByBlock) -> Result<Vec<Erased>, Error> {
        let mut places = Vec::new();
        for (t, wanted) in flakes {
            let logged = self
                .logged(*t)?
                .ok_or_else(|| Error::corrupt(format!("block {} is missing", t.0)))?;
            let before = places.len();
            places.extend(logged.places(wanted));
            if places.len() - before != wanted.len() {
                let what = format!("block {} lacks a flake that the tables tell", t.0);
                return Err(Error::corrupt(what));
            }
        }
        Ok(places)
    }

    /// How many flakes the blocks after `t` have, erased ones counted.
    ///
    /// # Errors
    /// As reading the store fails.
    pub fn flakes_after(&self, t: T) -> Result<u64, Error> {
        let mut count = 0_u64;
        let from = log_key(t.next());
        for row in self.tables().log.range::<&[u8]>(from.as_slice()..)? {
            let (key, bytes) = row?;
            let t = T(u64::from_be_bytes(Reader::new(key.value()).array()?));
            count = count.saturating_add(u64::from(decode_count(t, bytes.value())?));
        }
        Ok(count)
    }
}
