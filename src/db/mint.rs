//! Whether a token may be minted, for whom and how long.
//!
//! 1. The `_auth` must be seen; one that is not there and one that is not seen are not found alike.
//! 2. Then the op `token` must be allowed at it. What is allowed only through `all` also needs the bearer to hold
//!    every role that the auth holds.
//! 3. A token that holds root needs root, and lives 3599 seconds at the most.
//! 4. A token without an end, or for more than a day, has a `_token` record and dies with it. So has an API token,
//!    which is never for an auth that holds root.
//! 5. A mint is judged at its turn with the writer, and stands in the trail before it is answered, also where it makes
//!    no record.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::errand::{Ground, Made};
use super::error::{Error, ErrorKind};
use super::event::{Event, EventKind, EventStatus};
use super::record::{NewRecord, TokenKind, swept};
use super::source::Source;
use super::state::{is_beyond_issue, valid_after, whole_seconds_up};
use crate::base::limits::{
    API_TOKEN_SECONDS, ROOT_TOKEN_SECONDS_MAX, RULE_STEPS_MAX, TOKEN_NAME_CHARS_MAX,
    TOKEN_SECONDS_MAX, UNRECORDED_TOKEN_SECONDS_MAX,
};
use crate::lang::Val;
use crate::model::system::{ROOT_AUTH, ROOT_SETTING, collection, predicate};
use crate::model::{Facts, SubjectId, Value};
use crate::policy::{Allowed, Op, View, holds_all};
use crate::query::{Json, Pointer, identity};

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Request {
    auth: Option<Json>,
    expire_seconds: Option<u64>,
    /// The name of an API token; without, an access token is asked for.
    name: Option<Arc<str>>,
}

/// What is granted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) auth: SubjectId,
    pub(super) lifetime_seconds: Option<u64>,
    /// Unix seconds; never before the auth's `validAfter`.
    pub(super) issued_at_s: i64,
}

/// A mint at its turn.
pub(super) struct Mint {
    pub(super) request: Request,
    pub(super) bearer: SubjectId,
    pub(super) id: String,
    /// The hash of an API token.
    pub(super) hash: Option<String>,
    pub(super) source: Source,
}

impl Mint {
    /// Judges the request, and makes the token's record if it needs one.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid`, in that order.
    pub(super) fn run(&self, ground: &Ground<'_>) -> Result<Made<Grant>, Error> {
        let facts = ground.facts;
        let grant = self.request.judge(self.bearer, ground)?;
        let issued_ms = grant.issued_at_s.saturating_mul(1_000);
        let mut flakes = Vec::new();
        if self.hash.is_some() || has_record(grant.lifetime_seconds) {
            flakes = NewRecord {
                id: &self.id,
                auth: grant.auth,
                kind: self.request.kind(),
                hash: self.hash.as_deref(),
                name: self.request.name.as_deref(),
                issued_ms,
                expires_ms: grant.lifetime_seconds.map(|seconds| {
                    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                    issued_ms.saturating_add(seconds.saturating_mul(1_000))
                }),
                family: None,
            }
            .flakes(facts)?;
            flakes.extend(swept(facts, ground.now_ms)?);
        }
        let event = Event::new(EventKind::Minted, EventStatus::Ok, ground.now_ms)
            .auth(grant.auth)
            .by(self.bearer)
            .token(&self.id)
            .from(self.source);
        Ok(Made {
            flakes,
            events: vec![event],
            answer: Ok(grant),
        })
    }
}

impl Request {
    /// Reads the body of a token request.
    ///
    /// Shape: `{"auth": id or two-tuple | "root": true, "expireSeconds"?, "db"?, "kind"?: "access" | "api", "name"?}`.
    ///
    /// # Errors
    /// `Invalid` with the place; `db` must name `database`.
    pub(super) fn parse(body: &str, database: &str) -> Result<Self, Error> {
        let root = Pointer::root();
        let Json::Object(fields) = Json::read(body)? else {
            return Err(invalid(&root, "a token request is an object"));
        };
        let (mut auth, mut is_root, mut expire_seconds) = (None, false, None);
        let (mut kind, mut name) = (TokenKind::Access, None);
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
                ("kind", Json::String(word)) if word == "access" => kind = TokenKind::Access,
                ("kind", Json::String(word)) if word == "api" => kind = TokenKind::Api,
                ("kind", _) => return Err(invalid(&at, "`kind` is `access` or `api`")),
                ("name", Json::String(text)) if is_name(&text) => {
                    name = Some(Arc::from(text));
                }
                ("name", _) => {
                    let why = format!("`name` is a line of 1 to {TOKEN_NAME_CHARS_MAX} characters");
                    return Err(invalid(&at, why));
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
        match (kind, &name) {
            (TokenKind::Api, None) => {
                return Err(invalid(&root, "an API token needs a `name`"));
            }
            (TokenKind::Access | TokenKind::Refresh, Some(_)) => {
                return Err(invalid(&root.key("name"), "only an API token has a `name`"));
            }
            _ => {}
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
                name,
            }),
        }
    }

    /// What kind of token is asked for.
    pub(super) fn kind(&self) -> TokenKind {
        if self.name.is_some() {
            TokenKind::Api
        } else {
            TokenKind::Access
        }
    }

    /// The name that an API token is to have.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Judges the request on the facts of a state.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Invalid`, in that order.
    fn judge(&self, bearer: SubjectId, ground: &Ground<'_>) -> Result<Grant, Error> {
        let Ground {
            facts,
            policy,
            now_ms,
            budget,
            ..
        } = *ground;
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
        if holds_root && self.kind() == TokenKind::Api {
            let why = "there are no API tokens for an auth that holds root";
            return Err(invalid(&Pointer::root().key("kind"), why));
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

    fn asked_seconds(&self) -> Option<u64> {
        match self.kind() {
            TokenKind::Api => self.expire_seconds.or(Some(API_TOKEN_SECONDS)),
            TokenKind::Access | TokenKind::Refresh => self.expire_seconds,
        }
    }

    /// No `expireSeconds` is no end, or that of API tokens, unless the setting `tokenMaxSeconds` is set.
    fn lifetime(&self, facts: &dyn Facts) -> Result<Option<u64>, Error> {
        let asked = self.asked_seconds();
        let set = facts.value_list(ROOT_SETTING, predicate::SETTING_TOKEN_MAX_SECONDS)?;
        let Some(Value::Int(max)) = set.first() else {
            return Ok(asked);
        };
        let max = u64::try_from(*max).unwrap_or(0);
        match asked {
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
        map.insert(
            Arc::from("kind"),
            Val::String(Arc::from(self.kind().name())),
        );
        if let Some(name) = &self.name {
            map.insert(Arc::from("name"), Val::String(Arc::clone(name)));
        }
        if let Some(seconds) = self.asked_seconds() {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            map.insert(Arc::from("expireSeconds"), Val::Int(seconds));
        }
        Val::Map(Arc::new(map))
    }
}

/// When a token that is made now is issued: at the auth's `validAfter`, where that is ahead by no more than an issue
/// may be.
///
/// # Errors
/// `Unavailable` where it is further ahead: the token would be good for nothing, now and later.
pub(super) fn issue(auth: SubjectId, facts: &dyn Facts, now_ms: i64) -> Result<i64, Error> {
    let now_s = now_ms.div_euclid(1_000);
    let Some(valid_after_ms) = valid_after(auth, facts)? else {
        return Ok(now_s);
    };
    if is_beyond_issue(valid_after_ms, now_ms) {
        let why =
            "no token of this auth is good before its `validAfter`, which is ahead; try again then";
        let wait_s = whole_seconds_up(valid_after_ms).saturating_sub(now_s);
        return Err(Error::new(ErrorKind::Unavailable, "db/busy", why)
            .with_retry_after(u64::try_from(wait_s).unwrap_or(1)));
    }
    Ok(now_s.max(whole_seconds_up(valid_after_ms)))
}

fn is_name(text: &str) -> bool {
    !text.chars().any(char::is_control)
        && (1..=TOKEN_NAME_CHARS_MAX).contains(&text.chars().count())
}

/// Whether a token with this lifetime has a record.
pub(super) fn has_record(lifetime_seconds: Option<u64>) -> bool {
    lifetime_seconds.is_none_or(|seconds| seconds > UNRECORDED_TOKEN_SECONDS_MAX)
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}
