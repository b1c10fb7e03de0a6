//! When facts held, and where the log says so: what it takes to erase them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::error::Error;
use super::key::Reader;
use super::logged::decode_count;
use super::row::{Gone, Held, visit_group};
use super::snapshot::Snapshot;
use super::table::{FORWARD, log_key, subject_key};
use crate::model::{Erased, Flake, PredicateId, SubjectId, T, Value};

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
