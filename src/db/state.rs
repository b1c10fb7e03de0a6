//! One immutable state of the database, and who may ask it.
//!
//! A request takes the newest state once and uses nothing else. Every cache hangs inside it: the policy with its
//! compiled rules is shared by the states between two changes of policy, schema or users.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::certified::Certified;
use super::error::{Error, ErrorKind, LimitKind};
use super::signed::Signed;
use crate::base::limits::{
    BODY_BYTES_MAX, REQUEST_SECONDS_MAX, ROOT_TOKEN_SECONDS_MAX, TRANSACTION_SECONDS_MAX,
    UNRECORDED_TOKEN_SECONDS_MAX,
};
use crate::base::{Budget, Clock, Deadline};
use crate::model::system::{collection, predicate};
use crate::model::{Facts, SubjectId, Value, ValueRef};
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
            Self::Signer(signed) => signed.auth(),
            Self::Certified(certified) => certified.auth(),
        }
    }

    /// Who signed for the author, if that is another.
    pub(super) fn authority(&self) -> Option<SubjectId> {
        match self {
            Self::Auth(_) | Self::Bearer(_) | Self::Certified(_) => None,
            Self::Signer(signed) => signed.authority(),
        }
    }

    /// Whether the author is one at this state. A token carries no authority: whether its `_auth` exists, and
    /// whether it was revoked, is asked of the facts each time.
    ///
    /// # Errors
    /// `Unauthenticated`, the same for an auth that never was and one that is gone.
    pub(super) fn admit(
        &self,
        facts: &dyn Facts,
        policy: &Policy,
        now_ms: i64,
    ) -> Result<(), Error> {
        if let Self::Signer(signed) = self {
            return signed.admit(facts, policy);
        }
        if let Self::Certified(certified) = self {
            certified.admit(facts, policy)?;
        }
        let auth = self.auth();
        let refuse = |code, message| Err(Error::new(ErrorKind::Unauthenticated, code, message));
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
            return refuse("db/invalid-auth", "the auth of this request does not exist");
        }
        if is_disabled {
            return refuse("db/invalid-auth", "the auth of this request is disabled");
        }
        let Self::Bearer(identity) = self else {
            return Ok(());
        };
        if identity.issued_at_s < whole_seconds_up(valid_after_ms) {
            return refuse(
                "db/invalid-token",
                "the token was issued before the auth's `validAfter`",
            );
        }
        let lifetime = identity
            .expires_at_s
            .map(|end| end.saturating_sub(identity.issued_at_s));
        let day = i64::try_from(UNRECORDED_TOKEN_SECONDS_MAX).unwrap_or(i64::MAX);
        let needs_record = lifetime.is_none_or(|seconds| seconds > day);
        let id = ValueRef::String(&identity.token_id);
        match facts.subject_list(predicate::TOKEN_ID, id)?.first() {
            None if needs_record => {
                return refuse("db/invalid-token", "the token's record is gone");
            }
            None => {}
            Some(record) => {
                let revoked = facts.value_list(*record, predicate::TOKEN_REVOKED)?;
                if revoked.contains(&Value::Boolean(true)) {
                    return refuse("db/invalid-token", "the token was revoked");
                }
            }
        }
        let root_ends_s = identity
            .issued_at_s
            .saturating_add(i64::try_from(ROOT_TOKEN_SECONDS_MAX).unwrap_or(i64::MAX));
        if now_ms.div_euclid(1_000) >= root_ends_s
            && policy.permissions(auth, &Op::query(), facts)?.is_root()
        {
            return refuse(
                "db/expired-token",
                "a token that holds root ends 3599 seconds after its issue",
            );
        }
        Ok(())
    }
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
}
