//! Putting blocks into the tables.
//!
//! 1. The forward table is strict: a retraction of what is not there, or an assertion of what is, is refused.
//! 2. What leaves the forward table enters the history tables in the same transaction.

use std::collections::BTreeMap;

use redb::{ReadableTable, WriteTransaction};

use super::block::{self, Sealed};
use super::edit::{Apply, Edits, Gone, Strict};
use super::error::Error;
use super::key::{Reader, cut_text, put_subject, put_uint};
use super::table::{
    FORWARD, FWD, HFWD, HREV, LOG, META, OPST, POST, REVERSE, is_posted, log_key, next_key,
    put_forward, put_reverse, reverse_kind,
};
use crate::model::{CollectionId, Op};

/// Puts the blocks into every table of the transaction.
pub(super) fn append(transaction: &WriteTransaction, blocks: &[Sealed]) -> Result<(), Error> {
    append_log(transaction, blocks)?;
    append_next(transaction, blocks)?;
    let mut forward = Edits::default();
    let mut scalars = Edits::default();
    let mut refs = Edits::default();
    for sealed in blocks {
        let t = sealed.commit.t;
        for flake in &sealed.commit.flakes {
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

fn append_log(transaction: &WriteTransaction, blocks: &[Sealed]) -> Result<(), Error> {
    let mut log = transaction.open_table(LOG)?;
    for sealed in blocks {
        let key = log_key(sealed.commit.t);
        log.insert(key.as_slice(), block::encode(sealed).as_slice())?;
    }
    Ok(())
}

fn append_next(transaction: &WriteTransaction, blocks: &[Sealed]) -> Result<(), Error> {
    let mut next: BTreeMap<CollectionId, u64> = BTreeMap::new();
    for flake in blocks.iter().flat_map(|sealed| &sealed.commit.flakes) {
        if flake.op == Op::Assert && flake.s.block().is_none() {
            let number = next.entry(flake.s.collection()).or_default();
            *number = (*number).max(flake.s.number().saturating_add(1));
        }
    }
    let mut meta = transaction.open_table(META)?;
    for (collection, number) in next {
        let key = next_key(collection);
        let before = match meta.get(key.as_slice())? {
            None => 0,
            Some(value) => Reader::new(value.value()).uint()?,
        };
        if number > before {
            let mut value = Vec::new();
            put_uint(&mut value, number);
            meta.insert(key.as_slice(), value.as_slice())?;
        }
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
