//! Signing in: a name and a password for an access token and what gets the next.
//!
//! The order, and so of errors: shape; lock-out; the password, checked outside the writer; then, at the writer's turn,
//! all of it judged anew: the auth is still the user's, its record is the one that was checked, it is not disabled.
//!
//! 1. No such user, no password, a wrong one, an auth that is disabled, no such database: one code, one text, one
//!    check of a password at one price, and one row in the trail, which never has a name that is no user's.
//! 2. The record of the password is made anew in the same commit if it is of another function or a lower cost.
//! 3. Nothing is handed out before the family's record is durable.
//! 4. Who names an account must own it, and so be a user of `solon/master`; else the sign-in is none, as in point 1.

use std::fmt;
use std::sync::Arc;

use super::command::is_spelling;
use super::database::Database;
use super::database_name::DatabaseName;
use super::databases::Opened;
use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::{Event, EventKind, EventStatus};
use super::family::{
    Granted, SignedIn, begun, expires_ms, handed_out, holds_root, lifetime, seconds_until,
};
use super::fields::{Fields, missing, place};
use super::folder::Folder;
use super::lockout::Failed;
use super::master;
use super::mint::{has_record, issue};
use super::password_record::record_flakes;
use super::people::{People, Try};
use super::person::{UserName, auths_of, is_by_password, is_disabled, record_of, username_of};
use super::record::swept;
use super::source::Source;
use super::state::Author;
use crate::base::limits::SIGN_IN_AUTHS_MAX;
use crate::model::system::{ROOT_AUTH, ROOT_SETTING, predicate};
use crate::model::{Facts, SubjectId, Value};
use crate::token::{PasswordCheck, TokenId};

/// Who signs in, and where.
pub struct SignIn<'a> {
    /// The user.
    pub user: UserName,
    /// The password.
    pub password: &'a str,
    /// How long the access token is to live; 300 seconds if that is not said.
    pub expire_seconds: Option<u64>,
    /// The database, `network/name`.
    pub database: &'a str,
}

impl fmt::Debug for SignIn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // People type passwords where their name belongs.
        f.debug_struct("SignIn")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// A password that was right, and what it was compared with.
pub(super) struct Proven {
    pub(super) auth: SubjectId,
    pub(super) user: SubjectId,
    /// The record that it was compared with.
    pub(super) record: Arc<str>,
    /// A record by the function and at the cost of now, if that one is not.
    pub(super) renewed: Option<String>,
}

/// What a name and a password come to.
pub(super) struct Compared {
    pub(super) proven: Option<Proven>,
    /// The user that the name means, for the trail.
    pub(super) user: Option<SubjectId>,
}

impl Folder {
    /// Signs a user in.
    ///
    /// # Errors
    /// `Unauthenticated` if there is no such user with that password; `Limit` for a source that is locked out;
    /// `Invalid` for a life that cannot be asked for; `Unavailable` if too many passwords are being checked, or the
    /// disk does not answer.
    pub fn sign_in(&self, request: &SignIn<'_>, source: Source) -> Result<SignedIn, Error> {
        self.sign_in_as(request, None, source)
    }

    /// The same, of an owner of the account that is named, if one is.
    fn sign_in_as(
        &self,
        request: &SignIn<'_>,
        account: Option<String>,
        source: Source,
    ) -> Result<SignedIn, Error> {
        let people = self.people();
        let tried = request.user.tried(&canonical(request.database));
        people.admit(tried, source)?;
        let turn = people.turn()?;
        let begun = people.begin(tried, source)?;
        let Some(Opened { name, database }) = self.opened_if_there(request.database)? else {
            people.check(&turn, request.password, None)?;
            drop(turn);
            // The trail of a database that is there has it, so that both take as long.
            return Err(refused(self.database(), begun.failed(), None, source));
        };
        let compared = compare(people, &turn, &request.user, request.password, &database)?;
        drop(turn);
        let account = account.map(|name| Owned {
            name,
            is_in_master: database.incarnation() == self.master().database.incarnation(),
        });
        let proven = match (compared.proven, &account) {
            (Some(proven), Some(account)) => {
                let is_owner = account.is_of(proven.user, &database.state().snapshot)?;
                Some(proven).filter(|_| is_owner)
            }
            (proven, _) => proven,
        };
        let Some(proven) = proven else {
            return Err(refused(&database, begun.failed(), compared.user, source));
        };
        begun.succeeded();
        let keys = self.tokens().keys();
        let incarnation = database.incarnation();
        let family = TokenId::random()?;
        let refresh = keys.refresh_token(incarnation, &family, 1)?;
        let start = Start {
            family,
            hash: refresh.hash(),
            expire_seconds: request.expire_seconds,
            account,
            source,
        };
        let auth = proven.auth;
        let granted = database.errand(Author::Auth(auth), move |ground| start.run(&proven, ground));
        let granted = match granted {
            Ok(granted) => granted,
            // It changed while it was checked: as if it had been so before.
            Err(error) if error.kind() == ErrorKind::Unauthenticated => {
                let failed = people.begin(tried, source).map(Try::failed);
                let failed = failed.unwrap_or(Failed::Counted);
                return Err(refused(&database, failed, compared.user, source));
            }
            Err(error) => return Err(error),
        };
        handed_out(&keys, granted, &refresh, &name, incarnation)
    }

    /// The same, of a request as the door has it; `database` where its path names one, and `default` where nothing
    /// does.
    ///
    /// Shape: `{"user": name | two-tuple | id, "password", "expireSeconds"?, "account"?, "db"?}`.
    ///
    /// # Errors
    /// As [`Folder::sign_in`]; `Invalid` for a request that is none.
    pub fn sign_in_request(
        &self,
        body: &str,
        database: Option<&str>,
        default: &str,
        source: Source,
    ) -> Result<SignedIn, Error> {
        let mut fields = Fields::read(body)?;
        let user = fields.any("user").ok_or_else(|| missing("user"))?;
        let user = UserName::read(user)?;
        let password = fields.needed_secret("password")?;
        let expire_seconds = fields.seconds("expireSeconds")?;
        let account = fields.text("account")?;
        let named = fields.text("db")?;
        fields.end()?;
        let database = one_of(database, named.as_deref())?.unwrap_or(default);
        let request = SignIn {
            user,
            password: &password,
            expire_seconds,
            database,
        };
        self.sign_in_as(&request, account, source)
    }

    /// What a database shows to whoever is about to sign in: its `_setting/banner`. One that is not there shows none.
    ///
    /// # Errors
    /// `Corrupt` or `Unavailable` if that cannot be read.
    pub fn banner(&self, database: &str) -> Result<Option<String>, Error> {
        let Some(Opened { database, .. }) = self.opened_if_there(database)? else {
            return Ok(None);
        };
        let state = database.state();
        let set = state
            .snapshot
            .value_list(ROOT_SETTING, predicate::SETTING_BANNER)?;
        Ok(set.into_iter().find_map(|value| match value {
            Value::String(text) => Some(text.to_string()),
            _ => None,
        }))
    }

    /// The database that a name means, if it is there: who signs in is not told whether it is.
    pub(super) fn opened_if_there(&self, name: &str) -> Result<Option<Opened>, Error> {
        match self.opened(name) {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many passwords were checked. Tests count the work of a sign-in by it.
    #[doc(hidden)]
    pub fn password_checks(&self) -> u64 {
        self.people().checks()
    }
}

/// The database that the path or the request names; both must name the same.
pub(super) fn one_of<'a>(
    path: Option<&'a str>,
    body: Option<&'a str>,
) -> Result<Option<&'a str>, Error> {
    match (path, body) {
        (Some(path), Some(body)) if !is_spelling(body, path) => {
            let why = "the path names another database";
            Err(Error::new(ErrorKind::Invalid, "db/invalid-db", why).with_place(Some(&place("db"))))
        }
        (path, body) => Ok(path.or(body)),
    }
}

/// Compares a password with those of a user. One check is made at least, and one for each further auth of the user
/// that has a password.
///
/// # Errors
/// As the facts cannot be read, or passwords not be hashed.
pub(super) fn compare(
    people: &People,
    turn: &super::turns::TakenTurn<'_>,
    name: &UserName,
    password: &str,
    database: &Database,
) -> Result<Compared, Error> {
    let state = database.state();
    let facts = &state.snapshot;
    let user = name.find(state.policy.schema(), facts)?;
    let mut records = Vec::new();
    if let Some(user) = user {
        for auth in auths_of(user, facts)? {
            if is_by_password(auth, facts)?
                && !is_disabled(auth, facts)?
                && let Some(record) = record_of(auth, facts)?
            {
                records.push((user, auth, record));
            }
        }
    }
    // No snapshot is held while passwords are hashed.
    drop(state);
    if records.is_empty() {
        people.check(turn, password, None)?;
    }
    for (user, auth, record) in records.into_iter().take(SIGN_IN_AUTHS_MAX) {
        let renewed = match people.check(turn, password, Some(&record))? {
            PasswordCheck::No => continue,
            PasswordCheck::Yes => None,
            PasswordCheck::YesButUpgrade => Some(people.hash(turn, password)?),
        };
        let proven = Proven {
            auth,
            user,
            record,
            renewed,
        };
        return Ok(Compared {
            proven: Some(proven),
            user: Some(user),
        });
    }
    Ok(Compared { proven: None, user })
}

/// Writes the row of a failure, and tells what everyone is told.
pub(super) fn refused(
    database: &Database,
    failed: Failed,
    user: Option<SubjectId>,
    source: Source,
) -> Error {
    let written = database.errand(Author::Auth(ROOT_AUTH), move |ground| {
        let error = wrong();
        let event = |kind| {
            Event::new(kind, EventStatus::Error, ground.now_ms)
                .user(user)
                .from(source)
        };
        let mut events = vec![event(EventKind::SignInFailed).code(error.code())];
        if failed == Failed::LockedOut {
            events.push(event(EventKind::LockedOut));
        }
        Ok(Made::<()>::told(Err(error), events))
    });
    // The answer is the refusal; where it could not be written, that is what is told.
    written.err().unwrap_or_else(wrong)
}

/// What is told of every sign-in that is none.
pub(super) fn wrong() -> Error {
    let why = "there is no such user with that password";
    Error::new(ErrorKind::Unauthenticated, "db/invalid-password", why)
}

/// The one spelling of a database's name; of what is none, any.
pub(super) fn canonical(database: &str) -> String {
    let name = DatabaseName::parse(database);
    name.map_or_else(|| database.to_owned(), |name| name.as_str().to_owned())
}

/// Whether what was proven before still is.
///
/// # Errors
/// `Unauthenticated` if not.
pub(super) fn still(proven: &Proven, facts: &dyn Facts) -> Result<(), Error> {
    let is_so = auths_of(proven.user, facts)?.contains(&proven.auth)
        && is_by_password(proven.auth, facts)?
        && !is_disabled(proven.auth, facts)?
        && record_of(proven.auth, facts)?.is_some_and(|record| record == proven.record);
    if is_so { Ok(()) } else { Err(wrong()) }
}

/// An account that whoever signs in must own.
struct Owned {
    name: String,
    /// Whether the sign-in is to `solon/master`, whose users alone own accounts.
    is_in_master: bool,
}

impl Owned {
    /// Whether it is there, and this user's.
    fn is_of(&self, user: SubjectId, facts: &dyn Facts) -> Result<bool, Error> {
        if !self.is_in_master {
            return Ok(false);
        }
        match master::account(facts, &self.name)? {
            Some(account) => Ok(master::owners(facts, account)?.contains(&user)),
            None => Ok(false),
        }
    }
}

/// What begins a family at the writer's turn.
struct Start {
    family: TokenId,
    hash: String,
    expire_seconds: Option<u64>,
    account: Option<Owned>,
    source: Source,
}

impl Start {
    fn run(&self, proven: &Proven, ground: &Ground<'_>) -> Result<Made<Granted>, Error> {
        let Ground {
            facts,
            policy,
            now_ms,
            ..
        } = *ground;
        let Proven { auth, user, .. } = *proven;
        still(proven, facts)?;
        if let Some(account) = &self.account
            && !account.is_of(user, facts)?
        {
            return Err(wrong());
        }
        let is_root = holds_root(auth, policy, facts)?;
        let issued_at_s = issue(auth, facts, now_ms)?;
        let ends_ms = expires_ms(issued_at_s, now_ms, is_root);
        let lifetime_seconds = lifetime(self.expire_seconds, is_root, issued_at_s, ends_ms, facts)?;
        let id = if has_record(Some(lifetime_seconds)) {
            TokenId::random()?
        } else {
            self.family.clone()
        };
        let username = username_of(user, facts)?;
        let granted = Granted {
            auth,
            user,
            username: username.map(|name| name.to_string()).unwrap_or_default(),
            issued_at_s,
            lifetime_seconds,
            id,
            refresh_expires_in: seconds_until(ends_ms, now_ms),
        };
        let mut flakes = begun(&granted, &self.family, &self.hash, ends_ms, facts)?;
        flakes.extend(swept(facts, now_ms)?);
        if let Some(renewed) = &proven.renewed {
            flakes.extend(record_flakes(auth, renewed, facts)?);
        }
        let event = Event::new(EventKind::SignIn, EventStatus::Ok, now_ms)
            .auth(auth)
            .user(Some(user))
            .token(self.family.as_str())
            .from(self.source);
        Ok(Made {
            flakes,
            events: vec![event],
            answer: Ok(granted),
        })
    }
}
