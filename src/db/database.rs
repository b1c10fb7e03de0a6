//! One database: one file, one writer, any number of readers.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};

use super::answer::{Receipt, Tempid};
use super::auth_name::AuthName;
use super::command::{Command, misdirected};
use super::denials::Denials;
use super::errand::{Errand, Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::Event;
use super::once::{Once, tempids_of};
use super::people::People;
use super::signed::Signed;
use super::source::Source;
use super::state::{Author, State, bounded, budget};
use super::stats::{Counted, Stats};
use super::terms::{Terms, said};
use super::trail::{check_rows, newest_ms};
use super::uses::Uses;
use super::view::View;
use super::writer::{Done, Job, Told, Transaction, Work, Writer, random};
use crate::base::limits::{STORE_CACHE_BYTES_MAX, WRITER_QUEUE_MAX};
use crate::base::{Clock, SystemClock};
use crate::model::system::{ROOT_AUTH, ROOT_SETTING, predicate};
use crate::model::{
    Commit, Digest, Erasure, Facts, Head, Incarnation, SubjectId, T, Value, ValueRef,
};
use crate::policy::Policy;
use crate::query::{Pointer, queries_of};
use crate::replica::Embedded;
use crate::schema::{Schema, bootstrap};
use crate::store::{Store, Verified, seal};
use crate::token::PasswordCost;
use crate::transact::{Parsed, parse, parse_json};

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// The `iss` of tokens, in place of the id that is made with the keys.
    pub issuer: Option<String>,
    /// Bytes of pages that are kept in memory at most, in a folder for all its databases together.
    pub cache_bytes: usize,
    /// What the record of a new password costs to make and to check.
    pub password_cost: PasswordCost,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            issuer: None,
            cache_bytes: STORE_CACHE_BYTES_MAX,
            password_cost: PasswordCost::default(),
        }
    }
}

/// A database. Cheap to clone; the last clone that goes stops the writer.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// let db = solon::Database::open(dir.path().join("app.redb"))?;
/// db.transact(r#"[{"_id": "_collection", "name": "note"},
///                 {"_id": "_predicate", "name": "note/text", "type": "string"}]"#)?;
/// db.transact(r#"[{"_id": "note", "text": "hello"}]"#)?;
/// let answer = db.root().query(r#"{"select": ["text"], "from": "note"}"#)?;
/// assert!(answer.body.contains("hello"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Arc<ArcSwap<State>>,
    counted: Counted,
    denials: Denials,
    clock: Arc<dyn Clock>,
    password_cost: PasswordCost,
    /// Those of its folder, or its own.
    people: OnceLock<Arc<People>>,
    uses: Arc<Uses>,
    /// Taken when the database closes.
    jobs: Mutex<Option<SyncSender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Database {
    /// Opens the database in the file at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// `Unavailable` if another process has it open or the disk does not answer, `Invalid` if the file is no
    /// database of this format, `Corrupt` if it is damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, &Options::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        let path = path.as_ref();
        let store = if path
            .try_exists()
            .map_err(|error| Error::unavailable(error.to_string()))?
        {
            Store::open_sized(path, options.cache_bytes)?
        } else {
            Store::create_sized(path, Incarnation(random()?), options.cache_bytes)?
        };
        Self::start(store, options)
    }

    /// Starts a database on a store that is open. Tests bring a disk of their own by this.
    ///
    /// # Errors
    /// As [`Database::open`].
    #[doc(hidden)]
    pub fn start(store: Store, options: &Options) -> Result<Self, Error> {
        // A file whose first block was never written is a database that was never made.
        if store.head().t == T(0) {
            let clock = &options.clock;
            let commit = Commit {
                t: T(1),
                instant_ms: clock.now_ms(),
                auth: ROOT_AUTH,
                id: Digest(Sha256::digest(random()?).into()),
                secret: random()?,
                flakes: bootstrap()?,
                erasure: Erasure::default(),
            };
            let sealed = seal(store.incarnation(), &store.head(), commit)?;
            store.append(&[sealed])?;
        }
        let store = Arc::new(store);
        let snapshot = store.snapshot()?;
        let told_ms = Cell::new(newest_ms(&snapshot)?);
        let schema = Arc::new(Schema::load(&snapshot)?);
        let policy = Arc::new(Policy::new(schema, queries_of));
        let state = Arc::new(ArcSwap::from_pointee(State {
            snapshot,
            store,
            policy,
        }));
        let (jobs, work) = sync_channel(WRITER_QUEUE_MAX);
        let uses = Arc::new(Uses::default());
        let writer = Writer {
            state: Arc::clone(&state),
            sequencer: Box::new(Embedded),
            clock: Arc::clone(&options.clock),
            uses: Arc::clone(&uses),
            told_ms,
        };
        let writer = std::thread::Builder::new()
            .name("solon-writer".to_owned())
            .spawn(move || writer.run(&work))
            .map_err(|error| Error::unavailable(error.to_string()))?;
        Ok(Self {
            inner: Arc::new(Inner {
                counted: Counted::default(),
                denials: Denials::default(),
                state,
                clock: Arc::clone(&options.clock),
                password_cost: options.password_cost,
                people: OnceLock::new(),
                uses,
                jobs: Mutex::new(Some(jobs)),
                writer: Mutex::new(Some(writer)),
            }),
        })
    }

    /// Makes a transaction as root.
    ///
    /// # Errors
    /// The first of the documented order of checks; nothing is written then.
    pub fn transact(&self, text: &str) -> Result<Receipt, Error> {
        self.transact_by(Author::Auth(ROOT_AUTH), text)
    }

    /// Makes a transaction as an auth, whom the calling program vouches for.
    ///
    /// # Errors
    /// As [`Database::transact`]; `NotFound` if there is no such auth.
    pub fn transact_as(&self, auth: impl Into<AuthName>, text: &str) -> Result<Receipt, Error> {
        let auth = self.auth(auth)?;
        self.transact_by(Author::Auth(auth), text)
    }

    /// Makes a transaction as an auth, once: the same text under the same key gets the first receipt again, for a day.
    ///
    /// # Errors
    /// As [`Database::transact_as`]; `Conflict` if the key was used with another text.
    pub fn transact_once(
        &self,
        auth: impl Into<AuthName>,
        key: &str,
        text: &str,
    ) -> Result<Receipt, Error> {
        let auth = self.auth(auth)?;
        self.transact_under(
            Author::Auth(auth),
            Some(Once::client(key)?),
            text,
            Source::default(),
        )
    }

    /// Makes the transaction of a signed command, with the permissions of the auth that it names.
    ///
    /// `name` is what the database is called, `network/name`: the command must be for it.
    /// Shape: docs/commands.md; [`sign_command`](crate::db::sign_command) makes one.
    ///
    /// # Errors
    /// `Invalid` for what is no command, or none for this database; `Unauthenticated` if it is not signed by the
    /// auth that it names; `Denied` if that one may not sign for it; `Conflict` if its nonce was used; else as
    /// [`Database::transact`].
    pub fn command(&self, name: &str, body: &str) -> Result<Receipt, Error> {
        let command = Command::parse(body)?;
        if !command.is_for(name) {
            return Err(misdirected());
        }
        let state = self.state();
        let signed = Signed::verify(&command, &state.snapshot, &state.policy)?;
        drop(state);
        self.make_command(&command, signed, Source::default())
    }

    /// What root sees, at the newest state of each query.
    pub fn root(&self) -> RootView {
        RootView {
            database: self.clone(),
        }
    }

    /// The newest state as an auth may see it.
    ///
    /// # Errors
    /// `NotFound` if there is no such auth.
    pub fn view(&self, auth: impl Into<AuthName>) -> Result<View, Error> {
        let auth = self.auth(auth)?;
        View::new(self.state(), auth, &self.inner.clock)
    }

    /// The subject of an auth.
    ///
    /// # Errors
    /// `NotFound` if there is no such auth.
    pub fn auth(&self, auth: impl Into<AuthName>) -> Result<SubjectId, Error> {
        let state = self.state();
        let found = match auth.into() {
            AuthName::Subject(s) => Some(s),
            AuthName::Id(id) => state
                .snapshot
                .subject_list(predicate::AUTH_ID, ValueRef::String(&id))?
                .first()
                .copied(),
        };
        let is_auth = |s: &SubjectId| s.collection() == crate::model::system::collection::AUTH;
        match found.filter(is_auth) {
            Some(s) if state.snapshot.exists(s)? => Ok(s),
            _ => Err(Error::new(
                ErrorKind::NotFound,
                "db/not-found",
                "there is no such auth",
            )),
        }
    }

    /// The newest block.
    pub fn head(&self) -> Head {
        self.state().store.head()
    }

    /// How far the database is, and how much is in it. The first time, the header of every block is read.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` if that cannot be read.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.totals(&self.state())
    }

    /// The same, of one state.
    pub(super) fn totals(&self, state: &State) -> Result<Stats, Error> {
        let totals = self.inner.counted.totals(&state.snapshot, &state.store)?;
        Ok(Stats {
            totals: Some(totals),
            ..Stats::of(&state.snapshot)
        })
    }

    /// Which life of the database this is.
    pub fn incarnation(&self) -> Incarnation {
        self.state().store.incarnation()
    }

    /// Reads everything, and compares the log's chain and every table with what the log says.
    ///
    /// # Errors
    /// `Corrupt`, naming what is wrong.
    pub fn verify(&self) -> Result<Verified, Error> {
        let state = self.state();
        let verified = state.store.verify()?;
        check_rows(&state.store.snapshot()?)?;
        Ok(verified)
    }

    /// Makes a new file at `path` with the same blocks, its tables made from the log alone.
    ///
    /// # Errors
    /// `Corrupt` if the log is damaged; `Unavailable` if there is a file, or the disk does not answer.
    pub fn rebuild(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let into = Store::create(path, self.incarnation())?;
        drop(Store::rebuild(&self.state().store, into)?);
        Ok(())
    }

    /// Finishes what was accepted and stops the writer. What comes later is `Unavailable`.
    pub fn close(&self) {
        let jobs = self.inner.jobs.lock().ok().and_then(|mut jobs| jobs.take());
        self.inner.tell_the_rest(jobs);
        let writer = self
            .inner
            .writer
            .lock()
            .ok()
            .and_then(|mut writer| writer.take());
        if let Some(writer) = writer {
            // A writer that panicked has answered nobody, and nothing it did not acknowledge is promised.
            drop(writer.join());
        }
    }

    /// Whether transactions can be made: the writer is there, and the disk has not failed it.
    ///
    /// # Errors
    /// `Unavailable` if not.
    pub fn can_write(&self) -> Result<(), Error> {
        let writer = self.inner.writer.lock();
        match writer
            .as_ref()
            .map(|writer| writer.as_ref().map(JoinHandle::is_finished))
        {
            Ok(Some(false)) => Ok(self.state().store.can_append()?),
            _ => Err(Error::unavailable(
                "the database is closed, or its writer stopped",
            )),
        }
    }

    /// Whether nobody but the holder of this one has the database, or a state of it.
    ///
    /// Whoever has neither can get one from that holder alone, so the answer stays true while it gives none away.
    pub(super) fn is_idle(&self) -> bool {
        if Arc::strong_count(&self.inner) > 1 {
            return false;
        }
        let state = self.state();
        // The published one and this.
        Arc::strong_count(&state) == 2 && Arc::strong_count(&state.store) == 1
    }

    /// Whether `_setting/anonymous` is set.
    pub(super) fn has_anonymous(&self) -> Result<bool, Error> {
        Ok(self.anonymous()?.is_some())
    }

    /// The auth of requests without a token, if `_setting/anonymous` is set.
    pub(super) fn anonymous(&self) -> Result<Option<SubjectId>, Error> {
        let set = self
            .state()
            .snapshot
            .value_list(ROOT_SETTING, predicate::SETTING_ANONYMOUS)?;
        Ok(set.into_iter().find_map(|value| match value {
            Value::Ref(auth) => Some(auth),
            _ => None,
        }))
    }

    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// What is kept of those who sign in.
    pub(super) fn people(&self) -> &Arc<People> {
        self.inner.people.get_or_init(|| {
            let clock = Arc::clone(&self.inner.clock);
            Arc::new(People::new(clock, self.inner.password_cost))
        })
    }

    /// Has it share what another database of its folder keeps of those who sign in, before it is asked for.
    pub(super) fn share_people(&self, people: &Arc<People>) {
        // Who signed in already stays where they are.
        drop(self.inner.people.set(Arc::clone(people)));
    }

    /// When tokens were last used.
    pub(super) fn uses(&self) -> &Uses {
        &self.inner.uses
    }

    pub(super) fn state(&self) -> Arc<State> {
        self.inner.state.load_full()
    }

    pub(super) fn transact_by(&self, author: Author, text: &str) -> Result<Receipt, Error> {
        self.transact_under(author, None, text, Source::default())
    }

    pub(super) fn transact_under(
        &self,
        author: Author,
        once: Option<Once>,
        text: &str,
        source: Source,
    ) -> Result<Receipt, Error> {
        bounded(text)?;
        let parsed = parse(text)?;
        let digest = Digest(Sha256::digest(text.as_bytes()).into());
        let work = Transaction {
            parsed,
            text: digest,
            bytes: text.len(),
            once,
            nonce: None,
            terms: None,
            said: Vec::new(),
            source,
        };
        self.make(author, work)
    }

    /// Makes the transaction of a command that is for this database, and whose signature is verified.
    pub(super) fn make_command(
        &self,
        command: &Command,
        signed: Signed,
        source: Source,
    ) -> Result<Receipt, Error> {
        let at = Pointer::root().key("cmd").key("tx");
        let parsed = parse_json(command.items.clone(), &at)?;
        // The snapshot is not held while the transaction waits for its turn.
        let snapshot = self.state().snapshot.clone();
        let limit = budget(&self.inner.clock, u64::MAX);
        let terms = Terms::of(command, &snapshot, &limit)?;
        drop(snapshot);
        let said = said(command, &signed);
        let work = Transaction {
            parsed,
            text: Digest(Sha256::digest(command.text.as_bytes()).into()),
            bytes: command.text.len(),
            once: None,
            nonce: Some(command.nonce),
            terms: Some(terms),
            said,
            source,
        };
        self.make(Author::Signer(Arc::new(signed)), work)
    }

    fn make(&self, author: Author, work: Transaction) -> Result<Receipt, Error> {
        match self.ask(author, Work::Transact(Box::new(work)))? {
            Done::Transacted(receipt) => Ok(*receipt),
            Done::Ran => Err(Error::internal("the writer answered something else")),
        }
    }

    /// Makes a part of an import; `text` is the digest of all of it so far, and `bytes` the length of the part.
    pub(super) fn transact_part(
        &self,
        author: Author,
        parsed: Parsed,
        text: Digest,
        bytes: usize,
    ) -> Result<Receipt, Error> {
        let work = Transaction {
            parsed,
            text,
            bytes,
            once: Some(Once::Import(text)),
            nonce: None,
            terms: None,
            said: Vec::new(),
            source: Source::default(),
        };
        self.make(author, work)
    }

    /// What the tempids of a part of an import came to, if it was made.
    pub(super) fn part_made(
        &self,
        author: &Author,
        text: Digest,
    ) -> Result<Option<Vec<(String, Tempid)>>, Error> {
        let state = self.state();
        let key = Once::Import(text).key(author.auth(), text);
        let made = key.block(&state.snapshot, self.inner.clock.now_ms())?;
        made.map(|t| tempids_of(&state.snapshot, t)).transpose()
    }

    /// Has the writer run an errand, as this author, who is admitted at its turn.
    pub(super) fn errand<T: Send + 'static>(
        &self,
        author: Author,
        run: impl FnOnce(&Ground<'_>) -> Result<Made<T>, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (errand, answer) = Errand::new(run);
        match self.ask(author, Work::Errand(errand))? {
            Done::Ran => answer
                .try_recv()
                .unwrap_or_else(|_| Err(Error::internal("an errand told nothing"))),
            Done::Transacted(_) => Err(Error::internal("the writer answered something else")),
        }
    }

    /// Refusals that are counted and not written yet.
    pub(super) fn denials(&self) -> &Denials {
        &self.inner.denials
    }

    /// Has the writer put this into the trail, and does not wait. Whether it took it.
    pub(super) fn tell(&self, told: Told) -> Result<(), TrySendError<Job>> {
        let job = telling(told);
        match self.inner.jobs.lock() {
            Ok(jobs) => match &*jobs {
                Some(jobs) => jobs.try_send(job),
                None => Err(TrySendError::Disconnected(job)),
            },
            Err(_) => Err(TrySendError::Disconnected(job)),
        }
    }

    /// Queues a job and waits for its answer.
    pub(super) fn ask(&self, author: Author, work: Work) -> Result<Done, Error> {
        let (answer, answered) = sync_channel(1);
        let stopped = || Error::unavailable("the database is closed");
        let jobs = match self.inner.jobs.lock() {
            Ok(jobs) => jobs.clone().ok_or_else(stopped)?,
            Err(_) => return Err(stopped()),
        };
        match jobs.try_send(Job {
            author,
            work,
            answer,
        }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                let why = "too many transactions wait for the writer; try again";
                return Err(Error::new(ErrorKind::Unavailable, "db/busy", why));
            }
            Err(TrySendError::Disconnected(_)) => return Err(stopped()),
        }
        drop(jobs);
        answered.recv().map_err(|_| {
            Error::unavailable(
                "the writer stopped; it is not known whether the transaction was made",
            )
        })?
    }
}

/// Root's view, taken anew for each query.
#[derive(Clone, Debug)]
pub struct RootView {
    database: Database,
}

impl RootView {
    /// Answers a query with the eyes of root, on the newest state.
    ///
    /// # Errors
    /// As [`View::query`].
    pub fn query(&self, text: &str) -> Result<super::answer::Answer, Error> {
        self.database.view(ROOT_AUTH)?.query(text)
    }

    /// Answers what may be one query of any kind, or several: the keys tell.
    ///
    /// # Errors
    /// As [`View::ask`].
    pub fn ask(&self, text: &str) -> Result<super::answer::Answers, Error> {
        self.database.view(ROOT_AUTH)?.ask(text)
    }
}

/// A job that nobody waits for.
fn telling(told: Told) -> Job {
    Job {
        author: Author::Auth(ROOT_AUTH),
        work: Work::Tell(told),
        answer: sync_channel(1).0,
    }
}

impl Inner {
    /// Has the writer put into the trail what is counted and not written, as the last that it does.
    fn tell_the_rest(&self, jobs: Option<SyncSender<Job>>) {
        let Some(jobs) = jobs else { return };
        let events: Vec<Event> = self.denials.take_all().into_iter().map(|it| it.1).collect();
        if !events.is_empty() {
            let told = Told { events, from: None };
            // A writer that is gone writes nothing more.
            drop(jobs.send(telling(told)));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let jobs = self.jobs.get_mut().ok().and_then(Option::take);
        self.tell_the_rest(jobs);
        if let Ok(Some(writer)) = self.writer.get_mut().map(Option::take) {
            drop(writer.join());
        }
    }
}
