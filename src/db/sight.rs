//! What one bearer may see, at any basis up to that of a state.

use std::cell::OnceCell;
use std::sync::Arc;

use super::error::{Error, ErrorKind};
use super::since::Since;
use super::state::State;
use crate::base::Budget;
use crate::model::system::predicate;
use crate::model::{Fact, Facts, Flake, Op, SubjectId, T, ValueRef};
use crate::policy::{Permissions, View};
use crate::query::{Last, Pointer, Span, When};
use crate::schema::Schema;
use crate::store::Cached;

/// A bearer at a state, and what a request of it may take.
pub(super) struct Sight<'a> {
    state: &'a State,
    reads: &'a Arc<Permissions>,
    now_ms: i64,
    budget: &'a Budget,
    /// Work on what may be hidden: charged to nobody (law 14).
    work: Budget,
    /// From this block on the past is read by the schema of now.
    shaped: OnceCell<T>,
}

impl<'a> Sight<'a> {
    pub(super) fn new(
        state: &'a State,
        reads: &'a Arc<Permissions>,
        now_ms: i64,
        budget: &'a Budget,
    ) -> Self {
        Self {
            state,
            reads,
            now_ms,
            budget,
            work: budget.unbounded(),
            shaped: OnceCell::new(),
        }
    }

    pub(super) fn state(&self) -> &'a State {
        self.state
    }

    /// When it is asked, Unix milliseconds.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// What the request may take.
    pub(super) fn budget(&self) -> &'a Budget {
        self.budget
    }

    /// What bounds work on what may be hidden: the deadline alone.
    pub(super) fn work(&self) -> &Budget {
        &self.work
    }

    /// The steps that were taken, for root.
    pub(super) fn fuel(&self) -> Option<u64> {
        self.reads.is_root().then(|| self.budget.spent())
    }

    /// The newest schema.
    pub(super) fn schema(&self) -> &'a Arc<Schema> {
        self.state.policy.schema()
    }

    /// The number of the newest block.
    pub(super) fn newest(&self) -> T {
        self.state.snapshot.basis()
    }

    /// Looks at the facts of a basis, with the schema by which they are read (law 12).
    pub(super) fn at<X>(
        &self,
        basis: T,
        look: impl FnOnce(&View<'_>, &Arc<Schema>) -> Result<X, Error>,
    ) -> Result<X, Error> {
        self.charged(basis, self.budget, look)
    }

    /// The same, charged to nobody: for what a request asks beside what it pays for.
    pub(super) fn free<X>(
        &self,
        basis: T,
        look: impl FnOnce(&View<'_>, &Arc<Schema>) -> Result<X, Error>,
    ) -> Result<X, Error> {
        self.charged(basis, &self.work, look)
    }

    fn charged<X>(
        &self,
        basis: T,
        budget: &Budget,
        look: impl FnOnce(&View<'_>, &Arc<Schema>) -> Result<X, Error>,
    ) -> Result<X, Error> {
        let snapshot = &self.state.snapshot;

        if basis >= self.newest() {
            let schema = self.schema();
            let facts = Cached::new(snapshot);
            return look(&self.view(&facts, schema, budget), schema);
        }
        let past = snapshot.past(basis);
        let since = Since { snapshot };
        let shaped = self.shaped.get_or_init(|| {
            let shaped = self.schema().predicates().map(|it| it.shaped);
            shaped.max().unwrap_or_default()
        });
        let schema = if basis >= *shaped {
            Arc::clone(self.schema())
        } else {
            self.schema().for_past(&past)?
        };
        let view = self.view(&past, &schema, budget);
        look(&view.with_history(&since), &schema)
    }

    fn view<'f>(&self, facts: &'f dyn Facts, schema: &Arc<Schema>, budget: &'f Budget) -> View<'f> {
        let (reads, schema) = (Arc::clone(self.reads), Arc::clone(schema));
        View::new(reads, schema, facts, self.now_ms, budget)
    }

    /// The newest block not after a moment.
    ///
    /// # Errors
    /// `Invalid` if there is none.
    pub(super) fn basis(&self, when: Option<When>) -> Result<T, Error> {
        let snapshot = &self.state.snapshot;
        let newest = self.newest();
        let found = match when {
            None => Some(newest),
            Some(When::Block(t)) => (t.0 >= 1).then(|| t.min(newest)),
            Some(When::Instant(ms)) => snapshot.newest_at(ms)?,
            Some(When::AgoMs(ms)) => snapshot.newest_at(self.now_ms.saturating_sub(ms))?,
        };
        found.ok_or_else(|| no_block("there is no block at or before that time"))
    }

    /// The first and the last of the blocks that a span asks for.
    ///
    /// # Errors
    /// `Invalid` if it begins before the first block or after the newest, or ends before it begins.
    pub(super) fn blocks(&self, span: &Span) -> Result<(T, T), Error> {
        let newest = self.newest();
        let at = Pointer::root().key("block");
        if let When::Block(t) = span.first
            && t > newest
        {
            let why = format!("it begins at block {}, and the newest is {}", t.0, newest.0);
            return Err(no_block(why).with_place(Some(&at)));
        }
        let placed = |error: Error| error.with_place(Some(&at));
        let first = self.basis(Some(span.first)).map_err(placed)?;
        let last = match span.last {
            Last::First => first,
            Last::Newest => newest,
            Last::At(when) => self.basis(Some(when)).map_err(placed)?,
        };
        if last < first {
            let why = format!("it begins at block {} and ends at {}", first.0, last.0);
            return Err(no_block(why).with_place(Some(&at)));
        }
        Ok((first, last))
    }

    /// Who made a block, if that is to be seen.
    pub(super) fn author(&self, t: T) -> Result<Option<SubjectId>, Error> {
        let Some(block) = self.state.snapshot.block(t)? else {
            return Ok(None);
        };
        let fact = Fact {
            s: SubjectId::of_block(t),
            p: predicate::TX_AUTH,
            o: ValueRef::Ref(block.auth),
            t,
        };
        let is_seen = self.free(t, |view, _| Ok(view.sees(fact)?))?;
        Ok(is_seen.then_some(block.auth))
    }
}

/// The basis on which a flake of block `t` is judged: what is retracted held before it.
pub(super) fn judged_at(t: T, op: Op) -> T {
    match op {
        Op::Assert => t,
        Op::Retract => T(t.0.saturating_sub(1)),
    }
}

/// Whether a view shows a flake of block `t`.
pub(super) fn shows(view: &View<'_>, flake: &Flake, t: T) -> Result<bool, Error> {
    let Flake { s, p, o, .. } = flake;
    Ok(view.sees(Fact {
        s: *s,
        p: *p,
        o: o.borrow(),
        t,
    })?)
}

fn no_block(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-block", why)
}
