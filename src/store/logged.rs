//! A block as it stands in the log, where flakes of it may have been erased.
//!
//! 1. Of an erased flake the leaf stays, so that the block's hash is still computed from its bytes.
//! 2. With the first flake that is erased the block's secret goes too: else the leaf would confirm a guess at the
//!    flake. The hash of the secret stays, and each flake that is left gets its salt beside it.
//! 3. A block of which nothing was erased, and that erases nothing, is written in version 1, else in version 2.
//!
//! Shape: docs/format.md, "The log".

use std::collections::BTreeSet;

use super::block::{Block, Sealed, check_erasure, check_flakes, check_place};
use super::chain::{self, Hash, Parts, Salt, put_erasure, put_flake};
use super::error::Error;
use super::key::{Reader, whole_value};
use super::run::{put_front, take_front};
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::model::{
    CollectionId, Commit, Digest, Erased, Erasure, Flake, Head, Incarnation, Op, Reason, SubjectId,
    T,
};

const WHOLE_VERSION: u8 = 1;
const VERSION: u8 = 2;
const HAS_ERASED: u8 = 1;
const ERASES: u8 = 2;
/// What an erased entry begins with; no other does.
const ERASED: u8 = 0xFE;

/// A block as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) block: Block,
    secret: Secret,
    entries: Vec<Entry>,
    pub(super) erasure: Erasure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Secret {
    Whole([u8; 16]),
    /// Its hash, and the salt of each entry; that of an erased one is zero.
    Gone {
        hash: Hash,
        salts: Vec<Salt>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Flake(Flake),
    Erased(Hash),
}

impl Entry {
    fn flake(&self) -> Option<&Flake> {
        match self {
            Self::Flake(flake) => Some(flake),
            Self::Erased(_) => None,
        }
    }
}

impl Logged {
    /// A block as it is first written.
    fn of(sealed: &Sealed) -> Result<Self, Error> {
        let commit = &sealed.commit;
        let mut logged = Self {
            block: header(sealed),
            secret: Secret::Whole(commit.secret),
            entries: commit.flakes.iter().cloned().map(Entry::Flake).collect(),
            erasure: commit.erasure.clone(),
        };
        for erased in commit.erasure.flakes.iter().filter(|it| it.t == commit.t) {
            logged.erase(erased.index)?;
        }
        Ok(logged)
    }

    /// The block, without the flakes that were erased and, where any was, without its secret.
    pub(super) fn into_sealed(self) -> Sealed {
        let Block {
            t,
            instant_ms,
            auth,
            id,
            previous,
            hash,
        } = self.block;
        let flakes = self.entries.into_iter().filter_map(|entry| match entry {
            Entry::Flake(flake) => Some(flake),
            Entry::Erased(_) => None,
        });
        let secret = match self.secret {
            Secret::Whole(secret) => secret,
            Secret::Gone { .. } => [0; 16],
        };
        Sealed {
            commit: Commit {
                t,
                instant_ms,
                auth,
                id,
                secret,
                flakes: flakes.collect(),
                erasure: self.erasure,
            },
            previous,
            hash,
        }
    }

    /// The chain's end once this block is on it.
    pub(super) fn head(&self) -> Head {
        Head {
            t: self.block.t,
            hash: self.block.hash,
            instant_ms: self.block.instant_ms,
        }
    }

    /// How many flakes the block has, erased ones counted.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The flakes that are there.
    pub(super) fn flakes(&self) -> impl Iterator<Item = &Flake> + Clone {
        self.entries.iter().filter_map(Entry::flake)
    }

    /// The places of the flakes that were erased.
    pub(super) fn erased(&self) -> impl Iterator<Item = Erased> {
        let t = self.block.t;
        self.entries
            .iter()
            .zip(0_u32..)
            .filter_map(move |(entry, index)| {
                entry.flake().is_none().then_some(Erased { t, index })
            })
    }

    /// The places of those of the flakes that are there.
    pub(super) fn places(&self, flakes: &BTreeSet<Flake>) -> impl Iterator<Item = Erased> {
        let t = self.block.t;
        let entries = self.entries.iter().zip(0_u32..);
        entries.filter_map(move |(entry, index)| {
            let flake = entry.flake()?;
            flakes.contains(flake).then_some(Erased { t, index })
        })
    }

    /// Puts its leaf in place of a flake, and gives back the flake.
    ///
    /// # Errors
    /// `Invalid` if there is none at this place.
    pub(super) fn erase(&mut self, index: u32) -> Result<Flake, Error> {
        let none = || Error::invalid("it erases a flake that is not there");
        let index = usize::try_from(index).map_err(|_| none())?;
        let entry = self.entries.get_mut(index).ok_or_else(none)?;
        let Entry::Flake(flake) = entry else {
            return Err(none());
        };
        let flake = flake.clone();
        if let Secret::Whole(secret) = &self.secret {
            self.secret = Secret::Gone {
                hash: chain::secret_hash(secret),
                salts: chain::salts(secret, self.entries.len()),
            };
        }
        if let Secret::Gone { salts, .. } = &mut self.secret
            && let Some(salt) = salts.get_mut(index)
            && let Some(entry) = self.entries.get_mut(index)
        {
            *entry = Entry::Erased(chain::leaf(salt, &flake, &mut Vec::new()));
            *salt = [0; 16];
        }
        Ok(flake)
    }

    /// Checks that the block follows `head` and has the hash that its bytes have.
    pub(super) fn check(&self, incarnation: Incarnation, head: &Head) -> Result<(), Error> {
        let Block {
            t,
            instant_ms,
            auth,
            id,
            previous,
            hash,
        } = self.block;
        check_place(head, t, instant_ms, auth)?;
        if previous != head.hash {
            return Err(Error::invalid(
                "it does not name the hash of the block before it",
            ));
        }
        check_flakes(t, self.flakes())?;
        check_erasure(t, &self.erasure)?;
        let (secret_hash, salts) = match &self.secret {
            Secret::Whole(secret) => {
                let salts = chain::salts(secret, self.entries.len());
                (chain::secret_hash(secret), salts)
            }
            Secret::Gone { hash, salts } => (*hash, salts.clone()),
        };
        let mut bytes = Vec::new();
        let leaves = self
            .entries
            .iter()
            .zip(&salts)
            .map(|(entry, salt)| match entry {
                Entry::Flake(flake) => chain::leaf(salt, flake, &mut bytes),
                Entry::Erased(leaf) => *leaf,
            });
        let parts = Parts {
            t,
            instant_ms,
            auth,
            id,
            secret_hash,
            leaves: leaves.collect(),
            erasure: &self.erasure,
        };
        if chain::hash(incarnation, previous, &parts) == hash {
            Ok(())
        } else {
            Err(Error::invalid(
                "it does not have the hash that its bytes have",
            ))
        }
    }

    /// The block's bytes in the log.
    pub(super) fn encode(&self) -> Vec<u8> {
        let entries = self.entries.iter().map(|entry| match entry {
            Entry::Flake(flake) => Left::Flake(flake),
            Entry::Erased(leaf) => Left::Erased(leaf),
        });
        put_block(&self.block, &self.secret, entries, &self.erasure)
    }

    /// The block with these bytes.
    pub(super) fn decode(t: T, bytes: &[u8]) -> Result<Self, Error> {
        let Header {
            block,
            secret,
            flags,
            mut reader,
        } = Header::take(t, bytes)?;
        let count = usize::try_from(u32::from_be_bytes(reader.array()?)).unwrap_or(usize::MAX);
        if count > COMMIT_FLAKES_MAX {
            return Err(Error::corrupt(format!("block {} has too many flakes", t.0)));
        }
        let has_erased = flags & HAS_ERASED != 0;
        let mut entries = Vec::new();
        let mut salts = Vec::new();
        let mut flake = Vec::new();
        for _ in 0..count {
            if has_erased && reader.rest().first() == Some(&ERASED) {
                reader.byte()?;
                entries.push(Entry::Erased(reader.array()?));
                salts.push([0; 16]);
                continue;
            }
            take_front(&mut reader, &mut flake)?;
            entries.push(Entry::Flake(take_flake(&flake)?));
            if has_erased {
                salts.push(reader.array()?);
            }
        }
        let erasure = if flags & ERASES == 0 {
            Erasure::default()
        } else {
            take_erasure(&mut reader)?
        };
        if !reader.is_empty() {
            return Err(Error::corrupt(format!("block {} is too long", t.0)));
        }
        let secret = match secret {
            Secret::Gone { hash, .. } => Secret::Gone { hash, salts },
            whole @ Secret::Whole(_) => whole,
        };
        Ok(Self {
            block,
            secret,
            entries,
            erasure,
        })
    }
}

/// The bytes of a block as it is first written: without what it erases of its own.
pub(super) fn encode(sealed: &Sealed) -> Result<Vec<u8>, Error> {
    let Sealed { commit, .. } = sealed;
    if commit.erasure.flakes.iter().any(|it| it.t == commit.t) {
        return Ok(Logged::of(sealed)?.encode());
    }
    let secret = Secret::Whole(commit.secret);
    let entries = commit.flakes.iter().map(Left::Flake);
    Ok(put_block(
        &header(sealed),
        &secret,
        entries,
        &commit.erasure,
    ))
}

fn header(sealed: &Sealed) -> Block {
    let Sealed {
        commit,
        previous,
        hash,
    } = sealed;
    Block {
        t: commit.t,
        instant_ms: commit.instant_ms,
        auth: commit.auth,
        id: commit.id,
        previous: *previous,
        hash: *hash,
    }
}

/// An entry that is lent.
enum Left<'a> {
    Flake(&'a Flake),
    Erased(&'a Hash),
}

fn put_block<'a>(
    block: &Block,
    secret: &Secret,
    entries: impl ExactSizeIterator<Item = Left<'a>>,
    erasure: &Erasure,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(160 + entries.len() * 16);
    let (has_erased, erases) = (matches!(secret, Secret::Gone { .. }), !erasure.is_empty());
    if has_erased || erases {
        out.push(VERSION);
        out.push(if has_erased { HAS_ERASED } else { 0 } | if erases { ERASES } else { 0 });
    } else {
        out.push(WHOLE_VERSION);
    }
    out.extend_from_slice(&block.instant_ms.to_be_bytes());
    out.extend_from_slice(&block.auth.raw().to_be_bytes());
    out.extend_from_slice(&block.id.0);
    let salts: &[Salt] = match secret {
        Secret::Whole(secret) => {
            out.extend_from_slice(secret);
            &[]
        }
        Secret::Gone { hash, salts } => {
            out.extend_from_slice(hash);
            salts
        }
    };
    out.extend_from_slice(&block.previous.0);
    out.extend_from_slice(&block.hash.0);
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    let (mut last, mut next) = (Vec::new(), Vec::new());
    let mut salts = salts.iter();
    for entry in entries {
        let salt = salts.next();
        match entry {
            Left::Flake(flake) => {
                next.clear();
                put_flake(&mut next, flake);
                put_front(&mut out, &last, &next);
                std::mem::swap(&mut last, &mut next);
                out.extend(salt.into_iter().flatten());
            }
            Left::Erased(leaf) => {
                out.push(ERASED);
                out.extend_from_slice(leaf);
            }
        }
    }
    if erases {
        put_erasure(&mut out, erasure);
    }
    out
}

/// What stands before the flakes.
struct Header<'a> {
    block: Block,
    secret: Secret,
    flags: u8,
    reader: Reader<'a>,
}

impl<'a> Header<'a> {
    fn take(t: T, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let unknown = |what| Error::corrupt(format!("block {} has {what}", t.0));
        let flags = match reader.byte()? {
            WHOLE_VERSION => 0,
            VERSION => reader.byte()?,
            _ => return Err(unknown("an unknown version")),
        };
        if flags > HAS_ERASED | ERASES {
            return Err(unknown("unknown flags"));
        }
        let instant_ms = i64::from_be_bytes(reader.array()?);
        let auth = SubjectId::from_raw(i64::from_be_bytes(reader.array()?))
            .ok_or_else(|| Error::corrupt(format!("the auth of block {} is malformed", t.0)))?;
        let id = Digest(reader.array()?);
        let secret = if flags & HAS_ERASED == 0 {
            Secret::Whole(reader.array()?)
        } else {
            Secret::Gone {
                hash: reader.array()?,
                salts: Vec::new(),
            }
        };
        let block = Block {
            t,
            instant_ms,
            auth,
            id,
            previous: Digest(reader.array()?),
            hash: Digest(reader.array()?),
        };
        Ok(Self {
            block,
            secret,
            flags,
            reader,
        })
    }
}

/// The header of the block with these bytes.
pub(super) fn decode_header(t: T, bytes: &[u8]) -> Result<Block, Error> {
    Header::take(t, bytes).map(|header| header.block)
}

/// How many flakes the block with these bytes has, erased ones counted.
pub(super) fn decode_count(t: T, bytes: &[u8]) -> Result<u32, Error> {
    let mut header = Header::take(t, bytes)?;
    Ok(u32::from_be_bytes(header.reader.array()?))
}

fn take_flake(bytes: &[u8]) -> Result<Flake, Error> {
    let mut reader = Reader::new(bytes);
    let s = reader.subject()?;
    let p = reader.predicate()?;
    let o = whole_value(reader.key_value()?, &[])?;
    let op = match reader.rest() {
        [0] => Op::Retract,
        [1] => Op::Assert,
        _ => return Err(Error::corrupt("a flake's op is malformed")),
    };
    Ok(Flake { s, p, o, op })
}

fn take_erasure(reader: &mut Reader<'_>) -> Result<Erasure, Error> {
    let reason = match reader.byte()? {
        0 => Reason::Superseded,
        1 => Reason::Asked,
        _ => return Err(Error::corrupt("the reason of an erasure is malformed")),
    };
    let mut flakes = Vec::new();
    for _ in 0..reader.length()? {
        let t = reader.t()?;
        let index = u32::try_from(reader.uint()?)
            .map_err(|_| Error::corrupt("the place of a flake is too large"))?;
        flakes.push(Erased { t, index });
    }
    let mut next = Vec::new();
    for _ in 0..reader.length()? {
        let collection = CollectionId::new(reader.uint()?)
            .ok_or_else(|| Error::corrupt("a collection's id is out of range"))?;
        next.push((collection, reader.uint()?));
    }
    Ok(Erasure {
        reason,
        flakes,
        next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PredicateId, Value};
    use crate::store::block::seal;

    const INCARNATION: Incarnation = Incarnation([1; 16]);

    fn genesis() -> Head {
        Head {
            t: T(0),
            hash: Digest([0; 32]),
            instant_ms: 0,
        }
    }

    fn logged(count: u64) -> Logged {
        let c = CollectionId::new(20).unwrap();
        let commit = Commit {
            t: T(1),
            instant_ms: 5,
            auth: SubjectId::new(c, 0).unwrap(),
            id: Digest([2; 32]),
            secret: [3; 16],
            flakes: (0..count)
                .map(|n| Flake {
                    s: SubjectId::new(c, n).unwrap(),
                    p: PredicateId(1_001),
                    o: Value::string("a value that is erased"),
                    op: Op::Assert,
                })
                .collect(),
            erasure: Erasure::default(),
        };
        Logged::of(&seal(INCARNATION, &genesis(), commit).unwrap()).unwrap()
    }

    fn is_read_as_written(logged: &Logged) {
        let bytes = logged.encode();
        assert_eq!(&Logged::decode(T(1), &bytes).unwrap(), logged);
        for end in 0..bytes.len() {
            assert!(Logged::decode(T(1), &bytes[..end]).is_err());
        }
        logged.check(INCARNATION, &genesis()).unwrap();
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        is_read_as_written(&logged(9));
        is_read_as_written(&logged(0));
    }

    #[test]
    fn a_block_keeps_its_hash_whatever_is_erased_and_tells_nothing_of_it() {
        for erased in [&[0][..], &[8], &[3, 4], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
            let mut logged = logged(9);
            for index in erased {
                logged.erase(*index).unwrap();
                assert!(logged.erase(*index).is_err());
            }
            assert!(logged.erase(9).is_err());
            is_read_as_written(&logged);
            assert_eq!(logged.flakes().count(), 9 - erased.len());
            assert_eq!(logged.erased().count(), erased.len());
            let bytes = logged.encode();
            // With the secret a guess could be confirmed.
            assert!(!bytes.windows(16).any(|part| part == [3; 16]));
            let left = bytes
                .windows(22)
                .any(|part| part == b"a value that is erased");
            assert_eq!(left, erased.len() < 9);
        }
    }

    #[test]
    fn a_leaf_that_is_changed_is_found() {
        let mut logged = logged(3);
        logged.erase(1).unwrap();
        let Some(Entry::Erased(leaf)) = logged.entries.get_mut(1) else {
            panic!("it was not erased");
        };
        leaf[0] ^= 1;
        assert!(logged.check(INCARNATION, &genesis()).is_err());
    }
}
