//! A state of the database as one auth may see it, held by whoever reads.
//!
//! 1. It is pinned: what is committed later is not in it.
//! 2. It is a lease: past its longest time its calls answer `Unavailable`, so that the store can use old pages again.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Trial};
use super::error::{Error, ErrorKind};
use super::since::Since;
use super::state::{State, bounded, budget};
use super::trial::Bench;
use crate::base::limits::SNAPSHOT_SECONDS_MAX;
use crate::base::{Clock, Deadline};
use crate::model::{Facts, SubjectId, T};
use crate::policy::{self, Op, Permissions};
use crate::query::{Query, When};
use crate::schema::Schema;
use crate::store::Past;

/// A state of the database as one auth may see it.
#[derive(Debug)]
pub struct View {
    state: Arc<State>,
    reads: Arc<Permissions>,
    clock: Arc<dyn Clock>,
    lease: Deadline,
}

impl View {
    pub(super) fn new(
        state: Arc<State>,
        auth: SubjectId,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let reads = state
            .policy
            .permissions(auth, &Op::query(), &state.snapshot)?;
        let lease = Deadline::after(clock, Duration::from_secs(SNAPSHOT_SECONDS_MAX));
        Ok(Self {
            state,
            reads,
            clock: Arc::clone(clock),
            lease,
        })
    }

    /// The auth whose view this is.
    pub fn auth(&self) -> SubjectId {
        self.reads.auth()
    }

    /// Whether the auth holds the root role.
    pub fn is_root(&self) -> bool {
        self.reads.is_root()
    }

    /// The number of the newest block in it.
    pub fn block(&self) -> u64 {
        self.state.snapshot.basis().0
    }

    /// Answers a query.
    ///
    /// Shape: see the README, "Queries". The answer is the bare result, as JSON text.
    ///
    /// # Errors
    /// `Invalid` for a query that is none; `Denied` for an auth whose roles allow nothing; `Limit` where a bound is
    /// passed; `Unavailable` past the view's lease.
    pub fn query(&self, text: &str) -> Result<Answer, Error> {
        if self.lease.is_past() {
            return Err(too_old());
        }
        if !self.reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let schema = self.state.policy.schema();
        let query = Query::parse(text)?;
        let now_ms = self.clock.now_ms();
        let limit = budget(&self.clock, self.reads.steps_max());
        let basis = self.basis(query.when(), now_ms)?;
        let snapshot = &self.state.snapshot;
        let json = if basis == snapshot.basis() {
            let facts = self.permitted(snapshot, schema, now_ms, &limit);
            query.run(&facts, schema, &limit)?
        } else {
            let past = snapshot.past(basis);
            let since = Since { snapshot };
            let schema = &schema.for_past(&past)?;
            let facts = self.permitted(&past, schema, now_ms, &limit);
            query.run(&facts.with_history(&since), schema, &limit)?
        };
        Ok(Answer {
            body: json.write(),
            block: basis.0,
            fuel: self.is_root().then(|| limit.spent()),
        })
    }

    /// Judges a transaction as if this auth made it on this state, and makes nothing.
    ///
    /// Shape: `{"tx": transaction, "flakes"?: [flake, ..], "auth"?: id or two-tuple}`. `flakes` are laid over the
    /// state first; they must be such as this auth may make true. Another `auth` needs the op `audit` at it.
    ///
    /// # Errors
    /// Those that the transaction would be refused with, at a place under `/tx`; `NotFound` and `Denied` for another
    /// auth; `Conflict` for flakes that are not of the block that would be next.
    pub fn test_transact(&self, text: &str) -> Result<Trial, Error> {
        self.bench(text)?.transact(text)
    }

    /// Answers a query of what flakes would make true.
    ///
    /// Shape: `{"query": query, "flakes": [flake, ..]}`. The flakes must be such as this auth may make true.
    ///
    /// # Errors
    /// As [`View::query`] and [`View::test_transact`].
    pub fn query_with(&self, text: &str) -> Result<Answer, Error> {
        self.bench(text)?.query(text)
    }

    fn bench(&self, text: &str) -> Result<Bench<'_>, Error> {
        if self.lease.is_past() {
            return Err(too_old());
        }
        bounded(text)?;
        Ok(Bench {
            state: &self.state,
            clock: &self.clock,
            auth: self.auth(),
        })
    }

    fn permitted<'a>(
        &self,
        facts: &'a dyn Facts,
        schema: &Arc<Schema>,
        now_ms: i64,
        budget: &'a crate::base::Budget,
    ) -> policy::View<'a> {
        let schema = Arc::clone(schema);
        policy::View::new(Arc::clone(&self.reads), schema, facts, now_ms, budget)
    }

    /// The newest block not after the time that is asked for.
    fn basis(&self, when: Option<When>, now_ms: i64) -> Result<T, Error> {
        let snapshot = &self.state.snapshot;
        let newest = snapshot.basis();
        let found = match when {
            None => Some(newest),
            Some(When::Block(t)) => (t.0 >= 1).then(|| t.min(newest)),
            Some(When::Instant(ms)) => snapshot.newest_at(ms)?,
            Some(When::AgoMs(ms)) => snapshot.newest_at(now_ms.saturating_sub(ms))?,
        };
        found.ok_or_else(|| {
            let why = "there is no block at or before that time";
            Error::new(ErrorKind::Invalid, "db/invalid-block", why)
        })
    }
}

fn too_old() -> Error {
    Error::unavailable("the view is older than its longest time; take a new one")
}

/// `Past` is what a view of the past reads.
const _: fn(&Past) -> &dyn Facts = |past| past;
