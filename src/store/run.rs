//! Runs: the sorted entries of one group, packed into chunks.
//!
//! This codec serves every index. An entry is a suffix (its place in the order) and a payload.
//!
//! 1. A chunk is a flags byte (bit 0: *more chunks follow*), then entries, each coded against the one before it.
//! 2. The first chunk of a group stands under the group's key; each further one under the group's key and the
//!    suffix of its own first entry. No chunk is empty.
//! 3. Whether more chunks follow is told by the flag and never by a length.
//! 4. A payload equal to the one before it costs one byte.
//!
//! Shape: docs/format.md, "Runs".

use std::cmp::Ordering;

use super::error::Error;
use super::key::{Reader, put_length};

/// A chunk that would grow longer than this is split, bytes.
pub(super) const CHUNK_BYTES_MAX: usize = 2_000;
/// A chunk that would be shorter than this takes in the one after it, bytes.
pub(super) const CHUNK_BYTES_MIN: usize = 500;

const MORE: u8 = 1;
const NIBBLE: usize = 15;
const WIDE: u8 = 0xFF;

/// Whether another chunk of the group follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    Follows,
    Last,
}

/// How much two byte strings have in common at their beginning.
pub(super) fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Puts `next` as what it shares with `last`, and the rest.
pub(super) fn put_front(out: &mut Vec<u8>, last: &[u8], next: &[u8]) {
    let shared = shared(last, next);
    let rest = next.get(shared..).unwrap_or_default();
    match (u8::try_from(shared), u8::try_from(rest.len())) {
        (Ok(s), Ok(r)) if shared < NIBBLE && rest.len() < NIBBLE => out.push(s << 4 | r),
        _ => {
            out.push(WIDE);
            put_length(out, shared);
            put_length(out, rest.len());
        }
    }
    out.extend_from_slice(rest);
}

/// Takes what [`put_front`] put; `last` becomes the next.
#[inline]
pub(super) fn take_front(reader: &mut Reader<'_>, last: &mut Vec<u8>) -> Result<(), Error> {
    let (shares, rest) = front(reader)?;
    if shares > last.len() {
        return Err(Error::corrupt(SHARES_TOO_MUCH));
    }
    last.truncate(shares);
    last.extend_from_slice(rest);
    Ok(())
}

const SHARES_TOO_MUCH: &str = "an entry shares more than there is";

/// How much an entry shares with the one before it, and the rest of it.
#[inline]
fn front<'a>(reader: &mut Reader<'a>) -> Result<(usize, &'a [u8]), Error> {
    let head = reader.byte()?;
    let (shares, rest) = if head == WIDE {
        (reader.length()?, reader.length()?)
    } else {
        (usize::from(head >> 4), usize::from(head & 0x0F))
    };
    Ok((shares, reader.take(rest)?))
}

/// Whether the entries of a table carry payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payloads {
    Some,
    None,
}

/// Room for the suffixes of most entries, bytes.
const SUFFIX_BYTES: usize = 64;

/// The entries of one chunk, one after another.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    reader: Reader<'a>,
    payloads: Payloads,
    more: More,
    suffix: Vec<u8>,
    payload: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(super) fn new(chunk: &'a [u8], payloads: Payloads) -> Result<Self, Error> {
        let mut reader = Reader::new(chunk);
        let more = match reader.byte()? {
            0 => More::Last,
            MORE => More::Follows,
            _ => return Err(Error::corrupt("a chunk has unknown flags")),
        };
        Ok(Self {
            reader,
            payloads,
            more,
            suffix: Vec::with_capacity(SUFFIX_BYTES),
            payload: &[],
        })
    }

    pub(super) const fn more(&self) -> More {
        self.more
    }

    /// Moves to the next entry, if there is one.
    #[inline]
    pub(super) fn advance(&mut self) -> Result<bool, Error> {
        if self.reader.is_empty() {
            return Ok(false);
        }
        take_front(&mut self.reader, &mut self.suffix)?;
        self.take_payload()?;
        Ok(true)
    }

    /// Moves from before the first entry to the first that is `from` or behind it, if there is one.
    ///
    /// Entries ascend, and each tells how much it shares with the one before it: so most of those that are passed
    /// over need not be put together. `common` is how much of `from` the last one passed over begins with.
    pub(super) fn seek(&mut self, from: &[u8]) -> Result<bool, Error> {
        let (mut common, mut length) = (0, 0);
        while !self.reader.is_empty() {
            let (shares, rest) = front(&mut self.reader)?;
            if shares > length {
                return Err(Error::corrupt(SHARES_TOO_MUCH));
            }
            length = shares.saturating_add(rest.len());
            self.take_payload()?;
            let (known, wanted) = from.split_at_checked(common).unwrap_or((from, &[]));
            match shares.cmp(&common) {
                // It differs from `from` where the one before it does, and in the same way.
                Ordering::Greater => continue,
                Ordering::Equal if rest < wanted => {
                    common = common.saturating_add(shared(rest, wanted));
                    continue;
                }
                Ordering::Equal | Ordering::Less => {}
            }
            self.suffix.clear();
            self.suffix
                .extend_from_slice(known.get(..shares).unwrap_or(known));
            self.suffix.extend_from_slice(rest);
            return Ok(true);
        }
        Ok(false)
    }

    #[inline]
    fn take_payload(&mut self) -> Result<(), Error> {
        if self.payloads == Payloads::Some {
            let length = self.reader.length()?;
            if length > 0 {
                self.payload = self.reader.take(length)?;
            }
        }
        Ok(())
    }

    pub(super) fn suffix(&self) -> &[u8] {
        &self.suffix
    }

    pub(super) const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Chunks in the making.
#[derive(Debug)]
pub(super) struct Writer {
    payloads: Payloads,
    bytes_max: usize,
    done: Vec<Chunk>,
    bytes: Vec<u8>,
    first: Vec<u8>,
    last: Vec<u8>,
    payload: Vec<u8>,
}

/// One chunk: the suffix of its first entry, and its bytes.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) first: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(payloads: Payloads, bytes_max: usize) -> Self {
        Self {
            payloads,
            bytes_max,
            done: Vec::new(),
            bytes: vec![0],
            first: Vec::new(),
            last: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Adds an entry behind all others.
    pub(super) fn push(&mut self, suffix: &[u8], payload: &[u8]) {
        let mut before = self.bytes.len();
        self.put(suffix, payload);
        if self.bytes.len() > self.bytes_max && before > 1 {
            self.bytes.truncate(before);
            self.cut();
            before = 1;
            self.put(suffix, payload);
        }
        if before == 1 {
            self.first.clear();
            self.first.extend_from_slice(suffix);
        }
        self.last.clear();
        self.last.extend_from_slice(suffix);
        if self.payloads == Payloads::Some {
            self.payload.clear();
            self.payload.extend_from_slice(payload);
        }
    }

    fn put(&mut self, suffix: &[u8], payload: &[u8]) {
        put_front(&mut self.bytes, &self.last, suffix);
        if self.payloads == Payloads::Some {
            if payload == self.payload.as_slice() {
                self.bytes.push(0);
            } else {
                put_length(&mut self.bytes, payload.len());
                self.bytes.extend_from_slice(payload);
            }
        }
    }

    fn cut(&mut self) {
        self.done.push(Chunk {
            first: std::mem::take(&mut self.first),
            bytes: std::mem::replace(&mut self.bytes, vec![0]),
        });
        self.last.clear();
        self.payload.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The chunks, flagged; `more` says what follows the last of them.
    pub(super) fn finish(mut self, more: More) -> Vec<Chunk> {
        if self.bytes.len() > 1 {
            self.cut();
        }
        let last = self.done.len().saturating_sub(1);
        for (index, chunk) in self.done.iter_mut().enumerate() {
            if (index < last || more == More::Follows)
                && let Some(flags) = chunk.bytes.first_mut()
            {
                *flags = MORE;
            }
        }
        self.done
    }
}

/// The chunk with another flag.
pub(super) fn flagged(chunk: &[u8], more: More) -> Vec<u8> {
    let mut chunk = chunk.to_vec();
    if let Some(flags) = chunk.first_mut() {
        *flags = u8::from(more == More::Follows);
    }
    chunk
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the numbers of a test are small or meant to be cut"
)]
mod tests {
    use super::*;

    type List = Vec<(Vec<u8>, Vec<u8>)>;

    fn read(chunk: &[u8], payloads: Payloads) -> Result<List, Error> {
        let mut entries = Entries::new(chunk, payloads)?;
        let mut list = Vec::new();
        while entries.advance()? {
            list.push((entries.suffix().to_vec(), entries.payload().to_vec()));
        }
        Ok(list)
    }

    #[test]
    fn what_is_written_is_read_and_no_chunk_is_longer_than_it_may_be() {
        for payloads in [Payloads::Some, Payloads::None] {
            for step in [1, 7, 300, 70_000] {
                for count in [1_u32, 2, 500, 1_200] {
                    let list: Vec<_> = (0..count)
                        .map(|n| ((n * step).to_be_bytes().to_vec(), vec![(n / 9) as u8; 3]))
                        .collect();
                    let mut writer = Writer::new(payloads, CHUNK_BYTES_MAX);
                    for (suffix, payload) in &list {
                        writer.push(suffix, payload);
                    }
                    let chunks = writer.finish(More::Last);
                    let mut found = Vec::new();
                    for (index, chunk) in chunks.iter().enumerate() {
                        assert!(chunk.bytes.len() <= CHUNK_BYTES_MAX);
                        let more = Entries::new(&chunk.bytes, payloads).unwrap().more();
                        assert_eq!(more == More::Last, index + 1 == chunks.len());
                        let part = read(&chunk.bytes, payloads).unwrap();
                        assert_eq!(part[0].0, chunk.first);
                        found.extend(part);
                    }
                    let has_payloads = payloads == Payloads::Some;
                    let expected: Vec<_> = list
                        .into_iter()
                        .map(|(s, p)| (s, if has_payloads { p } else { Vec::new() }))
                        .collect();
                    assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn seeking_is_passing_over_all_that_comes_before() {
        let mut state = 5_u64;
        let mut below = |end: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % end
        };
        for round in 0..400 {
            // Few letters, so that much is shared; lengths on both sides of a nibble.
            let longest = if round % 2 == 0 { 5 } else { 20 };
            let mut text = || -> Vec<u8> { (0..below(longest)).map(|_| below(3) as u8).collect() };
            let list: std::collections::BTreeSet<Vec<u8>> = (0..40).map(|_| text()).collect();
            let mut writer = Writer::new(Payloads::Some, usize::MAX);
            for suffix in &list {
                writer.push(suffix, suffix.get(..1).unwrap_or(b"e"));
            }
            let chunk = writer.finish(More::Last).remove(0).bytes;
            for target in list.iter().cloned().chain((0..40).map(|_| text())) {
                let mut entries = Entries::new(&chunk, Payloads::Some).unwrap();
                let rest = list.range(target.clone()..);
                let mut is_there = entries.seek(&target).unwrap();
                for expected in rest {
                    assert!(is_there);
                    assert_eq!(entries.suffix(), expected, "{target:?} in {list:?}");
                    assert_eq!(entries.payload(), expected.get(..1).unwrap_or(b"e"));
                    is_there = entries.advance().unwrap();
                }
                assert!(!is_there, "{target:?} in {list:?}");
            }
        }
    }

    #[test]
    fn an_entry_longer_than_a_chunk_stands_alone() {
        let mut writer = Writer::new(Payloads::Some, CHUNK_BYTES_MAX);
        let long = vec![1; 5_000];
        for suffix in [[1], [2], [3]] {
            writer.push(&suffix, if suffix == [2] { &long } else { &[7] });
        }
        let chunks = writer.finish(More::Follows);
        let found: Vec<_> = chunks
            .iter()
            .map(|chunk| read(&chunk.bytes, Payloads::Some).unwrap().len())
            .collect();
        assert_eq!(found, [1, 1, 1]);
    }

    #[test]
    fn any_bytes_are_read_or_refused() {
        let mut state = 3_u64;
        let mut byte = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as u8
        };
        for round in 0..20_000_usize {
            let mut bytes: Vec<u8> = (0..round % 60).map(|_| byte()).collect();
            if let Some(first) = bytes.first_mut() {
                *first &= 3;
            }
            let _ = read(&bytes, Payloads::Some);
            let _ = read(&bytes, Payloads::None);
            if let Ok(mut entries) = Entries::new(&bytes, Payloads::Some) {
                let _ = entries.seek(&bytes);
            }
        }
    }
}
