//! Blocks: a commit, sealed into the chain.
//!
//! A block's hash covers the domain word, the incarnation, the hash before it, the header, the root over its flakes,
//! and what it erases.
//!
//! Shape: docs/format.md, "The chain".

use super::chain::{self, Parts};
use super::error::Error;
use crate::base::limits::{COMMIT_ERASED_MAX, COMMIT_FLAKES_MAX};
use crate::model::{
    Commit, Digest, Erased, Erasure, Flake, Head, Incarnation, Op, Reason, SubjectId, T,
};

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
/// than `COMMIT_FLAKES_MAX`, if a flake's subject is a block that is not there yet, or if what it erases is out of
/// order, still to come, or more than `COMMIT_ERASED_MAX`.
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
    let Commit { t, flakes, .. } = commit;
    check_place(head, *t, commit.instant_ms, commit.auth)?;
    if flakes.len() > COMMIT_FLAKES_MAX {
        return Err(Error::invalid(format!(
            "it has {} flakes, and {COMMIT_FLAKES_MAX} are allowed",
            flakes.len()
        )));
    }
    check_flakes(*t, flakes.iter())?;
    check_erasure(*t, &commit.erasure)?;
    let is_kept = |it: &&Erased| {
        let index = usize::try_from(it.index).ok();
        let flake = index.and_then(|index| flakes.get(index));
        it.t == *t && flake.is_none_or(|flake| flake.op == Op::Assert)
    };
    if commit.erasure.flakes.iter().any(|it| is_kept(&it)) {
        return Err(Error::invalid("it erases what it asserts"));
    }
    Ok(())
}

/// Checks that a block may stand behind `head`.
pub(super) fn check_place(
    head: &Head,
    t: T,
    instant_ms: i64,
    auth: SubjectId,
) -> Result<(), Error> {
    if t != head.t.next() || i64::try_from(t.0).is_err() {
        return Err(Error::invalid(format!(
            "its t is {}, after {}",
            t.0, head.t.0
        )));
    }
    if head.t != T(0) && instant_ms < head.instant_ms {
        return Err(Error::invalid("its instant is before the last block's"));
    }
    if auth.block().is_some() {
        return Err(Error::invalid("its auth is a block"));
    }
    Ok(())
}

/// Checks the flakes of a block, as far as they are there.
pub(super) fn check_flakes<'f>(t: T, flakes: impl Iterator<Item = &'f Flake>) -> Result<(), Error> {
    let mut last = None;
    for flake in flakes {
        if last.is_some_and(|last| last >= flake) {
            return Err(Error::invalid("its flakes are out of order or doubled"));
        }
        if flake.s.block().is_some_and(|of| of > t || of == T(0)) {
            return Err(Error::invalid("a flake's subject is a block to come"));
        }
        last = Some(flake);
    }
    Ok(())
}

/// Checks what a block erases, as far as the block itself tells.
pub(super) fn check_erasure(t: T, erasure: &Erasure) -> Result<(), Error> {
    let Erasure {
        reason,
        flakes,
        next,
    } = erasure;
    if flakes.len() > COMMIT_ERASED_MAX {
        return Err(Error::invalid(format!(
            "it erases {} flakes, and {COMMIT_ERASED_MAX} are allowed",
            flakes.len()
        )));
    }
    if flakes.is_empty() && (!next.is_empty() || *reason != Reason::default()) {
        return Err(Error::invalid("it erases nothing, and says why"));
    }
    if !flakes.is_sorted_by(|a, b| a < b) || !next.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(Error::invalid("what it erases is out of order or doubled"));
    }
    if flakes.iter().any(|it| it.t > t || it.t == T(0)) {
        return Err(Error::invalid("it erases a flake of a block to come"));
    }
    Ok(())
}

/// The hash of the block that `commit` is after `previous`.
fn hash(incarnation: Incarnation, previous: Digest, commit: &Commit) -> Digest {
    chain::hash(
        incarnation,
        previous,
        &Parts {
            t: commit.t,
            instant_ms: commit.instant_ms,
            auth: commit.auth,
            id: commit.id,
            secret_hash: chain::secret_hash(&commit.secret),
            leaves: chain::leaves(&commit.secret, &commit.flakes),
            erasure: &commit.erasure,
        },
    )
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
            erasure: Erasure::default(),
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

    fn erasing(count: usize) -> Commit {
        let flakes = (0..count).map(|index| Erased {
            t: T(1),
            index: u32::try_from(index).unwrap(),
        });
        let mut commit = commit(3);
        commit.t = T(2);
        commit.erasure.flakes = flakes.collect();
        commit
    }

    #[test]
    fn a_commit_may_erase_as_many_flakes_as_the_limit_and_no_more() {
        let head = Head {
            t: T(1),
            ..genesis()
        };
        assert!(check(&head, &erasing(COMMIT_ERASED_MAX)).is_ok());
        assert!(check(&head, &erasing(COMMIT_ERASED_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_erased_stands_in_order_and_was_there() {
        let head = Head {
            t: T(1),
            ..genesis()
        };
        let is_refused = |change: fn(&mut Commit)| {
            let mut commit = erasing(2);
            change(&mut commit);
            matches!(seal(INCARNATION, &head, commit), Err(Error::Invalid { .. }))
        };
        assert!(!is_refused(|_| {}));
        assert!(!is_refused(|it| {
            it.flakes[2].op = Op::Retract;
            it.erasure.flakes.push(Erased { t: T(2), index: 2 });
        }));
        assert!(is_refused(|it| it.erasure.flakes.reverse()));
        assert!(is_refused(|it| it.erasure.flakes[1].index = 0));
        assert!(is_refused(|it| it.erasure.flakes[1].t = T(3)));
        assert!(is_refused(|it| it.erasure.flakes[0].t = T(0)));
        // What it asserts, or has not at all.
        assert!(is_refused(|it| it.erasure.flakes[1].t = T(2)));
        assert!(is_refused(|it| {
            it.erasure.flakes.push(Erased { t: T(2), index: 3 });
        }));
        assert!(!is_refused(|it| it.erasure.flakes.clear()));
        assert!(is_refused(|it| {
            it.erasure.flakes.clear();
            it.erasure.reason = Reason::Asked;
        }));
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
            hash(INCARNATION, |it| it.erasure = erasing(1).erasure),
            hash(INCARNATION, |it| it.erasure = erasing(2).erasure),
            hash(INCARNATION, |it| {
                it.erasure = erasing(2).erasure;
                it.erasure.reason = Reason::Asked;
            }),
            hash(INCARNATION, |it| {
                it.erasure = erasing(2).erasure;
                it.erasure.next = vec![(CollectionId::new(20).unwrap(), 4)];
            }),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
