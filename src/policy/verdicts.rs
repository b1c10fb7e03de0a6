//! What a view remembers of its judging, so that nothing is judged twice that need not be.
//!
//! 1. Nothing here changes an answer or what is charged: a verdict is kept with the steps that it took, and costs them
//!    again.
//! 2. It is good for one view, whose facts and time stand still.
//! 3. It is bounded, or grows with what the view has looked at anyway.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::model::SubjectId;

/// What a plan says of a subject: the steps in which it allows, if it does.
pub(super) type Verdict = Option<u64>;

/// Why a fact is judged: from which follows when its subject is judged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Facts are told subject by subject, so the same subject comes next.
    Row,
    /// Subjects are found by a value, all of them, before their rows are read.
    Find,
    /// A fact of another subject refers to this one, and goes on afterwards.
    Target,
}

/// How many verdicts are kept for later: as many subjects as an answer has rows, some megabytes.
const KEPT_MAX: usize = 100_000;

/// The verdicts of plans that look at the subject, at the most. A plan is known by its number.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    row: Last,
    target: Last,
    /// Of plans that look at the bearer alone: of any subject.
    of_bearer: RefCell<Vec<(u32, Verdict)>>,
    kept: RefCell<SubjectMap<(SubjectId, u32), Verdict>>,
}

impl Verdicts {
    /// What a plan that looks at the bearer alone said.
    pub(super) fn of_bearer(&self, plan: u32) -> Option<Verdict> {
        find(&self.of_bearer.borrow(), plan)
    }

    /// Keeps what a plan that looks at the bearer alone said.
    pub(super) fn put_of_bearer(&self, plan: u32, verdict: Verdict) {
        self.of_bearer.borrow_mut().push((plan, verdict));
    }

    /// What a plan said of a subject.
    pub(super) fn of(&self, s: SubjectId, plan: u32, look: Look) -> Option<Verdict> {
        let last = self.last(look);
        if let Some(found) = last.of(s, plan) {
            return Some(found);
        }
        let kept = self.kept.borrow();
        if kept.is_empty() {
            return None;
        }
        let found = kept.get(&(s, plan)).copied()?;
        last.put(s, plan, found);
        Some(found)
    }

    /// Keeps what a plan said of a subject.
    pub(super) fn put(&self, s: SubjectId, plan: u32, verdict: Verdict, look: Look) {
        self.last(look).put(s, plan, verdict);
        let mut kept = self.kept.borrow_mut();
        if look == Look::Find && kept.len() < KEPT_MAX {
            kept.insert((s, plan), verdict);
        }
    }

    fn last(&self, look: Look) -> &Last {
        match look {
            Look::Row | Look::Find => &self.row,
            Look::Target => &self.target,
        }
    }
}

/// The subject that was judged last, and what each plan said of it.
#[derive(Debug, Default)]
struct Last {
    subject: Cell<Option<SubjectId>>,
    verdicts: RefCell<Vec<(u32, Verdict)>>,
}

impl Last {
    fn of(&self, s: SubjectId, plan: u32) -> Option<Verdict> {
        if self.subject.get() == Some(s) {
            find(&self.verdicts.borrow(), plan)
        } else {
            None
        }
    }

    fn put(&self, s: SubjectId, plan: u32, verdict: Verdict) {
        let mut verdicts = self.verdicts.borrow_mut();
        if self.subject.replace(Some(s)) != Some(s) {
            verdicts.clear();
        }
        verdicts.push((plan, verdict));
    }
}

fn find(verdicts: &[(u32, Verdict)], plan: u32) -> Option<Verdict> {
    let found = verdicts.iter().find(|(of, _)| *of == plan);
    found.map(|(_, verdict)| *verdict)
}

/// A map by subject, in no order.
pub(super) type SubjectMap<K, V> = HashMap<K, V, Mixing>;

/// How ids are hashed: mixed with a number that is drawn for each map.
///
/// Ids are given out by the database, counting upwards, so nobody chooses them to collide; the drawn number is there
/// for those who choose which of them exist. Hashing them as texts are hashed would take a good part of the time in
/// which a fact is judged.
#[derive(Clone, Debug)]
pub(super) struct Mixing(u64);

impl Default for Mixing {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0_u64))
    }
}

impl BuildHasher for Mixing {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer(self.0)
    }
}

/// One hash in the making.
#[derive(Debug)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    /// The last steps of SplitMix64: each bit of the number reaches each bit of the hash.
    fn write_u64(&mut self, number: u64) {
        let mut z = self.0 ^ number;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.0 = z ^ (z >> 31);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CollectionId;

    fn subject(number: u64) -> SubjectId {
        SubjectId::new(CollectionId::new(20).unwrap(), number).unwrap()
    }

    #[test]
    fn a_verdict_is_of_its_subject_and_plan() {
        let verdicts = Verdicts::default();
        let (a, b) = (subject(1), subject(2));
        verdicts.put(a, 2, Some(5), Look::Row);
        verdicts.put(a, 3, None, Look::Row);
        for (s, plan, known) in [
            (a, 2, Some(Some(5))),
            (a, 3, Some(None)),
            (a, 4, None),
            (b, 2, None),
        ] {
            assert_eq!(verdicts.of(s, plan, Look::Row), known, "{s} {plan}");
        }
        // Two plans that take turns are both remembered, until another subject comes.
        verdicts.put(b, 2, None, Look::Find);
        for (s, plan, known) in [(a, 2, None), (a, 3, None), (b, 2, Some(None))] {
            assert_eq!(verdicts.of(s, plan, Look::Row), known, "{s} {plan}");
        }
        // A subject that is referred to in between is looked at aside.
        verdicts.put(a, 2, Some(5), Look::Target);
        assert_eq!(verdicts.of(b, 2, Look::Row), Some(None));
        // What was found is known after others came.
        verdicts.put(a, 2, Some(5), Look::Row);
        for (s, plan, known) in [(b, 2, Some(None)), (b, 3, None), (a, 2, None)] {
            assert_eq!(verdicts.of(s, plan, Look::Row), known, "{s} {plan}");
        }
        assert_eq!(verdicts.of_bearer(2), None);
        verdicts.put_of_bearer(2, Some(1));
        assert_eq!(verdicts.of_bearer(2), Some(Some(1)));
    }

    #[test]
    fn so_many_verdicts_are_kept_and_no_more() {
        let verdicts = Verdicts::default();
        let end = u64::try_from(KEPT_MAX).unwrap() + 1;
        for number in 0..end {
            verdicts.put(subject(number), 2, Some(number), Look::Find);
        }
        verdicts.put(subject(end), 2, None, Look::Row);
        assert_eq!(
            verdicts.of(subject(end - 2), 2, Look::Row),
            Some(Some(end - 2))
        );
        assert_eq!(verdicts.of(subject(end - 1), 2, Look::Row), None);
    }

    #[test]
    fn ids_that_count_upwards_are_spread() {
        let mixing = Mixing::default();
        for shift in [0, 57] {
            let hashes = (0..10_000).map(|number| mixing.hash_one(subject(number)));
            let mut filled: Vec<u64> = hashes.map(|hash| hash >> shift & 0x7F).collect();
            filled.sort_unstable();
            let most = filled.chunk_by(|a, b| a == b).map(<[u64]>::len).max();
            assert!(most.unwrap() < 150, "{most:?} of 10,000 in one of 128");
        }
    }
}
