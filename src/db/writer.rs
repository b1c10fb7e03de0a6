//! The one writer: it stages transactions on each other, commits them in groups, publishes, and then answers.
//!
//! 1. A write is authenticated and judged at its turn, on the state that the ones before it in the group made.
//! 2. A refused transaction leaves nothing: its overlay is dropped, and the next stands on the same state. Its
//!    receipt is made before its block, so that nothing can fail once the block is staged.
//! 3. INVARIANT(publish-before-ack): durable commit, then the new state, then the answers.
//! 4. A transaction that erases is a group of its own, and is answered once the file was written anew: once for all
//!    that waited at one time.
//! 5. What comes under a key that its group has is set apart too, and is told what it may see when that was made.
//! 6. After a failed commit nothing is written until the database is opened again; reads go on.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};

use super::answer::Receipt;
use super::erase::Erasing;
use super::errand::{Errand, Ground, Left};
use super::error::{Error, ErrorKind, LimitKind};
use super::event::{Event, EventKind, EventStatus};
use super::judged::{Judged, Stage, said_of};
use super::once::{Again, Key, Once, Since};
use super::source::Source;
use super::state::{Author, State, name_of, turn_budget};
use super::terms::{Terms, Turn};
use super::uses::{self, Uses};
use crate::base::limits::{COMMIT_FLAKES_MAX, GROUP_BYTES_MAX, GROUP_TRANSACTIONS_MAX};
use crate::base::{Budget, Clock};
use crate::model::system::predicate;
use crate::model::{
    Commit, Digest, Flake, Head, Incarnation, Op as FlakeOp, Overlay, PredicateId, SubjectId, T,
    Value,
};
use crate::policy::{Op, Permissions, Policy, View, touches_policy};
use crate::replica::{Placement, Sequencer};
use crate::store::{Aside, Sealed, Snapshot, Store, header_flakes, seal};
use crate::transact::{Erases, Parsed};

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Work {
    /// A transaction.
    Transact(Box<Transaction>),
    /// What the engine itself writes.
    Errand(Errand),
    /// What stands in the trail alone.
    Tell(Told),
}

/// What is to stand in the trail, or no longer.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// They are told at the moment of their turn.
    pub(super) events: Vec<Event>,
    /// The number below which rows go.
    pub(super) from: Option<u64>,
}

/// A transaction, parsed, and what its commit keeps of the request.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) parsed: Parsed,
    /// The SHA-256 of its text.
    pub(super) text: Digest,
    /// The length of its text.
    pub(super) bytes: usize,
    /// Under which key it is made once.
    pub(super) once: Option<Once>,
    /// What the transaction's id is made of, beside author and text. Without one, making it twice writes twice.
    pub(super) nonce: Option<i64>,
    /// The terms of a signed command.
    pub(super) terms: Option<Terms>,
    /// What the engine says of it on the block's own subject.
    pub(super) said: Vec<(PredicateId, Value)>,
    /// Where it comes from.
    pub(super) source: Source,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Transacted(Box<Receipt>),
    /// The errand's answer can be taken.
    Ran,
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
    pub(super) state: Arc<ArcSwap<State>>,
    pub(super) sequencer: Box<dyn Sequencer>,
    pub(super) clock: Arc<dyn Clock>,
    /// When tokens were last used: written with what is committed anyway.
    pub(super) uses: Arc<Uses>,
    /// When the newest row of the trail was told, Unix milliseconds: instants never run backwards.
    pub(super) told_ms: Cell<i64>,
}

/// What a group has staged so far.
struct Group {
    facts: Overlay<Snapshot>,
    policy: Arc<Policy>,
    head: Head,
    blocks: Vec<Sealed>,
    /// What is to stand in the trail.
    events: Vec<Event>,
    /// The number below which rows of the trail go.
    trail_from: Option<u64>,
}

/// How long the writer waits for a group to fill, at most. A commit takes milliseconds, and callers that were just
/// answered come back within this.
const LINGER_MAX: Duration = Duration::from_micros(300);

impl Writer {
    /// Works until the last sender is gone.
    pub(super) fn run(&self, jobs: &Receiver<Job>) {
        let mut expected = 1;
        while let Ok(first) = jobs.recv() {
            let jobs = gather(first, jobs, expected);
            expected = jobs.len();
            let mut erased = Vec::new();
            for group in apart(jobs) {
                let erases = group.iter().any(|job| job.work.erases());
                let made = self.work(group);
                if erases {
                    erased.extend(made);
                } else {
                    answer(made, &Ok(()));
                }
            }
            // Once for all that were gathered. A repeat of what is erased may find this undone too.
            if !erased.is_empty() {
                answer(erased, &self.scrub());
            }
        }
        let rest = Aside {
            marks: self.uses.rest(),
            ..Aside::default()
        };
        // Nobody waits for it, and a disk that fails now has failed those who did.
        drop(self.state.load().store.append_with(&[], &rest));
    }

    /// Stages and commits a group. Gives back what was made and is to be answered; the rest is answered.
    fn work(&self, jobs: Vec<Job>) -> Vec<Made> {
        let state = self.state.load_full();
        let incarnation = state.store.incarnation();
        let mut group = Group {
            facts: Overlay::new(state.snapshot.clone()),
            policy: Arc::clone(&state.policy),
            head: state.store.head(),
            blocks: Vec::new(),
            events: Vec::new(),
            trail_from: None,
        };
        drop(state);
        let previous = group.head;
        let mut done = Vec::new();
        for Job {
            author,
            work,
            answer,
        } in jobs
        {
            let now_ms = self.clock.now_ms().max(group.head.instant_ms);
            let now_ms = now_ms.max(self.told_ms.get());
            match group.stage(&author, work, incarnation, now_ms, &self.clock) {
                Ok(staged) => done.push((answer, staged)),
                // Who asked may be gone; the answer then is nobody's.
                Err(error) => drop(answer.send(Err(error))),
            }
        }
        // An errand may have nothing to write, and is answered all the same.
        let committed = if group.is_empty() {
            Ok(())
        } else {
            self.commit(&previous, group)
        };
        if committed.is_err() {
            answer(std::mem::take(&mut done), &committed);
        }
        done
    }

    /// Places, writes and publishes a group.
    fn commit(&self, previous: &Head, group: Group) -> Result<(), Error> {
        let heads: Vec<Head> = group.blocks.iter().map(Sealed::head).collect();
        // The trail is this machine's own: without a block there is nothing to place.
        let placed = if heads.is_empty() {
            Placement::Placed
        } else {
            self.sequencer.place(previous, &heads)
        };
        match placed {
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
        let store = Arc::clone(&self.state.load().store);
        let told_ms = group.events.last().map(|event| event.at);
        let aside = Aside {
            trail: group.events.iter().map(Event::row).collect(),
            trail_from: group.trail_from,
            marks: self.uses.due(self.clock.elapsed()),
            unmarked: unmarked(&group.blocks),
        };
        store.append_with(&group.blocks, &aside)?;
        self.told_ms.set(told_ms.unwrap_or(self.told_ms.get()));
        drop(group);
        self.publish(store, policy)
    }

    fn publish(&self, store: Arc<Store>, policy: Arc<Policy>) -> Result<(), Error> {
        let snapshot = store.snapshot()?;
        self.state.store(Arc::new(State {
            snapshot,
            store,
            policy,
        }));
        Ok(())
    }

    /// Writes the file anew if that is due, so that what was erased is not on its free pages either. Who reads the old file reads
    /// on; it goes when the last of them does.
    fn scrub(&self) -> Result<(), Error> {
        let state = self.state.load_full();
        if state.store.scrub_due()?.is_none() {
            return Ok(());
        }
        let undone = |error: crate::store::Error| {
            let why = format!("it is erased, but the file could not be written anew: {error}");
            Error::new(ErrorKind::Unavailable, "db/scrub-due", why)
        };
        let Some(new) = state.store.scrub().map_err(undone)? else {
            return Ok(());
        };
        let new = Arc::new(new);
        self.publish(Arc::clone(&new), Arc::clone(&state.policy))?;
        Ok(new.can_append()?)
    }
}

/// The marks of tokens whose records go: nobody can ask for their last use any more.
fn unmarked(blocks: &[Sealed]) -> Vec<Vec<u8>> {
    let flakes = blocks.iter().flat_map(|block| &block.commit.flakes);
    let gone = flakes.filter(|it| it.p == predicate::TOKEN_ID && it.op == FlakeOp::Retract);
    gone.filter_map(|it| match &it.o {
        Value::String(id) => Some(uses::name(id)),
        _ => None,
    })
    .collect()
}

/// Whom to answer, and what was made.
type Made = (SyncSender<Result<Done, Error>>, Done);

/// Tells what was made, if what it waited for was done.
fn answer(made: Vec<Made>, waited: &Result<(), Error>) {
    for (answer, done) in made {
        let told = waited.clone().map(|()| done);
        drop(answer.send(told));
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

/// Sets apart what looks into the log, where what is before it in a group does not stand yet: what erases, and what
/// comes under a key that the group has, and so may be told what was made under it.
fn apart(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: Vec<Vec<Job>> = Vec::new();
    let mut keys = BTreeSet::new();
    let mut is_open = false;
    for job in jobs {
        let erases = job.work.erases();
        let key = job
            .work
            .once()
            .map(|once| (job.author.auth(), once.clone()));
        let is_repeat = key.as_ref().is_some_and(|key| keys.contains(key));
        match groups.last_mut() {
            Some(group) if is_open && !erases && !is_repeat => group.push(job),
            _ => {
                keys.clear();
                groups.push(vec![job]);
            }
        }
        keys.extend(key);
        is_open = !erases;
    }
    groups
}

impl Work {
    fn erases(&self) -> bool {
        match self {
            Self::Transact(transaction) => transaction.parsed.erases(),
            Self::Errand(_) | Self::Tell(_) => false,
        }
    }

    fn once(&self) -> Option<&Once> {
        match self {
            Self::Transact(transaction) => transaction.once.as_ref(),
            Self::Errand(_) | Self::Tell(_) => None,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Transact(transaction) => transaction.bytes,
            Self::Errand(_) | Self::Tell(_) => 0,
        }
    }

    /// The steps that it asks for itself not to pass.
    fn fuel(&self) -> Option<u64> {
        match self {
            Self::Transact(transaction) => transaction.terms.as_ref()?.fuel,
            Self::Errand(_) | Self::Tell(_) => None,
        }
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.events.is_empty() && self.trail_from.is_none()
    }

    /// Has the trail tell an event of this moment.
    fn tell(&mut self, mut event: Event, now_ms: i64) {
        event.at = now_ms;
        self.events.push(event);
    }

    /// Judges one job on the state so far, and stages what it makes.
    fn stage(
        &mut self,
        author: &Author,
        work: Work,
        incarnation: Incarnation,
        now_ms: i64,
        clock: &Arc<dyn Clock>,
    ) -> Result<Done, Error> {
        let work = match work {
            // What happened is told whoever is still there.
            Work::Tell(Told { events, from }) => {
                for event in events {
                    self.tell(event, now_ms);
                }
                self.trail_from = self.trail_from.max(from);
                return Ok(Done::Ran);
            }
            Work::Transact(_) | Work::Errand(_) => work,
        };
        author.admit(&self.facts, &self.policy, now_ms)?;
        let auth = author.auth();
        let writes = self
            .policy
            .permissions(auth, &Op::transact(), &self.facts)?;
        let steps_max = writes.steps_max().min(work.fuel().unwrap_or(u64::MAX));
        let budget = &turn_budget(clock, steps_max);
        match work {
            Work::Tell(_) => Ok(Done::Ran),
            Work::Errand(errand) => {
                self.run(auth, errand, incarnation, now_ms, budget)?;
                Ok(Done::Ran)
            }
            Work::Transact(transaction) => {
                if let Some(terms) = &transaction.terms {
                    self.check(terms, &writes, now_ms, budget)?;
                }
                let authority = author.authority();
                let authority = authority.map(|s| name_of(s, &self.facts)).transpose()?;
                let key = transaction
                    .once
                    .as_ref()
                    .map(|once| once.key(auth, transaction.text));
                let made = match &key {
                    Some(key) => key.block(&self.facts, now_ms),
                    None => Ok(None),
                };
                // Law 1: what is not judged again is told to no auth that may do nothing.
                if !matches!(made, Ok(None)) && !writes.may_do_anything() {
                    return Err(Error::denied("no role of this auth allows anything"));
                }
                let made = made?;
                let mut receipt = if let Some(t) = made {
                    self.receipt(auth, t, &transaction, now_ms, budget)?
                } else {
                    let key = key.as_ref();
                    self.transact(auth, *transaction, key, incarnation, now_ms, budget)?
                };
                receipt.authority = authority;
                Ok(Done::Transacted(Box::new(receipt)))
            }
        }
    }

    /// Runs an errand, and stages what it leaves.
    fn run(
        &mut self,
        auth: SubjectId,
        errand: Errand,
        incarnation: Incarnation,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<(), Error> {
        let ground = Ground {
            facts: &self.facts,
            policy: &self.policy,
            now_ms,
            budget,
        };
        let Left {
            mut flakes,
            mut events,
        } = alone(|| errand.run(&ground))?;
        if !flakes.is_empty() {
            flakes.sort();
            let renews = touches_policy(&flakes);
            let id = id_of(auth, &random()?, &Digest([0; 32]));
            let sealed = self.seal(auth, id, now_ms, flakes, &Erases::default(), incarnation)?;
            let t = sealed.head().t;
            if renews {
                self.policy = Arc::new(self.policy.anew(Arc::clone(self.policy.schema())));
            }
            for event in &mut events {
                event.block = Some(t.0);
            }
            // What changes the policy is told, also where an errand has no word of its own for it.
            if renews && events.is_empty() {
                events.push(policy_changed(auth, t));
            }
        }
        for event in events {
            self.tell(event, now_ms);
        }
        Ok(())
    }

    /// Whether a command's terms are met on the state so far.
    fn check(
        &self,
        terms: &Terms,
        writes: &Permissions,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<(), Error> {
        let auth = writes.auth();
        let reads = self.policy.permissions(auth, &Op::query(), &self.facts)?;
        let schema = Arc::clone(self.policy.schema());
        let sight = View::new(reads, schema, &self.facts, now_ms, budget);
        terms.check(&Turn {
            facts: &self.facts,
            sight: &sight,
            auth,
            is_root: writes.is_root(),
            now_ms,
        })
    }

    /// The receipt of what was made before.
    fn receipt(
        &self,
        auth: SubjectId,
        t: T,
        transaction: &Transaction,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<Receipt, Error> {
        let again = Again {
            facts: &self.facts,
            policy: &self.policy,
            auth,
            now_ms,
            budget,
        };
        alone(|| again.receipt(t, &transaction.parsed, transaction.bytes))
    }

    fn transact(
        &mut self,
        auth: SubjectId,
        transaction: Transaction,
        key: Option<&Key>,
        incarnation: Incarnation,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<Receipt, Error> {
        let Transaction {
            parsed,
            text,
            bytes,
            nonce,
            mut said,
            source,
            ..
        } = transaction;
        let since = Since { facts: &self.facts };
        let stage = Stage {
            facts: &self.facts,
            history: &since,
            policy: &self.policy,
            auth,
            now_ms,
            budget,
        };
        let Judged {
            mut flakes,
            policy,
            tempids,
            visible,
            name,
            is_root,
            warnings,
            erases,
        } = alone(|| stage.judge(parsed))?;
        said.extend(key.iter().flat_map(|key| key.facts(&tempids)));
        let t = self.head.t.next();
        flakes.extend(said.into_iter().map(|(p, o)| said_of(t, p, o)));
        // What is said of it counts too.
        if flakes.len() > COMMIT_FLAKES_MAX {
            let why = format!("a transaction may have at most {COMMIT_FLAKES_MAX} flakes");
            return Err(Error::new(
                ErrorKind::Limit(LimitKind::Body),
                "db/limit",
                why,
            ));
        }
        let id = match nonce {
            Some(nonce) => id_of(auth, &nonce.to_be_bytes(), &text),
            None => id_of(auth, &random()?, &text),
        };
        let changes_policy = touches_policy(&flakes);
        let sealed = self.seal(auth, id, now_ms, flakes, &erases, incarnation)?;
        let (block, erased) = (sealed.head(), sealed.commit.erasure.flakes.len());
        let erased = u64::try_from(erased).ok();
        self.policy = policy;
        if changes_policy {
            self.tell(policy_changed(auth, block.t).from(source), now_ms);
        }
        Ok(Receipt {
            tempids,
            block: block.t,
            hash: block.hash.to_string(),
            instant_ms: block.instant_ms,
            auth: name,
            id: id.to_string(),
            bytes,
            flakes: visible,
            warnings,
            erased: erased.filter(|_| is_root && !erases.is_empty()),
            fuel: is_root.then(|| budget.spent()),
            is_repeat: false,
            authority: None,
        })
    }

    /// Seals flakes as the next block, and lays them over the state.
    fn seal(
        &mut self,
        auth: SubjectId,
        id: Digest,
        now_ms: i64,
        mut flakes: Vec<Flake>,
        erases: &Erases,
        incarnation: Incarnation,
    ) -> Result<&Sealed, Error> {
        let secret = random()?;
        let t = self.head.t.next();
        let erasing = Erasing {
            facts: &self.facts,
            schema: self.policy.schema(),
            blocks: &self.blocks,
            t,
        };
        let erasure = erasing.settle(&mut flakes, erases)?;
        let commit = Commit {
            t,
            instant_ms: now_ms,
            auth,
            id,
            secret,
            flakes,
            erasure,
        };
        let sealed = seal(incarnation, &self.head, commit)?;
        // What stands behind it in the group reads its header too.
        self.facts.apply(t, &header_flakes(&sealed));
        self.facts.apply(t, &sealed.commit.flakes);
        self.head = sealed.head();
        let index = self.blocks.len();
        self.blocks.push(sealed);
        self.blocks
            .get(index)
            .ok_or_else(|| Error::internal("a block that was staged is gone"))
    }
}

fn policy_changed(auth: SubjectId, t: T) -> Event {
    Event::new(EventKind::PolicyChanged, EventStatus::Ok, 0)
        .auth(auth)
        .block(t)
}

/// What panics while it is judged harms that request alone: judging changes nothing of what is staged, and the writer
/// goes on.
fn alone<T>(judge: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    panic::catch_unwind(AssertUnwindSafe(judge))
        .unwrap_or_else(|_| Err(Error::internal("the request could not be judged")))
}

/// A transaction's id: SHA-256 of author, nonce and text.
fn id_of(auth: SubjectId, nonce: &[u8], text: &Digest) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(auth.raw().to_be_bytes());
    hasher.update(nonce);
    hasher.update(text.0);
    Digest(hasher.finalize().into())
}

/// Sixteen random bytes.
pub(super) fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|_| Error::unavailable("the system has no randomness to give"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::model::system::ROOT_AUTH;
    use crate::transact::parse;

    fn job(auth: SubjectId, key: Option<&str>, text: &str) -> Job {
        let once = key.map(|key| Once::client(key).unwrap());
        Job {
            author: Author::Auth(auth),
            work: Work::Transact(Box::new(Transaction {
                parsed: parse(text).unwrap(),
                text: Digest([0; 32]),
                bytes: text.len(),
                once,
                nonce: None,
                said: Vec::new(),
                terms: None,
                source: Source::default(),
            })),
            answer: sync_channel(1).0,
        }
    }

    #[test]
    fn what_looks_into_the_log_is_set_apart_from_what_it_may_find_there() {
        let other = SubjectId::new(ROOT_AUTH.collection(), 1_001).unwrap();
        let erase = r#"[{"_id": 351843720888320, "_action": "erase"}]"#;
        let sizes = |jobs| apart(jobs).iter().map(Vec::len).collect::<Vec<_>>();
        let (root, write) = (ROOT_AUTH, "[]");
        assert_eq!(
            sizes(vec![
                job(root, None, write),
                job(root, Some("a"), write),
                job(root, Some("b"), write),
                job(other, Some("a"), write),
            ]),
            [4]
        );
        assert_eq!(
            sizes(vec![
                job(root, Some("a"), write),
                job(root, Some("a"), write),
                job(root, Some("b"), write),
                job(root, Some("a"), write),
            ]),
            [1, 2, 1]
        );
        assert_eq!(
            sizes(vec![
                job(root, None, write),
                job(root, None, erase),
                job(root, None, write),
                job(root, None, write),
            ]),
            [1, 1, 2]
        );
    }
}
