//! The family of a sign-in: the record by which its tokens stand and fall, and the tokens themselves.
//!
//! 1. A family has one record. Its `_token/hash` is that of the newest refresh token, with its number; so what was
//!    used before is known by its number alone.
//! 2. `issued` is the sign-in's, for good. `expires` moves on with each rotation, up to the end of the family.
//! 3. The access tokens of a sign-in have the family's id, if they live a day or less; one that lives longer has a
//!    record of its own, which names the family.
//! 4. Whoever holds root has a family that ends 3599 seconds after the sign-in, and so have its access tokens.

use std::fmt;
use std::sync::Arc;

use super::error::{Error, ErrorKind};
use super::fields::{invalid, place};
use super::mint::has_record;
use super::person::{asserted, tag, text_of};
use crate::base::limits::{
    ACCESS_TOKEN_SECONDS, FAMILY_SECONDS_MAX, REFRESH_SECONDS_MAX, ROOT_TOKEN_SECONDS_MAX,
};
use crate::model::system::{ROOT_SETTING, collection, first_number, predicate};
use crate::model::{Facts, Flake, Incarnation, SubjectId, T, Value, ValueRef};
use crate::policy::{Op, Policy};
use crate::token::{Grant, Keys, RefreshToken, TokenId};

/// What whoever signed in is handed.
pub struct SignedIn {
    /// The access token.
    pub token: String,
    /// How long it lives, seconds.
    pub expires_in: u64,
    /// What gets the next access token, once.
    pub refresh_token: String,
    /// How long that is good for, seconds.
    pub refresh_expires_in: u64,
    /// The auth that signed in.
    pub auth: SubjectId,
    /// Its user.
    pub user: SubjectId,
    /// The user's name.
    pub username: String,
    /// The database.
    pub database: String,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The tokens are secrets.
        f.debug_struct("SignedIn")
            .field("auth", &self.auth)
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

/// A family as its record has it.
pub(super) struct Family {
    pub(super) record: SubjectId,
    pub(super) auth: SubjectId,
    pub(super) issued_s: i64,
    pub(super) expires_ms: i64,
    /// The number of the newest refresh token, a colon, and its hash.
    pub(super) hash: Arc<str>,
    /// When that was made, Unix milliseconds.
    pub(super) rotated_ms: i64,
    pub(super) is_revoked: bool,
}

/// What is granted to whoever signed in.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) auth: SubjectId,
    pub(super) user: SubjectId,
    pub(super) username: String,
    pub(super) issued_at_s: i64,
    pub(super) lifetime_seconds: u64,
    /// The access token's id.
    pub(super) id: TokenId,
    pub(super) refresh_expires_in: u64,
}

impl Family {
    /// The family with this id, if it has a whole record.
    pub(super) fn find(id: &TokenId, facts: &dyn Facts) -> Result<Option<Self>, Error> {
        let named = facts.subject_list(predicate::TOKEN_ID, ValueRef::String(id.as_str()))?;
        let Some(record) = named.first().copied() else {
            return Ok(None);
        };
        let refresh = tag("_token/kind:refresh", facts)?;
        let kinds = facts.value_list(record, predicate::TOKEN_KIND)?;
        if !kinds.contains(&Value::Ref(refresh)) {
            return Ok(None);
        }
        let auth = facts.value_list(record, predicate::TOKEN_AUTH)?;
        let instant = |p| -> Result<Option<i64>, Error> {
            let values = facts.value_list(record, p)?;
            Ok(values.iter().find_map(|value| match value {
                Value::Instant(ms) => Some(*ms),
                _ => None,
            }))
        };
        let mut since = T(0);
        facts.values(record, predicate::TOKEN_HASH, &mut |fact| {
            since = fact.t;
            std::ops::ControlFlow::Break(())
        })?;
        let block = facts.value_list(SubjectId::of_block(since), predicate::BLOCK_INSTANT)?;
        let revoked = facts.value_list(record, predicate::TOKEN_REVOKED)?;
        let parts = (
            auth.first().and_then(|it| it.borrow().as_ref()),
            instant(predicate::TOKEN_ISSUED)?,
            instant(predicate::TOKEN_EXPIRES)?,
            text_of(record, predicate::TOKEN_HASH, facts)?,
            block.first(),
        );
        let (Some(auth), Some(issued_ms), Some(expires_ms), Some(hash), Some(block)) = parts else {
            return Ok(None);
        };
        let Value::Instant(rotated_ms) = block else {
            return Ok(None);
        };
        Ok(Some(Self {
            record,
            auth,
            issued_s: issued_ms.div_euclid(1_000),
            expires_ms,
            hash,
            rotated_ms: *rotated_ms,
            is_revoked: revoked.contains(&Value::Boolean(true)),
        }))
    }

    /// The number of the newest refresh token.
    pub(super) fn generation(&self) -> Option<u32> {
        self.hash.split_once(':')?.0.parse().ok()
    }
}

/// When a family that was not used since `now_ms` ends, Unix milliseconds.
pub(super) fn expires_ms(issued_s: i64, now_ms: i64, is_root: bool) -> i64 {
    let after = |ms: i64, seconds: u64| {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        ms.saturating_add(seconds.saturating_mul(1_000))
    };
    let in_all = if is_root {
        ROOT_TOKEN_SECONDS_MAX
    } else {
        FAMILY_SECONDS_MAX
    };
    after(now_ms, REFRESH_SECONDS_MAX).min(after(issued_s.saturating_mul(1_000), in_all))
}

/// How long an access token of a family lives.
///
/// # Errors
/// `Invalid` for more than it may be asked to.
pub(super) fn lifetime(
    asked: Option<u64>,
    is_root: bool,
    issued_at_s: i64,
    family_ends_ms: i64,
    facts: &dyn Facts,
) -> Result<u64, Error> {
    let set = facts.value_list(ROOT_SETTING, predicate::SETTING_TOKEN_MAX_SECONDS)?;
    let set = set.first().and_then(|value| match value {
        Value::Int(seconds) => u64::try_from(*seconds).ok(),
        _ => None,
    });
    let root = is_root.then_some(ROOT_TOKEN_SECONDS_MAX);
    let max = set.into_iter().chain(root).min();
    let Some(asked) = asked else {
        let left_s = family_ends_ms.div_euclid(1_000).saturating_sub(issued_at_s);
        let left = u64::try_from(left_s).unwrap_or(0).max(1);
        return Ok(ACCESS_TOKEN_SECONDS.min(max.unwrap_or(u64::MAX)).min(left));
    };
    match max {
        Some(max) if asked > max => {
            let why = format!("`expireSeconds` is {max} at most here");
            Err(invalid(&place("expireSeconds"), why))
        }
        _ => Ok(asked),
    }
}

/// Whether an auth holds root.
pub(super) fn holds_root(
    auth: SubjectId,
    policy: &Policy,
    facts: &dyn Facts,
) -> Result<bool, Error> {
    Ok(policy.permissions(auth, &Op::query(), facts)?.is_root())
}

/// The flakes of a new family, and of its first access token if that lives longer than a day.
pub(super) fn begun(
    granted: &Granted,
    family: &TokenId,
    hash: &str,
    ends_ms: i64,
    facts: &dyn Facts,
) -> Result<Vec<Flake>, Error> {
    let number = facts
        .next_number(collection::TOKEN)?
        .max(first_number(collection::TOKEN));
    let subject = |number| {
        SubjectId::new(collection::TOKEN, number)
            .ok_or_else(|| Error::internal("the collection `_token` is full"))
    };
    let issued_ms = granted.issued_at_s.saturating_mul(1_000);
    let record = |s, id: &TokenId, kind, expires_ms| -> Result<Vec<Flake>, Error> {
        let facts_of = [
            (predicate::TOKEN_ID, Value::string(id.as_str())),
            (predicate::TOKEN_AUTH, Value::Ref(granted.auth)),
            (predicate::TOKEN_KIND, Value::Ref(tag(kind, facts)?)),
            (predicate::TOKEN_FAMILY, Value::string(family.as_str())),
            (predicate::TOKEN_ISSUED, Value::Instant(issued_ms)),
            (predicate::TOKEN_EXPIRES, Value::Instant(expires_ms)),
        ];
        Ok(facts_of
            .into_iter()
            .map(|(p, o)| asserted(s, p, o))
            .collect())
    };
    let s = subject(number)?;
    let mut flakes = record(s, family, "_token/kind:refresh", ends_ms)?;
    flakes.push(asserted(s, predicate::TOKEN_HASH, Value::string(hash)));
    if has_record(Some(granted.lifetime_seconds)) {
        let lifetime_ms = i64::try_from(granted.lifetime_seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
        let s = subject(number.saturating_add(1))?;
        let expires_ms = issued_ms.saturating_add(lifetime_ms);
        flakes.extend(record(s, &granted.id, "_token/kind:access", expires_ms)?);
    }
    Ok(flakes)
}

/// The seconds from `now_ms` until an end.
pub(super) fn seconds_until(ends_ms: i64, now_ms: i64) -> u64 {
    u64::try_from(ends_ms.saturating_sub(now_ms).div_euclid(1_000)).unwrap_or(0)
}

/// What is handed out, once the records of it are durable.
pub(super) fn handed_out(
    keys: &Keys,
    granted: Granted,
    refresh: &RefreshToken,
    database: &str,
    incarnation: Incarnation,
) -> Result<SignedIn, Error> {
    let token = keys.sign(&Grant {
        subject: granted.auth,
        audience: database,
        incarnation,
        issued_at_s: granted.issued_at_s,
        lifetime_seconds: Some(granted.lifetime_seconds),
        id: granted.id,
    })?;
    Ok(SignedIn {
        token,
        expires_in: granted.lifetime_seconds,
        refresh_token: refresh.text().to_owned(),
        refresh_expires_in: granted.refresh_expires_in,
        auth: granted.auth,
        user: granted.user,
        username: granted.username,
        database: database.to_owned(),
    })
}

/// What is told of a refresh token that is good for nothing, whatever the reason.
pub(super) fn dead() -> Error {
    let why = "the refresh token is not good: it was used or revoked, or is none of this database";
    Error::new(ErrorKind::Unauthenticated, "db/invalid-token", why)
}

/// What is told when the time of a family is over.
pub(super) fn over() -> Error {
    let why = "the time of the refresh token is over; sign in again";
    Error::new(ErrorKind::Unauthenticated, "db/expired-token", why)
}
