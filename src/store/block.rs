//! Blocks: a commit, sealed into the chain, and its bytes in the log.
//!
//! 1. A block's hash covers the domain word, the incarnation, the hash before it, the header and the root.
//! 2. The root is that of a Merkle tree in the shape of RFC 6962 over one leaf a flake.
//! 3. A leaf hashes a salt and the flake in the log's own encoding; salts come from the block's secret, so that
//!    a hash tells nothing of a flake that was erased.
//!
//! Shape: docs/format.md, "The log" and "The chain".

use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::key::{Reader, put_predicate, put_subject, put_value};
use super::run::{put_front, take_front};
use crate::base::limits::COMMIT_FLAKES_MAX;
use crate::model::{Commit, Digest, Flake, Head, Incarnation, Op, SubjectId, T};

const BLOCK_WORD: &[u8] = b"solon/block/1";
const SECRET_WORD: &[u8] = b"solon/secret/1";
const SALT_WORD: &[u8] = b"solon/salt/1";
const LEAF: u8 = 0;
const NODE: u8 = 1;
const LOG_VERSION: u8 = 1;

/// A commit in its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// What it makes true.
    pub commit: Commit,
    /// The hash of the block before it; all zero for the first.
    pub previous: Digest,
    /// The block's own hash.
    pub hash: Digest,
}

impl Sealed {
    /// The chain's end once this block is on it.
    pub fn head(&self) -> Head {
        Head {
            t: self.commit.t,
            hash: self.hash,
            instant_ms: self.commit.instant_ms,
        }
    }
}

/// A block without its flakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub t: T,
    /// Its instant, Unix milliseconds.
    pub instant_ms: i64,
    /// The `_auth` that made the transaction.
    pub auth: SubjectId,
    /// The transaction's id.
    pub id: Digest,
    /// The hash of the block before it; all zero for the first.
    pub previous: Digest,
    /// Its own hash.
    pub hash: Digest,
}

/// Seals `commit` as the block that follows `head`.
///
/// # Errors
/// `Invalid` if the commit's `t` or instant does not follow, if its flakes are out of order, doubled, or more
/// than `COMMIT_FLAKES_MAX`, or if a flake's subject is a block that is not there yet.
pub fn seal(incarnation: Incarnation, head: &Head, commit: Commit) -> Result<Sealed, Error> {
    check(head, &commit)?;
    let previous = head.hash;
    let hash = hash(incarnation, previous, &commit);
    Ok(Sealed {
        commit,
        previous,
        hash,
    })
}

fn check(head: &Head, commit: &Commit) -> Result<(), Error> {
    if commit.t != head.t.next() || i64::try_from(commit.t.0).is_err() {
        return Err(Error::invalid(format!(
            "its t is {}, after {}",
            commit.t.0, head.t.0
        )));
    }
    if head.t != T(0) && commit.instant_ms < head.instant_ms {
        return Err(Error::invalid("its instant is before the last block's"));
    }
    if commit.auth.block().is_some() {
        return Err(Error::invalid("its auth is a block"));
    }
    if commit.flakes.len() > COMMIT_FLAKES_MAX {
        return Err(Error::invalid(format!(
            "it has {} flakes, and {COMMIT_FLAKES_MAX} are allowed",
            commit.flakes.len()
        )));
    }
    if !commit.flakes.is_sorted_by(|a, b| a < b) {
        return Err(Error::invalid("its flakes are out of order or doubled"));
    }
    let is_ahead = |flake: &Flake| flake.s.block().is_some_and(|t| t > commit.t || t == T(0));
    if commit.flakes.iter().any(is_ahead) {
        return Err(Error::invalid("a flake's subject is a block to come"));
    }
    Ok(())
}

/// The hash of the block that `commit` is after `previous`.
pub(super) fn hash(incarnation: Incarnation, previous: Digest, commit: &Commit) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(BLOCK_WORD);
    hasher.update(incarnation.0);
    hasher.update(previous.0);
    hasher.update(commit.t.0.to_be_bytes());
    hasher.update(commit.instant_ms.to_be_bytes());
    hasher.update(commit.auth.raw().to_be_bytes());
    hasher.update(commit.id.0);
    // So that a changed secret is found in a block without flakes too.
    hasher.update(digest(&[SECRET_WORD, &commit.secret]));
    hasher.update(count(commit).to_be_bytes());
    hasher.update(root(leaves(commit)));
    Digest(hasher.finalize().into())
}

fn count(commit: &Commit) -> u32 {
    u32::try_from(commit.flakes.len()).unwrap_or(u32::MAX)
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// One hash a flake. Two flakes share one salt hash, a half each.
fn leaves(commit: &Commit) -> Vec<[u8; 32]> {
    let mut leaves = Vec::with_capacity(commit.flakes.len());
    let mut bytes = Vec::new();
    for (pair, index) in commit.flakes.chunks(2).zip(0_u32..) {
        let salts = digest(&[SALT_WORD, &commit.secret, &index.to_be_bytes()]);
        for (flake, salt) in pair.iter().zip(salts.chunks(16)) {
            bytes.clear();
            put_flake(&mut bytes, flake);
            leaves.push(digest(&[&[LEAF], salt, &bytes]));
        }
    }
    leaves
}

/// The Merkle tree hash. Pairing neighbours and carrying an odd last one up gives the tree of RFC 6962.
fn root(mut level: Vec<[u8; 32]>) -> [u8; 32] {
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => digest(&[&[NODE], left, right]),
                [only] => *only,
                _ => [0; 32],
            })
            .collect();
    }
    level.pop().unwrap_or_else(|| digest(&[]))
}

/// A flake in the log's own encoding.
fn put_flake(out: &mut Vec<u8>, flake: &Flake) {
    put_subject(out, flake.s);
    put_predicate(out, flake.p);
    put_value(out, flake.o.borrow());
    out.push(u8::from(flake.op == Op::Assert));
}

fn take_flake(bytes: &[u8]) -> Result<Flake, Error> {
    let mut reader = Reader::new(bytes);
    let s = reader.subject()?;
    let p = reader.predicate()?;
    let o = super::key::whole_value(reader.key_value()?, &[])?;
    let op = match reader.rest() {
        [0] => Op::Retract,
        [1] => Op::Assert,
        _ => return Err(Error::corrupt("a flake's op is malformed")),
    };
    Ok(Flake { s, p, o, op })
}

/// The block's bytes in the log.
pub(super) fn encode(sealed: &Sealed) -> Vec<u8> {
    let commit = &sealed.commit;
    let mut out = Vec::with_capacity(160 + commit.flakes.len() * 16);
    out.push(LOG_VERSION);
    out.extend_from_slice(&commit.instant_ms.to_be_bytes());
    out.extend_from_slice(&commit.auth.raw().to_be_bytes());
    out.extend_from_slice(&commit.id.0);
    out.extend_from_slice(&commit.secret);
    out.extend_from_slice(&sealed.previous.0);
    out.extend_from_slice(&sealed.hash.0);
    out.extend_from_slice(&count(commit).to_be_bytes());
    let (mut last, mut next) = (Vec::new(), Vec::new());
    for flake in &commit.flakes {
        next.clear();
        put_flake(&mut next, flake);
        put_front(&mut out, &last, &next);
        std::mem::swap(&mut last, &mut next);
    }
    out
}

/// The block's header, and what follows it: the secret and the flakes.
fn take_header(t: T, bytes: &[u8]) -> Result<(Block, [u8; 16], Reader<'_>), Error> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != LOG_VERSION {
        return Err(Error::corrupt(format!(
            "block {} has an unknown version",
            t.0
        )));
    }
    let instant_ms = i64::from_be_bytes(reader.array()?);
    let auth = SubjectId::from_raw(i64::from_be_bytes(reader.array()?))
        .ok_or_else(|| Error::corrupt(format!("the auth of block {} is malformed", t.0)))?;
    let id = Digest(reader.array()?);
    let secret = reader.array()?;
    let block = Block {
        t,
        instant_ms,
        auth,
        id,
        previous: Digest(reader.array()?),
        hash: Digest(reader.array()?),
    };
    Ok((block, secret, reader))
}

/// The header of the block with these bytes.
pub(super) fn decode_header(t: T, bytes: &[u8]) -> Result<Block, Error> {
    take_header(t, bytes).map(|(block, ..)| block)
}

/// The block with these bytes.
pub(super) fn decode(t: T, bytes: &[u8]) -> Result<Sealed, Error> {
    let (block, secret, mut reader) = take_header(t, bytes)?;
    let count = u32::from_be_bytes(reader.array()?);
    let mut flakes = Vec::new();
    let mut flake = Vec::new();
    for _ in 0..count {
        take_front(&mut reader, &mut flake)?;
        flakes.push(take_flake(&flake)?);
    }
    if !reader.is_empty() {
        return Err(Error::corrupt(format!("block {} is too long", t.0)));
    }
    Ok(Sealed {
        commit: Commit {
            t,
            instant_ms: block.instant_ms,
            auth: block.auth,
            id: block.id,
            secret,
            flakes,
        },
        previous: block.previous,
        hash: block.hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CollectionId, PredicateId, Value};

    const INCARNATION: Incarnation = Incarnation([1; 16]);

    fn genesis() -> Head {
        Head {
            t: T(0),
            hash: Digest([0; 32]),
            instant_ms: 0,
        }
    }

    fn commit(count: u64) -> Commit {
        let c = CollectionId::new(20).unwrap();
        Commit {
            t: T(1),
            instant_ms: 5,
            auth: SubjectId::new(c, 0).unwrap(),
            id: Digest([2; 32]),
            secret: [3; 16],
            flakes: (0..count)
                .map(|n| Flake {
                    s: SubjectId::new(c, n).unwrap(),
                    p: PredicateId(1_001),
                    o: Value::Int(1),
                    op: Op::Assert,
                })
                .collect(),
        }
    }

    /// RFC 6962, section 2.1, as it is written there.
    fn rfc(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => digest(&[]),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                digest(&[&[1], &rfc(&leaves[..split]), &rfc(&leaves[split..])])
            }
        }
    }

    #[test]
    fn the_root_is_that_of_rfc_6962() {
        for count in 0..40 {
            let leaves = leaves(&commit(count));
            assert_eq!(root(leaves.clone()), rfc(&leaves));
        }
    }

    #[test]
    fn a_block_is_read_as_it_was_written() {
        let sealed = seal(INCARNATION, &genesis(), commit(9)).unwrap();
        let bytes = encode(&sealed);
        assert_eq!(decode(T(1), &bytes).unwrap(), sealed);
        for end in 0..bytes.len() {
            assert!(decode(T(1), &bytes[..end]).is_err());
        }
    }

    #[test]
    fn what_cannot_follow_is_not_sealed() {
        let is_refused = |head: Head, change: fn(&mut Commit)| {
            let mut commit = commit(3);
            change(&mut commit);
            matches!(seal(INCARNATION, &head, commit), Err(Error::Invalid { .. }))
        };
        let later = Head {
            t: T(1),
            instant_ms: 6,
            ..genesis()
        };
        assert!(!is_refused(genesis(), |_| {}));
        assert!(!is_refused(later, |it| (it.t, it.instant_ms) = (T(2), 6)));
        assert!(is_refused(later, |it| it.t = T(2)));
        assert!(is_refused(genesis(), |it| it.t = T(2)));
        assert!(is_refused(genesis(), |it| it.flakes.reverse()));
        assert!(is_refused(genesis(), |it| it.flakes[1] = it.flakes[0].clone()));
        assert!(is_refused(genesis(), |it| {
            it.flakes.insert(
                0,
                Flake {
                    s: SubjectId::of_block(T(2)),
                    ..it.flakes[0].clone()
                },
            );
        }));
    }

    #[test]
    fn a_commit_may_have_as_many_flakes_as_the_limit_and_no_more() {
        let most = u64::try_from(COMMIT_FLAKES_MAX).unwrap();
        assert!(check(&genesis(), &commit(most)).is_ok());
        assert!(check(&genesis(), &commit(most + 1)).is_err());
    }

    #[test]
    fn the_hash_covers_everything() {
        let hash = |incarnation: Incarnation, change: fn(&mut Commit)| {
            let mut commit = commit(3);
            change(&mut commit);
            hash(incarnation, genesis().hash, &commit)
        };
        let all = [
            hash(INCARNATION, |_| {}),
            hash(Incarnation([9; 16]), |_| {}),
            hash(INCARNATION, |it| it.t = T(2)),
            hash(INCARNATION, |it| it.instant_ms = 6),
            hash(INCARNATION, |it| it.auth = it.flakes[1].s),
            hash(INCARNATION, |it| it.id = Digest([0; 32])),
            hash(INCARNATION, |it| it.secret = [0; 16]),
            hash(INCARNATION, |it| it.flakes[2].op = Op::Retract),
            hash(INCARNATION, |it| drop(it.flakes.pop())),
            hash(INCARNATION, |it| it.flakes.clear()),
            hash(INCARNATION, |it| {
                it.flakes.clear();
                it.secret = [0; 16];
            }),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
