//! The hashes that hold the log together.
//!
//! 1. The root is that of a Merkle tree in the shape of RFC 6962 over one leaf a flake.
//! 2. A leaf hashes a salt and the flake in the log's own encoding. Salts come from the block's secret; so a leaf
//!    tells nothing of a flake that was erased, once the secret is gone from the log too.
//! 3. A block that erases has another domain word than one that does not, and its hash covers what it erases.
//!
//! Shape: docs/format.md, "The chain".

use sha2::{Digest as _, Sha256};

use super::key::{put_length, put_predicate, put_subject, put_uint, put_value};
use crate::model::{Digest, Erasure, Flake, Incarnation, Op, Reason, SubjectId, T};

const BLOCK_WORD: &[u8] = b"solon/block/1";
const ERASING_BLOCK_WORD: &[u8] = b"solon/block/2";
const SECRET_WORD: &[u8] = b"solon/secret/1";
const SALT_WORD: &[u8] = b"solon/salt/1";
const LEAF: u8 = 0;
const NODE: u8 = 1;

/// A SHA-256.
pub(super) type Hash = [u8; 32];
/// What makes a leaf tell nothing of its flake.
pub(super) type Salt = [u8; 16];

/// What a block's hash covers beside the chain before it.
pub(super) struct Parts<'a> {
    pub(super) t: T,
    pub(super) instant_ms: i64,
    pub(super) auth: SubjectId,
    pub(super) id: Digest,
    pub(super) secret_hash: Hash,
    pub(super) leaves: Vec<Hash>,
    pub(super) erasure: &'a Erasure,
}

/// The hash of the block with these parts after `previous`.
pub(super) fn hash(incarnation: Incarnation, previous: Digest, parts: &Parts<'_>) -> Digest {
    let erases = !parts.erasure.is_empty();
    let count = u32::try_from(parts.leaves.len()).unwrap_or(u32::MAX);
    let mut hasher = Sha256::new();
    hasher.update(if erases {
        ERASING_BLOCK_WORD
    } else {
        BLOCK_WORD
    });
    hasher.update(incarnation.0);
    hasher.update(previous.0);
    hasher.update(parts.t.0.to_be_bytes());
    hasher.update(parts.instant_ms.to_be_bytes());
    hasher.update(parts.auth.raw().to_be_bytes());
    hasher.update(parts.id.0);
    // So that a changed secret is found in a block without flakes too.
    hasher.update(parts.secret_hash);
    hasher.update(count.to_be_bytes());
    hasher.update(root(parts.leaves.clone()));
    if erases {
        let mut bytes = Vec::new();
        put_erasure(&mut bytes, parts.erasure);
        hasher.update(digest(&[&bytes]));
    }
    Digest(hasher.finalize().into())
}

/// What stands for the secret in the block's hash.
pub(super) fn secret_hash(secret: &[u8; 16]) -> Hash {
    digest(&[SECRET_WORD, secret])
}

/// The salts of a block's flakes. Two flakes share one hash, a half each.
pub(super) fn salts(secret: &[u8; 16], count: usize) -> Vec<Salt> {
    let mut salts = Vec::with_capacity(count);
    let mut index = 0_u32;
    while salts.len() < count {
        let both = digest(&[SALT_WORD, secret, &index.to_be_bytes()]);
        let (halves, _) = both.as_chunks::<16>();
        salts.extend(halves.iter().take(count - salts.len()));
        index = index.saturating_add(1);
    }
    salts
}

/// One hash a flake.
pub(super) fn leaves(secret: &[u8; 16], flakes: &[Flake]) -> Vec<Hash> {
    let mut bytes = Vec::new();
    flakes
        .iter()
        .zip(salts(secret, flakes.len()))
        .map(|(flake, salt)| leaf(&salt, flake, &mut bytes))
        .collect()
}

/// The leaf of a flake; `bytes` is room to work in.
pub(super) fn leaf(salt: &Salt, flake: &Flake, bytes: &mut Vec<u8>) -> Hash {
    bytes.clear();
    put_flake(bytes, flake);
    digest(&[&[LEAF], salt, bytes])
}

fn digest(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The Merkle tree hash. Pairing neighbours and carrying an odd last one up gives the tree of RFC 6962.
fn root(mut level: Vec<Hash>) -> Hash {
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
pub(super) fn put_flake(out: &mut Vec<u8>, flake: &Flake) {
    put_subject(out, flake.s);
    put_predicate(out, flake.p);
    put_value(out, flake.o.borrow());
    out.push(u8::from(flake.op == Op::Assert));
}

/// What a block erases, in the log's own encoding.
pub(super) fn put_erasure(out: &mut Vec<u8>, erasure: &Erasure) {
    out.push(u8::from(erasure.reason == Reason::Asked));
    put_length(out, erasure.flakes.len());
    for erased in &erasure.flakes {
        put_uint(out, erased.t.0);
        put_uint(out, u64::from(erased.index));
    }
    put_length(out, erasure.next.len());
    for (collection, next) in &erasure.next {
        put_uint(out, u64::try_from(collection.raw()).unwrap_or(u64::MAX));
        put_uint(out, *next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CollectionId, PredicateId, Value};

    /// RFC 6962, section 2.1, as it is written there.
    fn rfc(leaves: &[Hash]) -> Hash {
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
        let c = CollectionId::new(20).unwrap();
        for count in 0..40 {
            let flakes: Vec<Flake> = (0..count)
                .map(|n| Flake {
                    s: SubjectId::new(c, n).unwrap(),
                    p: PredicateId(1_001),
                    o: Value::Int(1),
                    op: Op::Assert,
                })
                .collect();
            let leaves = leaves(&[3; 16], &flakes);
            let distinct: std::collections::BTreeSet<_> = leaves.iter().collect();
            assert_eq!(distinct.len(), flakes.len());
            assert_eq!(root(leaves.clone()), rfc(&leaves));
        }
    }
}
