//! Accounts and databases: who may make, delete and restore them, and what each is told of them.
//!
//! 1. It is asked with a token of `solon/master`, and judged by its facts: first as they are, and again at its turn with
//!    master's writer. So whoever was an owner and is none is refused on the next request.
//! 2. An account owns the network of its name. Its owners act in that network, root of master in every one and in
//!    `local`, which no account owns. `solon` is the engine's. Nobody else acts, whatever the rules of master allow.
//! 3. What is not there and what is another's are refused alike.
//! 4. An owner counts as root in the account's databases for minting (law 11), for making users and for reading the
//!    trail; for all else there by a token that was minted so.

use std::sync::{MutexGuard, PoisonError};

use super::account_action::{AccountAction, Within};
use super::answer::Minted;
use super::data_dir::exists;
use super::database_name::{DatabaseName, LOCAL, MASTER};
use super::databases::no_such_database;
use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind, LimitKind};
use super::event::{Event, EventKind, EventStatus};
use super::folder::Folder;
use super::master::{self, ACCOUNT, ACCOUNT_NAME, ACCOUNT_OWNERS, DATABASE_NAME, Entry};
use super::newcomer::Added;
use super::session::{Session, wrong_database};
use super::settle::{Settling, undone_until_ms};
use super::source::Source;
use super::state::budget;
use super::trail::Logged;
use super::writer::random;
use crate::base::limits::{NETWORK_DATABASES_MAX, ROOT_TOKEN_SECONDS_MAX};
use crate::model::system::{ROOT_AUTH, collection, predicate};
use crate::model::{Fact, Facts, Flake, Incarnation, Op as FlakeOp, PredicateId, SubjectId, Value};
use crate::policy::{Op, Policy, View};
use crate::query::{Json, Pointer, identity};

/// An account, as whoever may see it is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its subject in `solon/master`.
    pub id: SubjectId,
    /// Its name, which is its network's.
    pub name: String,
    /// The users who own it, each with a username if it has one.
    pub owners: Vec<(SubjectId, Option<String>)>,
}

/// Whether a database is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    /// It is.
    Live,
    /// It was deleted, and can be restored.
    Deleted {
        /// When, Unix milliseconds.
        at_ms: i64,
        /// Until when it can be restored, Unix milliseconds, exclusive.
        until_ms: i64,
    },
}

/// A database, as whoever may see it is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDatabase {
    /// `network/name`.
    pub name: String,
    /// Which life of the name it is.
    pub incarnation: Incarnation,
    /// When it was made, Unix milliseconds.
    pub made_ms: i64,
    /// Whether it is there.
    pub state: DatabaseState,
}

/// What an action came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// An account was made.
    Account(Account),
    /// A database was made, deleted or restored.
    Database(ListedDatabase),
    /// The accounts that the bearer may see.
    Accounts(Vec<Account>),
    /// A user was made.
    User(Added),
    /// What an audit trail tells.
    Logs(Vec<Logged>),
}

/// Where an action reads: a state of master, or the one at its turn there.
struct Sight<'a> {
    facts: &'a dyn Facts,
    policy: &'a Policy,
    auth: SubjectId,
}

/// A network in which an auth may act.
struct Network {
    /// None for `local`.
    account: Option<SubjectId>,
}

impl Folder {
    /// Does what is asked of accounts and databases; `session` is one of `solon/master`.
    ///
    /// Shape: `["new-account", {"name", "owner"}]`, `["new-db" | "delete-db", {"db/id"}]`,
    /// `["restore-db", {"db/id", "incarnation"?}]`, `["accounts", {}]`; and `["new-user" | "logs", {"db"?, ..}]`,
    /// which are asked of the database that is named, for an owner with the eyes of its root, else of master.
    ///
    /// # Errors
    /// `Unauthenticated` for a session of another database; `Invalid` for what is none; `Denied` for an auth whose roles
    /// allow nothing, and for a new account that is not root's doing; `NotFound` for a database or network that is not
    /// there or not the bearer's; `Conflict` for a name that is taken; `Limit` past what a network may have.
    pub fn action(&self, session: &Session, body: &str) -> Result<Acted, Error> {
        of_master(session)?;
        let action = AccountAction::parse(body)?;
        match action {
            AccountAction::NewAccount { name, owner } => self.new_account(session, name, owner),
            AccountAction::NewDatabase(name) => self.new_database(session, &name),
            AccountAction::DeleteDatabase(name) => self.delete_database(session, name),
            AccountAction::RestoreDatabase(name, life) => {
                self.restore_database(session, name, life)
            }
            AccountAction::Accounts => self.accounts(session).map(Acted::Accounts),
            AccountAction::NewUser(within) => self.within(session, &within, |target| {
                target.new_user(&within.body).map(Acted::User)
            }),
            AccountAction::Logs(within) => self.within(session, &within, |target| {
                target.logs(&within.body).map(Acted::Logs)
            }),
        }
    }

    /// The accounts of a user of `solon/master`, who signs in by a password for that.
    ///
    /// Shape: as [`Folder::sign_in_request`].
    ///
    /// # Errors
    /// As [`Folder::sign_in_request`] and [`Folder::accounts`].
    pub fn accounts_by_password(
        &self,
        body: &str,
        source: Source,
    ) -> Result<(SubjectId, Vec<Account>), Error> {
        let signed_in = self.sign_in_request(body, Some(MASTER), MASTER, source)?;
        let session = self.session_from(&signed_in.token, Some(MASTER), source)?;
        Ok((session.auth(), self.accounts(&session)?))
    }

    /// The accounts that the bearer owns, or sees by the rules of `solon/master`.
    ///
    /// # Errors
    /// `Unauthenticated` for a session of another database; `Denied` for an auth whose roles allow nothing.
    pub fn accounts(&self, session: &Session) -> Result<Vec<Account>, Error> {
        of_master(session)?;
        let state = session.state();
        let facts = &state.snapshot;
        let sight = Sight::of(facts, &state.policy, session.auth())?;
        let mut told = Vec::new();
        self.see(session, |view| {
            for account in master::accounts(facts)? {
                let name = master::account_name(facts, account)?;
                let is_own = master::owns(facts, sight.auth, account)?;
                if is_own || sees(view, account, ACCOUNT_NAME, &Value::string(&name))? {
                    // Whoever owns it knows with whom; others know what the rules show.
                    told.push(told_account(facts, account, |flake| {
                        Ok(is_own || sees(view, flake.s, flake.p, &flake.o)?)
                    })?);
                }
            }
            Ok(())
        })?;
        Ok(told)
    }

    /// The databases that the bearer owns, or sees by the rules of `solon/master`; those too that can be restored.
    ///
    /// # Errors
    /// As [`Folder::accounts`].
    pub fn databases_of(&self, session: &Session) -> Result<Vec<ListedDatabase>, Error> {
        of_master(session)?;
        let now_ms = self.master().database.clock().now_ms();
        let state = session.state();
        let facts = &state.snapshot;
        let sight = Sight::of(facts, &state.policy, session.auth())?;
        let mut told = Vec::new();
        self.see(session, |view| {
            for entry in master::all(facts)? {
                let is_own = match entry.account {
                    Some(account) => master::owns(facts, sight.auth, account)?,
                    None => false,
                };
                let is_over = |deleted_ms| undone_until_ms(deleted_ms) <= now_ms;
                if entry.deleted_ms.is_some_and(is_over) {
                    continue;
                }
                let may_see = if entry.deleted_ms.is_some() {
                    // What was deleted is for whoever can restore it.
                    sight.is_root()?
                } else {
                    let name = Value::string(entry.name.as_str());
                    sees(view, entry.subject, DATABASE_NAME, &name)?
                };
                if is_own || may_see {
                    told.push(told_database(&entry));
                }
            }
            Ok(())
        })?;
        told.sort_by(|a, b| (&a.name, a.made_ms).cmp(&(&b.name, b.made_ms)));
        Ok(told)
    }

    /// Mints a token: as [`Session::token`], and for an owner of an account of `solon/master`, or its root, in the
    /// account's databases with the eyes of their root, where the request names one as `db`.
    ///
    /// # Errors
    /// As [`Session::token`]; `NotFound` for a database that is not there or not the bearer's.
    pub fn token(&self, session: &Session, body: &str) -> Result<Minted, Error> {
        match target(session, body)? {
            None => session.token(body),
            Some(name) => self.mint_in(session, &name, body),
        }
    }

    fn mint_in(&self, session: &Session, name: &str, body: &str) -> Result<Minted, Error> {
        let minted = self.root_in(session, name)?.token(body)?;
        // The trail of the database tells of its root; who that was is master's to tell.
        let master = &self.master().database;
        let event = Event::new(EventKind::Minted, EventStatus::Ok, master.clock().now_ms())
            .auth(session.auth())
            .from(session.source());
        master.errand(session.author().clone(), move |_| {
            Ok(Made::told(Ok(()), vec![event]))
        })?;
        Ok(minted)
    }

    /// Asks something of the database that is named, or of master itself.
    fn within(
        &self,
        session: &Session,
        within: &Within,
        ask: impl FnOnce(&Session) -> Result<Acted, Error>,
    ) -> Result<Acted, Error> {
        let asked = match &within.database {
            Some(name) if DatabaseName::parse(name) != Some(DatabaseName::of_master()) => {
                ask(&self.root_in(session, name)?)
            }
            _ => ask(session),
        };
        asked.map_err(|error| match error.at() {
            Some(at) if at.is_empty() || at.starts_with('/') => {
                let at = format!("/1{at}");
                error.with_at(at)
            }
            _ => error,
        })
    }

    /// Root of the database of an account, for whoever owns the account.
    fn root_in(&self, session: &Session, name: &str) -> Result<Session, Error> {
        let name = DatabaseName::parse(name).ok_or_else(no_such_database)?;
        let state = self.master().database.state();
        let sight = Sight::of(&state.snapshot, &state.policy, session.auth())?;
        // `local` is nobody's account, and whoever is root there has tokens of it.
        let may = name.network() != LOCAL && sight.may_act_in(name.network())?.is_some();
        let entry = master::named(sight.facts, &name)?.filter(|_| may);
        let entry = entry.ok_or_else(no_such_database)?;
        drop(state);
        let now_ms = self.master().database.clock().now_ms();
        if !session.author().may_count_as_root(now_ms) {
            let why = format!(
                "who counts as root asks by an access token that was issued within {ROOT_TOKEN_SECONDS_MAX} seconds"
            );
            return Err(Error::denied(why));
        }
        let opened = self.databases().open(&entry)?;
        let root = self.session_of(opened, ROOT_AUTH)?;
        Ok(root.sent_from(session.source()))
    }

    fn new_account(&self, session: &Session, name: String, owner: Json) -> Result<Acted, Error> {
        let _acting = self.act()?;
        let (auth, source) = (session.auth(), session.source());
        let account = self
            .master()
            .database
            .errand(session.author().clone(), move |ground| {
                let sight = Sight::at(ground, auth)?;
                if !sight.is_root()? {
                    return Err(Error::denied("only root makes accounts"));
                }
                let at = Pointer::root().index(1);
                if master::account(ground.facts, &name)?.is_some() {
                    return Err(taken(
                        &at.key("name"),
                        "an account of this name is there already",
                    ));
                }
                let at = at.key("owner");
                let found = identity(&owner, &at, ground.policy.schema(), ground.facts)?;
                let owner = found
                    .filter(|it| it.collection() == collection::USER)
                    .ok_or_else(|| {
                        let why = "there is no such user";
                        Error::new(ErrorKind::NotFound, "db/not-found", why).with_place(Some(&at))
                    })?;
                let s = SubjectId::new(ACCOUNT, ground.facts.next_number(ACCOUNT)?)
                    .ok_or_else(|| Error::internal("the collection `account` is full"))?;
                let flake = |p, o| Flake {
                    s,
                    p,
                    o,
                    op: FlakeOp::Assert,
                };
                let flakes = vec![
                    flake(ACCOUNT_NAME, Value::string(&name)),
                    flake(ACCOUNT_OWNERS, Value::Ref(owner)),
                ];
                // Who owns an account is root in its network.
                let event = told(EventKind::PolicyChanged, ground, auth, source);
                Ok(Made {
                    flakes,
                    events: vec![event],
                    answer: Ok(s),
                })
            })?;
        let state = self.master().database.state();
        told_account(&state.snapshot, account, |_| Ok(true)).map(Acted::Account)
    }

    fn new_database(&self, session: &Session, name: &DatabaseName) -> Result<Acted, Error> {
        let _acting = self.act()?;
        let (auth, source) = (session.auth(), session.source());
        // Before a file is made for whoever may not.
        {
            let state = self.master().database.state();
            Sight::of(&state.snapshot, &state.policy, auth)?.may_make(name)?;
        }
        self.clear(name)?;
        let life = Incarnation(random()?);
        self.databases().make(name, life)?;
        let asked = name.clone();
        let made = self
            .master()
            .database
            .errand(session.author().clone(), move |ground| {
                let account = Sight::at(ground, auth)?.may_make(&asked)?;
                let entry = Entry::new(ground.facts, asked, life, account, ground.now_ms)?;
                let event = told(EventKind::DatabaseMade, ground, auth, source);
                Ok(Made {
                    flakes: entry.flakes(FlakeOp::Assert),
                    events: vec![event],
                    answer: Ok(entry),
                })
            });
        let entry = match made {
            Ok(entry) => entry,
            Err(error) => {
                // Where it is not known whether the fact is there, the file is looked after when the folder is opened.
                if is_refusal(error.kind()) {
                    self.databases().unmake(name, life)?;
                }
                return Err(error);
            }
        };
        self.databases().place(&entry)?;
        self.dir().keep_incarnation(&entry.name, life)?;
        Ok(Acted::Database(told_database(&entry)))
    }

    fn delete_database(&self, session: &Session, name: DatabaseName) -> Result<Acted, Error> {
        let _acting = self.act()?;
        let (auth, source) = (session.auth(), session.source());
        let entry = self
            .master()
            .database
            .errand(session.author().clone(), move |ground| {
                let sight = Sight::at(ground, auth)?;
                sight.must_act_in(name.network())?;
                if name.is_fixed() {
                    let at = Pointer::root().index(1).key("db/id");
                    let why = "this database is one that every data folder has";
                    let error = Error::new(ErrorKind::Invalid, "db/invalid-db", why);
                    return Err(error.with_place(Some(&at)));
                }
                let entry = master::named(ground.facts, &name)?.ok_or_else(not_yours)?;
                let deleted = Entry {
                    deleted_ms: Some(ground.now_ms),
                    ..entry.clone()
                };
                let event = told(EventKind::DatabaseDeleted, ground, auth, source);
                Ok(Made {
                    flakes: entry.turned(&deleted),
                    events: vec![event],
                    answer: Ok(deleted),
                })
            })?;
        self.databases().retire(&entry)?;
        self.dir().forget_incarnation(&entry.name)?;
        Ok(Acted::Database(told_database(&entry)))
    }

    fn restore_database(
        &self,
        session: &Session,
        name: DatabaseName,
        life: Option<Incarnation>,
    ) -> Result<Acted, Error> {
        let _acting = self.act()?;
        let (auth, source) = (session.auth(), session.source());
        let entry = self
            .master()
            .database
            .errand(session.author().clone(), move |ground| {
                Sight::at(ground, auth)?.must_act_in(name.network())?;
                let found = master::deleted(ground.facts, &name)?;
                let is_meant = |it: &Entry| {
                    let ends_ms = it.deleted_ms.map(undone_until_ms);
                    life.is_none_or(|life| it.incarnation == life)
                        && ends_ms.is_some_and(|ends_ms| ground.now_ms < ends_ms)
                };
                let entry = found.into_iter().rfind(is_meant).ok_or_else(not_yours)?;
                if master::named(ground.facts, &name)?.is_some() {
                    let at = Pointer::root().index(1).key("db/id");
                    return Err(taken(&at, "a database of this name is there"));
                }
                let live = Entry {
                    deleted_ms: None,
                    ..entry.clone()
                };
                let event = told(EventKind::DatabaseRestored, ground, auth, source);
                Ok(Made {
                    flakes: entry.turned(&live),
                    events: vec![event],
                    answer: Ok(live),
                })
            })?;
        self.databases().revive(&entry)?;
        self.dir()
            .keep_incarnation(&entry.name, entry.incarnation)?;
        Ok(Acted::Database(told_database(&entry)))
    }

    /// Sees to it that nothing stands in the place of a database that is not there.
    fn clear(&self, name: &DatabaseName) -> Result<(), Error> {
        let deleted = master::deleted(&self.master().database.state().snapshot, name)?;
        for entry in deleted {
            // The disk may have refused to move it when it was deleted.
            self.databases().retire(&entry)?;
        }
        if exists(&self.dir().place(name))? {
            let at = Pointer::root().index(1).key("db/id");
            return Err(taken(
                &at,
                "a file of this name is there, and is no database's",
            ));
        }
        Ok(())
    }

    /// Begins to change which databases there are, and first removes those whose time is over.
    fn act(&self) -> Result<MutexGuard<'_, ()>, Error> {
        let acting = self.acting().lock().unwrap_or_else(PoisonError::into_inner);
        let settling = Settling {
            dir: self.dir(),
            master: &self.master().database,
            databases: self.databases(),
        };
        settling.purge()?;
        Ok(acting)
    }

    /// Looks at master as the bearer sees it.
    fn see(
        &self,
        session: &Session,
        look: impl FnOnce(&View<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let clock = self.master().database.clock();
        let state = session.state();
        let facts = &state.snapshot;
        let reads = state
            .policy
            .permissions(session.auth(), &Op::query(), facts)?;
        let limit = budget(clock, reads.steps_max());
        let schema = state.policy.schema().clone();
        look(&View::new(reads, schema, facts, clock.now_ms(), &limit))
    }
}

impl<'a> Sight<'a> {
    /// # Errors
    /// `Denied` by law 1.
    fn of(facts: &'a dyn Facts, policy: &'a Policy, auth: SubjectId) -> Result<Self, Error> {
        let reads = policy.permissions(auth, &Op::query(), facts)?;
        if !reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        Ok(Self {
            facts,
            policy,
            auth,
        })
    }

    fn at(ground: &Ground<'a>, auth: SubjectId) -> Result<Self, Error> {
        Self::of(ground.facts, ground.policy, auth)
    }

    fn is_root(&self) -> Result<bool, Error> {
        Ok(self
            .policy
            .permissions(self.auth, &Op::transact(), self.facts)?
            .is_root())
    }

    /// The network of this name, if the auth may act in it.
    fn may_act_in(&self, network: &str) -> Result<Option<Network>, Error> {
        let account = master::account(self.facts, network)?;
        let may = match account {
            Some(account) => self.is_root()? || master::owns(self.facts, self.auth, account)?,
            None => network == LOCAL && self.is_root()?,
        };
        Ok(may.then_some(Network { account }))
    }

    fn must_act_in(&self, network: &str) -> Result<Network, Error> {
        self.may_act_in(network)?.ok_or_else(not_yours)
    }

    /// The account that a new database would be of, if the auth may make it.
    fn may_make(&self, name: &DatabaseName) -> Result<Option<SubjectId>, Error> {
        let Network { account } = self.must_act_in(name.network())?;
        let at = Pointer::root().index(1).key("db/id");
        if master::named(self.facts, name)?.is_some() {
            return Err(taken(&at, "a database of this name is there already"));
        }
        let entries = master::all(self.facts)?;
        let is_beside = |it: &&Entry| it.name.network() == name.network();
        if entries.iter().filter(is_beside).count() >= NETWORK_DATABASES_MAX {
            let why = format!(
                "a network has {NETWORK_DATABASES_MAX} databases at most, with those that can be restored"
            );
            let kind = ErrorKind::Limit(LimitKind::Request);
            return Err(Error::new(kind, "db/limit", why).with_place(Some(&at)));
        }
        Ok(account)
    }
}

/// The database that a token request names, if it is another than that of a session of master.
fn target(session: &Session, body: &str) -> Result<Option<String>, Error> {
    if session.name() != MASTER {
        return Ok(None);
    }
    let Json::Object(members) = Json::read(body)? else {
        return Ok(None);
    };
    let named = members.into_iter().find_map(|member| match member {
        (key, Json::String(name)) if key == "db" => Some(name),
        _ => None,
    });
    Ok(named.filter(|it| DatabaseName::parse(it) != Some(DatabaseName::of_master())))
}

fn of_master(session: &Session) -> Result<(), Error> {
    if session.name() == MASTER {
        Ok(())
    } else {
        Err(wrong_database())
    }
}

fn told(kind: EventKind, ground: &Ground<'_>, auth: SubjectId, source: Source) -> Event {
    Event::new(kind, EventStatus::Ok, ground.now_ms)
        .auth(auth)
        .from(source)
}

fn told_account(
    facts: &dyn Facts,
    account: SubjectId,
    is_seen: impl Fn(&Flake) -> Result<bool, Error>,
) -> Result<Account, Error> {
    let flake = |s, p, o| Flake {
        s,
        p,
        o,
        op: FlakeOp::Assert,
    };
    let mut owners = Vec::new();
    for owner in master::owners(facts, account)? {
        if !is_seen(&flake(account, ACCOUNT_OWNERS, Value::Ref(owner)))? {
            continue;
        }
        let mut username = None;
        for value in facts.value_list(owner, predicate::USER_USERNAME)? {
            if let Value::String(name) = &value
                && is_seen(&flake(owner, predicate::USER_USERNAME, value.clone()))?
            {
                username = Some(name.to_string());
            }
        }
        owners.push((owner, username));
    }
    Ok(Account {
        id: account,
        name: master::account_name(facts, account)?.to_string(),
        owners,
    })
}

fn told_database(entry: &Entry) -> ListedDatabase {
    ListedDatabase {
        name: entry.name.to_string(),
        incarnation: entry.incarnation,
        made_ms: entry.made_ms,
        state: match entry.deleted_ms {
            None => DatabaseState::Live,
            Some(at_ms) => DatabaseState::Deleted {
                at_ms,
                until_ms: undone_until_ms(at_ms),
            },
        },
    }
}

/// Whether a view shows a fact.
fn sees(view: &View<'_>, s: SubjectId, p: PredicateId, o: &Value) -> Result<bool, Error> {
    Ok(view.sees(Fact {
        s,
        p,
        o: o.borrow(),
        t: view.basis(),
    })?)
}

/// Whether an error says that nothing was written.
fn is_refusal(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::Invalid
        | ErrorKind::Unauthenticated
        | ErrorKind::Denied
        | ErrorKind::NotFound
        | ErrorKind::Conflict
        | ErrorKind::Limit(_) => true,
        ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Internal => false,
    }
}

fn not_yours() -> Error {
    let why = "there is no such network or database, or it is not yours";
    Error::new(ErrorKind::NotFound, "db/not-found", why)
}

fn taken(at: &Pointer, why: &str) -> Error {
    Error::new(ErrorKind::Conflict, "db/exists", why).with_place(Some(at))
}
