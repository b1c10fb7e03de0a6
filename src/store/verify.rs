//! Checking a store against itself, and making it anew from its log.
//!
//! 1. The chain is computed again from the bytes of the log, so any changed byte is found, and in which block.
//! 2. The log is folded into plain maps that share no code with the writer but the encodings, and every table is
//!    compared with them both ways.

use std::collections::BTreeMap;

use super::block::{self, Sealed};
use super::error::Error;
use super::file::Store;
use super::key::{Reader, cut_text, put_uint};
use super::row::Table;
use super::run::{Entries, More, Payloads};
use super::snapshot::Snapshot;
use super::table::{
    FORWARD, META_FORMAT, META_INCARNATION, REVERSE, next_key, put_forward, put_reverse,
    reverse_kind, subject_key,
};
use crate::model::{CollectionId, Digest, Flake, Head, Incarnation, Op, PredicateId, SubjectId, T};

/// How many flakes are put into one transaction when a store is made anew.
const REBUILD_FLAKES: usize = 50_000;

/// What was found in a store that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many blocks there are.
    pub blocks: u64,
    /// How many flakes they hold.
    pub flakes: u64,
    /// Where the chain ends. A copy of its hash kept elsewhere also tells a log that was cut or forged.
    pub head: Head,
}

/// A table as entries: group, suffix, payload.
type Content = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

impl Store {
    /// Checks every byte of the newest snapshot: the chain, and each table against the log.
    ///
    /// Memory: the decoded tables, a few times the file.
    ///
    /// # Errors
    /// `Corrupt`, naming the block or the table and what is wrong with it.
    pub fn verify(&self) -> Result<Verified, Error> {
        verify(self.incarnation(), &self.snapshot()?)
    }

    /// Fills the empty store `into`, of the same incarnation, from the log of `from` alone.
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
        chain(from.incarnation(), &snapshot, |sealed| {
            flakes += sealed.commit.flakes.len();
            batch.push(sealed);
            if flakes >= REBUILD_FLAKES {
                into.append(&batch)?;
                batch.clear();
                flakes = 0;
            }
            Ok(())
        })?;
        into.append(&batch)?;
        Ok(into)
    }
}

fn verify(incarnation: Incarnation, snapshot: &Snapshot) -> Result<Verified, Error> {
    let mut model = Model::default();
    let mut flakes = 0_u64;
    let head = chain(incarnation, snapshot, |sealed| {
        for flake in &sealed.commit.flakes {
            flakes = flakes.saturating_add(1);
            model.fold(sealed.commit.t, flake)?;
        }
        Ok(())
    })?;
    let tables = snapshot.tables();
    let expected = model.contents();
    compare(
        "fwd",
        &content(&tables.fwd, FORWARD, row_group)?,
        &expected.fwd,
    )?;
    compare(
        "post",
        &content(&tables.post, REVERSE, scalar_group)?,
        &expected.post,
    )?;
    compare(
        "opst",
        &content(&tables.opst, REVERSE, ref_group)?,
        &expected.opst,
    )?;
    compare(
        "hfwd",
        &content(&tables.hfwd, FORWARD, row_group)?,
        &expected.hfwd,
    )?;
    compare(
        "hrev",
        &content(&tables.hrev, REVERSE, ever_group)?,
        &expected.hrev,
    )?;
    compare_meta(&tables.meta, &model)?;
    Ok(Verified {
        blocks: head.t.0,
        flakes,
        head,
    })
}

/// Walks the log and computes its chain; tells where it ends.
fn chain(
    incarnation: Incarnation,
    snapshot: &Snapshot,
    mut visit: impl FnMut(Sealed) -> Result<(), Error>,
) -> Result<Head, Error> {
    let mut head = Head {
        t: T(0),
        hash: Digest([0; 32]),
        instant_ms: 0,
    };
    for row in snapshot.tables().log.range::<&[u8]>(..)? {
        let (key, bytes) = row?;
        let t = T(u64::from_be_bytes(Reader::new(key.value()).array()?));
        let expected = head.t.next();
        if t != expected {
            return Err(Error::corrupt(format!("block {} is missing", expected.0)));
        }
        let named = |error: Error| match error {
            Error::Corrupt { what } => Error::corrupt(format!("block {}: {what}", t.0)),
            other => other,
        };
        let found = block::decode(t, bytes.value()).map_err(named)?;
        if found.previous != head.hash {
            return Err(Error::corrupt(format!(
                "block {} does not name the hash of the block before it",
                t.0
            )));
        }
        let hash = found.hash;
        let sealed = block::seal(incarnation, &head, found.commit).map_err(|error| {
            Error::corrupt(format!("block {} cannot follow its head: {error}", t.0))
        })?;
        if sealed.hash != hash {
            return Err(Error::corrupt(format!(
                "block {} does not have the hash that its bytes have",
                t.0
            )));
        }
        // The same block in other bytes is a change too.
        if block::encode(&sealed) != bytes.value() {
            return Err(Error::corrupt(format!(
                "block {} is not written as it should be",
                t.0
            )));
        }
        head = sealed.head();
        visit(sealed)?;
    }
    Ok(head)
}

type Fact = (SubjectId, PredicateId, crate::model::Value);

/// The log, folded in the plainest way.
#[derive(Default)]
struct Model {
    holds: BTreeMap<Fact, T>,
    gone: BTreeMap<(Fact, T), T>,
    next: BTreeMap<CollectionId, u64>,
}

#[derive(Default)]
struct Contents {
    fwd: Content,
    post: Content,
    opst: Content,
    hfwd: Content,
    hrev: Content,
}

impl Model {
    fn fold(&mut self, t: T, flake: &Flake) -> Result<(), Error> {
        let fact = (flake.s, flake.p, flake.o.clone());
        let before = match flake.op {
            Op::Assert => {
                if flake.s.block().is_none() {
                    let next = self.next.entry(flake.s.collection()).or_default();
                    *next = (*next).max(flake.s.number().saturating_add(1));
                }
                self.holds
                    .insert(fact, t)
                    .map_or(Ok(()), |_| Err("asserts what holds"))
            }
            Op::Retract => match self.holds.remove(&fact) {
                None => Err("retracts what does not hold"),
                Some(t0) => {
                    self.gone.insert((fact, t0), t);
                    Ok(())
                }
            },
        };
        before.map_err(|what| Error::corrupt(format!("block {} {what}", t.0)))
    }

    fn contents(&self) -> Contents {
        let mut all = Contents::default();
        for ((s, p, o), t) in &self.holds {
            let o = o.borrow();
            let (mut suffix, mut payload) = (Vec::new(), Vec::new());
            put_forward(&mut suffix, *p, o);
            put_uint(&mut payload, t.0);
            payload.extend_from_slice(cut_text(o).unwrap_or_default());
            all.fwd.insert((subject_key(*s), suffix), payload);
            if o.is_posted() {
                let mut group = Vec::new();
                put_reverse(&mut group, *p, o);
                let table = if o.as_ref().is_some() {
                    &mut all.opst
                } else {
                    &mut all.post
                };
                table.insert((group, subject_key(*s)), Vec::new());
            }
        }
        for (((s, p, o), t0), t1) in &self.gone {
            let o = o.borrow();
            let (mut suffix, mut payload) = (Vec::new(), Vec::new());
            put_forward(&mut suffix, *p, o);
            put_uint(&mut suffix, t0.0);
            put_uint(&mut payload, t1.0);
            payload.extend_from_slice(cut_text(o).unwrap_or_default());
            all.hfwd.insert((subject_key(*s), suffix), payload);
            if o.is_posted() {
                let mut group = vec![reverse_kind(o)];
                put_reverse(&mut group, *p, o);
                all.hrev.insert((group, subject_key(*s)), Vec::new());
            }
        }
        all
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

/// Reads a whole table, and checks how its groups are cut into chunks.
fn content(
    table: &Table,
    payloads: Payloads,
    skip_group: impl Fn(&mut Reader<'_>) -> Result<(), Error>,
) -> Result<Content, Error> {
    let mut content = Content::new();
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
                return Err(Error::corrupt("a chunk is out of order"));
            }
            last = Some(suffix.to_vec());
            content.insert(
                (group.to_vec(), suffix.to_vec()),
                entries.payload().to_vec(),
            );
            count += 1;
        }
        if count == 0 || !is_in_place {
            return Err(Error::corrupt("a chunk is empty or out of place"));
        }
        open = match more {
            More::Last => None,
            More::Follows => last.map(|last| (group.to_vec(), last)),
        };
    }
    if open.is_some() {
        return Err(Error::corrupt("a chunk that should follow is missing"));
    }
    Ok(content)
}

fn compare(table: &str, found: &Content, expected: &Content) -> Result<(), Error> {
    for (key, payload) in found {
        if expected.get(key) != Some(payload) {
            return Err(Error::corrupt(format!(
                "table {table} has an entry that the log does not tell"
            )));
        }
    }
    if found.len() == expected.len() {
        Ok(())
    } else {
        Err(Error::corrupt(format!(
            "table {table} lacks an entry that the log tells"
        )))
    }
}

fn compare_meta(meta: &Table, model: &Model) -> Result<(), Error> {
    let mut expected = BTreeMap::new();
    for (collection, next) in &model.next {
        let mut value = Vec::new();
        put_uint(&mut value, *next);
        expected.insert(next_key(*collection), value);
    }
    for row in meta.range::<&[u8]>(..)? {
        let (key, value) = row?;
        if key.value() == META_FORMAT || key.value() == META_INCARNATION {
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
