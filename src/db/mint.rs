//! Whether a token may be minted, for whom and how long.
//!
//! 1. The `_auth` must be seen; one that is not there and one that is not seen are not found alike.
//! 2. Then the op `token` must be allowed at it. What is allowed only through `all` also needs the bearer to hold
//!    every role that the auth holds.
//! 3. A token that holds root needs root, and lives 3599 seconds at the most.
//! 4. A token without an end, or for more than a day, has a `_token` record and dies with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::{Error, ErrorKind};
use super::state::whole_seconds_up;
use crate::base::Budget;
use crate::base::limits::{
    ROOT_TOKEN_SECONDS_MAX, RULE_STEPS_MAX, TOKEN_SECONDS_MAX, UNRECORDED_TOKEN_SECONDS_MAX,
};
use crate::lang::Val;
use crate::model::system::{ROOT_AUTH, ROOT_SETTING, collection, first_number, predicate};
use crate::model::{Facts, Flake, Op as FlakeOp, SubjectId, Value, ValueRef};
use crate::policy::{Allowed, Op, Policy, View, holds_all};
use crate::query::{Json, Pointer, identity};

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    auth: Option<Json>,
    expire_seconds: Option<u64>,
}

/// What is granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) auth: SubjectId,
    pub(super) lifetime_seconds: Option<u64>,
    /// Unix seconds; never before the auth's `validAfter`.
    pub(super) issued_at_s: i64,
}

impl Request {
    /// Reads the body of a token request.
    ///
    /// Shape: `{"auth": id or two-tuple | "root": true, "expireSeconds"?, "db"?}`.
    ///
    /// # Errors
    /// `Invalid` with the place; `db` must name `database`.
    pub(super) fn parse(body: &str, database: &str) -> Result<Self, Error> {
        let root = Pointer::root();
        let Json::Object(fields) = Json::read(body)? else {
            return Err(invalid(&root, "a token request is an object"));
        };
        let (mut auth, mut is_root, mut expire_seconds) = (None, false, None);
        for (key, value) in fields {
            let at = root.key(&key);
            match (key.as_str(), value) {
                ("auth", value @ (Json::Int(_) | Json::Array(_))) => auth = Some(value),
                ("auth", _) => return Err(invalid(&at, "`auth` is a subject's id or a two-tuple")),
                ("root", Json::Bool(value)) => is_root = value,
                ("root", _) => return Err(invalid(&at, "`root` is true or false")),
                ("expireSeconds", Json::Int(seconds)) => {
                    let seconds = u64::try_from(seconds).ok();
                    expire_seconds = seconds.filter(|it| (1..=TOKEN_SECONDS_MAX).contains(it));
                    if expire_seconds.is_none() {
                        let why = format!("`expireSeconds` is from 1 to {TOKEN_SECONDS_MAX}");
                        return Err(invalid(&at, why));
                    }
                }
                ("expireSeconds", _) => {
                    return Err(invalid(&at, "`expireSeconds` is a whole number"));
                }
                ("db", Json::String(name)) if name.replacen('.', "/", 1) == database => {}
                ("db", Json::String(name)) if name == database => {}
                ("db", _) => {
                    let why = "a database's token mints tokens of that database alone";
                    return Err(
                        Error::new(ErrorKind::Invalid, "db/invalid-db", why).with_place(Some(&at))
                    );
                }
                _ => {
                    return Err(invalid(
                        &at,
                        format!("`{key}` is no part of a token request"),
                    ));
                }
            }
        }
        match (auth.is_some(), is_root) {
            (true, true) => Err(invalid(
                &root,
                "a token request has `auth` or `root`, not both",
            )),
            (false, false) => Err(invalid(
                &root,
                "a token request needs `auth`, or `root: true`",
            )),
            _ => Ok(Self {
                auth,
                expire_seconds,
            }),
        }
    }

    /// Whether the token needs a record, so that the request goes through the writer.
    ///
    /// A token that holds root never does; that is known only once the auth is, and then no record is made.
    pub(super) fn may_need_record(&self) -> bool {
        self.auth.is_some()
            && self
                .expire_seconds
                .is_none_or(|seconds| seconds > UNRECORDED_TOKEN_SECONDS_MAX)
    }

    /// Judges the request on the facts of a state.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid`, in that order.
    pub(super) fn judge(
        &self,
        bearer: SubjectId,
        facts: &dyn Facts,
        policy: &Policy,
        now_ms: i64,
        budget: &Budget,
    ) -> Result<Grant, Error> {
        let tokens = policy.permissions(bearer, &Op::token(), facts)?;
        if !tokens.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let schema = policy.schema();
        let reads = policy.permissions(bearer, &Op::query(), facts)?;
        let sight = View::new(reads, Arc::clone(schema), facts, now_ms, budget);
        let auth = match &self.auth {
            None if tokens.is_root() => ROOT_AUTH,
            None => return Err(Error::denied("only root mints a token for root")),
            Some(json) => {
                let at = Pointer::root().key("auth");
                let found = identity(json, &at, schema, &sight)?;
                match found.filter(|s| s.collection() == collection::AUTH) {
                    Some(s) if sight.exists(s)? => s,
                    _ => {
                        let why = "there is no such auth, or it is not to be seen";
                        return Err(Error::new(ErrorKind::NotFound, "db/not-found", why));
                    }
                }
            }
        };
        let request = self.context(auth);
        let steps = budget.bounded(RULE_STEPS_MAX);
        let allowed = match tokens.judge_target(auth, Some(&request), facts, now_ms, &steps)? {
            Allowed::No => false,
            Allowed::ByName => true,
            Allowed::ByAll => holds_all(bearer, auth, facts, policy)?,
        };
        let holds_root = policy.permissions(auth, &Op::token(), facts)?.is_root();
        if !allowed || (holds_root && !tokens.is_root()) {
            return Err(Error::denied(
                "the rules do not allow a token for this auth",
            ));
        }
        let lifetime_seconds = if holds_root {
            match self.expire_seconds {
                Some(seconds) if seconds > ROOT_TOKEN_SECONDS_MAX => {
                    let why =
                        format!("a root token lives {ROOT_TOKEN_SECONDS_MAX} seconds at most");
                    return Err(invalid(&Pointer::root().key("expireSeconds"), why));
                }
                asked => Some(asked.unwrap_or(ROOT_TOKEN_SECONDS_MAX)),
            }
        } else {
            self.lifetime(facts)?
        };
        Ok(Grant {
            auth,
            lifetime_seconds,
            issued_at_s: issue(auth, facts, now_ms)?,
        })
    }

    /// No `expireSeconds` is no end, unless the setting `tokenMaxSeconds` is set.
    fn lifetime(&self, facts: &dyn Facts) -> Result<Option<u64>, Error> {
        let set = facts.value_list(ROOT_SETTING, predicate::SETTING_TOKEN_MAX_SECONDS)?;
        let Some(Value::Int(max)) = set.first() else {
            return Ok(self.expire_seconds);
        };
        let max = u64::try_from(*max).unwrap_or(0);
        match self.expire_seconds {
            Some(seconds) if seconds <= max => Ok(Some(seconds)),
            _ => {
                let why = format!("`expireSeconds` is needed, and is {max} at most here");
                Err(invalid(&Pointer::root().key("expireSeconds"), why))
            }
        }
    }

    /// What `(?context)` holds, so that a rule may bind the lifetime.
    fn context(&self, auth: SubjectId) -> Val {
        let mut map = BTreeMap::new();
        map.insert(Arc::from("auth"), Val::Int(auth.raw()));
        if let Some(seconds) = self.expire_seconds {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            map.insert(Arc::from("expireSeconds"), Val::Int(seconds));
        }
        Val::Map(Arc::new(map))
    }
}

/// A mint within the second of `validAfter` takes that as its issue.
pub(super) fn issue(auth: SubjectId, facts: &dyn Facts, now_ms: i64) -> Result<i64, Error> {
    let now_s = now_ms.div_euclid(1_000);
    Ok(
        match facts.value_list(auth, predicate::AUTH_VALID_AFTER)?.first() {
            Some(Value::Instant(ms)) if *ms <= now_ms => now_s.max(whole_seconds_up(*ms)),
            _ => now_s,
        },
    )
}

/// The flakes of a token's record.
///
/// # Errors
/// `Limit` if the collection `_token` is full; none but those of the facts else.
pub(super) fn record(grant: &Grant, id: &str, facts: &dyn Facts) -> Result<Vec<Flake>, Error> {
    let number = facts
        .next_number(collection::TOKEN)?
        .max(first_number(collection::TOKEN));
    let s = SubjectId::new(collection::TOKEN, number)
        .ok_or_else(|| Error::internal("the collection `_token` is full"))?;
    let kind = facts.subject_list(predicate::TAG_ID, ValueRef::String("_token/kind:access"))?;
    let kind = kind
        .first()
        .ok_or_else(|| Error::internal("the tag `access` is gone"))?;
    let issued_ms = grant.issued_at_s.saturating_mul(1_000);
    let mut flakes = vec![
        (predicate::TOKEN_ID, Value::string(id)),
        (predicate::TOKEN_AUTH, Value::Ref(grant.auth)),
        (predicate::TOKEN_KIND, Value::Ref(*kind)),
        (predicate::TOKEN_ISSUED, Value::Instant(issued_ms)),
    ];
    if let Some(seconds) = grant.lifetime_seconds {
        let lifetime_ms = i64::try_from(seconds)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
        let expires = Value::Instant(issued_ms.saturating_add(lifetime_ms));
        flakes.push((predicate::TOKEN_EXPIRES, expires));
    }
    Ok(flakes
        .into_iter()
        .map(|(p, o)| Flake {
            s,
            p,
            o,
            op: FlakeOp::Assert,
        })
        .collect())
}

/// Whether a token with this lifetime has a record.
pub(super) fn has_record(lifetime_seconds: Option<u64>) -> bool {
    lifetime_seconds.is_none_or(|seconds| seconds > UNRECORDED_TOKEN_SECONDS_MAX)
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}
