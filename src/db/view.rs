//! A state of the database as one auth may see it, held by whoever reads.
//!
//! 1. It is pinned: what is committed later is not in it.
//! 2. It is a lease: past its longest time its calls answer `Unavailable`, so that the store can use old pages again.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Answers, MultiAnswer, Trial};
use super::asked::answer;
use super::error::Error;
use super::multi;
use super::sight::Sight;
use super::state::{State, bounded, budget};
use super::trial::Bench;
use crate::base::limits::SNAPSHOT_SECONDS_MAX;
use crate::base::{Clock, Deadline};
use crate::model::{Facts, SubjectId};
use crate::policy::{Op, Permissions};
use crate::query::{self, AnyQuery, BlockQuery, HistoryQuery, Json, MultiQuery, Request};

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

    /// Answers a query: of facts, of blocks or of history.
    ///
    /// Shape: see docs/queries.md. The answer is the bare result, as JSON text.
    ///
    /// # Errors
    /// `Invalid` for a query that is none; `Denied` for an auth whose roles allow nothing; `Limit` where a bound is
    /// passed; `Unavailable` past the view's lease.
    pub fn query(&self, text: &str) -> Result<Answer, Error> {
        self.one(text, Request::read)
    }

    /// Answers a block query: what changed in some blocks.
    ///
    /// Shape: `{"block": blocks, "prettyPrint"?: bool}`.
    ///
    /// # Errors
    /// As [`View::query`].
    pub fn block_query(&self, text: &str) -> Result<Answer, Error> {
        self.one(text, |json| Ok(Request::Block(BlockQuery::read(json)?)))
    }

    /// Answers a history query: every change of a subject, of a predicate or of a value.
    ///
    /// Shape: `{"history": subject or [subject, predicate, object], "block"?, "showAuth"?, "auth"?, "prettyPrint"?}`.
    ///
    /// # Errors
    /// As [`View::query`].
    pub fn history(&self, text: &str) -> Result<Answer, Error> {
        self.one(text, |json| {
            Ok(Request::History(Box::new(HistoryQuery::read(json)?)))
        })
    }

    /// Answers several queries from this state, out of the steps of one request.
    ///
    /// Shape: `{NAME: query, .., "block"?: blocks}`.
    ///
    /// # Errors
    /// As [`View::query`], for what is wrong with the whole; what is wrong with one query is told under its name.
    pub fn multi_query(&self, text: &str) -> Result<MultiAnswer, Error> {
        self.ready()?;
        let query = MultiQuery::read(&Json::read(text)?)?;
        Ok(self.with_sight(|sight| multi::answers(query, sight)))
    }

    /// Answers what may be one query of any kind, or several: the keys tell.
    ///
    /// # Errors
    /// As [`View::query`] and [`View::multi_query`].
    pub fn ask(&self, text: &str) -> Result<Answers, Error> {
        self.ready()?;
        match AnyQuery::read(&Json::read(text)?)? {
            AnyQuery::One(request) => Ok(Answers::One(self.answer(&request)?)),
            AnyQuery::Many(query) => Ok(Answers::Many(
                self.with_sight(|sight| multi::answers(query, sight)),
            )),
        }
    }

    fn one(
        &self,
        text: &str,
        read: impl FnOnce(&Json) -> Result<Request, query::Error>,
    ) -> Result<Answer, Error> {
        self.ready()?;
        self.answer(&read(&Json::read(text)?)?)
    }

    fn ready(&self) -> Result<(), Error> {
        if self.lease.is_past() {
            return Err(too_old());
        }
        if !self.reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Result<Answer, Error> {
        self.with_sight(|sight| {
            let (json, basis) = answer(request, sight)?;
            Ok(Answer {
                body: json.write(),
                block: basis.0,
                fuel: sight.fuel(),
            })
        })
    }

    fn with_sight<X>(&self, look: impl FnOnce(&Sight<'_>) -> X) -> X {
        let limit = budget(&self.clock, self.reads.steps_max());
        let now_ms = self.clock.now_ms();
        look(&Sight::new(&self.state, &self.reads, now_ms, &limit))
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
}

fn too_old() -> Error {
    Error::unavailable("the view is older than its longest time; take a new one")
}
