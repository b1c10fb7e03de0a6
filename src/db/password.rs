//! Setting a password: one's own by the old one, another's by right.
//!
//! 1. Who knows the old password may set a new one, whatever the rules say; it is checked as a sign-in is, with its
//!    lock-out, its price and its text.
//! 2. Without the old one it takes the right over it (`right.rs`); for one's own password that is root's alone, so that
//!    a token that was stolen is not an account that was.
//! 3. A password that was set ends the tokens of its auth, in the same commit, unless that is told not to be.
//! 4. All is judged before the password is hashed, for that is dear, and again at the writer's turn.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::auth_name::AuthName;
use super::database::Database;
use super::databases::Opened;
use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::{Event, EventKind, EventStatus};
use super::fields::{Fields, invalid, missing, place};
use super::folder::Folder;
use super::lockout::{Failed, Tried};
use super::password_record::{OldTokens, ended, record_flakes};
use super::people::People;
use super::person::{UserName, names_of, record_of, user_of, username_of};
use super::right::{At, Whose};
use super::session::Session;
use super::signin::{Compared, Proven, canonical, compare, one_of, refused, still};
use super::source::Source;
use super::state::{Author, budget};
use super::turns::TakenTurn;
use super::weak::check_strength;
use crate::model::system::ROOT_AUTH;
use crate::model::{Facts, SubjectId};
use crate::schema::Schema;
use crate::token::PasswordCheck;

/// A request to set a password.
struct Request {
    whose: Option<Whose>,
    password: Zeroizing<String>,
    old: Option<Zeroizing<String>>,
    tokens: OldTokens,
}

impl Request {
    fn read(body: &str) -> Result<(Self, Option<String>), Error> {
        let mut fields = Fields::read(body)?;
        let user = fields.any("user").map(UserName::read).transpose()?;
        let auth = fields.any("auth");
        let password = fields.needed_secret("password")?;
        let old = fields.secret("oldPassword")?;
        let tokens = if fields.flag("keepTokens")? {
            OldTokens::Keep
        } else {
            OldTokens::End
        };
        let database = fields.text("db")?;
        fields.end()?;
        let whose = match (user, auth) {
            (Some(_), Some(_)) => {
                let why = "a password is of a `user` or of an `auth`, not of both";
                return Err(invalid(&place("auth"), why));
            }
            (Some(user), None) => Some(Whose::User(user)),
            (None, Some(auth)) => Some(Whose::Auth(auth)),
            (None, None) => None,
        };
        let request = Self {
            whose,
            password,
            old,
            tokens,
        };
        Ok((request, database))
    }
}

impl Session {
    /// Sets a password, and tells of which auth.
    ///
    /// Shape: `{"user"?: name | two-tuple | id, "auth"?: id or two-tuple, "password", "oldPassword"?, "keepTokens"?}`.
    ///
    /// # Errors
    /// `Invalid` for a request that is none, and a password that is easy to guess; `NotFound` for whom the bearer does
    /// not see; `Denied` for whom they may not set one for; with `oldPassword`, as [`Folder::sign_in`].
    pub fn set_password(&self, body: &str) -> Result<SubjectId, Error> {
        let source = self.source();
        let (request, named) = Request::read(body)?;
        one_of(Some(self.name()), named.as_deref())?;
        let bearer = self.auth();
        let database = self.database();
        let people = database.people();
        let auth = self.judged(|at| {
            at.may_do_anything()?;
            let auth = match &request.whose {
                None => bearer,
                Some(whose) => at.find(whose)?,
            };
            if auth == bearer {
                if request.old.is_none() && !at.is_root()? {
                    return Err(missing("oldPassword"));
                }
            } else if request.old.is_some() {
                let why = "`oldPassword` is for one's own password";
                return Err(invalid(&place("oldPassword"), why));
            } else {
                at.may_set(auth)?;
            }
            check_for(auth, &request.password, at.facts)?;
            Ok(auth)
        })?;
        let proven = match &request.old {
            None => None,
            Some(old) => Some(self.prove(people, auth, old, source)?),
        };
        let turn = people.turn()?;
        let record = people.hash(&turn, &request.password)?;
        drop(turn);
        let Request {
            whose,
            password,
            tokens,
            ..
        } = request;
        database.errand(self.author().clone(), move |ground| {
            let at = at_turn(bearer, ground);
            at.may_do_anything()?;
            match (&proven, &whose) {
                (Some(proven), _) => still(proven, ground.facts)?,
                (None, _) if auth == bearer && at.is_root()? => {}
                (None, Some(whose)) if auth != bearer && at.find(whose)? == auth => {
                    at.may_set(auth)?;
                }
                (None, _) => return Err(missing("oldPassword")),
            }
            check_for(auth, &password, ground.facts)?;
            set(auth, bearer, &record, tokens, source, ground)
        })
    }

    /// Judges something at the state at which the bearer was admitted.
    pub(super) fn judged<R>(
        &self,
        judge: impl FnOnce(&At<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let (state, clock) = (self.state(), self.database().clock());
        let facts = &state.snapshot;
        let writes =
            state
                .policy
                .permissions(self.auth(), &crate::policy::Op::transact(), facts)?;
        let budget = budget(clock, writes.steps_max());
        let now_ms = clock.now_ms().max(facts.head().instant_ms);
        judge(&At {
            bearer: self.auth(),
            facts,
            policy: &state.policy,
            now_ms,
            budget: &budget,
        })
    }

    /// Proves the bearer's own password.
    fn prove(
        &self,
        people: &People,
        auth: SubjectId,
        old: &str,
        source: Source,
    ) -> Result<Proven, Error> {
        let database = self.database();
        let state = self.state();
        let user = user_of(auth, &state.snapshot)?;
        let name = match user {
            Some(user) => username_of(user, &state.snapshot)?
                .map_or(UserName::Subject(user), |name| {
                    UserName::Name(name.to_string())
                }),
            None => UserName::Subject(auth),
        };
        let tried = name.tried(self.name());
        proven(people, database, tried, source, |turn| {
            let record = record_of(auth, &database.state().snapshot)?;
            let checked = people.check(turn, old, record.as_deref())?;
            let is_right = checked != PasswordCheck::No;
            let proven = record
                .filter(|_| is_right)
                .zip(user)
                .map(|(record, user)| Proven {
                    auth,
                    user,
                    record,
                    renewed: None,
                });
            Ok(Compared { proven, user })
        })
    }
}

impl Folder {
    /// Sets the password of who knows the old one, and has no token.
    ///
    /// Shape: `{"user": name | two-tuple | id, "oldPassword", "password", "keepTokens"?, "db"?}`.
    ///
    /// # Errors
    /// As [`Folder::sign_in`]; `Invalid` for a password that is easy to guess.
    pub fn change_password(
        &self,
        body: &str,
        database: Option<&str>,
        default: &str,
        source: Source,
    ) -> Result<SubjectId, Error> {
        let (request, named) = Request::read(body)?;
        let database = one_of(database, named.as_deref())?.unwrap_or(default);
        let Some(Whose::User(user)) = &request.whose else {
            return Err(missing("user"));
        };
        let Some(old) = &request.old else {
            return Err(missing("oldPassword"));
        };
        // What the request alone tells is told to anybody.
        let sent = match user {
            UserName::Name(name) | UserName::Tuple(_, name) => Some(name.as_str()),
            UserName::Subject(_) => None,
        };
        check_strength(&request.password, sent)?;
        let people = self.people();
        let tried = user.tried(&canonical(database));
        let Some(Opened { database, .. }) = self.opened_if_there(database)? else {
            let of = self.database();
            let nobody = proven(people, of, tried, source, |turn| {
                people.check(turn, old, None)?;
                Ok(Compared {
                    proven: None,
                    user: None,
                })
            });
            return nobody.map(|proven| proven.auth);
        };
        let proven = proven(people, &database, tried, source, |turn| {
            compare(people, turn, user, old, &database)
        })?;
        let turn = people.turn()?;
        let record = people.hash(&turn, &request.password)?;
        drop(turn);
        let auth = proven.auth;
        let Request {
            password, tokens, ..
        } = request;
        database.errand(Author::Auth(auth), move |ground| {
            still(&proven, ground.facts)?;
            at_turn(auth, ground).may_do_anything()?;
            check_for(auth, &password, ground.facts)?;
            set(auth, auth, &record, tokens, source, ground)
        })
    }
}

impl Database {
    /// Sets the password of an auth, as root.
    ///
    /// # Errors
    /// `NotFound` if there is no such auth; `Invalid` for a password that is easy to guess, or an auth of another type
    /// than `password`.
    pub fn set_password(
        &self,
        auth: impl Into<AuthName>,
        password: &str,
        tokens: OldTokens,
    ) -> Result<(), Error> {
        let auth = self.auth(auth)?;
        check_for(auth, password, &self.state().snapshot)?;
        let people = self.people();
        let turn = people.turn()?;
        let record = people.hash(&turn, password)?;
        drop(turn);
        let password = Zeroizing::new(password.to_owned());
        let set = self.errand(Author::Auth(ROOT_AUTH), move |ground| {
            check_for(auth, &password, ground.facts)?;
            set(auth, ROOT_AUTH, &record, tokens, Source::default(), ground)
        });
        set.map(drop)
    }
}

/// Proves a password as a sign-in does: lock-out, turn, and the row of a failure.
fn proven(
    people: &People,
    database: &Database,
    tried: Tried,
    source: Source,
    compare: impl FnOnce(&TakenTurn<'_>) -> Result<Compared, Error>,
) -> Result<Proven, Error> {
    people.admit(tried, source)?;
    let turn = people.turn()?;
    let begun = people.begin(tried, source)?;
    let Compared { proven, user } = compare(&turn)?;
    drop(turn);
    let Some(proven) = proven else {
        let failed: Failed = begun.failed();
        return Err(refused(database, failed, user, source));
    };
    begun.succeeded();
    Ok(proven)
}

/// The state of the writer's turn, and who asks.
pub(super) fn at_turn<'a>(bearer: SubjectId, ground: &Ground<'a>) -> At<'a> {
    At {
        bearer,
        facts: ground.facts,
        policy: ground.policy,
        now_ms: ground.now_ms,
        budget: ground.budget,
    }
}

/// Refuses a password that is easy to guess for who knows whose it is.
///
/// # Errors
/// `Invalid`; `NotFound` if the auth is gone.
pub(super) fn check_for(auth: SubjectId, password: &str, facts: &dyn Facts) -> Result<(), Error> {
    if !facts.exists(auth)? {
        let why = "there is no such auth, or it is not to be seen";
        return Err(Error::new(ErrorKind::NotFound, "db/not-found", why));
    }
    let user = user_of(auth, facts)?;
    let name: Option<Arc<str>> = match user {
        Some(user) => username_of(user, facts)?,
        None => None,
    };
    check_strength(password, name.as_deref())
}

/// The flakes and the row by which an auth has a new password, which `by` set.
pub(super) fn set(
    auth: SubjectId,
    by: SubjectId,
    record: &str,
    tokens: OldTokens,
    source: Source,
    ground: &Ground<'_>,
) -> Result<Made<SubjectId>, Error> {
    let Ground { facts, now_ms, .. } = *ground;
    let mut flakes = record_flakes(auth, record, facts)?;
    if tokens == OldTokens::End {
        flakes.extend(ended(auth, now_ms, facts)?);
    }
    let event = Event::new(EventKind::PasswordSet, EventStatus::Ok, now_ms)
        .auth(auth)
        .by(by)
        .user(user_of(auth, facts)?)
        .from(source);
    Ok(Made {
        flakes,
        events: vec![event],
        answer: Ok(auth),
    })
}

/// Ends every lock-out of a user, by whatever name.
pub(super) fn unlock(
    people: &People,
    database: &str,
    user: SubjectId,
    schema: &Schema,
    facts: &dyn Facts,
) -> Result<(), Error> {
    for name in names_of(user, schema, facts)? {
        people.unlock(name.tried(database));
    }
    Ok(())
}
