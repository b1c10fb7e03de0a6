//! The facts of the blocks, told from their headers.
//!
//! 1. Block *n* is the subject −n; ascending subjects are descending blocks.
//! 2. Its number and instant are found by search; its hashes, id and auth by reading every header.
//! 3. `_tx/auth` is told with its block and by [`Blocks::subjects`], and never among the referrers of an auth: it
//!    is no stored flake.

use std::ops::{Bound, ControlFlow, RangeBounds};

use super::block::{Block, Sealed};
use super::error::Error;
use super::logged::decode_header;
use super::row::Table;
use super::table::log_key;
use crate::model::system::predicate;
use crate::model::{Bounds, Fact, Flake, Op, PredicateId, SubjectId, T, Value, ValueRef, Visit};

/// The blocks up to one of them.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    log: &'a Table,
    last: T,
}

/// Whether a predicate stands in the headers of blocks.
pub(super) fn is_of_blocks(p: PredicateId) -> bool {
    PREDICATES.contains(&p)
}

/// In ascending order.
const PREDICATES: [PredicateId; 6] = [
    predicate::BLOCK_HASH,
    predicate::BLOCK_PREV_HASH,
    predicate::BLOCK_INSTANT,
    predicate::BLOCK_NUMBER,
    predicate::TX_ID,
    predicate::TX_AUTH,
];

/// The facts of a block that its header tells, as flakes that assert them.
pub fn header_flakes(sealed: &Sealed) -> Vec<Flake> {
    let commit = &sealed.commit;
    let block = Block {
        t: commit.t,
        instant_ms: commit.instant_ms,
        auth: commit.auth,
        id: commit.id,
        previous: sealed.previous,
        hash: sealed.hash,
    };
    let flake = |p: &PredicateId| Flake {
        s: SubjectId::of_block(block.t),
        p: *p,
        o: value(&block, *p),
        op: Op::Assert,
    };
    PREDICATES.iter().map(flake).collect()
}

fn value(block: &Block, p: PredicateId) -> Value {
    match p {
        predicate::BLOCK_HASH => Value::string(&block.hash.to_string()),
        predicate::BLOCK_PREV_HASH => Value::string(&block.previous.to_string()),
        predicate::BLOCK_INSTANT => Value::Instant(block.instant_ms),
        predicate::TX_ID => Value::string(&block.id.to_string()),
        predicate::TX_AUTH => Value::Ref(block.auth),
        _ => Value::Int(i64::try_from(block.t.0).unwrap_or(i64::MAX)),
    }
}

impl<'a> Blocks<'a> {
    pub(super) const fn new(log: &'a Table, last: T) -> Self {
        Self { log, last }
    }

    /// The header of a block, if there is one.
    pub(super) fn get(self, t: T) -> Result<Option<Block>, Error> {
        if t == T(0) || t > self.last {
            return Ok(None);
        }
        let bytes = self
            .log
            .get(log_key(t).as_slice())?
            .ok_or_else(|| Error::corrupt(format!("block {} is missing", t.0)))?;
        decode_header(t, bytes.value()).map(Some)
    }

    fn there(self, t: T) -> Result<Block, Error> {
        self.get(t)?
            .ok_or_else(|| Error::corrupt(format!("block {} is missing", t.0)))
    }

    /// How many blocks there are before the first for which `is_behind` holds; it holds for all after it.
    fn search(self, is_behind: impl Fn(&Block) -> bool) -> Result<u64, Error> {
        let (mut low, mut high) = (0, self.last.0);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_behind(&self.there(T(middle + 1))?) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    /// The newest block not after the instant.
    pub(super) fn newest_at(self, instant_ms: i64) -> Result<Option<T>, Error> {
        let count = self.search(|block| block.instant_ms > instant_ms)?;
        Ok((count > 0).then_some(T(count)))
    }

    /// The facts of one block, by predicate.
    pub(super) fn facts(self, t: T) -> Result<Vec<(PredicateId, Value, T)>, Error> {
        Ok(self.get(t)?.map_or_else(Vec::new, |block| {
            PREDICATES
                .iter()
                .map(|p| (*p, value(&block, *p), t))
                .collect()
        }))
    }

    /// Visits the blocks that have this value, ascending by subject.
    pub(super) fn subjects(
        self,
        p: PredicateId,
        o: ValueRef<'_>,
        visit: &mut dyn FnMut(SubjectId) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let candidates = match (p, o) {
            (predicate::BLOCK_NUMBER, ValueRef::Int(number)) => {
                let number = u64::try_from(number).unwrap_or(0);
                number..number.saturating_add(1).max(1)
            }
            (predicate::BLOCK_INSTANT, ValueRef::Instant(ms)) => {
                let before = self.search(|block| block.instant_ms >= ms)?;
                let through = self.search(|block| block.instant_ms > ms)?;
                before + 1..through + 1
            }
            _ => 1..self.last.0.saturating_add(1),
        };
        for number in candidates.rev() {
            let Some(block) = self.get(T(number))? else {
                continue;
            };
            if value(&block, p).borrow() == o && visit(SubjectId::of_block(block.t)).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Visits the blocks whose values lie within `bounds`, by value, then by subject.
    pub(super) fn range(
        self,
        p: PredicateId,
        bounds: &Bounds,
        visit: &mut Visit<'_>,
    ) -> Result<(), Error> {
        let is_ordered = p == predicate::BLOCK_NUMBER || p == predicate::BLOCK_INSTANT;
        if p == predicate::TX_AUTH {
            return Ok(());
        }
        let first = match &bounds.from {
            Bound::Included(from) if is_ordered => self.search(|block| value(block, p) >= *from)?,
            Bound::Excluded(from) if is_ordered => self.search(|block| value(block, p) > *from)?,
            _ => 0,
        };
        let limits = (bounds.from.as_ref(), bounds.to.as_ref());
        let mut held: Vec<(Value, SubjectId)> = Vec::new();
        for number in first..self.last.0 {
            let block = self.there(T(number + 1))?;
            let o = value(&block, p);
            let is_within = RangeBounds::<Value>::contains(&limits, &o);
            if is_ordered && held.last().is_some_and(|(last, _)| *last != o) {
                if tell(p, &mut held, visit).is_break() {
                    return Ok(());
                }
                if !is_within {
                    break;
                }
            }
            if is_within {
                held.push((o, SubjectId::of_block(block.t)));
            } else if is_ordered {
                break;
            }
        }
        let _ = tell(p, &mut held, visit);
        Ok(())
    }
}

fn tell(
    p: PredicateId,
    held: &mut Vec<(Value, SubjectId)>,
    visit: &mut Visit<'_>,
) -> ControlFlow<()> {
    held.sort();
    std::mem::take(held).iter().try_for_each(|(o, s)| {
        visit(Fact {
            s: *s,
            p,
            o: o.borrow(),
            t: s.block().unwrap_or_default(),
        })
    })
}
