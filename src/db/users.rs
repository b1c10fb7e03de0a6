//! The people of a database as a bearer sees them, and what is done to keep one out or let one in again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::auth_name::AuthName;
use super::database::Database;
use super::errand::Made;
use super::error::{Error, ErrorKind, LimitKind};
use super::event::{Event, EventKind, EventStatus};
use super::fields::{Fields, missing};
use super::password::{at_turn, unlock};
use super::person::{UserName, auths_of, is_disabled, names_of, text_of, username_of};
use super::right::{At, Whose};
use super::session::Session;
use super::signin::one_of;
use crate::base::limits::QUERY_ROWS_MAX;
use crate::model::system::{collection, predicate};
use crate::model::{Direction, Facts, SubjectId};

/// A user, as far as the bearer sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The user.
    pub user: SubjectId,
    /// The name that they sign in by.
    pub username: Option<String>,
    /// Their auths.
    pub auths: Vec<PersonAuth>,
    /// Whether sign-ins by their name are refused, to someone; told to who may set their password.
    pub locked_out: Option<bool>,
}

/// An auth of a user, as far as the bearer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonAuth {
    /// The auth.
    pub auth: SubjectId,
    /// Its `_auth/id`.
    pub id: Option<String>,
    /// The `_role/id`s of its roles, or their subject ids where they have none.
    pub roles: Vec<String>,
    /// Whether it is refused everywhere.
    pub is_disabled: bool,
}

impl Session {
    /// The users that the bearer sees, oldest first.
    ///
    /// Shape: `{}`, or nothing.
    ///
    /// # Errors
    /// `Invalid` for any other body; `Denied` for an auth whose roles allow nothing; `Limit` if there are too many.
    pub fn users(&self, body: &str) -> Result<Vec<Person>, Error> {
        let mut fields = Fields::read_or_none(body)?;
        let named = fields.text("db")?;
        fields.end()?;
        one_of(Some(self.name()), named.as_deref())?;
        self.judged(|at| {
            at.may_do_anything()?;
            let sight = at.sight()?;
            let mut users = BTreeSet::new();
            let c = collection::USER;
            sight.collection(c, Direction::Ascending, None, &mut |fact| {
                users.insert(fact.s);
                if users.len() > QUERY_ROWS_MAX {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            if users.len() > QUERY_ROWS_MAX {
                let kind = ErrorKind::Limit(LimitKind::Request);
                let why =
                    format!("there are more than {QUERY_ROWS_MAX} users; query them in parts");
                return Err(Error::new(kind, "db/exceeded-cost", why));
            }
            users
                .into_iter()
                .map(|user| self.person(user, at))
                .collect()
        })
    }

    /// Ends every lock-out of a user, and tells of whom.
    ///
    /// Shape: `{"user": name | two-tuple | id, "db"?}`.
    ///
    /// # Errors
    /// `Invalid` for a request that is none; `NotFound` for whom the bearer does not see; `Denied` for whom they may
    /// not set a password for.
    pub fn unlock(&self, body: &str) -> Result<SubjectId, Error> {
        let source = self.source();
        let mut fields = Fields::read(body)?;
        let name = fields.any("user").ok_or_else(|| missing("user"))?;
        let name = UserName::read(name)?;
        let named = fields.text("db")?;
        fields.end()?;
        one_of(Some(self.name()), named.as_deref())?;
        let bearer = self.auth();
        let database = self.database();
        let user = database.errand(self.author().clone(), move |ground| {
            let at = at_turn(bearer, ground);
            at.may_do_anything()?;
            let user = at.find_user(&name)?;
            let auth = at.find(&Whose::User(name))?;
            at.may_set(auth)?;
            let event = Event::new(EventKind::Unlocked, EventStatus::Ok, ground.now_ms)
                .auth(bearer)
                .user(Some(user))
                .from(source);
            Ok(Made::told(Ok(user), vec![event]))
        })?;
        let state = database.state();
        let (schema, facts) = (state.policy.schema(), &state.snapshot);
        unlock(database.people(), self.name(), user, schema, facts)?;
        Ok(user)
    }

    fn person(&self, user: SubjectId, at: &At<'_>) -> Result<Person, Error> {
        let sight = at.sight()?;
        let mut auths = Vec::new();
        let mut may_set = at.is_root()?;
        for auth in auths_of(user, &sight)? {
            auths.push(person_auth(auth, &sight)?);
            if !may_set {
                may_set = match at.may_set(auth) {
                    Err(error) if error.kind() == ErrorKind::Denied => false,
                    judged => judged.map(|()| true)?,
                };
            }
        }
        let mut locked_out = None;
        if may_set {
            let people = self.database().people();
            let names = names_of(user, at.policy.schema(), at.facts)?;
            let mut names = names.iter().map(|name| name.tried(self.name()));
            locked_out = Some(names.any(|tried| people.is_locked_out(tried)));
        }
        Ok(Person {
            user,
            username: username_of(user, &sight)?.map(|name| name.to_string()),
            auths,
            locked_out,
        })
    }
}

fn person_auth(auth: SubjectId, sight: &dyn Facts) -> Result<PersonAuth, Error> {
    let mut roles = Vec::new();
    for role in sight.value_list(auth, predicate::AUTH_ROLES)? {
        let Some(role) = role.borrow().as_ref() else {
            continue;
        };
        let name = text_of(role, predicate::ROLE_ID, sight)?;
        roles.push(name.map_or_else(|| role.to_string(), |name| name.to_string()));
    }
    Ok(PersonAuth {
        auth,
        id: text_of(auth, predicate::AUTH_ID, sight)?.map(|id| id.to_string()),
        roles,
        is_disabled: is_disabled(auth, sight)?,
    })
}

impl Database {
    /// Has an auth refused everywhere, and its tokens with it, until it is enabled again.
    ///
    /// # Errors
    /// `NotFound` if there is no such auth; `Invalid` for root's.
    pub fn disable(&self, auth: impl Into<AuthName>) -> Result<(), Error> {
        let auth = self.auth(auth)?;
        let items = format!(r#"[{{"_id": {auth}, "disabled": true}}]"#);
        self.transact(&items).map(drop)
    }

    /// Ends that. Tokens that are still in time are good again.
    ///
    /// # Errors
    /// `NotFound` if there is no such auth.
    pub fn enable(&self, auth: impl Into<AuthName>) -> Result<(), Error> {
        let auth = self.auth(auth)?;
        let items = format!(r#"[{{"_id": {auth}, "disabled": null}}]"#);
        self.transact(&items).map(drop)
    }
}
