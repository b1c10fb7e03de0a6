//! Records of tokens, the subjects of `_token`: as facts tell of them, and as the engine writes them.
//!
//! 1. A record is made, and ends, by the engine alone; that it is revoked is the one thing that others write.
//! 2. A record that ended more than a day ago goes, with its hash: what it was for is refused by its own end. What
//!    another record or a user's own fact still asks for stays. History and the trail tell of it ever after, and its
//!    subject is not used again.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::error::Error;
use crate::base::limits::{
    TOKEN_RECORDS_LOOKED_AT_MAX, TOKEN_RECORDS_SWEPT_MAX, UNRECORDED_TOKEN_SECONDS_MAX,
};
use crate::model::system::{collection, first_number, predicate};
use crate::model::{Bounds, Facts, Flake, Op, PredicateId, SubjectId, Value, ValueRef};

/// What kind of token a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token: a JWT.
    Access,
    /// A family of refresh tokens: a sign-in.
    Refresh,
    /// A token of a program.
    Api,
}

/// A record, as far as some facts tell of it.
pub(super) struct Record {
    pub(super) s: SubjectId,
    pub(super) id: Option<Arc<str>>,
    pub(super) auth: Option<SubjectId>,
    pub(super) kind: Option<TokenKind>,
    pub(super) hash: Option<Arc<str>>,
    pub(super) name: Option<Arc<str>>,
    pub(super) issued_ms: Option<i64>,
    pub(super) expires_ms: Option<i64>,
    pub(super) family: Option<Arc<str>>,
    pub(super) is_revoked: bool,
}

/// What a new record says.
pub(super) struct NewRecord<'a> {
    pub(super) id: &'a str,
    pub(super) auth: SubjectId,
    pub(super) kind: TokenKind,
    pub(super) hash: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) issued_ms: i64,
    pub(super) expires_ms: Option<i64>,
    pub(super) family: Option<&'a str>,
}

impl TokenKind {
    /// The word for it, as in `_token/kind`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Api => "api",
        }
    }

    fn of(tag: SubjectId, facts: &dyn Facts) -> Result<Option<Self>, Error> {
        let ids = facts.value_list(tag, predicate::TAG_ID)?;
        let name = ids.first().and_then(|id| match id {
            Value::String(id) => id.strip_prefix("_token/kind:"),
            _ => None,
        });
        Ok(match name {
            Some("access") => Some(Self::Access),
            Some("refresh") => Some(Self::Refresh),
            Some("api") => Some(Self::Api),
            _ => None,
        })
    }

    fn tag(self, facts: &dyn Facts) -> Result<SubjectId, Error> {
        let id = format!("_token/kind:{}", self.name());
        let tags = facts.subject_list(predicate::TAG_ID, ValueRef::String(&id))?;
        tags.first()
            .copied()
            .ok_or_else(|| Error::internal("a tag of `_token/kind` is gone"))
    }
}

impl Record {
    /// The record of a subject, if there are facts of it.
    pub(super) fn of(s: SubjectId, facts: &dyn Facts) -> Result<Option<Self>, Error> {
        let mut record = Self {
            s,
            id: None,
            auth: None,
            kind: None,
            hash: None,
            name: None,
            issued_ms: None,
            expires_ms: None,
            family: None,
            is_revoked: false,
        };
        let (mut exists, mut tag) = (false, None);
        facts.subject(s, &mut |fact| {
            exists = true;
            let text = || fact.o.as_str().map(Arc::from);
            match (fact.p, fact.o) {
                (predicate::TOKEN_ID, _) => record.id = text(),
                (predicate::TOKEN_HASH, _) => record.hash = text(),
                (predicate::TOKEN_NAME, _) => record.name = text(),
                (predicate::TOKEN_FAMILY, _) => record.family = text(),
                (predicate::TOKEN_AUTH, ValueRef::Ref(auth)) => record.auth = Some(auth),
                (predicate::TOKEN_KIND, ValueRef::Ref(kind)) => tag = Some(kind),
                (predicate::TOKEN_ISSUED, ValueRef::Instant(ms)) => record.issued_ms = Some(ms),
                (predicate::TOKEN_EXPIRES, ValueRef::Instant(ms)) => record.expires_ms = Some(ms),
                (predicate::TOKEN_REVOKED, ValueRef::Boolean(true)) => record.is_revoked = true,
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        if let Some(tag) = tag {
            record.kind = TokenKind::of(tag, facts)?;
        }
        Ok(exists.then_some(record))
    }

    /// The record with this `_token/id`.
    pub(super) fn named(id: &str, facts: &dyn Facts) -> Result<Option<Self>, Error> {
        match facts
            .subject_list(predicate::TOKEN_ID, ValueRef::String(id))?
            .first()
        {
            Some(s) => Self::of(*s, facts),
            None => Ok(None),
        }
    }

    /// Whether neither it nor its family was revoked. A token dies with its family, also where that is gone.
    pub(super) fn stands(&self, facts: &dyn Facts) -> Result<bool, Error> {
        if self.is_revoked {
            return Ok(false);
        }
        match &self.family {
            None => Ok(true),
            Some(family) if self.id.as_ref() == Some(family) => Ok(true),
            Some(family) => {
                let family = Self::named(family, facts)?;
                Ok(family.is_some_and(|it| !it.is_revoked && it.auth == self.auth))
            }
        }
    }

    /// Whether its own time is over.
    pub(super) fn is_expired(&self, now_ms: i64) -> bool {
        self.expires_ms.is_some_and(|end| end <= now_ms)
    }
}

impl NewRecord<'_> {
    /// The flakes of the record, as the newest subject of `_token`.
    ///
    /// # Errors
    /// `Internal` if the collection is full; none but those of the facts else.
    pub(super) fn flakes(&self, facts: &dyn Facts) -> Result<Vec<Flake>, Error> {
        let number = facts
            .next_number(collection::TOKEN)?
            .max(first_number(collection::TOKEN));
        let s = SubjectId::new(collection::TOKEN, number)
            .ok_or_else(|| Error::internal("the collection `_token` is full"))?;
        let text = |p, text: Option<&str>| text.map(|it| (p, Value::string(it)));
        let said: [Option<(PredicateId, Value)>; 8] = [
            text(predicate::TOKEN_ID, Some(self.id)),
            Some((predicate::TOKEN_AUTH, Value::Ref(self.auth))),
            Some((predicate::TOKEN_KIND, Value::Ref(self.kind.tag(facts)?))),
            text(predicate::TOKEN_HASH, self.hash),
            text(predicate::TOKEN_NAME, self.name),
            Some((predicate::TOKEN_ISSUED, Value::Instant(self.issued_ms))),
            self.expires_ms
                .map(|ms| (predicate::TOKEN_EXPIRES, Value::Instant(ms))),
            text(predicate::TOKEN_FAMILY, self.family),
        ];
        let flake = |(p, o)| Flake {
            s,
            p,
            o,
            op: Op::Assert,
        };
        Ok(said.into_iter().flatten().map(flake).collect())
    }
}

/// The flake that revokes a record.
pub(super) fn revoked(s: SubjectId) -> Flake {
    Flake {
        s,
        p: predicate::TOKEN_REVOKED,
        o: Value::Boolean(true),
        op: Op::Assert,
    }
}

/// The flakes by which records go that ended more than a day ago: some, so that whoever mints or signs in pays little
/// for it.
///
/// A day, since that is how long an access token may outlive the sign-in whose family it names.
pub(super) fn swept(facts: &dyn Facts, now_ms: i64) -> Result<Vec<Flake>, Error> {
    let day_ms = i64::try_from(UNRECORDED_TOKEN_SECONDS_MAX)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    let before_ms = now_ms.saturating_sub(day_ms);
    let oldest = ended(facts, None, before_ms)?;
    let gone = retracted(&oldest, facts)?;
    let Some((first_ms, _)) = oldest.first().filter(|_| gone.is_empty()) else {
        return Ok(gone);
    };
    // All that were looked at are needed. Another place each time, so that they do not keep the others here for good.
    let eighths = i64::try_from(facts.basis().0.rem_euclid(8)).unwrap_or(0);
    let eighth_ms = before_ms.saturating_sub(*first_ms) / 8;
    let later_ms = eighth_ms.saturating_mul(eighths);
    let others = ended(facts, Some(first_ms.saturating_add(later_ms)), before_ms)?;
    retracted(&others, facts)
}

/// The records that ended within these bounds, some of them: when each did, Unix milliseconds, and which it is.
fn ended(
    facts: &dyn Facts,
    from_ms: Option<i64>,
    before_ms: i64,
) -> Result<Vec<(i64, SubjectId)>, Error> {
    let from = from_ms.map_or(Bound::Unbounded, |ms| Bound::Included(Value::Instant(ms)));
    let to = Bound::Excluded(Value::Instant(before_ms));
    let mut ended = Vec::new();
    facts.range(
        predicate::TOKEN_EXPIRES,
        &Bounds { from, to },
        &mut |fact| {
            if let ValueRef::Instant(ms) = fact.o {
                ended.push((ms, fact.s));
            }
            if ended.len() < TOKEN_RECORDS_LOOKED_AT_MAX {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        },
    )?;
    Ok(ended)
}

/// The flakes by which those of these records go that nothing needs, `TOKEN_RECORDS_SWEPT_MAX` at the most.
fn retracted(ended: &[(i64, SubjectId)], facts: &dyn Facts) -> Result<Vec<Flake>, Error> {
    let mut gone = Vec::new();
    let mut left = TOKEN_RECORDS_SWEPT_MAX;
    for (_, s) in ended {
        let s = *s;
        if left == 0 {
            break;
        }
        if s.collection() != collection::TOKEN || is_needed(s, facts)? {
            continue;
        }
        left = left.saturating_sub(1);
        facts.subject(s, &mut |fact| {
            gone.push(Flake {
                s,
                p: fact.p,
                o: fact.o.to_value(),
                op: Op::Retract,
            });
            ControlFlow::Continue(())
        })?;
    }
    Ok(gone)
}

/// Whether another record is of the family, or a user's own fact refers to the record.
fn is_needed(s: SubjectId, facts: &dyn Facts) -> Result<bool, Error> {
    let mut needed = false;
    facts.referrers(s, &mut |_, _| {
        needed = true;
        ControlFlow::Break(())
    })?;
    if let Some(Value::String(id)) = facts.value_list(s, predicate::TOKEN_ID)?.first() {
        facts.subjects(predicate::TOKEN_FAMILY, ValueRef::String(id), &mut |of| {
            needed |= of != s;
            if needed {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
    }
    Ok(needed)
}
