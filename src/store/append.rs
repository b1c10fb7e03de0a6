//! Putting blocks into the tables.
//!
//! 1. The forward table is strict: a retraction of what is not there, or an assertion of what is, is refused.
//! 2. What leaves the forward table enters the history tables in the same transaction.
//! 3. What a block erases is erased last. Blocks out of another log have nothing left to erase.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use redb::{ReadableTable, WriteTransaction};

use super::block::Sealed;
use super::edit::{Apply, Edits, Gone, Strict};
use super::erase::erase;
use super::error::Error;
use super::key::{Reader, cut_text, put_subject, put_uint};
use super::logged::{Logged, encode};
use super::table::{
    FORWARD, FWD, HFWD, HREV, LOG, META, OPST, POST, REVERSE, is_posted, log_key, next_key,
    put_forward, put_reverse, reverse_kind,
};
use crate::model::{CollectionId, Flake, Head, Op, T};

/// Blocks that follow the log's end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blocks<'a> {
    /// As they were sealed: what they erase is still there.
    New(&'a [Sealed]),
    /// Out of another log: what any of them erases is gone from it.
    Again(&'a [Logged]),
}

/// A block as it goes into the tables.
struct Entering<'a> {
    t: T,
    flakes: Vec<&'a Flake>,
    bytes: Vec<u8>,
    next: &'a [(CollectionId, u64)],
}

impl<'a> Blocks<'a> {
    /// Where the chain ends with them.
    pub(super) fn head(self) -> Option<Head> {
        match self {
            Self::New(blocks) => blocks.last().map(Sealed::head),
            Self::Again(blocks) => blocks.last().map(Logged::head),
        }
    }

    fn entering(self) -> Result<Vec<Entering<'a>>, Error> {
        match self {
            Self::New(blocks) => blocks
                .iter()
                .map(|sealed| {
                    Ok(Entering {
                        t: sealed.commit.t,
                        flakes: sealed.commit.flakes.iter().collect(),
                        bytes: encode(sealed)?,
                        next: &sealed.commit.erasure.next,
                    })
                })
                .collect(),
            Self::Again(blocks) => Ok(blocks
                .iter()
                .map(|logged| Entering {
                    t: logged.block.t,
                    flakes: logged.flakes().collect(),
                    bytes: logged.encode(),
                    next: &logged.erasure.next,
                })
                .collect()),
        }
    }
}

/// Puts the blocks into every table of the transaction.
pub(super) fn append(transaction: &WriteTransaction, blocks: Blocks<'_>) -> Result<(), Error> {
    let entering = blocks.entering()?;
    append_log(transaction, &entering)?;
    append_next(transaction, &entering, blocks)?;
    append_facts(transaction, &entering)?;
    if let Blocks::New(blocks) = blocks {
        for sealed in blocks {
            erase(transaction, sealed)?;
        }
    }
    Ok(())
}

fn append_facts(transaction: &WriteTransaction, blocks: &[Entering<'_>]) -> Result<(), Error> {
    let mut forward = Edits::default();
    let mut scalars = Edits::default();
    let mut refs = Edits::default();
    for Entering { t, flakes, .. } in blocks {
        for flake in flakes {
            let o = flake.o.borrow();
            let mut edit = forward.start(flake.op);
            put_subject(edit.group(), flake.s);
            put_forward(edit.suffix(), flake.p, o);
            put_uint(edit.payload(), t.0);
            if let Some(text) = cut_text(o) {
                edit.payload().extend_from_slice(text);
            }
            edit.end();
            if is_posted(flake) {
                let edits = if o.as_ref().is_some() {
                    &mut refs
                } else {
                    &mut scalars
                };
                let mut edit = edits.start(flake.op);
                put_reverse(edit.group(), flake.p, o);
                put_subject(edit.suffix(), flake.s);
                edit.end();
            }
        }
    }
    let mut gone = Gone::default();
    let mut table = transaction.open_table(FWD)?;
    Apply::new(&mut table, FORWARD, Strict::Yes, &mut gone).run(&mut forward)?;
    drop(table);
    for (definition, edits) in [(POST, &mut scalars), (OPST, &mut refs)] {
        let mut table = transaction.open_table(definition)?;
        Apply::new(&mut table, REVERSE, Strict::No, &mut Gone::default()).run(edits)?;
    }
    append_history(transaction, &gone)
}

fn append_log(transaction: &WriteTransaction, blocks: &[Entering<'_>]) -> Result<(), Error> {
    let mut log = transaction.open_table(LOG)?;
    for Entering { t, bytes, .. } in blocks {
        log.insert(log_key(*t).as_slice(), bytes.as_slice())?;
    }
    Ok(())
}

/// Ids are never used twice: neither those of facts that are there, nor those a block tells of erased ones.
fn append_next(
    transaction: &WriteTransaction,
    entering: &[Entering<'_>],
    blocks: Blocks<'_>,
) -> Result<(), Error> {
    let mut meta = transaction.open_table(META)?;
    // What stands there, and what is to stand there.
    let mut next: BTreeMap<CollectionId, (u64, u64)> = BTreeMap::new();
    let mut reach = |c: CollectionId, number: u64| -> Result<u64, Error> {
        let (_, known) = match next.entry(c) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                let there = match meta.get(next_key(c).as_slice())? {
                    None => 0,
                    Some(value) => Reader::new(value.value()).uint()?,
                };
                vacant.insert((there, there))
            }
        };
        *known = (*known).max(number);
        Ok(*known)
    };
    for block in entering {
        for flake in &block.flakes {
            if flake.op == Op::Assert && flake.s.block().is_none() {
                reach(flake.s.collection(), flake.s.number().saturating_add(1))?;
            }
        }
        for (c, number) in block.next {
            let is_told_right = match blocks {
                Blocks::New(_) => reach(*c, 0)? == *number,
                Blocks::Again(_) => reach(*c, *number)? == *number,
            };
            if !is_told_right {
                return Err(Error::invalid(
                    "it does not tell how far the ids of a collection went",
                ));
            }
        }
    }
    for (collection, (_, number)) in next
        .into_iter()
        .filter(|(_, (there, number))| number > there)
    {
        let mut value = Vec::new();
        put_uint(&mut value, number);
        meta.insert(next_key(collection).as_slice(), value.as_slice())?;
    }
    Ok(())
}

fn append_history(transaction: &WriteTransaction, gone: &Gone) -> Result<(), Error> {
    let mut forward = Edits::default();
    let mut reverse = Edits::default();
    for dead in &gone.dead {
        let mut before = Reader::new(&dead.before);
        let mut after = Reader::new(&dead.after);
        let (t0, t1) = (before.t()?, after.t()?);
        let mut edit = forward.start(Op::Assert);
        edit.group().extend_from_slice(&dead.group);
        edit.suffix().extend_from_slice(&dead.suffix);
        put_uint(edit.suffix(), t0.0);
        put_uint(edit.payload(), t1.0);
        edit.payload().extend_from_slice(before.rest());
        edit.end();

        let mut suffix = Reader::new(&dead.suffix);
        let p = suffix.predicate()?;
        let o = super::key::whole_value(suffix.key_value()?, before.rest())?;
        if o.borrow().is_posted() {
            let mut edit = reverse.start(Op::Assert);
            edit.group().push(reverse_kind(o.borrow()));
            put_reverse(edit.group(), p, o.borrow());
            edit.suffix().extend_from_slice(&dead.group);
            edit.end();
        }
    }
    for (definition, payloads, edits) in
        [(HFWD, FORWARD, &mut forward), (HREV, REVERSE, &mut reverse)]
    {
        let mut table = transaction.open_table(definition)?;
        Apply::new(&mut table, payloads, Strict::No, &mut Gone::default()).run(edits)?;
    }
    Ok(())
}
