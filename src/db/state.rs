//! One immutable state of the database, and who may ask it.
//!
//! A request takes the newest state once and uses nothing else. Every cache hangs inside it: the policy with its
//! compiled rules is shared by the states between two changes of policy, schema or users.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::certified::Certified;
use super::error::{Error, ErrorKind, LimitKind};
use super::program::Program;
use super::record::{Record, TokenKind};
use super::signed::Signed;
use crate::base::limits::{
    BODY_BYTES_MAX, ISSUED_AHEAD_MS_MAX, REQUEST_SECONDS_MAX, ROOT_TOKEN_SECONDS_MAX,
    TRANSACTION_SECONDS_MAX, UNRECORDED_TOKEN_SECONDS_MAX,
};
use crate::base::{Budget, Clock, Deadline};
use crate::model::system::{ROOT_SETTING, collection, predicate};
use crate::model::{Facts, PredicateId, SubjectId, Value, ValueRef};
use crate::policy::{Op, Policy};
use crate::store::{Snapshot, Store};
use crate::token::Identity;

/// What is true at one basis, and what follows from it.
#[derive(Debug)]
pub(super) struct State {
    pub(super) snapshot: Snapshot,
    /// The file that the snapshot reads: it stays open while the snapshot lives, also when it was written anew.
    pub(super) store: Arc<Store>,
    pub(super) policy: Arc<Policy>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Author {
    /// An auth that the embedding program vouches for.
    Auth(SubjectId),
    /// The bearer of a verified token.
    Bearer(Arc<Identity>),
    /// The bearer of an API token.
    Program(Arc<Program>),
    /// The auth of a command, and who signed it.
    Signer(Arc<Signed>),
    /// The auth that a client certificate names.
    Certified(Arc<Certified>),
}

/// Refuses a text that is longer than a request may be.
pub(super) fn bounded(text: &str) -> Result<(), Error> {
    if text.len() <= BODY_BYTES_MAX {
        return Ok(());
    }
    let kind = ErrorKind::Limit(LimitKind::Body);
    let why = format!("a transaction has {BODY_BYTES_MAX} bytes at most");
    Err(Error::new(kind, "db/limit", why))
}

/// The budget of one request that may take `steps_max` steps.
pub(super) fn budget(clock: &Arc<dyn Clock>, steps_max: u64) -> Budget {
    let deadline = Deadline::after(clock, Duration::from_secs(REQUEST_SECONDS_MAX));
    Budget::new(steps_max, Some(deadline))
}

/// The budget of one request at its turn with the writer, for which all others wait.
pub(super) fn turn_budget(clock: &Arc<dyn Clock>, steps_max: u64) -> Budget {
    let deadline = Deadline::after(clock, Duration::from_secs(TRANSACTION_SECONDS_MAX));
    Budget::new(steps_max, Some(deadline))
}

impl Author {
    pub(super) fn auth(&self) -> SubjectId {
        match self {
            Self::Auth(auth) => *auth,
            Self::Bearer(identity) => identity.subject,
            Self::Program(program) => program.auth(),
            Self::Signer(signed) => signed.auth(),
            Self::Certified(certified) => certified.auth(),
        }
    }

    /// Who signed for the author, if that is another.
    pub(super) fn authority(&self) -> Option<SubjectId> {
        match self {
            Self::Auth(_) | Self::Bearer(_) | Self::Program(_) | Self::Certified(_) => None,
            Self::Signer(signed) => signed.authority(),
        }
    }

    /// Whether it may count as root in another database: as with root itself, neither by a certificate nor by an API
    /// token, and by an access token no longer than a token of root is good.
    pub(super) fn may_count_as_root(&self, now_ms: i64) -> bool {
        let lifetime_s = i64::try_from(ROOT_TOKEN_SECONDS_MAX).unwrap_or(i64::MAX);
        match self {
            Self::Auth(_) => true,
            Self::Bearer(identity) => {
                now_ms.div_euclid(1_000) < identity.issued_at_s.saturating_add(lifetime_s)
            }
            Self::Program(_) | Self::Signer(_) | Self::Certified(_) => false,
        }
    }

    /// Whether the author is one at this state. A token carries no authority: whether its `_auth` exists, and
    /// whether it was revoked, is asked of the facts each time. Gives the id of the token's record, if it has one.
    ///
    /// # Errors
    /// `Unauthenticated`, the same for an auth that never was and one that is gone.
    pub(super) fn admit(
        &self,
        facts: &dyn Facts,
        policy: &Policy,
        now_ms: i64,
    ) -> Result<Option<String>, Error> {
        match self {
            Self::Signer(signed) => {
                signed.admit(facts, policy)?;
                standing(signed.auth(), facts)?;
                if let Some(authority) = signed.authority() {
                    standing(authority, facts)?;
                }
                Ok(None)
            }
            Self::Auth(auth) => {
                standing(*auth, facts)?;
                Ok(None)
            }
            Self::Certified(certified) => {
                certified.admit(facts, policy)?;
                standing(certified.auth(), facts)?;
                Ok(None)
            }
            Self::Bearer(identity) => {
                let valid_after_s = standing(identity.subject, facts)?;
                let issued_at_s = identity.issued_at_s;
                check_issue(issued_at_s, valid_after_s)?;
                let record = check_record(identity, facts)?;
                check_root(identity.subject, issued_at_s, facts, policy, now_ms)?;
                Ok(record)
            }
            Self::Program(program) => {
                let record = program.record(facts, now_ms)?;
                let valid_after_s = standing(program.auth(), facts)?;
                // The engine makes none without it.
                let issued_at_s = record.issued_ms.unwrap_or(i64::MIN).div_euclid(1_000);
                check_issue(issued_at_s, valid_after_s)?;
                check_root(program.auth(), issued_at_s, facts, policy, now_ms)?;
                Ok(Some(program.id().to_owned()))
            }
        }
    }
}

/// Whether an auth exists and is not disabled; the second from which on its tokens must be issued.
fn standing(auth: SubjectId, facts: &dyn Facts) -> Result<i64, Error> {
    let mut exists = false;
    let mut is_disabled = false;
    let mut valid_after_ms = i64::MIN;
    if auth.collection() == collection::AUTH {
        facts.subject(auth, &mut |fact| {
            exists = true;
            match (fact.p, fact.o) {
                (predicate::AUTH_VALID_AFTER, ValueRef::Instant(ms)) => valid_after_ms = ms,
                (predicate::AUTH_DISABLED, ValueRef::Boolean(disabled)) => {
                    is_disabled = disabled;
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
    }
    if !exists {
        return Err(refused(
            "db/invalid-auth",
            "the auth of this request does not exist",
        ));
    }
    if is_disabled {
        return Err(refused(
            "db/invalid-auth",
            "the auth of this request is disabled",
        ));
    }
    let of_all_ms = set_for_all(facts)?.unwrap_or(i64::MIN);
    Ok(whole_seconds_up(valid_after_ms.max(of_all_ms)))
}

/// The moment before which no token of an auth may be issued, Unix milliseconds: its own, or that of the whole database.
pub(super) fn valid_after(auth: SubjectId, facts: &dyn Facts) -> Result<Option<i64>, Error> {
    let own = first_instant(auth, predicate::AUTH_VALID_AFTER, facts)?;
    Ok(own.max(set_for_all(facts)?))
}

/// The same, of the whole database.
fn set_for_all(facts: &dyn Facts) -> Result<Option<i64>, Error> {
    first_instant(ROOT_SETTING, predicate::SETTING_VALID_AFTER, facts)
}

fn first_instant(s: SubjectId, p: PredicateId, facts: &dyn Facts) -> Result<Option<i64>, Error> {
    let values = facts.value_list(s, p)?;
    Ok(values.iter().find_map(|value| match value {
        Value::Instant(ms) => Some(*ms),
        _ => None,
    }))
}

fn check_issue(issued_at_s: i64, valid_after_s: i64) -> Result<(), Error> {
    if issued_at_s < valid_after_s {
        return Err(refused(
            "db/invalid-token",
            "the token was issued before the `validAfter` of the auth or the database",
        ));
    }
    Ok(())
}

/// The record of an access token, if it has one: its own, or that of the sign-in that it belongs to.
///
/// A sign-in's own end does not end its access tokens: those have ends of their own.
fn check_record(identity: &Identity, facts: &dyn Facts) -> Result<Option<String>, Error> {
    let lifetime = identity
        .expires_at_s
        .map(|end| end.saturating_sub(identity.issued_at_s));
    let day = i64::try_from(UNRECORDED_TOKEN_SECONDS_MAX).unwrap_or(i64::MAX);
    let needs_record = lifetime.is_none_or(|seconds| seconds > day);
    match Record::named(&identity.token_id, facts)? {
        None if needs_record => Err(refused("db/invalid-token", "the token's record is gone")),
        None => Ok(None),
        Some(record) => {
            let is_own = record.auth == Some(identity.subject)
                && !matches!(record.kind, None | Some(TokenKind::Api));
            if !is_own || !record.stands(facts)? {
                return Err(refused("db/invalid-token", "the token was revoked"));
            }
            Ok(Some(identity.token_id.clone()))
        }
    }
}

fn check_root(
    auth: SubjectId,
    issued_at_s: i64,
    facts: &dyn Facts,
    policy: &Policy,
    now_ms: i64,
) -> Result<(), Error> {
    let root_ends_s =
        issued_at_s.saturating_add(i64::try_from(ROOT_TOKEN_SECONDS_MAX).unwrap_or(i64::MAX));
    if now_ms.div_euclid(1_000) >= root_ends_s
        && policy.permissions(auth, &Op::query(), facts)?.is_root()
    {
        return Err(refused(
            "db/expired-token",
            "a token that holds root ends 3599 seconds after its issue",
        ));
    }
    Ok(())
}

fn refused(code: &'static str, message: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, code, message)
}

/// The `validAfter` that refuses every token issued up to now, of an auth that has `old`.
///
/// Tokens are issued in whole seconds, so one of this very second may say its beginning; and one that was minted
/// since an earlier `validAfter` of this second says the end of it. One that is further ahead than an issue may be stays:
/// nothing was issued since, and so ends do not add up, however many there are in one second.
pub(super) fn valid_after_now(old: Option<i64>, now_ms: i64) -> i64 {
    if let Some(old) = old.filter(|old| is_beyond_issue(*old, now_ms)) {
        return old;
    }
    let now_s = now_ms.div_euclid(1_000);
    let newest_s = old.map_or(now_s, |old| now_s.max(whole_seconds_up(old)));
    now_ms.max(newest_s.saturating_mul(1_000).saturating_add(1))
}

/// Whether no token can be issued yet that a `validAfter` lets pass.
pub(super) fn is_beyond_issue(valid_after_ms: i64, now_ms: i64) -> bool {
    let first_ms = whole_seconds_up(valid_after_ms).saturating_mul(1_000);
    first_ms.saturating_sub(now_ms) > ISSUED_AHEAD_MS_MAX
}

/// An auth's `_auth/id`, or its subject id if it has none.
pub(super) fn name_of(auth: SubjectId, facts: &dyn Facts) -> Result<String, Error> {
    let names = facts.value_list(auth, predicate::AUTH_ID)?;
    Ok(match names.into_iter().next() {
        Some(Value::String(name)) => name.to_string(),
        _ => auth.to_string(),
    })
}

/// `validAfter` is whole seconds, rounded up.
pub(super) fn whole_seconds_up(ms: i64) -> i64 {
    ms.div_euclid(1_000)
        .saturating_add(i64::from(ms.rem_euclid(1_000) > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_after_is_rounded_up_to_whole_seconds() {
        for (ms, s) in [
            (0, 0),
            (1, 1),
            (1_000, 1),
            (1_001, 2),
            (-1, 0),
            (-1_000, -1),
        ] {
            assert_eq!(whole_seconds_up(ms), s, "{ms}");
        }
    }

    #[test]
    fn what_ends_all_tokens_is_behind_each_that_may_have_been_issued() {
        for (old, now, ends) in [
            (None, 500, 500),
            (None, 1_000, 1_001),
            (None, 1_001, 1_001),
            // A mint at 1.3 s took 2 s as its issue.
            (Some(1_200), 1_500, 2_001),
            (Some(2_001), 1_600, 3_001),
            (Some(1_200), 2_500, 2_500),
            (Some(-5), 2_500, 2_500),
            // A mint at 1.0 s takes 3 s as its issue, and none at 0.999 s does.
            (Some(2_001), 1_000, 3_001),
            (Some(2_001), 999, 2_001),
            (Some(9_500), 1_000, 9_500),
        ] {
            assert_eq!(valid_after_now(old, now), ends, "{old:?} {now}");
        }
    }
}
