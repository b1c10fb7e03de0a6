//! The one writer: it stages transactions on each other, commits them in groups, publishes, and then answers.
//!
//! 1. A write is authenticated and judged at its turn, on the state that the ones before it in the group made.
//! 2. A refused transaction leaves nothing: its overlay is dropped, and the next stands on the same state. Its
//!    receipt is made before its block, so that nothing can fail once the block is staged.
//! 3. INVARIANT(publish-before-ack): durable commit, then the new state, then the answers.
//! 4. After a failed commit nothing is written until the database is opened again; reads go on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};

use super::answer::Receipt;
use super::error::{Error, ErrorKind};
use super::mint;
use super::state::{Author, State, budget};
use crate::base::limits::{GROUP_BYTES_MAX, GROUP_TRANSACTIONS_MAX};
use crate::base::{Budget, Clock};
use crate::model::system::predicate;
use crate::model::{
    Commit, Digest, Erasure, Fact, Facts, Flake, Head, Incarnation, Op as FlakeOp, Overlay,
    SubjectId, Value,
};
use crate::policy::{Op, Policy, View};
use crate::replica::{Placement, Sequencer};
use crate::store::{Sealed, Snapshot, Store, seal};
use crate::transact::{Checked, Ground, Parsed, Tempid, transact};

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Work {
    /// A transaction: its parsed form, and the SHA-256 and length of its text.
    Transact {
        parsed: Parsed,
        text: Digest,
        bytes: usize,
    },
    /// A token that has a record.
    Mint { request: mint::Request, id: String },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Transacted(Box<Receipt>),
    Granted(mint::Grant),
}

/// Something the writer is asked to do, and whom to answer.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) author: Author,
    pub(super) work: Work,
    pub(super) answer: SyncSender<Result<Done, Error>>,
}

/// The writer's own things.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) state: Arc<ArcSwap<State>>,
    pub(super) sequencer: Box<dyn Sequencer>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What a group has staged so far.
struct Group {
    facts: Overlay<Snapshot>,
    policy: Arc<Policy>,
    head: Head,
    blocks: Vec<Sealed>,
}

/// How long the writer waits for a group to fill, at most. A commit takes milliseconds, and callers that were just
/// answered come back within this.
const LINGER_MAX: Duration = Duration::from_micros(300);

impl Writer {
    /// Works until the last sender is gone.
    pub(super) fn run(&self, jobs: &Receiver<Job>) {
        let mut expected = 1;
        while let Ok(first) = jobs.recv() {
            let group = gather(first, jobs, expected);
            expected = group.len();
            self.work(group);
        }
    }

    fn work(&self, jobs: Vec<Job>) {
        let state = self.state.load_full();
        let incarnation = self.store.incarnation();
        let mut group = Group {
            facts: Overlay::new(state.snapshot.clone()),
            policy: Arc::clone(&state.policy),
            head: self.store.head(),
            blocks: Vec::new(),
        };
        let previous = group.head;
        let mut done = Vec::new();
        for Job {
            author,
            work,
            answer,
        } in jobs
        {
            let now_ms = self.clock.now_ms().max(group.head.instant_ms);
            match group.stage(&author, work, incarnation, now_ms, &self.clock) {
                Ok(staged) => done.push((answer, staged)),
                // Who asked may be gone; the answer then is nobody's.
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        // A mint that turned out to need no record makes no block, and is answered all the same.
        let committed = if group.blocks.is_empty() {
            Ok(())
        } else {
            self.commit(&previous, group)
        };
        for (answer, staged) in done {
            let told = committed.clone().map(|()| staged);
            drop(answer.send(told));
        }
    }

    /// Places, writes and publishes a group.
    fn commit(&self, previous: &Head, group: Group) -> Result<(), Error> {
        let heads: Vec<Head> = group.blocks.iter().map(Sealed::head).collect();
        match self.sequencer.place(previous, &heads) {
            Placement::Placed => {}
            Placement::Conflict => {
                let why = "another writer came first; try again";
                return Err(Error::new(ErrorKind::Conflict, "db/conflict", why));
            }
            Placement::Fenced => return Err(Error::unavailable("another writer took over")),
            Placement::Unknown => {
                return Err(Error::unavailable(
                    "it is not known whether the commit was placed",
                ));
            }
        }
        // The old snapshot is let go before the commit, so that its pages can be used again.
        let policy = Arc::clone(&group.policy);
        self.store.append(&group.blocks)?;
        drop(group);
        let snapshot = self.store.snapshot()?;
        self.state.store(Arc::new(State { snapshot, policy }));
        Ok(())
    }
}

/// Takes what waits, and a moment more if the last group was of several.
fn gather(first: Job, jobs: &Receiver<Job>, expected: usize) -> Vec<Job> {
    let mut bytes = first.work.bytes();
    let mut group = vec![first];
    while group.len() < GROUP_TRANSACTIONS_MAX && bytes < GROUP_BYTES_MAX {
        let next = if group.len() < expected {
            jobs.recv_timeout(LINGER_MAX)
        } else {
            jobs.try_recv().map_err(|_| RecvTimeoutError::Timeout)
        };
        let Ok(job) = next else { break };
        bytes = bytes.saturating_add(job.work.bytes());
        group.push(job);
    }
    group
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Transact { bytes, .. } => *bytes,
            Self::Mint { .. } => 0,
        }
    }
}

impl Group {
    /// Judges one job on the state so far, and stages what it makes.
    fn stage(
        &mut self,
        author: &Author,
        work: Work,
        incarnation: Incarnation,
        now_ms: i64,
        clock: &Arc<dyn Clock>,
    ) -> Result<Done, Error> {
        author.admit(&self.facts, &self.policy, now_ms)?;
        let auth = author.auth();
        let writes = self
            .policy
            .permissions(auth, &Op::transact(), &self.facts)?;
        let budget = &budget(clock, writes.steps_max());
        match work {
            Work::Mint { request, id } => {
                let grant = request.judge(auth, &self.facts, &self.policy, now_ms, budget)?;
                if mint::has_record(grant.lifetime_seconds) {
                    let mut flakes = mint::record(&grant, &id, &self.facts)?;
                    flakes.sort();
                    let text = Digest(Sha256::digest(id.as_bytes()).into());
                    self.seal(auth, text, now_ms, flakes, incarnation)?;
                }
                Ok(Done::Granted(grant))
            }
            Work::Transact {
                parsed,
                text,
                bytes,
            } => {
                let receipt =
                    self.transact(auth, &parsed, text, bytes, incarnation, now_ms, budget)?;
                Ok(Done::Transacted(Box::new(receipt)))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "who, what, and when")]
    fn transact(
        &mut self,
        auth: SubjectId,
        parsed: &Parsed,
        text: Digest,
        bytes: usize,
        incarnation: Incarnation,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<Receipt, Error> {
        let writes = self
            .policy
            .permissions(auth, &Op::transact(), &self.facts)?;
        let reads = self.policy.permissions(auth, &Op::query(), &self.facts)?;
        let is_root = writes.is_root();
        let schema = Arc::clone(self.policy.schema());
        let (checked, gone) = {
            let sight = View::new(reads, schema, &self.facts, now_ms, budget);
            let ground = Ground {
                before: &self.facts,
                policy: &self.policy,
                writes: &writes,
                sight: &sight,
                now_ms,
                budget,
            };
            let checked = transact(parsed, &ground)?;
            let gone = seen(&checked.flakes, FlakeOp::Retract, &sight)?;
            (checked, gone)
        };
        let Checked {
            flakes,
            tempids,
            policy,
        } = checked;
        let policy = policy.unwrap_or_else(|| Arc::clone(&self.policy));
        let mut visible = gone;
        let mut shown = Vec::new();
        let name = {
            // What the author sees of it is asked of the rules as they then stand.
            let mut after = Overlay::new(&self.facts);
            after.apply(self.head.t.next(), &flakes);
            let reads = policy.permissions(auth, &Op::query(), &after)?;
            let schema = Arc::clone(policy.schema());
            let told = budget.unbounded();
            let sight = View::new(reads, schema, &after, now_ms, &told);
            visible.extend(seen(&flakes, FlakeOp::Assert, &sight)?);
            visible.sort();
            for (text, tempid) in tempids {
                let (Tempid::One(s) | Tempid::Range(s, _)) = tempid;
                if sight.exists(s)? {
                    shown.push((text, tempid));
                }
            }
            name_of(auth, &after)?
        };
        let (block, id) = self.seal(auth, text, now_ms, flakes, incarnation)?;
        self.policy = policy;
        Ok(Receipt {
            tempids: shown,
            block: block.t,
            hash: block.hash.to_string(),
            instant_ms: block.instant_ms,
            auth: name,
            id: id.to_string(),
            bytes,
            flakes: visible,
            fuel: is_root.then(|| budget.spent()),
        })
    }

    /// Seals flakes as the next block, and lays them over the state.
    fn seal(
        &mut self,
        auth: SubjectId,
        text: Digest,
        now_ms: i64,
        flakes: Vec<Flake>,
        incarnation: Incarnation,
    ) -> Result<(Head, Digest), Error> {
        let (nonce, secret) = (random()?, random()?);
        let mut hasher = Sha256::new();
        hasher.update(auth.raw().to_be_bytes());
        hasher.update(nonce);
        hasher.update(text.0);
        let id = Digest(hasher.finalize().into());
        let t = self.head.t.next();
        let commit = Commit {
            t,
            instant_ms: now_ms,
            auth,
            id,
            secret,
            flakes,
            erasure: Erasure::default(),
        };
        let sealed = seal(incarnation, &self.head, commit)?;
        self.facts.apply(t, &sealed.commit.flakes);
        self.head = sealed.head();
        self.blocks.push(sealed);
        Ok((self.head, id))
    }
}

fn name_of(auth: SubjectId, facts: &dyn Facts) -> Result<String, Error> {
    let names = facts.value_list(auth, predicate::AUTH_ID)?;
    Ok(match names.into_iter().next() {
        Some(Value::String(name)) => name.to_string(),
        _ => auth.to_string(),
    })
}

/// The flakes of one kind that a view shows.
fn seen(flakes: &[Flake], op: FlakeOp, sight: &View<'_>) -> Result<Vec<Flake>, Error> {
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

/// Sixteen random bytes.
pub(super) fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::unavailable("the system has no randomness to give"))?;
    Ok(bytes)
}
