//! Tokens that set a password: made by who may set it, for who forgot it.
//!
//! 1. What is kept is when it ends, who made it, and its hash, under a sealed predicate. One that is made later takes
//!    its place, and so does any password that is set.
//! 2. It is good once. Who made it must still have the right when it is used: it gives nobody what its maker could not.
//! 3. One that was used, superseded or is too old, and one that never was, read the same.
//!
//! Shape of `_auth/resetToken`: Unix milliseconds of its end, a colon, its maker's id, a colon, SHA-256 in hexadecimal.

use subtle::ConstantTimeEq as _;

use super::databases::Opened;
use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::{Event, EventKind, EventStatus};
use super::fields::{Fields, missing};
use super::folder::Folder;
use super::password::{at_turn, check_for, set, unlock};
use super::password_record::OldTokens;
use super::person::{UserName, is_disabled, set_to, text_of, user_of};
use super::right::{At, Whose};
use super::session::Session;
use super::signin::one_of;
use super::source::Source;
use super::state::{Author, budget};
use crate::base::limits::{RESET_TOKEN_SECONDS_MAX, TOKEN_BYTES_MAX};
use crate::model::system::predicate;
use crate::model::{SubjectId, Value};
use crate::policy::Op;
use crate::token::ResetToken;

/// A token that sets a password.
pub struct ResetMade {
    /// The token, for the user alone.
    pub token: String,
    /// How long it is good, seconds.
    pub expires_in: u64,
    /// Whose password it sets.
    pub auth: SubjectId,
}

impl std::fmt::Debug for ResetMade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a secret.
        f.debug_struct("ResetMade")
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Makes a token by which a user sets a password without knowing the old one.
    ///
    /// Shape: `{"user": name | two-tuple | id, "db"?}`.
    ///
    /// # Errors
    /// `Invalid` for a request that is none; `NotFound` for whom the bearer does not see; `Denied` for whom they may
    /// not set a password for.
    pub fn reset_token(&self, body: &str) -> Result<ResetMade, Error> {
        let source = self.source();
        let mut fields = Fields::read(body)?;
        let user = fields.any("user").ok_or_else(|| missing("user"))?;
        let whose = Whose::User(UserName::read(user)?);
        let named = fields.text("db")?;
        fields.end()?;
        one_of(Some(self.name()), named.as_deref())?;
        let auth = self.judged(|at| {
            at.may_do_anything()?;
            at.find(&whose)
        })?;
        let database = self.database();
        let token = ResetToken::generate(database.incarnation(), auth)?;
        let (bearer, hash) = (self.auth(), token.hash());
        database.errand(self.author().clone(), move |ground| {
            let at = at_turn(bearer, ground);
            at.may_do_anything()?;
            if at.find(&whose)? != auth {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "db/conflict",
                    "the user's auths changed; try again",
                ));
            }
            at.may_set(auth)?;
            let Ground { facts, now_ms, .. } = *ground;
            let life_ms = i64::try_from(RESET_TOKEN_SECONDS_MAX)
                .unwrap_or(0)
                .saturating_mul(1_000);
            let ends_ms = now_ms.saturating_add(life_ms);
            let kept = Value::string(&format!("{ends_ms}:{bearer}:{hash}"));
            let event = Event::new(EventKind::ResetMade, EventStatus::Ok, now_ms)
                .auth(auth)
                .by(bearer)
                .user(user_of(auth, facts)?)
                .from(source);
            Ok(Made {
                flakes: set_to(auth, predicate::AUTH_RESET_TOKEN, kept, facts)?,
                events: vec![event],
                answer: Ok(()),
            })
        })?;
        Ok(ResetMade {
            token: token.text().to_owned(),
            expires_in: RESET_TOKEN_SECONDS_MAX,
            auth,
        })
    }
}

impl Folder {
    /// Sets a password by a token that was made for it, and ends all tokens of the auth.
    ///
    /// Shape: `{"resetToken", "password"}`.
    ///
    /// # Errors
    /// `Invalid` for a request that is none, or a password that is easy to guess; `Unauthenticated` for a token that is
    /// not good.
    pub fn new_password(&self, body: &str, source: Source) -> Result<SubjectId, Error> {
        let mut fields = Fields::read(body)?;
        let token = fields.needed_secret("resetToken")?;
        let password = fields.needed_secret("password")?;
        fields.end()?;
        if token.len() > TOKEN_BYTES_MAX {
            return Err(stale());
        }
        let token = ResetToken::parse(&token).map_err(|_| stale())?;
        let opened = self.of_incarnation(token.incarnation());
        let Opened { name, database } = opened.map_err(|error| match error.kind() {
            ErrorKind::NotFound => stale(),
            _ => error,
        })?;
        let auth = token.auth();
        // Before the password is hashed, which is dear: any text can be sent here.
        {
            let state = database.state();
            let facts = &state.snapshot;
            let now_ms = database.clock().now_ms().max(facts.head().instant_ms);
            let budget = budget(database.clock(), u64::MAX);
            let at = At {
                bearer: auth,
                facts,
                policy: &state.policy,
                now_ms,
                budget: &budget,
            };
            check(&token, &at)?;
            check_for(auth, &password, facts)?;
        }
        let people = self.people();
        let turn = people.turn()?;
        let record = people.hash(&turn, &password)?;
        drop(turn);
        let made = database.errand(Author::Auth(auth), move |ground| {
            check(&token, &at_turn(auth, ground))?;
            check_for(auth, &password, ground.facts)?;
            set(auth, auth, &record, OldTokens::End, source, ground)
        });
        let auth = made.map_err(|error| match error.code() {
            "db/invalid-auth" => stale(),
            _ => error,
        })?;
        let state = database.state();
        if let Some(user) = user_of(auth, &state.snapshot)? {
            unlock(people, &name, user, state.policy.schema(), &state.snapshot)?;
        }
        Ok(auth)
    }
}

/// Whether a token is good, and its maker still may what it does.
fn check(token: &ResetToken, at: &At<'_>) -> Result<(), Error> {
    let auth = token.auth();
    let Some(kept) = text_of(auth, predicate::AUTH_RESET_TOKEN, at.facts)? else {
        return Err(stale());
    };
    let mut parts = kept.splitn(3, ':');
    let ends_ms = parts.next().and_then(|it| it.parse::<i64>().ok());
    let maker = parts.next().and_then(|it| it.parse().ok());
    let maker = maker.and_then(SubjectId::from_raw);
    let (Some(ends_ms), Some(maker), Some(hash)) = (ends_ms, maker, parts.next()) else {
        return Err(stale());
    };
    let is_it = bool::from(token.hash().as_bytes().ct_eq(hash.as_bytes()));
    if !is_it || at.now_ms >= ends_ms || is_disabled(auth, at.facts)? {
        return Err(stale());
    }
    if !at.facts.exists(maker)? || is_disabled(maker, at.facts)? {
        return Err(stale());
    }
    let steps_max = at
        .policy
        .permissions(maker, &Op::transact(), at.facts)?
        .steps_max();
    let budget = at.budget.bounded(steps_max);
    let maker = At {
        bearer: maker,
        budget: &budget,
        ..*at
    };
    match maker.may_set(auth) {
        Err(error) if error.kind() == ErrorKind::Denied => Err(stale()),
        judged => judged,
    }
}

fn stale() -> Error {
    let why = "the reset token is not good: it was used, or another was made, or it is too old";
    Error::new(ErrorKind::Unauthenticated, "db/invalid-token", why)
}
