//! Editing one table of runs.
//!
//! Edits are applied in the order of their keys. A stretch of groups that are all new is written through one cursor;
//! a group that is there is read, merged and written again, chunk by chunk.

use std::ops::Bound;

use redb::{ReadableTable, Table};

use super::error::Error;
use super::run::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Entries, More, Payloads, Writer, flagged};
use crate::model::Op;

/// A table of a write transaction.
pub(super) type Rows<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// What left the forward table.
#[derive(Debug, Default)]
pub(super) struct Gone {
    pub(super) dead: Vec<Dead>,
}

/// A fact that held until now, in the bytes of its row, and the payload of its retraction.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) group: Vec<u8>,
    pub(super) suffix: Vec<u8>,
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

/// Edits of one table, in one stretch of memory.
#[derive(Debug, Default)]
pub(super) struct Edits {
    bytes: Vec<u8>,
    list: Vec<Edit>,
}

/// Where an edit's group, suffix and payload stand: one after the other.
#[derive(Clone, Copy, Debug)]
struct Edit {
    group: usize,
    suffix: usize,
    payload: usize,
    end: usize,
    op: Op,
}

/// An edit in the making; its parts are put in order.
pub(super) struct Draft<'e> {
    edits: &'e mut Edits,
    edit: Edit,
}

impl Draft<'_> {
    pub(super) fn group(&mut self) -> &mut Vec<u8> {
        &mut self.edits.bytes
    }

    pub(super) fn suffix(&mut self) -> &mut Vec<u8> {
        if self.edit.suffix == usize::MAX {
            self.edit.suffix = self.edits.bytes.len();
        }
        &mut self.edits.bytes
    }

    pub(super) fn payload(&mut self) -> &mut Vec<u8> {
        if self.edit.payload == usize::MAX {
            self.edit.payload = self.edits.bytes.len();
        }
        &mut self.edits.bytes
    }

    pub(super) fn end(mut self) {
        self.edit.end = self.edits.bytes.len();
        self.edit.payload = self.edit.payload.min(self.edit.end);
        self.edits.list.push(self.edit);
    }
}

impl Edits {
    pub(super) fn start(&mut self, op: Op) -> Draft<'_> {
        Draft {
            edit: Edit {
                group: self.bytes.len(),
                suffix: usize::MAX,
                payload: usize::MAX,
                end: 0,
                op,
            },
            edits: self,
        }
    }

    fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    fn group(&self, edit: &Edit) -> &[u8] {
        self.slice(edit.group, edit.suffix)
    }

    fn suffix(&self, edit: &Edit) -> &[u8] {
        self.slice(edit.suffix, edit.payload)
    }

    fn key(&self, edit: &Edit) -> &[u8] {
        self.slice(edit.group, edit.payload)
    }

    fn payload(&self, edit: &Edit) -> &[u8] {
        self.slice(edit.payload, edit.end)
    }

    /// Sorts by key; edits of one key stay in their order.
    fn sort(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.sort_by(|a, b| self.key(a).cmp(self.key(b)));
        self.list = list;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strict {
    Yes,
    No,
}

/// What is needed to edit one table.
pub(super) struct Apply<'a, 't> {
    table: &'a mut Rows<'t>,
    payloads: Payloads,
    strict: Strict,
    gone: &'a mut Gone,
}

/// A chunk that was read to be changed.
struct Old {
    key: Vec<u8>,
    bytes: Vec<u8>,
}

impl<'a, 't> Apply<'a, 't> {
    pub(super) fn new(
        table: &'a mut Rows<'t>,
        payloads: Payloads,
        strict: Strict,
        gone: &'a mut Gone,
    ) -> Self {
        Self {
            table,
            payloads,
            strict,
            gone,
        }
    }

    pub(super) fn run(mut self, edits: &mut Edits) -> Result<(), Error> {
        edits.sort();
        let edits = &*edits;
        let mut list = edits.list.as_slice();
        while let Some(first) = list.first() {
            let group = edits.group(first);
            let next = self.at_or_after(group)?;
            if let Some(old) = next.as_ref().filter(|old| old.key == group) {
                let (these, rest) = split_group(edits, list);
                self.edit_group(edits, group, these, &old.bytes)?;
                list = rest;
            } else {
                let is_new = |edit: &Edit| {
                    next.as_ref()
                        .is_none_or(|old| edits.group(edit) < old.key.as_slice())
                };
                let (new, rest) = list.split_at(list.partition_point(is_new));
                self.insert_groups(edits, new)?;
                list = rest;
            }
        }
        Ok(())
    }

    fn at_or_after(&self, key: &[u8]) -> Result<Option<Old>, Error> {
        read(self.table.range::<&[u8]>(key..)?.next())
    }

    /// Writes groups of which none is there and between which nothing is.
    fn insert_groups(&mut self, edits: &Edits, mut list: &[Edit]) -> Result<(), Error> {
        let Some(first) = list.first() else {
            return Ok(());
        };
        let mut cursor = self
            .table
            .lower_bound_mut(Bound::Included(edits.group(first)))?;
        let mut key = Vec::new();
        while let Some(first) = list.first() {
            let group = edits.group(first);
            let (these, rest) = split_group(edits, list);
            let mut writer = Writer::new(self.payloads, CHUNK_BYTES_MAX);
            let mut merge = Merge {
                edits,
                strict: self.strict,
                gone: self.gone,
                writer: &mut writer,
            };
            merge.run(None, these)?;
            for (index, chunk) in writer.finish(More::Last).into_iter().enumerate() {
                key.clear();
                key.extend_from_slice(group);
                if index > 0 {
                    key.extend_from_slice(&chunk.first);
                }
                cursor.insert_before(key.as_slice(), chunk.bytes.as_slice())?;
            }
            list = rest;
        }
        cursor.close()?;
        Ok(())
    }

    /// Edits a group that is there, chunk by chunk.
    fn edit_group(
        &mut self,
        edits: &Edits,
        group: &[u8],
        mut list: &[Edit],
        head: &[u8],
    ) -> Result<(), Error> {
        if Entries::new(head, self.payloads)?.more() == More::Last {
            let old = Old {
                key: group.to_vec(),
                bytes: head.to_vec(),
            };
            return self.edit_chunk(edits, group, list, &old);
        }
        while let Some(first) = list.first() {
            let target = edits.key(first);
            let here = read(self.table.range::<&[u8]>(group..=target)?.next_back())?;
            let Some(old) = here else {
                // The whole group was retracted by the edits before.
                return self.insert_groups(edits, list);
            };
            let next = match Entries::new(&old.bytes, self.payloads)?.more() {
                More::Last => None,
                More::Follows => self.after(&old.key)?,
            };
            let is_here = |edit: &Edit| {
                next.as_ref()
                    .is_none_or(|next| edits.key(edit) < next.key.as_slice())
            };
            let (these, rest) = list.split_at(list.partition_point(is_here));
            self.edit_chunk(edits, group, these, &old)?;
            list = rest;
        }
        Ok(())
    }

    fn after(&self, key: &[u8]) -> Result<Option<Old>, Error> {
        let bounds = (Bound::Excluded(key), Bound::Unbounded);
        read(self.table.range::<&[u8]>(bounds)?.next())
    }

    fn edit_chunk(
        &mut self,
        edits: &Edits,
        group: &[u8],
        list: &[Edit],
        old: &Old,
    ) -> Result<(), Error> {
        let mut writer = Writer::new(self.payloads, usize::MAX);
        let entries = Entries::new(&old.bytes, self.payloads)?;
        let mut more = entries.more();
        let place = Merge {
            edits,
            strict: self.strict,
            gone: self.gone,
            writer: &mut writer,
        }
        .run(Some(entries), list)?;
        while writer.len() < CHUNK_BYTES_MIN && more == More::Follows {
            let Some(next) = self.after(&old.key)? else {
                return Err(Error::corrupt("a chunk that should follow is missing"));
            };
            let mut entries = Entries::new(&next.bytes, self.payloads)?;
            more = entries.more();
            while entries.advance()? {
                writer.push(entries.suffix(), entries.payload());
            }
            self.table.remove(next.key.as_slice())?;
        }
        let bytes_max = chunk_bytes(writer.len(), place, more);
        let mut chunks = writer.finish(more);
        if let [whole] = chunks.as_slice()
            && whole.bytes.len() > CHUNK_BYTES_MAX
        {
            let mut writer = Writer::new(self.payloads, bytes_max);
            let mut entries = Entries::new(&whole.bytes, self.payloads)?;
            while entries.advance()? {
                writer.push(entries.suffix(), entries.payload());
            }
            chunks = writer.finish(more);
        }
        let is_head = old.key == group;
        if chunks.is_empty() {
            self.table.remove(old.key.as_slice())?;
            return if is_head {
                Ok(())
            } else {
                self.end_before(group, &old.key)
            };
        }
        let mut is_kept = false;
        for (index, chunk) in chunks.iter().enumerate() {
            let mut key = group.to_vec();
            if index > 0 || !is_head {
                key.extend_from_slice(&chunk.first);
            }
            is_kept |= key == old.key;
            self.table.insert(key.as_slice(), chunk.bytes.as_slice())?;
        }
        if !is_kept {
            self.table.remove(old.key.as_slice())?;
        }
        Ok(())
    }

    /// Marks the chunk before `key` as the last of its group.
    fn end_before(&mut self, group: &[u8], key: &[u8]) -> Result<(), Error> {
        let last = read(self.table.range::<&[u8]>(group..key)?.next_back())?
            .ok_or_else(|| Error::corrupt("a group has no first chunk"))?;
        let bytes = flagged(&last.bytes, More::Last);
        self.table.insert(last.key.as_slice(), bytes.as_slice())?;
        Ok(())
    }
}

type Row<'a> = (
    redb::AccessGuard<'a, &'static [u8]>,
    redb::AccessGuard<'a, &'static [u8]>,
);

fn read(row: Option<Result<Row<'_>, redb::StorageError>>) -> Result<Option<Old>, Error> {
    row.transpose()?.map_or(Ok(None), |(key, bytes)| {
        Ok(Some(Old {
            key: key.value().to_vec(),
            bytes: bytes.value().to_vec(),
        }))
    })
}

fn split_group<'e>(edits: &Edits, list: &'e [Edit]) -> (&'e [Edit], &'e [Edit]) {
    let Some(first) = list.first() else {
        return (list, list);
    };
    let group = edits.group(first);
    let count = list
        .iter()
        .take_while(|edit| edits.group(edit) == group)
        .count();
    list.split_at(count)
}

/// Where the new entries of a chunk came to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Behind,
    Among,
}

/// How long chunks may grow when `bytes` are split: full ones if a group grows at its end, else even ones.
fn chunk_bytes(bytes: usize, place: Place, more: More) -> usize {
    if place == Place::Behind && more == More::Last {
        return CHUNK_BYTES_MAX;
    }
    let count = bytes.div_ceil(CHUNK_BYTES_MAX).max(1);
    (bytes.div_ceil(count) + 64).min(CHUNK_BYTES_MAX)
}

/// The old entries of a chunk and the edits to them become one.
struct Merge<'a> {
    edits: &'a Edits,
    strict: Strict,
    gone: &'a mut Gone,
    writer: &'a mut Writer,
}

impl Merge<'_> {
    fn run(&mut self, old: Option<Entries<'_>>, mut list: &[Edit]) -> Result<Place, Error> {
        let mut place = Place::Behind;
        if let Some(mut entries) = old {
            while entries.advance()? {
                let mut is_edited = false;
                while let Some(first) = list.first() {
                    let suffix = self.edits.suffix(first);
                    if suffix > entries.suffix() {
                        break;
                    }
                    place = Place::Among;
                    is_edited = suffix == entries.suffix();
                    list = self.fold(is_edited.then(|| entries.payload()), list)?;
                }
                if !is_edited {
                    self.writer.push(entries.suffix(), entries.payload());
                }
            }
        }
        while !list.is_empty() {
            list = self.fold(None, list)?;
        }
        Ok(place)
    }

    /// Folds the edits of one suffix over what is there.
    fn fold<'e>(&mut self, before: Option<&[u8]>, list: &'e [Edit]) -> Result<&'e [Edit], Error> {
        let Some(first) = list.first() else {
            return Ok(list);
        };
        let edits = self.edits;
        let suffix = edits.suffix(first);
        let count = list
            .iter()
            .take_while(|edit| edits.suffix(edit) == suffix)
            .count();
        let (these, rest) = list.split_at(count);
        let mut now: Option<Vec<u8>> = before.map(<[u8]>::to_vec);
        for edit in these {
            match (edit.op, now.take()) {
                (Op::Assert, Some(_)) if self.strict == Strict::Yes => {
                    return Err(Error::invalid("it asserts what holds already"));
                }
                (Op::Assert, _) => now = Some(edits.payload(edit).to_vec()),
                (Op::Retract, Some(payload)) => {
                    if self.strict == Strict::Yes {
                        self.gone.dead.push(Dead {
                            group: edits.group(edit).to_vec(),
                            suffix: suffix.to_vec(),
                            before: payload,
                            after: edits.payload(edit).to_vec(),
                        });
                    }
                }
                (Op::Retract, None) => {
                    if self.strict == Strict::Yes {
                        return Err(Error::invalid("it retracts what does not hold"));
                    }
                }
            }
        }
        if let Some(payload) = now {
            self.writer.push(suffix, &payload);
        }
        Ok(rest)
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the numbers of a test are small or meant to be cut"
)]
mod tests {
    use std::collections::BTreeMap;

    use redb::backends::InMemoryBackend;
    use redb::{Builder, ReadableDatabase};

    use super::*;
    use crate::store::row::{rows_of, visit_group};

    const TABLE: redb::TableDefinition<'static, &'static [u8], &'static [u8]> =
        redb::TableDefinition::new("runs");

    fn next(state: &mut u64) -> u64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        *state >> 33
    }

    /// Random edits of a few groups, from single ones to thousands, small and large payloads.
    fn agrees(seed: u64, payloads: Payloads) {
        let mut state = seed;
        let database = Builder::new()
            .create_with_backend(InMemoryBackend::new())
            .unwrap();
        let mut model: BTreeMap<(u8, Vec<u8>), Vec<u8>> = BTreeMap::new();
        for round in 0..40 {
            let mut edits = Edits::default();
            let count = [1, 3, 40, 900][(next(&mut state) % 4) as usize];
            let is_shrinking = round % 8 > 4;
            for _ in 0..count {
                let group = (next(&mut state) % 4) as u8;
                let number = (next(&mut state) % 3_000) as u32;
                let suffix = number.to_be_bytes().to_vec();
                let payload = match next(&mut state) % 30 {
                    0 => vec![5; 2_500],
                    n => vec![n as u8 / 8; 2],
                };
                let op = if is_shrinking && !next(&mut state).is_multiple_of(8) {
                    Op::Retract
                } else {
                    Op::Assert
                };
                let mut edit = edits.start(op);
                edit.group().push(group);
                edit.suffix().extend_from_slice(&suffix);
                if payloads == Payloads::Some {
                    edit.payload().extend_from_slice(&payload);
                }
                edit.end();
                let stored = if payloads == Payloads::Some {
                    payload
                } else {
                    Vec::new()
                };
                match op {
                    Op::Assert => model.insert((group, suffix), stored),
                    Op::Retract => model.remove(&(group, suffix)),
                };
            }
            if is_shrinking {
                // Whole stretches go, so that chunks in the middle and at the end empty out.
                let group = (next(&mut state) % 4) as u8;
                let from = next(&mut state) % 3_000;
                for number in from..from + 900 {
                    let suffix = (number as u32).to_be_bytes().to_vec();
                    let mut edit = edits.start(Op::Retract);
                    edit.group().push(group);
                    edit.suffix().extend_from_slice(&suffix);
                    edit.end();
                    model.remove(&(group, suffix));
                }
            }
            let transaction = database.begin_write().unwrap();
            let mut table = transaction.open_table(TABLE).unwrap();
            Apply::new(&mut table, payloads, Strict::No, &mut Gone::default())
                .run(&mut edits)
                .unwrap();
            drop(table);
            transaction.commit().unwrap();
            let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
            for group in 0..4 {
                let mut found = Vec::new();
                let _ = visit_group(&table, payloads, &[group], &[], |suffix, payload| {
                    found.push((suffix.to_vec(), payload.to_vec()));
                    Ok(std::ops::ControlFlow::Continue(()))
                })
                .unwrap();
                let expected: Vec<_> = model
                    .iter()
                    .filter(|((of, _), _)| *of == group)
                    .map(|((_, suffix), payload)| (suffix.clone(), payload.clone()))
                    .collect();
                assert_eq!(found, expected, "seed {seed}, round {round}, group {group}");
                check_chunks(&table, payloads, group);
            }
        }
    }

    fn check_chunks(table: &crate::store::row::Table, payloads: Payloads, group: u8) {
        let rows: Vec<_> = rows_of(table, &[group])
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (index, (key, chunk)) in rows.iter().enumerate() {
            let mut entries = Entries::new(chunk.value(), payloads).unwrap();
            assert_eq!(entries.more() == More::Last, index + 1 == rows.len());
            assert!(entries.advance().unwrap(), "an empty chunk");
            let fence = if index == 0 {
                &[][..]
            } else {
                entries.suffix()
            };
            assert_eq!(key.value(), [&[group], fence].concat());
            assert!(chunk.value().len() <= CHUNK_BYTES_MAX || !entries.advance().unwrap());
        }
    }

    #[test]
    fn runs_agree_with_a_plain_map() {
        for seed in 1..4 {
            agrees(seed, Payloads::None);
            agrees(seed, Payloads::Some);
        }
    }
}
