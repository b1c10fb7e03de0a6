//! A data folder: the keys that sign tokens, and the databases that the tokens name.
//!
//! Two databases it always has and has always open: `local/default`, and `solon/master`, whose facts say which others
//! there are (`master.rs`). The others are opened when they are asked for (`databases.rs`). Who holds the folder's keys
//! is root: that is what an operator is.
//!
//! 1. A name that is none and a name that nobody may know are refused alike, by the same code on the same path.
//! 2. Which database a token is verified against is chosen by what the token claims; that it is of that database is
//!    believed once its signature is verified. Until then nothing is opened.
//! 3. One process has a folder: the files of the two databases are locked while it does.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::auth_name::AuthName;
use super::command::{Command, is_spelling, misdirected};
use super::data_dir::{DataDir, make_parent};
use super::database::{Database, Options};
use super::database_name::{DEFAULT, DatabaseName, MASTER};
use super::databases::{Databases, Opened, no_such_database, options_of};
use super::error::{Error, ErrorKind};
use super::master::{self, Entry};
use super::mint::issue;
use super::people::People;
use super::program::Program;
use super::root_token::sign;
use super::session::{Session, wrong_database};
use super::settle::{Settling, furnish};
use super::signed::Signed;
use super::signed_command::SignedCommand;
use super::source::Source;
use super::state::Author;
use crate::base::limits::{ROOT_TOKEN_SECONDS_MAX, UNRECORDED_TOKEN_SECONDS_MAX};
use crate::model::system::ROOT_AUTH;
use crate::model::{Facts, Incarnation, SubjectId, T};
use crate::policy::Op;
use crate::token::{self, ApiToken, Expected, PublicKey, Verifier, claimed_audience};

/// A data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tokens: Arc<Verifier>,
    /// Of those who sign in, whichever the database.
    people: Arc<People>,
    dir: DataDir,
    default: Opened,
    master: Opened,
    databases: Databases,
    /// Held by whoever changes which databases there are.
    acting: Mutex<()>,
}

/// A database that is there, open or not.
enum Found<'a> {
    Fixed(&'a Opened),
    OnDemand(Entry),
}

impl Folder {
    /// The database that a new folder has, and that is meant where none is named.
    pub const DEFAULT: &str = DEFAULT;

    /// The database of accounts, and of which databases there are.
    pub const MASTER: &str = MASTER;

    /// Opens a data folder, and makes it, its keys and its two databases if they are not there. What a crash left
    /// between a fact of `solon/master` and the file that it is about is finished.
    ///
    /// # Errors
    /// `Unavailable` if another process has it open or the disk does not answer, `Invalid` if a file in it is not
    /// what it should be, `Corrupt` if one of the two databases is damaged.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        let dir = DataDir::new(dir);
        let issuer = options.issuer.as_deref();
        let tokens = Verifier::of_folder(&dir.keys(), issuer, &options.clock)?;
        let people = Arc::new(People::new(
            Arc::clone(&options.clock),
            options.password_cost,
        ));
        let default = fixed(&dir, &DatabaseName::of_default(), options)?;
        default.database.share_people(&people);
        let master = fixed(&dir, &DatabaseName::of_master(), options)?;
        master.database.share_people(&people);
        furnish(&master.database, default.database.incarnation())?;
        let databases = Databases::new(dir.clone(), options.clone(), Arc::clone(&people));
        let settling = Settling {
            dir: &dir,
            master: &master.database,
            databases: &databases,
        };
        settling.settle()?;
        let inner = Inner {
            tokens: Arc::new(tokens),
            people,
            dir,
            default,
            master,
            databases,
            acting: Mutex::new(()),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The same, of a folder that is there.
    ///
    /// # Errors
    /// As [`Folder::open`]; `NotFound` if there is no database in it.
    pub fn open_existing(dir: &Path, options: &Options) -> Result<Self, Error> {
        if dir.join(format!("{DEFAULT}.redb")).is_file() {
            return Self::open(dir, options);
        }
        let why = "there is no database in it";
        Err(Error::new(ErrorKind::NotFound, "db/not-found", why))
    }

    /// The folder's default database, `local/default`.
    pub fn database(&self) -> &Database {
        &self.inner.default.database
    }

    /// The database that a name means, in either spelling. It stays open while the caller holds it.
    ///
    /// # Errors
    /// `NotFound` if it is not there; `Unavailable` if all that may be open are in use.
    pub fn database_named(&self, name: &str) -> Result<Database, Error> {
        Ok(self.opened(name)?.database)
    }

    /// The database that a name means, in either spelling.
    ///
    /// # Errors
    /// As [`Folder::database_named`].
    pub(super) fn opened(&self, name: &str) -> Result<Opened, Error> {
        let found = self.find(name)?.ok_or_else(no_such_database)?;
        self.open_found(found)
    }

    /// The database of this incarnation.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub(super) fn of_incarnation(&self, incarnation: Incarnation) -> Result<Opened, Error> {
        let Inner {
            default, master, ..
        } = &*self.inner;
        for fixed in [default, master] {
            if fixed.database.incarnation() == incarnation {
                return Ok(fixed.clone());
            }
        }
        let state = master.database.state();
        let entry = master::of_life(&state.snapshot, incarnation)?;
        drop(state);
        self.inner
            .databases
            .open(&entry.ok_or_else(no_such_database)?)
    }

    /// What is kept of those who sign in.
    pub(super) fn people(&self) -> &Arc<People> {
        &self.inner.people
    }

    /// What verifies and signs tokens.
    pub(super) fn tokens(&self) -> &Arc<Verifier> {
        &self.inner.tokens
    }

    /// `solon/master`.
    pub(super) fn master(&self) -> &Opened {
        &self.inner.master
    }

    /// The databases that are opened on demand.
    pub(super) fn databases(&self) -> &Databases {
        &self.inner.databases
    }

    /// The folder's files.
    pub(super) fn dir(&self) -> &DataDir {
        &self.inner.dir
    }

    /// What is held while it is changed which databases there are.
    pub(super) fn acting(&self) -> &Mutex<()> {
        &self.inner.acting
    }

    /// Whether nothing was ever written to the default database but its bootstrap.
    pub fn is_fresh(&self) -> bool {
        self.database().head().t == T(1)
    }

    /// The session of the bearer of a token; `database` where the request names one.
    ///
    /// # Errors
    /// `Unauthenticated` for a token that is not good here, or is of another database than the one that is named.
    pub fn session(&self, token: &str, database: Option<&str>) -> Result<Session, Error> {
        self.session_from(token, database, Source::default())
    }

    /// The same, and where the request comes from.
    ///
    /// # Errors
    /// As [`Folder::session`].
    pub fn session_from(
        &self,
        token: &str,
        database: Option<&str>,
        source: Source,
    ) -> Result<Session, Error> {
        if ApiToken::is(token) {
            return self.program_session(token, database, source);
        }
        let Inner {
            tokens, default, ..
        } = &*self.inner;
        // To read a token's claims costs more than to find it among those that were verified.
        let remembered = tokens.remembers(token);
        let claimed = match &remembered {
            Some(_) => None,
            None => claimed_audience(token),
        };
        let audience = remembered.as_ref().map(|it| it.audience.as_str());
        let found = match audience.or(claimed.as_deref()) {
            // A token names its database in one spelling.
            Some(name) => self.find(name)?.filter(|found| *found.name() == *name),
            None => None,
        };
        // What claims a database that is not there is refused as what is wrong for one that is.
        let found = found.unwrap_or(Found::Fixed(default));
        let audience = found.name();
        let expected = Expected {
            audience: &audience,
            incarnation: found.incarnation(),
        };
        let verify = |now_ms| tokens.verify(token, &expected, now_ms);
        let now_ms = default.database.clock().now_ms();
        let identity = match verify(now_ms) {
            // By the clock of now, which may have been set back since it was issued.
            Err(token::Error::NotYetValid) => None,
            verified => Some(verified?),
        };
        if database.is_some_and(|named| !is_spelling(named, expected.audience)) {
            // The token is good, and of its database: it is no token of the one that the request names.
            return Err(wrong_database());
        }
        let Opened { name, database } =
            self.open_found(found).map_err(|error| match error.kind() {
                // It was deleted a moment ago.
                ErrorKind::NotFound => wrong_database(),
                _ => error,
            })?;
        // The time of a database, by which it issues, does not run backwards.
        let identity = match identity {
            Some(identity) => identity,
            None => verify(database.now_ms()?)?,
        };
        Session::admit(database, name, Arc::clone(tokens), Author::Bearer(identity))
            .map(|session| session.sent_from(source).used())
    }

    /// The session of the bearer of an API token: its database is the one of its incarnation.
    fn program_session(
        &self,
        token: &str,
        database: Option<&str>,
        source: Source,
    ) -> Result<Session, Error> {
        let token = ApiToken::parse(token)?;
        let opened = self.of_incarnation(token.incarnation());
        let Opened { name, database: of } = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => wrong_database(),
            _ => error,
        })?;
        let program = Program::find(&token, &of.state().snapshot)?;
        if database.is_some_and(|it| !is_spelling(it, &name)) {
            return Err(wrong_database());
        }
        let author = Author::Program(Arc::new(program));
        Session::admit(of, name, Arc::clone(self.tokens()), author)
            .map(|session| session.sent_from(source).used())
    }

    /// The session of requests without a token, if `_setting/anonymous` is set in the database that is named.
    ///
    /// # Errors
    /// As [`Folder::session`].
    pub fn anonymous(&self, database: Option<&str>) -> Result<Option<Session>, Error> {
        if !self.has_anonymous(database)? {
            return Ok(None);
        }
        let opened = self.opened(database.unwrap_or(DEFAULT))?;
        match opened.database.anonymous()? {
            Some(auth) => self.session_of(opened, auth).map(Some),
            None => Ok(None),
        }
    }

    /// Whether `_setting/anonymous` is set in the database that is named, or in the default one. It is not in one that
    /// is not there.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` if that cannot be read.
    pub fn has_anonymous(&self, database: Option<&str>) -> Result<bool, Error> {
        match self.find(database.unwrap_or(DEFAULT))? {
            Some(Found::Fixed(opened)) => opened.database.has_anonymous(),
            Some(Found::OnDemand(entry)) => self.inner.databases.has_anonymous(&entry),
            None => Ok(false),
        }
    }

    /// Whether `_setting/anonymous` is set in any database. Each is opened for that.
    ///
    /// # Errors
    /// As [`Folder::has_anonymous`].
    pub fn has_anonymous_anywhere(&self) -> Result<bool, Error> {
        for entry in self.entries()? {
            if entry.deleted_ms.is_none() && self.has_anonymous(Some(entry.name.as_str()))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A session as root, for whoever runs the server in open mode.
    ///
    /// # Errors
    /// `NotFound` for a database that is not there.
    pub fn root_session(&self, database: Option<&str>) -> Result<Session, Error> {
        let opened = self.opened(database.unwrap_or(DEFAULT))?;
        self.session_of(opened, ROOT_AUTH)
    }

    /// Verifies a signed command. It carries its own proof, and needs no session.
    ///
    /// A command for a database that is not there is refused as a wrong signature is.
    ///
    /// # Errors
    /// As [`Database::command`].
    pub fn verify_command(
        &self,
        body: &str,
        database: Option<&str>,
    ) -> Result<SignedCommand, Error> {
        let command = Command::parse(body)?;
        if database.is_some_and(|named| !command.is_for(named)) {
            return Err(misdirected());
        }
        match self.opened(&command.database) {
            Ok(opened) => SignedCommand::verify(&opened.database, command),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Signed::refuse(&command)),
            Err(error) => Err(error),
        }
    }

    /// A token for root of the default database.
    ///
    /// # Errors
    /// `Invalid` for more than 3599 seconds.
    pub fn root_token(&self, expire_seconds: u64) -> Result<String, Error> {
        self.root_token_in(DEFAULT, expire_seconds)
    }

    /// A token for root of the database that a name means.
    ///
    /// # Errors
    /// As [`Folder::root_token`]; `NotFound` if there is no such database.
    pub fn root_token_in(&self, database: &str, expire_seconds: u64) -> Result<String, Error> {
        self.sign(&self.opened(database)?, ROOT_AUTH, expire_seconds)
    }

    /// A token that the operator mints for an auth of the default database, which needs no op: the keys are the
    /// operator's.
    ///
    /// # Errors
    /// `NotFound` if there is no such auth; `Invalid` for more than a day, which would need a record.
    pub fn token_for(
        &self,
        auth: impl Into<AuthName>,
        expire_seconds: u64,
    ) -> Result<String, Error> {
        self.token_for_in(DEFAULT, auth, expire_seconds)
    }

    /// The same, of the database that a name means.
    ///
    /// # Errors
    /// As [`Folder::token_for`]; `NotFound` also if there is no such database.
    pub fn token_for_in(
        &self,
        database: &str,
        auth: impl Into<AuthName>,
        expire_seconds: u64,
    ) -> Result<String, Error> {
        let opened = self.opened(database)?;
        let auth = opened.database.auth(auth)?;
        self.sign(&opened, auth, expire_seconds)
    }

    /// The public keys that verify this folder's access tokens, oldest first: those that sign, will or did.
    ///
    /// # Errors
    /// `Unavailable` if the key folder can no longer be read.
    pub fn public_keys(&self) -> Result<Vec<PublicKey>, Error> {
        Ok(self.inner.tokens.published()?)
    }

    /// Whether requests can be served.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn ready(&self) -> Result<(), Error> {
        let Inner {
            default, master, ..
        } = &*self.inner;
        for Opened { database, .. } in [default, master] {
            database.state().snapshot.exists(ROOT_AUTH)?;
            database.can_write()?;
        }
        self.public_keys().map(drop)
    }

    /// Finishes what was accepted and stops the writers.
    pub fn close(&self) {
        self.inner.databases.close();
        self.inner.default.database.close();
        self.inner.master.database.close();
    }

    /// All that `solon/master` says of databases.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Error> {
        let state = self.inner.master.database.state();
        master::all(&state.snapshot)
    }

    /// The database that a name means, if it is there. Nothing is opened.
    fn find(&self, name: &str) -> Result<Option<Found<'_>>, Error> {
        let Inner {
            default, master, ..
        } = &*self.inner;
        for fixed in [default, master] {
            if is_spelling(name, &fixed.name) {
                return Ok(Some(Found::Fixed(fixed)));
            }
        }
        let Some(name) = DatabaseName::parse(name) else {
            return Ok(None);
        };
        let state = master.database.state();
        Ok(master::named(&state.snapshot, &name)?.map(Found::OnDemand))
    }

    fn open_found(&self, found: Found<'_>) -> Result<Opened, Error> {
        match found {
            Found::Fixed(opened) => Ok(opened.clone()),
            Found::OnDemand(entry) => self.inner.databases.open(&entry),
        }
    }

    pub(super) fn session_of(&self, opened: Opened, auth: SubjectId) -> Result<Session, Error> {
        let Opened { name, database } = opened;
        let tokens = Arc::clone(&self.inner.tokens);
        Session::admit(database, name, tokens, Author::Auth(auth))
    }

    fn sign(
        &self,
        opened: &Opened,
        auth: SubjectId,
        lifetime_seconds: u64,
    ) -> Result<String, Error> {
        let Opened { name, database } = opened;
        let state = database.state();
        let facts = &state.snapshot;
        let is_root = state
            .policy
            .permissions(auth, &Op::query(), facts)?
            .is_root();
        let max = if is_root {
            ROOT_TOKEN_SECONDS_MAX
        } else {
            UNRECORDED_TOKEN_SECONDS_MAX
        };
        if lifetime_seconds > max || lifetime_seconds == 0 {
            let why = format!("such a token lives from 1 to {max} seconds");
            return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
        }
        let issued_at_s = issue(auth, facts, database.clock().now_ms())?;
        sign(
            &self.inner.tokens.keys(),
            auth,
            name,
            database.incarnation(),
            issued_at_s,
            Some(lifetime_seconds),
        )
    }
}

impl Found<'_> {
    fn name(&self) -> Arc<str> {
        match self {
            Self::Fixed(opened) => Arc::clone(&opened.name),
            Self::OnDemand(entry) => entry.name.shared(),
        }
    }

    fn incarnation(&self) -> Incarnation {
        match self {
            Self::Fixed(opened) => opened.database.incarnation(),
            Self::OnDemand(entry) => entry.incarnation,
        }
    }
}

/// Opens one of the two databases that every folder has, and makes it if it is not there.
fn fixed(dir: &DataDir, name: &DatabaseName, options: &Options) -> Result<Opened, Error> {
    let path = dir.place(name);
    make_parent(&path)?;
    Ok(Opened {
        name: name.shared(),
        database: Database::open_with(&path, &options_of(options, name))?,
    })
}
