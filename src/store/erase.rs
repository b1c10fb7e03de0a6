//! Taking flakes out of the log and out of history.
//!
//! 1. It comes after a block's own flakes are in the tables: what it erases holds no longer, and stands in the log
//!    and in the history tables alone.
//! 2. A fact is erased whole: its assertion and its retraction, both named by one block. So history never tells
//!    half of a fact.
//! 3. It reads nothing but the log and the tables, so that it is the same wherever the block is applied.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadableTable, WriteTransaction};

use super::block::Sealed;
use super::edit::{Apply, Edits, Gone, Rows, Strict};
use super::error::Error;
use super::key::{Reader, put_subject, put_uint};
use super::logged::Logged;
use super::row::end_of;
use super::run::Entries;
use super::table::{
    FORWARD, HFWD, HREV, LOG, META, META_SCRUB, REVERSE, log_key, put_forward, put_reverse,
    reverse_kind, subject_key,
};
use crate::model::{CollectionId, Flake, Op, Reason, T};

/// Erases what the block names, in its own row of the log too.
///
/// # Errors
/// `Invalid` if a flake that it names is not there, or a fact would be erased by half.
pub(super) fn erase(transaction: &WriteTransaction, sealed: &Sealed) -> Result<(), Error> {
    let erasure = &sealed.commit.erasure;
    if erasure.is_empty() {
        return Ok(());
    }
    let flakes = erase_log(transaction, sealed)?;
    let collections: BTreeSet<CollectionId> = flakes
        .iter()
        .filter(|(_, flake)| flake.s.block().is_none())
        .map(|(_, flake)| flake.s.collection())
        .collect();
    if !erasure.next.iter().map(|(of, _)| of).eq(&collections) {
        return Err(Error::invalid(
            "it does not tell the next numbers of the collections that it erases from",
        ));
    }
    erase_history(transaction, &flakes)?;
    if erasure.reason == Reason::Asked {
        let mut due = Vec::new();
        put_uint(&mut due, sealed.commit.t.0);
        let mut meta = transaction.open_table(META)?;
        meta.insert(META_SCRUB, due.as_slice())?;
    }
    Ok(())
}

/// Puts leaves in place of the flakes, and tells which they were.
fn erase_log(transaction: &WriteTransaction, sealed: &Sealed) -> Result<Vec<(T, Flake)>, Error> {
    let commit = &sealed.commit;
    let mut by_block: BTreeMap<T, Vec<u32>> = BTreeMap::new();
    for erased in &commit.erasure.flakes {
        by_block.entry(erased.t).or_default().push(erased.index);
    }
    let mut flakes = Vec::with_capacity(commit.erasure.flakes.len());
    let mut log = transaction.open_table(LOG)?;
    for (t, indexes) in by_block {
        if t == commit.t {
            // Its own row is written without them.
            for index in indexes {
                let flake = usize::try_from(index)
                    .ok()
                    .and_then(|it| commit.flakes.get(it));
                flakes.extend(flake.map(|flake| (t, flake.clone())));
            }
            continue;
        }
        let key = log_key(t);
        let mut logged = match log.get(key.as_slice())? {
            Some(bytes) => Logged::decode(t, bytes.value())?,
            None => return Err(Error::corrupt(format!("block {} is missing", t.0))),
        };
        for index in indexes {
            flakes.push((t, logged.erase(index)?));
        }
        log.insert(key.as_slice(), logged.encode().as_slice())?;
    }
    Ok(flakes)
}

/// Takes the facts that these flakes began and ended out of the history tables.
fn erase_history(transaction: &WriteTransaction, flakes: &[(T, Flake)]) -> Result<(), Error> {
    let mut forward = Edits::default();
    let mut ends: BTreeSet<(T, &Flake)> = BTreeSet::new();
    let mut begun: Vec<&Flake> = Vec::new();
    for (t, flake) in flakes {
        match flake.op {
            Op::Retract => {
                ends.insert((*t, flake));
            }
            Op::Assert => {
                begun.push(flake);
                let mut edit = forward.start(Op::Retract);
                put_subject(edit.group(), flake.s);
                put_forward(edit.suffix(), flake.p, flake.o.borrow());
                put_uint(edit.suffix(), t.0);
                edit.end();
            }
        }
    }
    let half = || Error::invalid("it erases a fact by half");
    if begun.len() != ends.len() {
        return Err(half());
    }
    let mut gone = Gone::default();
    let mut table = transaction.open_table(HFWD)?;
    Apply::new(&mut table, FORWARD, Strict::Yes, &mut gone)
        .run(&mut forward)
        .map_err(|error| match error {
            Error::Invalid { .. } => half(),
            other => other,
        })?;
    // A life that is gone ended with one of the retractions.
    let mut ended: BTreeSet<(Vec<u8>, Vec<u8>, T)> = BTreeSet::new();
    for (t, flake) in ends {
        let mut fact = Vec::new();
        put_forward(&mut fact, flake.p, flake.o.borrow());
        ended.insert((subject_key(flake.s), fact, t));
    }
    for dead in gone.dead {
        let t1 = Reader::new(&dead.before).t()?;
        let fact = fact_of(&dead.suffix)?.to_vec();
        if !ended.remove(&(dead.group, fact, t1)) {
            return Err(half());
        }
    }
    erase_reverse(transaction, &table, &begun)
}

/// The predicate and value that a suffix of history begins with.
fn fact_of(suffix: &[u8]) -> Result<&[u8], Error> {
    let mut reader = Reader::new(suffix);
    reader.predicate()?;
    reader.key_value()?;
    let length = suffix.len().saturating_sub(reader.rest().len());
    Ok(suffix.get(..length).unwrap_or(suffix))
}

/// Who ever had a value is told on, if it had it at another time too.
fn erase_reverse(
    transaction: &WriteTransaction,
    history: &Rows<'_>,
    begun: &[&Flake],
) -> Result<(), Error> {
    let mut reverse = Edits::default();
    for flake in begun {
        let o = flake.o.borrow();
        let mut fact = Vec::new();
        put_forward(&mut fact, flake.p, o);
        if !o.is_posted() || has_history(history, &subject_key(flake.s), &fact)? {
            continue;
        }
        let mut edit = reverse.start(Op::Retract);
        edit.group().push(reverse_kind(o));
        put_reverse(edit.group(), flake.p, o);
        put_subject(edit.suffix(), flake.s);
        edit.end();
    }
    let mut table = transaction.open_table(HREV)?;
    Apply::new(&mut table, REVERSE, Strict::No, &mut Gone::default()).run(&mut reverse)
}

/// Whether a subject's history has this fact.
fn has_history(history: &Rows<'_>, group: &[u8], fact: &[u8]) -> Result<bool, Error> {
    let target = [group, fact].concat();
    let start = match history
        .range::<&[u8]>(group..=target.as_slice())?
        .next_back()
    {
        Some(row) => row?.0.value().to_vec(),
        None => return Ok(false),
    };
    for row in history.range::<&[u8]>(start.as_slice()..end_of(group).as_slice())? {
        let (_, chunk) = row?;
        let mut entries = Entries::new(chunk.value(), FORWARD)?;
        if entries.seek(fact)? {
            return Ok(entries.suffix().starts_with(fact));
        }
    }
    Ok(false)
}
