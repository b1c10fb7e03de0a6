//! A transaction that passed every check, with what its author is told of it: before it is a block, and without one.

use std::sync::Arc;

use super::answer::{Tempid, Warning};
use super::error::Error;
use super::state::name_of;
use crate::base::Budget;
use crate::model::system::predicate;
use crate::model::{Fact, Facts, Flake, Op as FlakeOp, Overlay, PredicateId, SubjectId, T, Value};
use crate::policy::{History, Op, Policy, View};
use crate::transact::{Checked, Erases, Ground, Parsed, transact};

/// The state on which a transaction is judged, and who makes it.
pub(super) struct Stage<'a> {
    pub(super) facts: &'a dyn Facts,
    pub(super) history: &'a dyn History,
    pub(super) policy: &'a Arc<Policy>,
    pub(super) auth: SubjectId,
    pub(super) now_ms: i64,
    pub(super) budget: &'a Budget,
}

/// What a transaction comes to.
pub(super) struct Judged {
    /// Its flakes, as a commit has them.
    pub(super) flakes: Vec<Flake>,
    /// The policy and schema after it.
    pub(super) policy: Arc<Policy>,
    /// What its tempids became, where the author sees it.
    pub(super) tempids: Vec<(String, Tempid)>,
    /// Those of its flakes that the author sees.
    pub(super) visible: Vec<Flake>,
    /// The author's name.
    pub(super) name: String,
    /// Whether the author holds root.
    pub(super) is_root: bool,
    /// What the author should know of.
    pub(super) warnings: Vec<Warning>,
    /// What is erased from every moment.
    pub(super) erases: Erases,
}

impl Stage<'_> {
    /// Judges a transaction as the next block.
    ///
    /// # Errors
    /// The first of the documented order of checks.
    pub(super) fn judge(&self, parsed: Parsed) -> Result<Judged, Error> {
        let Self {
            facts,
            history,
            policy,
            auth,
            now_ms,
            budget,
        } = *self;
        let writes = policy.permissions(auth, &Op::transact(), facts)?;
        let reads = policy.permissions(auth, &Op::query(), facts)?;
        let sight = View::new(reads, Arc::clone(policy.schema()), facts, now_ms, budget);
        let ground = Ground {
            before: facts,
            policy,
            writes: &writes,
            sight: &sight,
            history,
            now_ms,
            budget,
        };
        let Checked {
            flakes,
            tempids,
            policy: changed,
            warnings,
            erases,
        } = transact(parsed, &ground)?;
        // What is erased is not told once more.
        let mut told = flakes.clone();
        told.retain(|it| !erases.covers(it.s, it.p, &it.o));
        let mut visible = seen(&told, FlakeOp::Retract, &sight)?;
        let policy = changed.unwrap_or_else(|| Arc::clone(policy));
        // What the author sees of it is asked of the rules as they then stand.
        let mut after = Overlay::new(facts);
        let t = facts.basis().next();
        after.apply(t, &flakes);
        after.apply(t, &[said_of(t, predicate::TX_AUTH, Value::Ref(auth))]);
        let reads = policy.permissions(auth, &Op::query(), &after)?;
        let told = budget.unbounded();
        let sight = View::new(reads, Arc::clone(policy.schema()), &after, now_ms, &told);
        visible.extend(seen(&flakes, FlakeOp::Assert, &sight)?);
        visible.sort();
        let tempids = shown(tempids, &sight)?;
        drop(sight);
        let name = name_of(auth, &after)?;
        Ok(Judged {
            flakes,
            policy,
            tempids,
            visible,
            name,
            is_root: writes.is_root(),
            warnings,
            erases,
        })
    }
}

/// The flakes of one kind that a view shows.
pub(super) fn seen(flakes: &[Flake], op: FlakeOp, sight: &View<'_>) -> Result<Vec<Flake>, Error> {
    let mut seen = Vec::new();
    for flake in flakes.iter().filter(|flake| flake.op == op) {
        let Flake { s, p, o, .. } = flake;
        if sight.sees(Fact {
            s: *s,
            p: *p,
            o: o.borrow(),
            t: sight.basis(),
        })? {
            seen.push(flake.clone());
        }
    }
    Ok(seen)
}

/// The tempids of which a view shows what they became.
pub(super) fn shown(
    tempids: Vec<(String, Tempid)>,
    sight: &View<'_>,
) -> Result<Vec<(String, Tempid)>, Error> {
    let mut shown = Vec::new();
    for (text, tempid) in tempids {
        let (first, last) = match tempid {
            Tempid::One(s) => (s, s),
            Tempid::Range(first, last) => (first, last),
        };
        if sight.exists(first)? && sight.exists(last)? {
            shown.push((text, tempid));
        }
    }
    Ok(shown)
}

/// What is said of a block.
pub(super) fn said_of(t: T, p: PredicateId, o: Value) -> Flake {
    Flake {
        s: SubjectId::of_block(t),
        p,
        o,
        op: FlakeOp::Assert,
    }
}
