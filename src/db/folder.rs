//! A data folder: the keys that sign tokens, and the databases that the tokens name.
//!
//! Shape:
//! ```text
//! DIR/keys/…                   the signing keys and the issuer's id; see docs/format.md
//! DIR/keys/local.default.json  the incarnation of a database, for whoever mints from the key alone
//! DIR/local/default.redb       the database `local/default`
//! ```
//! There is one database today. Who holds the folder's keys is root: that is what an operator is.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::auth_name::AuthName;
use super::command::{Command, is_spelling, misdirected};
use super::database::{Database, Options};
use super::error::{Error, ErrorKind};
use super::mint::issue;
use super::program::Program;
use super::session::{Session, wrong_database};
use super::signed::Signed;
use super::signed_command::SignedCommand;
use super::source::Source;
use super::state::Author;
use crate::base::limits::ROOT_TOKEN_SECONDS_MAX;
use crate::model::system::{ROOT_AUTH, ROOT_SETTING, predicate};
use crate::model::{Facts, Incarnation, SubjectId, T, Value};
use crate::policy::Op;
use crate::token::{ApiToken, Expected, Grant, Keys, TokenId, Verifier};

/// The database that a new folder has.
pub(super) const DEFAULT: &str = "local/default";

/// A data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Folder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tokens: Arc<Verifier>,
    opened: Opened,
}

/// A database of the folder that is open, and its name.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) name: Arc<str>,
    pub(super) database: Database,
}

impl Folder {
    /// Opens a data folder, and makes it, its keys and its database if they are not there.
    ///
    /// # Errors
    /// `Unavailable` if another process has it open or the disk does not answer, `Invalid` if a file in it is not
    /// what it should be, `Corrupt` if the database is damaged.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, Error> {
        let keys = Keys::load_or_create(&dir.join("keys"))?;
        let keys = match &options.issuer {
            Some(issuer) => keys.with_issuer(issuer)?,
            None => keys,
        };
        let path = database_path(dir);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| unreadable(parent, &error))?;
        }
        let database = Database::open_with(&path, options)?;
        keep_incarnation(dir, database.incarnation())?;
        let tokens = Arc::new(Verifier::new(Arc::new(keys)));
        let inner = Inner {
            tokens,
            opened: Opened {
                name: Arc::from(DEFAULT),
                database,
            },
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

    /// The folder's database.
    pub fn database(&self) -> &Database {
        &self.inner.opened.database
    }

    /// The database that a name means.
    ///
    /// # Errors
    /// `NotFound` if it is not there.
    pub fn database_named(&self, name: &str) -> Result<&Database, Error> {
        if self.is_named(Some(name)) {
            return Ok(&self.inner.opened.database);
        }
        Err(Error::new(
            ErrorKind::NotFound,
            "db/not-found",
            "there is no such database",
        ))
    }

    /// The database that a name means, in either spelling.
    ///
    /// # Errors
    /// `NotFound` if it is not there.
    pub(super) fn opened(&self, name: &str) -> Result<Opened, Error> {
        self.database_named(name)?;
        Ok(self.inner.opened.clone())
    }

    /// The database of this incarnation.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub(super) fn of_incarnation(&self, incarnation: Incarnation) -> Result<Opened, Error> {
        let opened = &self.inner.opened;
        if opened.database.incarnation() == incarnation {
            return Ok(opened.clone());
        }
        let why = "there is no such database";
        Err(Error::new(ErrorKind::NotFound, "db/not-found", why))
    }

    /// What verifies and signs tokens.
    pub(super) fn tokens(&self) -> &Arc<Verifier> {
        &self.inner.tokens
    }

    /// Whether nothing was ever written to the database but its bootstrap.
    pub fn is_fresh(&self) -> bool {
        self.inner.opened.database.head().t == T(1)
    }

    /// The session of the bearer of a token; `database` where the request names one.
    ///
    /// # Errors
    /// `Unauthenticated` for a token that is not good here; `NotFound` for a database that is not there.
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
            return Ok(self.program_session(token, database)?.of(source));
        }
        let Inner { tokens, opened } = &*self.inner;
        let Opened { name, database: of } = opened;
        let expected = Expected {
            audience: name,
            incarnation: of.incarnation(),
        };
        let identity = tokens.verify(token, &expected, of.clock().now_ms())?;
        if !self.is_named(database) {
            // The token is good, and of this database: it is no token of the one that the request names.
            return Err(wrong_database());
        }
        let session = Session::admit(
            of.clone(),
            Arc::clone(name),
            Arc::clone(tokens),
            Author::Bearer(identity),
        )?;
        Ok(session.of(source))
    }

    /// The session of the bearer of an API token: its database is the one of its incarnation.
    fn program_session(&self, token: &str, database: Option<&str>) -> Result<Session, Error> {
        let token = ApiToken::parse(token)?;
        let Opened { name, database: of } = self
            .of_incarnation(token.incarnation())
            .map_err(|_| wrong_database())?;
        let program = Program::find(&token, &of.state().snapshot)?;
        if database.is_some_and(|it| !is_spelling(it, &name)) {
            return Err(wrong_database());
        }
        let author = Author::Program(Arc::new(program));
        Session::admit(of, name, Arc::clone(self.tokens()), author)
    }

    /// The session of requests without a token, if `_setting/anonymous` is set.
    ///
    /// # Errors
    /// As [`Folder::session`].
    pub fn anonymous(&self, database: Option<&str>) -> Result<Option<Session>, Error> {
        if !self.is_named(database) {
            return Ok(None);
        }
        let state = self.inner.opened.database.state();
        let set = state
            .snapshot
            .value_list(ROOT_SETTING, predicate::SETTING_ANONYMOUS)?;
        match set.first() {
            Some(Value::Ref(auth)) => self.session_of(*auth).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether `_setting/anonymous` is set.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` if that cannot be read.
    pub fn has_anonymous(&self) -> Result<bool, Error> {
        let state = self.inner.opened.database.state();
        Ok(!state
            .snapshot
            .value_list(ROOT_SETTING, predicate::SETTING_ANONYMOUS)?
            .is_empty())
    }

    /// A session as root, for whoever runs the server in open mode.
    ///
    /// # Errors
    /// `NotFound` for a database that is not there.
    pub fn root_session(&self, database: Option<&str>) -> Result<Session, Error> {
        if !self.is_named(database) {
            return Err(Error::new(
                ErrorKind::NotFound,
                "db/not-found",
                "there is no such database",
            ));
        }
        self.session_of(ROOT_AUTH)
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
        if !command.is_for(&self.inner.opened.name) {
            return Err(Signed::refuse(&command));
        }
        SignedCommand::verify(&self.inner.opened.database, command)
    }

    /// A token for root.
    ///
    /// # Errors
    /// `Invalid` for more than 3599 seconds.
    pub fn root_token(&self, expire_seconds: u64) -> Result<String, Error> {
        self.sign(ROOT_AUTH, Some(expire_seconds))
    }

    /// A token that the operator mints for an auth, which needs no op: the keys are the operator's.
    ///
    /// # Errors
    /// `NotFound` if there is no such auth; `Invalid` for more than a day, which would need a record.
    pub fn token_for(
        &self,
        auth: impl Into<AuthName>,
        expire_seconds: u64,
    ) -> Result<String, Error> {
        let auth = self.inner.opened.database.auth(auth)?;
        self.sign(auth, Some(expire_seconds))
    }

    /// Whether requests can be served.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn ready(&self) -> Result<(), Error> {
        self.inner
            .opened
            .database
            .state()
            .snapshot
            .exists(ROOT_AUTH)?;
        self.inner.opened.database.can_write()
    }

    /// Finishes what was accepted and stops the writer.
    pub fn close(&self) {
        self.inner.opened.database.close();
    }

    fn is_named(&self, database: Option<&str>) -> bool {
        database.is_none_or(|it| is_spelling(it, &self.inner.opened.name))
    }

    fn session_of(&self, auth: SubjectId) -> Result<Session, Error> {
        let Inner { tokens, opened } = &*self.inner;
        let Opened { name, database } = opened;
        let author = Author::Auth(auth);
        Session::admit(
            database.clone(),
            Arc::clone(name),
            Arc::clone(tokens),
            author,
        )
    }

    fn sign(&self, auth: SubjectId, lifetime_seconds: Option<u64>) -> Result<String, Error> {
        let Inner { tokens, opened } = &*self.inner;
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
            crate::base::limits::UNRECORDED_TOKEN_SECONDS_MAX
        };
        if lifetime_seconds.is_none_or(|seconds| seconds > max || seconds == 0) {
            let why = format!("such a token lives from 1 to {max} seconds");
            return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
        }
        let issued_at_s = issue(auth, facts, database.clock().now_ms())?;
        sign(
            &tokens.keys(),
            auth,
            name,
            database.incarnation(),
            issued_at_s,
            lifetime_seconds,
        )
    }
}

/// A root token from the keys of a folder alone, whether or not a server runs on it.
///
/// # Errors
/// `NotFound` if the folder has no keys or no such database; `Invalid` for more than 3599 seconds.
pub fn root_token_from_keys(
    dir: &Path,
    expire_seconds: u64,
    database: &str,
    options: &Options,
) -> Result<String, Error> {
    if expire_seconds == 0 || expire_seconds > ROOT_TOKEN_SECONDS_MAX {
        let why = format!("a root token lives from 1 to {ROOT_TOKEN_SECONDS_MAX} seconds");
        return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
    }
    let name = database.replacen('.', "/", 1);
    let not_found = |what: String| Error::new(ErrorKind::NotFound, "db/not-found", what);
    if name != DEFAULT {
        return Err(not_found(format!(
            "there is no database `{name}` in this folder"
        )));
    }
    let path = incarnation_path(dir);
    let text = fs::read_to_string(&path).map_err(|_| {
        not_found(format!(
            "`{}` is no data folder of a database",
            dir.display()
        ))
    })?;
    let incarnation = parse_incarnation(&text).ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            "db/corrupt",
            "the incarnation file is damaged",
        )
    })?;
    let keys = Keys::load(&dir.join("keys"))?;
    let keys = match &options.issuer {
        Some(issuer) => keys.with_issuer(issuer)?,
        None => keys,
    };
    let now_s = options.clock.now_ms().div_euclid(1_000);
    sign(
        &keys,
        ROOT_AUTH,
        &name,
        incarnation,
        now_s,
        Some(expire_seconds),
    )
}

fn sign(
    keys: &Keys,
    subject: SubjectId,
    audience: &str,
    incarnation: Incarnation,
    issued_at_s: i64,
    lifetime_seconds: Option<u64>,
) -> Result<String, Error> {
    let id = TokenId::random()?;
    Ok(keys.sign(&Grant {
        subject,
        audience,
        incarnation,
        issued_at_s,
        lifetime_seconds,
        id,
    })?)
}

/// Where the folder's database is.
pub(super) fn database_path(dir: &Path) -> PathBuf {
    dir.join(format!("{DEFAULT}.redb"))
}

fn incarnation_path(dir: &Path) -> PathBuf {
    dir.join("keys")
        .join(format!("{}.incarnation", DEFAULT.replace('/', ".")))
}

/// Writes the incarnation beside the keys, whole or not at all.
fn keep_incarnation(dir: &Path, incarnation: Incarnation) -> Result<(), Error> {
    let path = incarnation_path(dir);
    let text = format!("{incarnation}\n");
    if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return Ok(());
    }
    let new = path.with_extension("new");
    let write = || {
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().map_err(|error| unreadable(&path, &error))
}

fn parse_incarnation(text: &str) -> Option<Incarnation> {
    let text = text.trim_end();
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(text, 16)
        .ok()
        .map(|number| Incarnation(number.to_be_bytes()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::unavailable(format!("`{}`: {error}", path.display()))
}
