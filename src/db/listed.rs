//! The tokens that a bearer may see, newest first, and what is known of each.
//!
//! 1. What is told of a record is what the bearer's view shows of it; nobody is told a hash.
//! 2. Of its own tokens a bearer learns whether they are good, whatever it may see: that it could find out by using
//!    them.

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::error::{Error, ErrorKind};
use super::record::{Record, TokenKind};
use super::state::{State, valid_after, whole_seconds_up};
use super::uses::Uses;
use crate::base::Budget;
use crate::base::limits::TOKENS_LISTED_MAX;
use crate::model::system::{collection, predicate};
use crate::model::{Direction, Facts, SubjectId, Value, ValueRef};
use crate::policy::{Op, View};
use crate::query::{Json, Pointer, identity};
use crate::schema::Schema;

/// Whether a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// It is.
    Live,
    /// Its time is over.
    Expired,
    /// It, its family, or all tokens of its auth were revoked, or its auth is gone.
    Revoked,
}

/// A token, as far as a bearer may see its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedToken {
    /// Its `_token/id`.
    pub id: String,
    /// Whom it names.
    pub auth: Option<SubjectId>,
    /// What kind it is.
    pub kind: Option<TokenKind>,
    /// What its bearer calls it.
    pub name: Option<String>,
    /// When it was issued, Unix milliseconds.
    pub issued_ms: Option<i64>,
    /// When it ends, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// Whether it is good.
    pub state: TokenState,
    /// When it was last used, Unix milliseconds.
    pub last_used_ms: Option<i64>,
    /// From where it was last used.
    pub last_address: Option<IpAddr>,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Request {
    auth: Option<Json>,
    after: Option<String>,
    limit: usize,
}

/// Who asks, at one state.
pub(super) struct Asker<'a> {
    pub(super) state: &'a State,
    pub(super) bearer: SubjectId,
    pub(super) uses: &'a Uses,
    pub(super) now_ms: i64,
    pub(super) budget: &'a Budget,
}

impl Request {
    /// Reads the body of a request for tokens.
    ///
    /// Shape: `{"auth"?: id or two-tuple, "limit"?, "after"?: id of a token}`, or nothing.
    ///
    /// # Errors
    /// `Invalid` with the place.
    pub(super) fn parse(body: &str) -> Result<Self, Error> {
        let root = Pointer::root();
        let mut request = Self {
            auth: None,
            after: None,
            limit: TOKENS_LISTED_MAX,
        };
        if body.is_empty() {
            return Ok(request);
        }
        let Json::Object(fields) = Json::read(body)? else {
            return Err(invalid(&root, "a request for tokens is an object"));
        };
        for (key, value) in fields {
            let at = root.key(&key);
            match (key.as_str(), value) {
                ("auth", value @ (Json::Int(_) | Json::Array(_))) => request.auth = Some(value),
                ("auth", _) => return Err(invalid(&at, "`auth` is a subject's id or a two-tuple")),
                ("after", Json::String(id)) => request.after = Some(id),
                ("after", _) => return Err(invalid(&at, "`after` is the id of a token")),
                ("limit", value) => {
                    let limit = match value {
                        Json::Int(limit) => usize::try_from(limit).ok(),
                        _ => None,
                    };
                    request.limit = limit
                        .filter(|it| (1..=TOKENS_LISTED_MAX).contains(it))
                        .ok_or_else(|| {
                            let why = format!("`limit` is from 1 to {TOKENS_LISTED_MAX}");
                            invalid(&at, why)
                        })?;
                }
                _ => {
                    let why = format!("`{key}` is no part of a request for tokens");
                    return Err(invalid(&at, why));
                }
            }
        }
        Ok(request)
    }

    /// The tokens, newest first.
    ///
    /// # Errors
    /// `Denied` for an auth whose roles allow nothing; `NotFound` for an auth or a token that is not there or not
    /// seen.
    pub(super) fn list(&self, asker: &Asker<'_>) -> Result<Vec<ListedToken>, Error> {
        let Asker {
            state,
            bearer,
            now_ms,
            budget,
            ..
        } = *asker;
        let facts = &state.snapshot;
        let reads = state.policy.permissions(bearer, &Op::query(), facts)?;
        if !reads.may_do_anything() {
            return Err(Error::denied("no role of this auth allows anything"));
        }
        let schema = state.policy.schema();
        // Without a rule on records there are none to be seen but the bearer's own.
        let may_see_others = schema
            .predicates()
            .any(|it| it.collection == collection::TOKEN && reads.could_write(it.id));
        let sight = View::new(reads, Arc::clone(schema), facts, now_ms, budget);
        let after = match &self.after {
            None => None,
            Some(id) => Some(
                sight
                    .subject_list(predicate::TOKEN_ID, ValueRef::String(id))?
                    .first()
                    .copied()
                    .ok_or_else(no_such_token)?,
            ),
        };
        let of = match &self.auth {
            None if may_see_others => None,
            None => Some(bearer),
            Some(named) => Some(auth_named(
                named,
                &Pointer::root().key("auth"),
                bearer,
                schema,
                &sight,
            )?),
        };
        let mut listed = Vec::new();
        for s in self.subjects(of, after, asker, &sight)? {
            listed.extend(asker.listed(s, &sight)?);
        }
        Ok(listed)
    }

    /// The records to tell of, newest first.
    fn subjects(
        &self,
        of: Option<SubjectId>,
        after: Option<SubjectId>,
        asker: &Asker<'_>,
        sight: &View<'_>,
    ) -> Result<Vec<SubjectId>, Error> {
        if let Some(auth) = of {
            let eyes: &dyn Facts = if auth == asker.bearer {
                &asker.state.snapshot
            } else {
                sight
            };
            let mut subjects = eyes.subject_list(predicate::TOKEN_AUTH, ValueRef::Ref(auth))?;
            subjects.retain(|s| after.is_none_or(|after| *s < after));
            subjects.reverse();
            subjects.truncate(self.limit);
            return Ok(subjects);
        }
        let mut subjects = Vec::new();
        sight.collection(
            collection::TOKEN,
            Direction::Descending,
            after,
            &mut |fact| {
                if fact.p == predicate::TOKEN_ID {
                    subjects.push(fact.s);
                }
                if subjects.len() < self.limit {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            },
        )?;
        Ok(subjects)
    }
}

impl Asker<'_> {
    fn listed(&self, s: SubjectId, sight: &View<'_>) -> Result<Option<ListedToken>, Error> {
        let snapshot = &self.state.snapshot;
        let own = Value::Ref(self.bearer);
        let is_own = snapshot
            .value_list(s, predicate::TOKEN_AUTH)?
            .contains(&own);
        let is_root = || -> Result<bool, Error> {
            let policy = &self.state.policy;
            let reads = policy.permissions(self.bearer, &Op::query(), snapshot)?;
            Ok(reads.is_root())
        };
        // Its own are shown to a bearer that does not see its own auth, too.
        let (eyes, whole): (&dyn Facts, _) = if is_own || is_root()? {
            (snapshot, Whole::Yes)
        } else {
            (sight, Whole::No)
        };
        let Some(record) = Record::of(s, eyes)? else {
            return Ok(None);
        };
        let Some(id) = &record.id else {
            return Ok(None);
        };
        let state = state_of(&record, eyes, whole, self.now_ms)?;
        let last = self.uses.last(id, snapshot)?;
        Ok(Some(ListedToken {
            id: id.to_string(),
            auth: record.auth,
            kind: record.kind,
            name: record.name.as_deref().map(str::to_owned),
            issued_ms: record.issued_ms,
            expires_ms: record.expires_ms,
            state,
            last_used_ms: last.map(|it| it.at_ms),
            last_address: last.and_then(|it| it.address),
        }))
    }
}

/// Whether all is seen of what a token's state depends on. Else what is not seen is not there (law 8), and ends nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

fn state_of(
    record: &Record,
    eyes: &dyn Facts,
    whole: Whole,
    now_ms: i64,
) -> Result<TokenState, Error> {
    let mut stands = match (whole, &record.family) {
        (Whole::Yes, _) => record.auth.is_some() && record.stands(eyes)?,
        (Whole::No, None) => !record.is_revoked,
        (Whole::No, Some(family)) => {
            let family = Record::named(family, eyes)?;
            !record.is_revoked && family.is_none_or(|it| !it.is_revoked)
        }
    };
    if let (Some(auth), Some(issued_ms)) = (record.auth, record.issued_ms)
        && let Some(ms) = valid_after(auth, eyes)?
    {
        stands &= issued_ms.div_euclid(1_000) >= whole_seconds_up(ms);
    }
    Ok(if !stands {
        TokenState::Revoked
    } else if record.is_expired(now_ms) {
        TokenState::Expired
    } else {
        TokenState::Live
    })
}

/// The auth that a request names: the bearer itself, or one that it sees.
///
/// # Errors
/// `NotFound` for one that is not there or not seen.
pub(super) fn auth_named(
    named: &Json,
    at: &Pointer,
    bearer: SubjectId,
    schema: &Schema,
    sight: &View<'_>,
) -> Result<SubjectId, Error> {
    if *named == Json::Int(bearer.raw()) {
        return Ok(bearer);
    }
    let found = identity(named, at, schema, sight)?;
    match found.filter(|s| s.collection() == collection::AUTH) {
        Some(s) if sight.exists(s)? => Ok(s),
        _ => {
            let why = "there is no such auth, or it is not to be seen";
            Err(Error::new(ErrorKind::NotFound, "db/not-found", why))
        }
    }
}

/// What is told of a token that is not there, and of one that is not seen.
pub(super) fn no_such_token() -> Error {
    let why = "there is no such token, or it is not to be seen";
    Error::new(ErrorKind::NotFound, "db/not-found", why)
}

fn invalid(at: &Pointer, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-request", why).with_place(Some(at))
}
