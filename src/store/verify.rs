//! Checking a store against itself, and making it anew from its log.
//!
//! 1. The chain is computed again from the bytes of the log, so any changed byte is found, and in which block.
//! 2. Every flake that was erased is named by a block that erases it, once, and every one that is named was erased.
//! 3. The tables are compared with the log by sums over hashes of what each tells, so that nothing but the sums is
//!    held in memory. The hashes are keyed at random, so that nobody can make tables that come to the same sums.
//! 4. Of the trail, which is in no block, its numbers are checked, and that its rows are found by whom they are about.
//! 5. Beside the encodings nothing is shared with the code that writes.

use std::collections::{BTreeMap, BTreeSet};

use super::append::Blocks;
use super::error::Error;
use super::file::Store;
use super::key::{Reader, cut_text, put_subject, put_uint, put_value};
use super::logged::Logged;
use super::row::{Gone, Held, Table, find_value};
use super::run::{Entries, More, Payloads};
use super::snapshot::Snapshot;
use super::table::{
    FORWARD, META_FORMAT, META_INCARNATION, META_SCRUB, META_TRAIL, REVERSE, next_key, put_forward,
    put_reverse, reverse_kind, subject_key,
};
use super::tally::Tally;
use crate::model::{
    CollectionId, Digest, Erased, Head, Incarnation, Op, PredicateId, SubjectId, T, ValueRef,
};

/// How many flakes are put into one transaction when a store is made anew.
const REBUILD_FLAKES: usize = 50_000;

/// What was found in a store that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many blocks there are.
    pub blocks: u64,
    /// How many flakes they hold, erased ones not counted.
    pub flakes: u64,
    /// How many flakes were erased.
    pub erased: u64,
    /// How many rows the trail has.
    pub trail: u64,
    /// Where the chain ends. A copy of its hash kept elsewhere also tells a log that was cut or forged.
    pub head: Head,
    /// The block that has the hash that was kept elsewhere, if one was given.
    pub kept: Option<T>,
}

impl Store {
    /// Checks every byte of the newest snapshot: the chain, and each table against the log.
    ///
    /// Memory: the largest block, and the places of flakes that were erased and whose erasing block is still to come.
    ///
    /// # Errors
    /// `Corrupt`, naming the block or the table and what is wrong with it.
    pub fn verify(&self) -> Result<Verified, Error> {
        verify(self.incarnation(), &self.snapshot()?, None)
    }

    /// The same, and finds the block whose hash was kept elsewhere: up to there the log is the one of then.
    ///
    /// # Errors
    /// As [`Store::verify`]; `Corrupt` too if no block has that hash.
    pub fn verify_with(&self, kept: Digest) -> Result<Verified, Error> {
        verify(self.incarnation(), &self.snapshot()?, Some(kept))
    }

    /// Fills the empty store `into`, of the same incarnation, from the log of `from`, and with what `from` keeps
    /// beside the ledger; of its other tables nothing is read.
    ///
    /// Its tables have the same content; how it is cut into chunks may differ, since that depends on which blocks
    /// were committed together.
    ///
    /// # Errors
    /// `Invalid` if `into` is not empty or of another incarnation; `Corrupt` if the chain of `from` is broken.
    pub fn rebuild(from: &Self, into: Self) -> Result<Self, Error> {
        if into.head().t != T(0) || into.incarnation() != from.incarnation() {
            return Err(Error::invalid(
                "the store to fill is not an empty one of this incarnation",
            ));
        }
        let snapshot = from.snapshot()?;
        let mut batch = Vec::new();
        let mut flakes = 0;
        chain(from.incarnation(), &snapshot, |logged| {
            flakes += logged.len();
            batch.push(logged);
            if flakes >= REBUILD_FLAKES {
                into.fill(Blocks::Again(&batch))?;
                batch.clear();
                flakes = 0;
            }
            Ok(())
        })?;
        into.fill(Blocks::Again(&batch))?;
        snapshot.each_aside(&mut |part| into.append_with(&[], part))?;
        Ok(into)
    }
}

fn verify(
    incarnation: Incarnation,
    snapshot: &Snapshot,
    kept: Option<Digest>,
) -> Result<Verified, Error> {
    let mut told = Sums::new();
    let (mut flakes, mut erased) = (0_u64, 0_u64);
    let mut found = None;
    let head = chain(incarnation, snapshot, |logged| {
        let t = logged.block.t;
        if kept == Some(logged.block.hash) {
            found = Some(t);
        }
        for flake in logged.flakes() {
            flakes = flakes.saturating_add(1);
            let (sum, fact) = (told.sum(flake.op), (flake.s, flake.p, flake.o.borrow()));
            add_fact(sum, fact, t);
            if flake.op == Op::Assert && flake.s.block().is_none() {
                told.reach(flake.s.collection(), flake.s.number().saturating_add(1));
            }
        }
        for (collection, next) in &logged.erasure.next {
            told.reach(*collection, *next);
        }
        erased = erased.saturating_add(u64::try_from(logged.erased().count()).unwrap_or(u64::MAX));
        Ok(())
    })?;
    if kept.is_some() && found.is_none() {
        return Err(Error::corrupt(
            "no block has the hash that was kept elsewhere",
        ));
    }
    compare(snapshot, &told)?;
    let trail = snapshot.check_aside()?;
    Ok(Verified {
        blocks: head.t.0,
        flakes,
        erased,
        trail,
        head,
        kept: found,
    })
}

/// Walks the log and computes its chain; tells where it ends.
fn chain(
    incarnation: Incarnation,
    snapshot: &Snapshot,
    mut visit: impl FnMut(Logged) -> Result<(), Error>,
) -> Result<Head, Error> {
    let mut head = Head {
        t: T(0),
        hash: Digest([0; 32]),
        instant_ms: 0,
    };
    // What was erased by a block that is still to come.
    let mut holes: BTreeSet<Erased> = BTreeSet::new();
    for row in snapshot.tables().log.range::<&[u8]>(..)? {
        let (key, bytes) = row?;
        let t = T(u64::from_be_bytes(Reader::new(key.value()).array()?));
        let expected = head.t.next();
        if t != expected {
            return Err(Error::corrupt(format!("block {} is missing", expected.0)));
        }
        let named = |error: Error| match error {
            Error::Corrupt { what } => Error::corrupt(format!("block {}: {what}", t.0)),
            Error::Invalid { why } => Error::corrupt(format!("block {}: {why}", t.0)),
            other => other,
        };
        let logged = Logged::decode(t, bytes.value()).map_err(named)?;
        logged.check(incarnation, &head).map_err(named)?;
        // The same block in other bytes is a change too.
        if logged.encode() != bytes.value() {
            return Err(Error::corrupt(format!(
                "block {} is not written as it should be",
                t.0
            )));
        }
        holes.extend(logged.erased());
        for erased in &logged.erasure.flakes {
            if !holes.remove(erased) {
                return Err(Error::corrupt(format!(
                    "block {} erases flake {} of block {}, which is still there or was erased before",
                    t.0, erased.index, erased.t.0
                )));
            }
        }
        head = logged.head();
        visit(logged)?;
    }
    match holes.first() {
        None => Ok(head),
        Some(Erased { t, index }) => Err(Error::corrupt(format!(
            "block {}: flake {index} is gone, and no block erases it",
            t.0
        ))),
    }
}

type Fact<'a> = (SubjectId, PredicateId, ValueRef<'a>);

/// What the log tells.
struct Sums {
    begun: Tally,
    ended: Tally,
    next: BTreeMap<CollectionId, u64>,
}

impl Sums {
    fn new() -> Self {
        let begun = Tally::new();
        Self {
            ended: begun.empty(),
            begun,
            next: BTreeMap::new(),
        }
    }

    fn sum(&mut self, op: Op) -> &mut Tally {
        match op {
            Op::Assert => &mut self.begun,
            Op::Retract => &mut self.ended,
        }
    }

    fn reach(&mut self, c: CollectionId, number: u64) {
        let next = self.next.entry(c).or_default();
        *next = (*next).max(number);
    }
}

fn add_fact(sum: &mut Tally, (s, p, o): Fact<'_>, t: T) {
    sum.add(|out| {
        put_subject(out, s);
        put_uint(out, u64::from(p.0));
        put_value(out, o);
        put_uint(out, t.0);
    });
}

/// What the forward tables tell, and what the reverse ones should.
struct Found {
    begun: Tally,
    ended: Tally,
    post: Tally,
    opst: Tally,
    hrev: Tally,
}

/// Skips the group that a key begins with.
type Group = fn(&mut Reader<'_>) -> Result<(), Error>;

fn compare(snapshot: &Snapshot, told: &Sums) -> Result<(), Error> {
    let tables = snapshot.tables();
    let mut found = Found {
        begun: told.begun.empty(),
        ended: told.begun.empty(),
        post: told.begun.empty(),
        opst: told.begun.empty(),
        hrev: told.begun.empty(),
    };
    walk(
        "fwd",
        &tables.fwd,
        FORWARD,
        row_group,
        |group, suffix, payload| found.hold(group, suffix, payload),
    )?;
    // The fact of the entry before, and when it ended.
    let mut before: (Vec<u8>, T) = (Vec::new(), T(0));
    walk(
        "hfwd",
        &tables.hfwd,
        FORWARD,
        row_group,
        |group, suffix, payload| found.hold_once(&tables.fwd, group, suffix, payload, &mut before),
    )?;
    if found.ended != told.ended {
        return Err(Error::corrupt(
            "table hfwd does not tell what the log tells",
        ));
    }
    if found.begun != told.begun {
        return Err(Error::corrupt(
            "tables fwd and hfwd do not tell what the log tells",
        ));
    }
    let reverse: [(&str, &Table, Group, &Tally); 3] = [
        ("post", &tables.post, scalar_group, &found.post),
        ("opst", &tables.opst, ref_group, &found.opst),
        ("hrev", &tables.hrev, ever_group, &found.hrev),
    ];
    for (name, table, skip, expected) in reverse {
        let mut sum = expected.empty();
        walk(name, table, REVERSE, skip, |group, suffix, _| {
            add_entry(&mut sum, group, suffix);
            Ok(())
        })?;
        if sum != *expected {
            return Err(Error::corrupt(format!(
                "table {name} does not tell what the log tells"
            )));
        }
    }
    compare_meta(&tables.meta, told)
}

fn add_entry(sum: &mut Tally, group: &[u8], suffix: &[u8]) {
    sum.add(|out| {
        out.extend_from_slice(group);
        out.extend_from_slice(suffix);
    });
}

impl Found {
    /// An entry of `fwd`.
    fn hold(&mut self, group: &[u8], suffix: &[u8], payload: &[u8]) -> Result<(), Error> {
        let s = Reader::new(group).subject()?;
        let held = Held::read(suffix, payload)?;
        let o = held.value()?;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        put_forward(&mut key, held.p, o);
        put_uint(&mut value, held.t.0);
        value.extend_from_slice(cut_text(o).unwrap_or_default());
        if key != suffix || value != payload {
            return Err(Error::corrupt(
                "table fwd has an entry that is not written as it should be",
            ));
        }
        add_fact(&mut self.begun, (s, held.p, o), held.t);
        if o.is_posted() {
            let mut group = Vec::new();
            put_reverse(&mut group, held.p, o);
            let sum = if o.as_ref().is_some() {
                &mut self.opst
            } else {
                &mut self.post
            };
            add_entry(sum, &group, &subject_key(s));
        }
        Ok(())
    }

    /// An entry of `hfwd`. Entries of one fact follow each other, and its lives do not overlap.
    fn hold_once(
        &mut self,
        fwd: &Table,
        group: &[u8],
        suffix: &[u8],
        payload: &[u8],
        before: &mut (Vec<u8>, T),
    ) -> Result<(), Error> {
        let s = Reader::new(group).subject()?;
        let gone = Gone::read(suffix, payload)?;
        let o = gone.o.borrow();
        let mut fact = Vec::new();
        put_forward(&mut fact, gone.p, o);
        let (mut key, mut value) = (fact.clone(), Vec::new());
        put_uint(&mut key, gone.t0.0);
        put_uint(&mut value, gone.t1.0);
        value.extend_from_slice(cut_text(o).unwrap_or_default());
        if key != suffix || value != payload {
            return Err(Error::corrupt(
                "table hfwd has an entry that is not written as it should be",
            ));
        }
        let fact = [group, &fact].concat();
        let is_again = before.0 == fact;
        let overlaps = is_again && before.1 > gone.t0;
        let holds = find_value(fwd, s, gone.p, o)?;
        if gone.t0 >= gone.t1 || overlaps || holds.is_some_and(|since| since < gone.t1) {
            return Err(Error::corrupt(
                "table hfwd tells a fact that held twice at one time",
            ));
        }
        add_fact(&mut self.begun, (s, gone.p, o), gone.t0);
        add_fact(&mut self.ended, (s, gone.p, o), gone.t1);
        if o.is_posted() && !is_again {
            let mut group = vec![reverse_kind(o)];
            put_reverse(&mut group, gone.p, o);
            add_entry(&mut self.hrev, &group, &subject_key(s));
        }
        *before = (fact, gone.t1);
        Ok(())
    }
}

fn row_group(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader.subject().map(|_| ())
}

fn scalar_group(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader.predicate()?;
    reader.key_value().map(|_| ())
}

fn ref_group(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader.subject()?;
    reader.predicate().map(|_| ())
}

fn ever_group(reader: &mut Reader<'_>) -> Result<(), Error> {
    match reader.byte()? {
        super::table::HREV_SCALAR => scalar_group(reader),
        super::table::HREV_REF => ref_group(reader),
        _ => Err(Error::corrupt("a history group has an unknown kind")),
    }
}

/// Visits a whole table, and checks how its groups are cut into chunks.
fn walk(
    name: &str,
    table: &Table,
    payloads: Payloads,
    skip_group: impl Fn(&mut Reader<'_>) -> Result<(), Error>,
    mut visit: impl FnMut(&[u8], &[u8], &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let wrong = |what: &str| Error::corrupt(format!("table {name}: a chunk {what}"));
    let mut open: Option<(Vec<u8>, Vec<u8>)> = None;
    for row in table.range::<&[u8]>(..)? {
        let (key, chunk) = row?;
        let mut reader = Reader::new(key.value());
        skip_group(&mut reader)?;
        let fence = reader.rest();
        let length = key.value().len().saturating_sub(fence.len());
        let group = key.value().get(..length).unwrap_or_default();
        let is_in_place = match &open {
            Some((before, _)) => before == group && !fence.is_empty(),
            None => fence.is_empty(),
        };
        let mut entries = Entries::new(chunk.value(), payloads)?;
        let more = entries.more();
        let mut last = open.take().map(|(_, last)| last);
        let mut count = 0;
        while entries.advance()? {
            let suffix = entries.suffix();
            let is_first_right = count > 0 || fence.is_empty() || fence == suffix;
            if !is_first_right || last.as_ref().is_some_and(|last| suffix <= last.as_slice()) {
                return Err(wrong("is out of order"));
            }
            visit(group, suffix, entries.payload())?;
            last = Some(suffix.to_vec());
            count += 1;
        }
        if count == 0 || !is_in_place {
            return Err(wrong("is empty or out of place"));
        }
        open = match more {
            More::Last => None,
            More::Follows => last.map(|last| (group.to_vec(), last)),
        };
    }
    if open.is_some() {
        return Err(wrong("that should follow is missing"));
    }
    Ok(())
}

fn compare_meta(meta: &Table, told: &Sums) -> Result<(), Error> {
    let mut expected = BTreeMap::new();
    for (collection, next) in &told.next {
        let mut value = Vec::new();
        put_uint(&mut value, *next);
        expected.insert(next_key(*collection), value);
    }
    for row in meta.range::<&[u8]>(..)? {
        let (key, value) = row?;
        if [META_FORMAT, META_INCARNATION, META_SCRUB, META_TRAIL].contains(&key.value()) {
            continue;
        }
        if expected.remove(key.value()).as_deref() != Some(value.value()) {
            return Err(Error::corrupt(
                "table meta has a number that the log does not tell",
            ));
        }
    }
    if expected.is_empty() {
        Ok(())
    } else {
        Err(Error::corrupt(
            "table meta lacks a number that the log tells",
        ))
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;
    use crate::model::{Commit, Erasure, Flake, Value};
    use crate::store::block::seal;

    const INCARNATION: Incarnation = Incarnation([1; 16]);

    fn flake(value: &str, op: Op) -> Flake {
        Flake {
            s: SubjectId::new(CollectionId::new(20).unwrap(), 7).unwrap(),
            p: PredicateId(1_001),
            o: Value::string(value),
            op,
        }
    }

    fn append(store: &Store, flakes: Vec<Flake>, erasure: Erasure) -> Result<(), Error> {
        let head = store.head();
        let commit = Commit {
            t: head.t.next(),
            instant_ms: 5,
            auth: SubjectId::new(CollectionId::new(6).unwrap(), 0).unwrap(),
            id: Digest([2; 32]),
            secret: [3; 16],
            flakes,
            erasure,
        };
        store.append(&[seal(INCARNATION, &head, commit)?])
    }

    fn erasure(flakes: &[(u64, u32)], next: u64) -> Erasure {
        Erasure {
            flakes: flakes
                .iter()
                .map(|(t, index)| Erased {
                    t: T(*t),
                    index: *index,
                })
                .collect(),
            next: vec![(CollectionId::new(20).unwrap(), next)],
            ..Erasure::default()
        }
    }

    /// Block 1 asserts `a`; block 2 puts `b` in its place.
    fn store() -> Store {
        let store = Store::create_on(InMemoryBackend::new(), INCARNATION).unwrap();
        append(&store, vec![flake("a", Op::Assert)], Erasure::default()).unwrap();
        let flakes = vec![flake("a", Op::Retract), flake("b", Op::Assert)];
        append(&store, flakes, Erasure::default()).unwrap();
        store
    }

    fn found(store: &Store) -> String {
        match store.verify() {
            Err(Error::Corrupt { what }) => what,
            other => panic!("nothing was found: {other:?}"),
        }
    }

    #[test]
    fn a_fact_is_erased_whole_or_not_at_all() {
        for (list, next) in [
            (&[(1, 0)][..], 8),
            (&[(2, 0)], 8),
            (&[(1, 0), (2, 1)], 8),
            (&[(1, 0), (2, 0)], 7),
            (&[(1, 0), (2, 0)], 9),
            (&[(1, 1), (2, 0)], 8),
            (&[(1, 0), (4, 0)], 8),
        ] {
            let store = store();
            let erased = append(&store, Vec::new(), erasure(list, next));
            assert!(matches!(erased, Err(Error::Invalid { .. })), "{list:?}");
            store.verify().unwrap();
        }
        let store = store();
        append(&store, Vec::new(), erasure(&[(1, 0), (2, 0)], 8)).unwrap();
        // Not twice.
        let again = append(&store, Vec::new(), erasure(&[(1, 0), (2, 0)], 8));
        assert!(matches!(again, Err(Error::Invalid { .. })));
        let verified = store.verify().unwrap();
        assert_eq!((verified.flakes, verified.erased), (1, 2));
    }

    #[test]
    fn a_flake_that_is_gone_without_a_block_that_erases_it_is_found() {
        let store = store();
        let mut logged = store.snapshot().unwrap().logged(T(1)).unwrap().unwrap();
        logged.erase(0).unwrap();
        store.forge(T(1), &logged.encode());
        assert_eq!(
            found(&store),
            "block 1: flake 0 is gone, and no block erases it"
        );
        let into = Store::create_on(InMemoryBackend::new(), INCARNATION).unwrap();
        assert!(matches!(
            Store::rebuild(&store, into),
            Err(Error::Corrupt { .. })
        ));
    }

    #[test]
    fn a_flake_that_came_back_is_found() {
        let store = store();
        let whole = store.snapshot().unwrap().logged(T(1)).unwrap().unwrap();
        append(&store, Vec::new(), erasure(&[(1, 0), (2, 0)], 8)).unwrap();
        store.forge(T(1), &whole.encode());
        assert!(found(&store).contains("block 3 erases flake 0 of block 1"));
    }

    #[test]
    fn the_ids_of_what_was_erased_are_not_used_again() {
        let store = store();
        let flakes = vec![flake("b", Op::Retract)];
        let list = [(1, 0), (2, 0), (2, 1), (3, 0)];
        append(&store, flakes, erasure(&list, 8)).unwrap();
        let into = Store::create_on(InMemoryBackend::new(), INCARNATION).unwrap();
        let again = Store::rebuild(&store, into).unwrap();
        for store in [store, again] {
            use crate::model::Facts as _;
            let snapshot = store.snapshot().unwrap();
            let next = snapshot.next_number(CollectionId::new(20).unwrap());
            assert_eq!(next.unwrap(), 8);
            assert_eq!(store.verify().unwrap().erased, 4);
        }
    }

    #[test]
    fn a_hash_that_was_kept_elsewhere_is_found_at_its_block() {
        let store = store();
        let first = store.snapshot().unwrap().block(T(1)).unwrap().unwrap().hash;
        assert_eq!(store.verify_with(first).unwrap().kept, Some(T(1)));
        let head = store.head().hash;
        assert_eq!(store.verify_with(head).unwrap().kept, Some(T(2)));
        assert!(matches!(
            store.verify_with(Digest([9; 32])),
            Err(Error::Corrupt { .. })
        ));
    }
}
