//! What would be: a transaction that is judged and not made, and a query of what flakes would make true.
//!
//! 1. Nothing is committed, and nobody waits: a trial stands on the newest state that there was.
//! 2. Who tries for another auth needs the op `audit` at it, and is told no flake, no tempid's subject and no name
//!    that they may not see themselves.
//!    Functions in values read what that auth sees, so there they are refused.
//! 3. Flakes that are laid over the state pass every check as the asker's own: who may not make them true sees
//!    nothing through them.

use std::sync::Arc;

use super::answer::{Answer, Trial};
use super::error::{Error, ErrorKind};
use super::judged::{Judged, Stage, seen, shown};
use super::since::Since;
use super::state::{State, budget, name_of};
use crate::base::{Budget, Clock};
use crate::model::system::collection;
use crate::model::{Facts, Op as FlakeOp, Overlay, SubjectId};
use crate::policy::{Allowed, Op, Policy, View};
use crate::query::{Asked, Counts, Json, Pointer, Query, identity};
use crate::transact::{Ground, Parsed, lay, parse_json};

/// Where something is tried, and who asks.
pub(super) struct Bench<'a> {
    pub(super) state: &'a State,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) auth: SubjectId,
}

/// A request, read.
#[derive(Default)]
struct Request {
    tx: Option<Json>,
    query: Option<Json>,
    flakes: Option<Json>,
    auth: Option<Json>,
}

impl Request {
    /// Reads the members that a request of this kind may have.
    fn read(text: &str, members: &[&str]) -> Result<Self, Error> {
        let Json::Object(entries) = Json::read(text)? else {
            return Err(invalid(&Pointer::root(), "the request is an object"));
        };
        let mut request = Self::default();
        for (key, value) in entries {
            let place = match key.as_str() {
                name if !members.contains(&name) => None,
                "tx" => Some(&mut request.tx),
                "query" => Some(&mut request.query),
                "flakes" => Some(&mut request.flakes),
                "auth" => Some(&mut request.auth),
                _ => None,
            };
            let Some(place) = place else {
                let why = format!("`{key}` is no part of this request");
                return Err(invalid(&Pointer::root().key(&key), why));
            };
            *place = Some(value);
        }
        Ok(request)
    }
}

impl Bench<'_> {
    /// Judges a transaction.
    ///
    /// Shape: `{"tx": transaction, "flakes"?: [flake, ..], "auth"?: id or two-tuple}`.
    ///
    /// # Errors
    /// Those of the transaction, with places under `/tx`; `NotFound` and `Denied` for another auth.
    pub(super) fn transact(&self, text: &str) -> Result<Trial, Error> {
        let request = Request::read(text, &["tx", "flakes", "auth"])?;
        let root = Pointer::root();
        let tx = request
            .tx
            .ok_or_else(|| invalid(&root, "a trial needs a transaction, `tx`"))?;
        let parsed = parse_json(tx, &root.key("tx"))?;
        let snapshot = &self.state.snapshot;
        let policy = &self.state.policy;
        let now_ms = self.now_ms();
        let writes = policy.permissions(self.auth, &Op::transact(), snapshot)?;
        let asks_more = request.auth.is_some() || request.flakes.is_some();
        if asks_more && !writes.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let budget = budget(self.clock, writes.steps_max());
        let auth = match &request.auth {
            None => self.auth,
            Some(named) => self.other(named, &parsed, &budget)?,
        };
        let laid = match &request.flakes {
            None => None,
            Some(flakes) => Some(self.laid(flakes, now_ms, &budget)?),
        };
        let (facts, policy): (&dyn Facts, &Arc<Policy>) = match &laid {
            None => (snapshot, policy),
            Some((facts, policy)) => (facts, policy),
        };
        let since = Since { snapshot };
        let stage = Stage {
            facts,
            history: &since,
            policy,
            auth,
            now_ms,
            budget: &budget,
        };
        let judged = stage.judge(parsed)?;
        let (judged, is_root) = self.told(judged, facts, policy, auth, now_ms, &budget)?;
        Ok(Trial {
            tempids: judged.tempids,
            block: snapshot.basis().next(),
            instant_ms: now_ms,
            auth: judged.name,
            bytes: text.len(),
            flakes: judged.visible,
            warnings: judged.warnings,
            fuel: is_root.then(|| budget.spent()),
        })
    }

    /// Answers a query of what flakes would make true.
    ///
    /// Shape: `{"query": query, "flakes": [flake, ..]}`.
    ///
    /// # Errors
    /// Those of the flakes, with places under `/flakes`; those of the query.
    pub(super) fn query(&self, text: &str) -> Result<Answer, Error> {
        let request = Request::read(text, &["query", "flakes"])?;
        let root = Pointer::root();
        let (Some(query), Some(flakes)) = (&request.query, &request.flakes) else {
            return Err(invalid(&root, "this needs a `query` and `flakes`"));
        };
        let query = Query::read(query)?;
        if query.when().is_some() {
            let at = root.key("query").key("block");
            return Err(invalid(&at, "the flakes are of now, and of no other block"));
        }
        if let Some(moment) = query.moments().first() {
            let at = root.key("query").join(&moment.at);
            return Err(invalid(&at, "the flakes are of now, and of no other time"));
        }
        let snapshot = &self.state.snapshot;
        let reads = self
            .state
            .policy
            .permissions(self.auth, &Op::query(), snapshot)?;
        if !reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let now_ms = self.now_ms();
        let budget = budget(self.clock, reads.steps_max());
        let (facts, policy) = self.laid(flakes, now_ms, &budget)?;
        let reads = policy.permissions(self.auth, &Op::query(), &facts)?;
        let is_root = reads.is_root();
        let schema = Arc::clone(policy.schema());
        let sight = View::new(reads, Arc::clone(&schema), &facts, now_ms, &budget);
        let asked = Asked {
            now_ms,
            counts: if is_root {
                Counts::Told
            } else {
                Counts::Hidden
            },
        };
        let json = query.run(&sight, &schema, asked, &budget)?;
        Ok(Answer {
            body: json.write(),
            block: snapshot.basis().0,
            fuel: is_root.then(|| budget.spent()),
        })
    }

    /// The instant that the next block would have.
    fn now_ms(&self) -> i64 {
        self.clock
            .now_ms()
            .max(self.state.snapshot.head().instant_ms)
    }

    /// The newest state with flakes laid over it, and the policy of that.
    fn laid(
        &self,
        flakes: &Json,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<(Overlay<&dyn Facts>, Arc<Policy>), Error> {
        let snapshot = &self.state.snapshot;
        let policy = &self.state.policy;
        let writes = policy.permissions(self.auth, &Op::transact(), snapshot)?;
        let reads = policy.permissions(self.auth, &Op::query(), snapshot)?;
        let sight = View::new(reads, Arc::clone(policy.schema()), snapshot, now_ms, budget);
        let since = Since { snapshot };
        let ground = Ground {
            before: snapshot,
            history: &since,
            policy,
            writes: &writes,
            sight: &sight,
            now_ms,
            budget,
        };
        let checked = lay(flakes, &Pointer::root().key("flakes"), &ground)?;
        let mut facts = Overlay::new(snapshot as &dyn Facts);
        // They are laid at the newest block: the transaction that is tried is the next one's.
        facts.apply(snapshot.basis(), &checked.flakes);
        let policy = checked.policy.unwrap_or_else(|| Arc::clone(policy));
        Ok((facts, policy))
    }

    /// Another auth, for which the asker may try.
    fn other(&self, named: &Json, parsed: &Parsed, budget: &Budget) -> Result<SubjectId, Error> {
        let (facts, policy) = (&self.state.snapshot, &self.state.policy);
        let now_ms = self.now_ms();
        let at = Pointer::root().key("auth");
        let reads = policy.permissions(self.auth, &Op::query(), facts)?;
        let sight = View::new(reads, Arc::clone(policy.schema()), facts, now_ms, budget);
        let found = identity(named, &at, policy.schema(), &sight)?;
        let auth = match found.filter(|s| s.collection() == collection::AUTH) {
            Some(s) if sight.exists(s)? => s,
            _ => {
                let why = "there is no such auth, or it is not to be seen";
                return Err(Error::new(ErrorKind::NotFound, "db/not-found", why));
            }
        };
        if auth == self.auth {
            return Ok(auth);
        }
        let audits = policy.permissions(self.auth, &Op::audit(), facts)?;
        if audits.judge_target(auth, None, facts, now_ms, budget)? == Allowed::No {
            return Err(Error::denied("the rules do not allow `audit` at this auth"));
        }
        if let Some(at) = parsed.function() {
            let why = "functions in values are not evaluated for another auth";
            return Err(invalid(&at, why));
        }
        Ok(auth)
    }

    /// What the asker is told of what was judged for `auth`, and whether they hold root.
    fn told(
        &self,
        judged: Judged,
        before: &dyn Facts,
        policy: &Arc<Policy>,
        auth: SubjectId,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<(Judged, bool), Error> {
        if auth == self.auth {
            let is_root = judged.is_root;
            return Ok((judged, is_root));
        }
        let told = budget.unbounded();
        let reads = policy.permissions(self.auth, &Op::query(), before)?;
        let is_root = reads.is_root();
        let sight = View::new(reads, Arc::clone(policy.schema()), before, now_ms, &told);
        let name = name_of(auth, &sight)?;
        let mut visible = seen(&judged.visible, FlakeOp::Retract, &sight)?;
        let mut after = Overlay::new(before);
        after.apply(before.basis().next(), &judged.flakes);
        let reads = judged.policy.permissions(self.auth, &Op::query(), &after)?;
        let schema = Arc::clone(judged.policy.schema());
        let sight = View::new(reads, schema, &after, now_ms, &told);
        visible.extend(seen(&judged.visible, FlakeOp::Assert, &sight)?);
        visible.sort();
        // An upsert finds what the other auth sees.
        let tempids = shown(judged.tempids, &sight)?;
        drop(sight);
        let judged = Judged {
            tempids,
            visible,
            name,
            ..judged
        };
        Ok((judged, is_root))
    }
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}
