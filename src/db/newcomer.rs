//! New users: the user, their auth, its roles and its password, in one commit.
//!
//! 1. All but the password is an ordinary transaction of the bearer's, and passes every check of one: the rules, law
//!    10, uniqueness, specs.
//! 2. The password takes the right over it (`right.rs`), on the state that has the new auth.
//! 3. What is imported has records that other programs made, or passwords; each line is a commit of its own, and the
//!    first that is refused ends it.

use std::fmt;

use zeroize::Zeroizing;

use super::auth_name::AuthName;
use super::database::Database;
use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::{Event, EventKind, EventStatus};
use super::fields::{Fields, invalid, missing, place};
use super::judged::{Judged, Stage};
use super::password::at_turn;
use super::password_record::typed;
use super::people::People;
use super::session::Session;
use super::signin::one_of;
use super::source::Source;
use super::state::Author;
use super::weak::check_strength;
use crate::model::system::{ROOT_AUTH, predicate};
use crate::model::{self, Facts, Flake, Op, SubjectId, Value};
use crate::policy::History;
use crate::query::{Json, Pointer};
use crate::token::password_scheme;
use crate::transact::parse_json;

/// A user who is not there yet.
#[derive(Clone, Default)]
pub struct NewUser<'a> {
    /// The name that they sign in by.
    pub username: &'a str,
    /// Their password; without, they have none until one is set.
    pub password: Option<&'a str>,
    /// The `_role/id`s of what they may do.
    pub roles: &'a [&'a str],
    /// Their address.
    pub email: Option<&'a str>,
    /// Who they are.
    pub doc: Option<&'a str>,
}

/// A user who was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The user.
    pub user: SubjectId,
    /// Their auth.
    pub auth: SubjectId,
}

/// Why an import of users ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}", error.message())]
pub struct UsersStopped {
    /// The line that was refused, from 1.
    pub line: u64,
    /// Why; its place is within the line.
    pub error: Box<Error>,
    /// How many users were made before, and stay.
    pub made: u64,
}

/// How a new user proves who they are.
enum Secret {
    Nothing,
    Password(Zeroizing<String>),
    Record(Zeroizing<String>),
}

/// A request to make a user.
struct Newcomer {
    username: String,
    secret: Secret,
    roles: Option<Json>,
    email: Option<String>,
    doc: Option<String>,
}

impl fmt::Debug for NewUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is a secret.
        f.debug_struct("NewUser")
            .field("username", &self.username)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Makes a user.
    ///
    /// Shape: `{"username", "password"?, "roles"?: [name | id | two-tuple, ..], "email"?, "doc"?, "db"?}`.
    ///
    /// # Errors
    /// `Invalid` for a request that is none, and a password that is easy to guess; else as a transaction that makes
    /// them, and `Denied` without the right over the password.
    pub fn new_user(&self, body: &str) -> Result<Added, Error> {
        let mut fields = Fields::read(body)?;
        let newcomer = Newcomer::read(&mut fields, false)?;
        let named = fields.text("db")?;
        fields.end()?;
        one_of(Some(self.name()), named.as_deref())?;
        self.judged(|at| {
            let writes =
                at.policy
                    .permissions(at.bearer, &crate::policy::Op::transact(), at.facts)?;
            at.may_do_anything()?;
            // Before the password is hashed, which is dear.
            match writes.never(at.policy.schema(), predicate::USER_USERNAME) {
                Some(message) => Err(Error::new(
                    ErrorKind::Denied,
                    "db/write-permission",
                    &*message,
                )),
                None => Ok(()),
            }
        })?;
        newcomer.make(self.database(), self.author().clone(), self.source())
    }
}

impl Database {
    /// Makes a user, as root.
    ///
    /// # Errors
    /// As [`Session::new_user`].
    pub fn add_user(&self, user: &NewUser<'_>) -> Result<Added, Error> {
        self.add_user_as(ROOT_AUTH, user)
    }

    /// Makes a user as an auth, whom the calling program vouches for.
    ///
    /// # Errors
    /// As [`Session::new_user`]; `NotFound` if there is no such auth.
    pub fn add_user_as(
        &self,
        auth: impl Into<AuthName>,
        user: &NewUser<'_>,
    ) -> Result<Added, Error> {
        let author = Author::Auth(self.auth(auth)?);
        let secret = match user.password {
            Some(password) => Secret::Password(Zeroizing::new(password.to_owned())),
            None => Secret::Nothing,
        };
        let roles = user.roles.iter().map(|role| Json::string(role)).collect();
        let newcomer = Newcomer {
            username: user.username.to_owned(),
            secret,
            roles: roles_of(Some(Json::Array(roles)))?,
            email: user.email.map(str::to_owned),
            doc: user.doc.map(str::to_owned),
        };
        newcomer.make(self, author, Source::default())
    }

    /// Makes the users of a text, one a line, as root; how many there were.
    ///
    /// Shape of a line: `{"username", "record" | "password", "roles"?, "email"?, "doc"?}`, where a record is one of
    /// argon2id, scrypt, bcrypt or pbkdf2-sha256 as other programs write it. Blank lines are left out.
    ///
    /// # Errors
    /// The first refusal, with its line. Who was made before it stays.
    pub fn import_users(&self, lines: &str) -> Result<u64, UsersStopped> {
        self.import_users_by(&Author::Auth(ROOT_AUTH), lines)
    }

    /// The same, as an auth, whom the calling program vouches for.
    ///
    /// # Errors
    /// As [`Database::import_users`]; of line 0 if there is no such auth.
    pub fn import_users_as(
        &self,
        auth: impl Into<AuthName>,
        lines: &str,
    ) -> Result<u64, UsersStopped> {
        let auth = self.auth(auth).map_err(|error| UsersStopped {
            line: 0,
            error: Box::new(error),
            made: 0,
        })?;
        self.import_users_by(&Author::Auth(auth), lines)
    }

    fn import_users_by(&self, author: &Author, lines: &str) -> Result<u64, UsersStopped> {
        let mut made = 0_u64;
        for (line, text) in (1..).zip(lines.lines()) {
            if text.trim().is_empty() {
                continue;
            }
            let read = || {
                let mut fields = Fields::read(text)?;
                let newcomer = Newcomer::read(&mut fields, true)?;
                fields.end()?;
                newcomer.make(self, author.clone(), Source::default())
            };
            read().map_err(|error| UsersStopped {
                line,
                error: Box::new(error),
                made,
            })?;
            made = made.saturating_add(1);
        }
        Ok(made)
    }
}

impl Newcomer {
    fn read(fields: &mut Fields, may_have_record: bool) -> Result<Self, Error> {
        let username = fields
            .text("username")?
            .ok_or_else(|| missing("username"))?;
        let password = fields.secret("password")?;
        let record = if may_have_record {
            fields.secret("record")?
        } else {
            None
        };
        let secret = match (password, record) {
            (Some(_), Some(_)) => {
                let why = "a user has a `password` or its `record`, not both";
                return Err(invalid(&place("record"), why));
            }
            (Some(password), None) => Secret::Password(password),
            (None, Some(record)) => {
                password_scheme(&record)
                    .map_err(|error| Error::from(error).with_place(Some(&place("record"))))?;
                Secret::Record(record)
            }
            (None, None) => Secret::Nothing,
        };
        let roles = roles_of(fields.any("roles"))?;
        Ok(Self {
            username,
            secret,
            roles,
            email: fields.text("email")?,
            doc: fields.text("doc")?,
        })
    }

    fn make(self, database: &Database, author: Author, source: Source) -> Result<Added, Error> {
        if self.username.is_empty() {
            return Err(invalid(&place("username"), "a user has a name"));
        }
        let parsed = parse_json(self.transaction(), &Pointer::root())?;
        let record = self.record(database.people())?;
        let bearer = author.auth();
        let made = database.errand(author, move |ground| {
            let stage = Stage {
                facts: ground.facts,
                history: &Nothing(ground.facts),
                policy: ground.policy,
                auth: bearer,
                now_ms: ground.now_ms,
                budget: ground.budget,
            };
            let judged = stage.judge(parsed)?;
            settle(
                bearer,
                judged,
                record.as_deref().map(String::as_str),
                source,
                ground,
            )
        });
        made.map_err(in_request)
    }

    /// What of it is a transaction.
    fn transaction(&self) -> Json {
        let text = |text: &str| Json::string(text);
        let item = |id: &str| vec![("_id".to_owned(), text(id))];
        let mut auth = item("_auth$auth");
        auth.push(("type".to_owned(), text("password")));
        auth.extend(self.roles.clone().map(|roles| ("roles".to_owned(), roles)));
        let mut user = item("_user$user");
        user.push(("username".to_owned(), text(&self.username)));
        let auths = Json::Array(vec![text("_auth$auth")]);
        user.push(("auth".to_owned(), auths));
        for (key, value) in [("email", &self.email), ("doc", &self.doc)] {
            user.extend(value.as_ref().map(|value| (key.to_owned(), text(value))));
        }
        Json::Array(vec![Json::Object(auth), Json::Object(user)])
    }

    fn record(self, people: &People) -> Result<Option<Zeroizing<String>>, Error> {
        match self.secret {
            Secret::Nothing => Ok(None),
            Secret::Record(record) => Ok(Some(record)),
            Secret::Password(password) => {
                check_strength(&password, [self.username.as_str()])?;
                let turn = people.turn()?;
                Ok(Some(Zeroizing::new(people.hash(&turn, &password)?)))
            }
        }
    }
}

/// The roles of a request, as a transaction names them.
fn roles_of(roles: Option<Json>) -> Result<Option<Json>, Error> {
    let wrong = || {
        invalid(
            &place("roles"),
            "`roles` is a list of names, ids or two-tuples",
        )
    };
    let Some(roles) = roles else { return Ok(None) };
    let Json::Array(roles) = roles else {
        return Err(wrong());
    };
    if roles.is_empty() {
        return Ok(None);
    }
    let named = roles.into_iter().map(|role| match role {
        Json::String(name) => Ok(Json::Array(vec![
            Json::string("_role/id"),
            Json::String(name),
        ])),
        Json::Int(_) | Json::Array(_) => Ok(role),
        _ => Err(wrong()),
    });
    let named: Result<Vec<Json>, Error> = named.collect();
    Ok(Some(Json::Array(named?)))
}

/// Adds the password to what was judged, if the bearer may.
fn settle(
    bearer: SubjectId,
    judged: Judged,
    record: Option<&str>,
    source: Source,
    ground: &Ground<'_>,
) -> Result<Made<Added>, Error> {
    let Judged {
        mut flakes, policy, ..
    } = judged;
    let gone = || Error::internal("a user was made and is not there");
    let said = |p| {
        let is = move |flake: &&Flake| flake.p == p && flake.op == Op::Assert;
        flakes.iter().find(is)
    };
    let user = said(predicate::USER_USERNAME).ok_or_else(gone)?.s;
    let auth = match said(predicate::USER_AUTH).map(|flake| &flake.o) {
        Some(Value::Ref(auth)) => *auth,
        _ => return Err(gone()),
    };
    // Who may sign in, and as what, is policy; that a password was set beside it does not stand in for that.
    let changed = Event::new(EventKind::PolicyChanged, EventStatus::Ok, ground.now_ms);
    let mut events = vec![changed.auth(bearer).from(source)];
    if let Some(record) = record {
        at_turn(bearer, ground).may_set_with(auth, &flakes, &policy)?;
        flakes.extend(typed(auth, record, ground.facts)?);
        events.push(
            Event::new(EventKind::PasswordSet, EventStatus::Ok, ground.now_ms)
                .auth(auth)
                .by(bearer)
                .user(Some(user))
                .from(source),
        );
    }
    Ok(Made {
        flakes,
        events,
        answer: Ok(Added { user, auth }),
    })
}

/// A refusal of the transaction, told of the request that it was made of.
fn in_request(error: Error) -> Error {
    let at = error.at().unwrap_or_default();
    let at = at.strip_prefix("/0/").or_else(|| at.strip_prefix("/1/"));
    let at = at.map(|at| format!("/{at}")).unwrap_or_default();
    let is_own = error.code() == "db/invalid-request" || error.code() == "db/weak-password";
    if is_own { error } else { error.with_at(at) }
}

/// The time before: nothing that makes a user asks for it.
struct Nothing<'a>(&'a dyn Facts);

impl History for Nothing<'_> {
    fn now(&self) -> &dyn Facts {
        self.0
    }

    fn before_it_went(&self, _: SubjectId) -> Result<Option<Box<dyn Facts + '_>>, model::Error> {
        Ok(None)
    }
}
