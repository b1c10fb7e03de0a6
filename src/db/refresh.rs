//! Refreshing: a refresh token, once, for the next access token and its own successor.
//!
//! 1. A token that these keys did not make is nobody's, and touches nothing.
//! 2. The newest of a family is exchanged, and its successor stands in the same commit. The successor is made of the
//!    keys and its number, so it can be made again.
//! 3. The one before the newest gets that same newest again for a while: for a client that lost the answer, and for
//!    any number that ask at one time. Nothing is written then.
//! 4. Any other was used before: someone else has the newest, or had this one. The family ends there and then.

use std::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::databases::Opened;
use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::{Event, EventKind, EventStatus};
use super::family::{
    Family, Granted, SignedIn, dead, expires_ms, handed_out, holds_root, lifetime, over,
    seconds_until,
};
use super::fields::Fields;
use super::folder::Folder;
use super::mint::issue;
use super::person::{asserted, auths_of, is_disabled, set_to, user_of, username_of};
use super::signin::canonical;
use super::source::Source;
use super::state::{Author, valid_after, whole_seconds_up};
use crate::base::limits::{REFRESH_GRACE_SECONDS_MAX, ROOT_TOKEN_SECONDS_MAX, TOKEN_BYTES_MAX};
use crate::model::system::predicate;
use crate::model::{Facts, Incarnation, SubjectId, Value};
use crate::policy::Policy;
use crate::token::{self, RefreshToken};

/// What a refresh token that these keys made is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The newest of its family.
    Newest,
    /// The one before, soon enough.
    Before,
    /// Used before.
    Used,
}

/// A family that stands, and who is of it.
struct Standing {
    family: Family,
    place: Place,
    is_root: bool,
    user: SubjectId,
}

impl Folder {
    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// `Unauthenticated` for one that is not good; where it was used before, its family has ended. `Unavailable` if
    /// the disk does not answer.
    pub fn refresh(&self, refresh_token: &str, source: Source) -> Result<SignedIn, Error> {
        let keys = self.tokens().keys();
        if refresh_token.len() > TOKEN_BYTES_MAX {
            return Err(dead());
        }
        let token = keys.read_refresh_token(refresh_token).map_err(unread)?;
        let incarnation = token.incarnation();
        let Opened { name, database } = self.of_family(incarnation)?;
        let next = token.generation().checked_add(1).ok_or_else(dead)?;
        let successor = keys.refresh_token(incarnation, &token.family(), next)?;
        let state = database.state();
        let now_ms = database
            .clock()
            .now_ms()
            .max(state.snapshot.head().instant_ms);
        let standing = stand(&token, &state.snapshot, &state.policy, now_ms)?;
        let granted = if standing.place == Place::Before {
            grant(&token, &standing, &state.snapshot, now_ms)?
        } else {
            drop(state);
            let auth = Author::Auth(standing.family.auth);
            let hash = successor.hash();
            database
                .errand(auth, move |ground| exchange(&token, &hash, source, ground))
                .map_err(|error| {
                    if error.code() == "db/invalid-auth" {
                        dead()
                    } else {
                        error
                    }
                })?
        };
        handed_out(&keys, granted, &successor, &name, incarnation)
    }

    /// The same, of a request as the door has it; `database` where its path names one.
    ///
    /// Shape: `{"refresh_token"}`.
    ///
    /// # Errors
    /// As [`Folder::refresh`]; `Invalid` for a request that is none.
    pub fn refresh_request(
        &self,
        body: &str,
        database: Option<&str>,
        source: Source,
    ) -> Result<SignedIn, Error> {
        let mut fields = Fields::read(body)?;
        let token = fields.needed_secret("refresh_token")?;
        fields.end()?;
        if let Some(named) = database {
            let read = self.tokens().keys().read_refresh_token(&token);
            let incarnation = read.map_err(unread)?.incarnation();
            if *self.of_family(incarnation)?.name != canonical(named) {
                return Err(dead());
            }
        }
        self.refresh(&token, source)
    }

    /// The database of a family. One that cannot be opened now is no reason to sign in again.
    fn of_family(&self, incarnation: Incarnation) -> Result<Opened, Error> {
        self.of_incarnation(incarnation)
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => dead(),
                _ => error,
            })
    }
}

/// What is told of a token that the keys do not read. Where there is no key to read it by, that is no reason to sign in
/// again.
fn unread(error: token::Error) -> Error {
    match error {
        token::Error::NoRefreshKey => error.into(),
        _ => dead(),
    }
}

/// Whether the family of a token stands, and what the token is in it.
///
/// # Errors
/// `Unauthenticated` if it does not.
fn stand(
    token: &RefreshToken,
    facts: &dyn Facts,
    policy: &Arc<Policy>,
    now_ms: i64,
) -> Result<Standing, Error> {
    let Some(family) = Family::find(&token.family(), facts)? else {
        return Err(dead());
    };
    let auth = family.auth;
    if family.is_revoked || !facts.exists(auth)? || is_disabled(auth, facts)? {
        return Err(dead());
    }
    if let Some(ms) = valid_after(auth, facts)?
        && family.issued_s < whole_seconds_up(ms)
    {
        return Err(dead());
    }
    let user = user_of(auth, facts)?.ok_or_else(dead)?;
    if !auths_of(user, facts)?.contains(&auth) {
        return Err(dead());
    }
    let is_root = holds_root(auth, policy, facts)?;
    let root_ends_s = family
        .issued_s
        .saturating_add(i64::try_from(ROOT_TOKEN_SECONDS_MAX).unwrap_or(i64::MAX));
    if now_ms >= family.expires_ms || (is_root && now_ms.div_euclid(1_000) >= root_ends_s) {
        return Err(over());
    }
    let newest = family.generation().ok_or_else(dead)?;
    let grace_ms = i64::try_from(REFRESH_GRACE_SECONDS_MAX)
        .unwrap_or(0)
        .saturating_mul(1_000);
    let place = if token.generation() == newest {
        let hash = token.hash();
        if !bool::from(hash.as_bytes().ct_eq(family.hash.as_bytes())) {
            // The keys make another token of this number now.
            return Err(dead());
        }
        Place::Newest
    } else if token.generation().checked_add(1) == Some(newest)
        && now_ms.saturating_sub(family.rotated_ms) <= grace_ms
    {
        Place::Before
    } else {
        Place::Used
    };
    Ok(Standing {
        family,
        place,
        is_root,
        user,
    })
}

/// What is granted to the bearer of a token of a family that stands.
fn grant(
    token: &RefreshToken,
    standing: &Standing,
    facts: &dyn Facts,
    now_ms: i64,
) -> Result<Granted, Error> {
    let Standing {
        family,
        place,
        is_root,
        user,
    } = standing;
    let ends_ms = match place {
        Place::Newest => expires_ms(family.issued_s, now_ms, *is_root),
        Place::Before | Place::Used => family.expires_ms,
    };
    let issued_at_s = issue(family.auth, facts, now_ms)?;
    let username = username_of(*user, facts)?;
    Ok(Granted {
        auth: family.auth,
        user: *user,
        username: username.map(|name| name.to_string()).unwrap_or_default(),
        issued_at_s,
        lifetime_seconds: lifetime(None, *is_root, issued_at_s, ends_ms, facts)?,
        id: token.family(),
        refresh_expires_in: seconds_until(ends_ms, now_ms),
    })
}

/// Exchanges a token at the writer's turn, or ends its family.
fn exchange(
    token: &RefreshToken,
    hash: &str,
    source: Source,
    ground: &Ground<'_>,
) -> Result<Made<Granted>, Error> {
    let Ground {
        facts,
        policy,
        now_ms,
        ..
    } = *ground;
    let standing = stand(token, facts, policy, now_ms)?;
    let Standing {
        family,
        place,
        is_root,
        user,
    } = &standing;
    let event = |kind, status| {
        Event::new(kind, status, now_ms)
            .auth(family.auth)
            .user(Some(*user))
            .token(token.family().as_str())
            .from(source)
    };
    match place {
        Place::Before => Ok(Made::told(
            grant(token, &standing, facts, now_ms),
            Vec::new(),
        )),
        Place::Newest => {
            let answer = grant(token, &standing, facts, now_ms)?;
            let record = family.record;
            let ends_ms = expires_ms(family.issued_s, now_ms, *is_root);
            let hash = Value::string(hash);
            let mut flakes = set_to(record, predicate::TOKEN_HASH, hash, facts)?;
            let ends = Value::Instant(ends_ms);
            flakes.extend(set_to(record, predicate::TOKEN_EXPIRES, ends, facts)?);
            Ok(Made {
                flakes,
                events: vec![event(EventKind::Refreshed, EventStatus::Ok)],
                answer: Ok(answer),
            })
        }
        Place::Used => {
            let error = dead();
            let revoked = Value::Boolean(true);
            let told = event(EventKind::RefreshReused, EventStatus::Error).code(error.code());
            Ok(Made {
                flakes: vec![asserted(family.record, predicate::TOKEN_REVOKED, revoked)],
                events: vec![told],
                answer: Err(error),
            })
        }
    }
}
