//! Requests that are made once, whoever repeats them.
//!
//! A request under a key leaves the key's hash, the hash of its text and what its tempids became on its block's own
//! subject, in the commit itself. So a repeat finds it at its turn, and is told the receipt again.
//!
//! 1. A key is its auth's own: the auth is part of what is hashed.
//! 2. The same key with another text is a conflict, while the key is kept.
//! 3. A refused request leaves nothing, so its key is free.
//! 4. The flakes of a repeated receipt are those that its author may see now, of what the block made and took away:
//!    the rules of now, on the facts of then and of now (law 12). Its tempids are those of the first.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::answer::{Receipt, Tempid};
use super::error::{Error, ErrorKind};
use super::judged::seen;
use super::state::name_of;
use crate::base::Budget;
use crate::base::limits::{IDEMPOTENCY_KEY_BYTES_MAX, IDEMPOTENCY_SECONDS_MAX};
use crate::model::system::predicate;
use crate::model::{
    self, Digest, Facts, Flake, Op as FlakeOp, Overlay, PredicateId, SubjectId, T, Value, ValueRef,
};
use crate::policy::{History, Op, Policy, View};
use crate::query::Json;
use crate::schema::Schema;
use crate::store::Snapshot;
use crate::transact::{Parsed, warnings_of};

/// Under which key a request is made once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Once {
    /// A key that a client chose; kept for a day.
    Client(String),
    /// The place of a chunk in what is imported; kept as long as the database.
    Import(Digest),
}

/// A key, hashed, with the text it stands for.
#[derive(Clone, Debug)]
pub(super) struct Key {
    hash: Digest,
    body: Digest,
    kept_ms: Option<i64>,
}

impl Once {
    /// A key that a client chose.
    ///
    /// # Errors
    /// `Invalid` if it is empty, too long, or has other characters than visible ASCII.
    pub(super) fn client(key: &str) -> Result<Self, Error> {
        let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX || !is_visible {
            let why = format!(
                "an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters"
            );
            return Err(Error::new(ErrorKind::Invalid, "db/invalid-request", why));
        }
        Ok(Self::Client(key.to_owned()))
    }

    /// The key of `auth`, for a request with this text.
    pub(super) fn key(&self, auth: SubjectId, body: Digest) -> Key {
        let (word, bytes, kept_ms): (&[u8], &[u8], _) = match self {
            Self::Client(key) => {
                let seconds = i64::try_from(IDEMPOTENCY_SECONDS_MAX).unwrap_or(i64::MAX);
                (
                    b"solon/key/client/1",
                    key.as_bytes(),
                    Some(seconds.saturating_mul(1_000)),
                )
            }
            Self::Import(digest) => (b"solon/key/import/1", &digest.0, None),
        };
        let mut hasher = Sha256::new();
        hasher.update(word);
        hasher.update(auth.raw().to_be_bytes());
        hasher.update(bytes);
        // With the key in it, so that the hash confirms no guess at what the request said, which may be erased.
        let mut bound = Sha256::new();
        bound.update(b"solon/key/body/1");
        bound.update(bytes);
        bound.update(body.0);
        Key {
            hash: Digest(hasher.finalize().into()),
            body: Digest(bound.finalize().into()),
            kept_ms,
        }
    }
}

impl Key {
    /// What is kept of it, on the block's own subject.
    pub(super) fn facts(&self, tempids: &[(String, Tempid)]) -> Vec<(PredicateId, Value)> {
        let told = Json::Object(
            tempids
                .iter()
                .map(|(name, it)| (name.clone(), json(*it)))
                .collect(),
        );
        vec![
            (predicate::TX_TEMPIDS, Value::Json(Arc::from(told.write()))),
            (predicate::TX_KEY, Value::string(&self.hash.to_string())),
            (
                predicate::TX_BODY_HASH,
                Value::string(&self.body.to_string()),
            ),
        ]
    }

    /// The block that was made under this key, if it is still kept.
    ///
    /// # Errors
    /// `Conflict` if its text was another.
    pub(super) fn block(&self, facts: &dyn Facts, now_ms: i64) -> Result<Option<T>, Error> {
        let hash = self.hash.to_string();
        for s in facts.subject_list(predicate::TX_KEY, ValueRef::String(&hash))? {
            let made_ms = match facts.value_list(s, predicate::BLOCK_INSTANT)?.first() {
                Some(Value::Instant(ms)) => *ms,
                _ => i64::MIN,
            };
            if self
                .kept_ms
                .is_some_and(|kept| now_ms.saturating_sub(made_ms) >= kept)
            {
                continue;
            }
            let body = Value::string(&self.body.to_string());
            if !facts
                .value_list(s, predicate::TX_BODY_HASH)?
                .contains(&body)
            {
                let why = "the idempotency key was used for another request";
                return Err(Error::new(ErrorKind::Conflict, "db/idempotency", why));
            }
            return Ok(s.block());
        }
        Ok(None)
    }
}

fn json(tempid: Tempid) -> Json {
    match tempid {
        Tempid::One(s) => Json::Int(s.raw()),
        Tempid::Range(first, last) => {
            Json::Array(vec![Json::Int(first.raw()), Json::Int(last.raw())])
        }
    }
}

fn tempid(json: &Json) -> Option<Tempid> {
    let subject = |json: &Json| match json {
        Json::Int(raw) => SubjectId::from_raw(*raw),
        _ => None,
    };
    match json {
        Json::Array(range) => match range.as_slice() {
            [first, last] => Some(Tempid::Range(subject(first)?, subject(last)?)),
            _ => None,
        },
        one => subject(one).map(Tempid::One),
    }
}

/// What the tempids of a block that was made under a key became, as it was told to its author.
///
/// # Errors
/// `Conflict` if that was erased: what repeats the request would else go on as if it had had none.
pub(super) fn tempids_of(facts: &dyn Facts, t: T) -> Result<Vec<(String, Tempid)>, Error> {
    let told = facts.value_list(SubjectId::of_block(t), predicate::TX_TEMPIDS)?;
    let Some(Value::Json(text)) = told.first() else {
        let why = "what was made under this key was erased, and is not told again";
        return Err(Error::new(ErrorKind::Conflict, "db/idempotency", why));
    };
    let Ok(Json::Object(entries)) = Json::read(text) else {
        return Err(Error::internal(
            "what tempids became is not as it was written",
        ));
    };
    let entries = entries.into_iter();
    Ok(entries
        .filter_map(|(name, it)| Some((name, tempid(&it)?)))
        .collect())
}

/// Where a receipt is told again.
pub(super) struct Again<'a> {
    /// What holds now, with what is staged.
    pub(super) facts: &'a Overlay<Snapshot>,
    /// The policy and schema of that.
    pub(super) policy: &'a Policy,
    /// Who asks.
    pub(super) auth: SubjectId,
    /// When.
    pub(super) now_ms: i64,
    /// What it may take.
    pub(super) budget: &'a Budget,
}

impl Again<'_> {
    /// The receipt of a block that is in the log, of a request of `bytes` bytes.
    ///
    /// Its warnings are those of the schema that the block was made on.
    ///
    /// # Errors
    /// `Corrupt` if the block is not what it must be.
    pub(super) fn receipt(&self, t: T, parsed: &Parsed, bytes: usize) -> Result<Receipt, Error> {
        let snapshot = self.facts.base();
        let before = snapshot.past(T(t.0.saturating_sub(1)));
        let missing = || Error::internal("a block that was found is not in the log");
        let block = snapshot.block(t)?.ok_or_else(missing)?;
        let sealed = snapshot.log(t)?.ok_or_else(missing)?;
        let own = SubjectId::of_block(t);
        // As they were told: whoever asks was told these ids, or would have been.
        let tempids = tempids_of(snapshot, t)?;
        let schema = self.policy.schema();
        let by_engine = |flake: &&Flake| {
            flake.s != own || schema.predicate(flake.p).is_none_or(|it| !it.by_engine)
        };
        let flakes: Vec<Flake> = sealed
            .commit
            .flakes
            .iter()
            .filter(by_engine)
            .cloned()
            .collect();
        let mut visible = self.on(before.basis(), |sight| {
            seen(&flakes, FlakeOp::Retract, sight)
        })?;
        visible.extend(self.on(t, |sight| seen(&flakes, FlakeOp::Assert, sight))?);
        visible.sort();
        let is_root = self
            .policy
            .permissions(self.auth, &Op::query(), self.facts)?
            .is_root();
        Ok(Receipt {
            tempids,
            block: t,
            hash: block.hash.to_string(),
            instant_ms: block.instant_ms,
            auth: name_of(self.auth, self.facts)?,
            id: block.id.to_string(),
            bytes,
            flakes: visible,
            warnings: warnings_of(parsed, &Schema::load(&before)?),
            erased: None,
            fuel: is_root.then(|| self.budget.spent()),
            is_repeat: true,
            authority: None,
        })
    }

    /// Looks at the facts at `basis` as their author may see them now.
    fn on<X>(
        &self,
        basis: T,
        look: impl FnOnce(&View<'_>) -> Result<X, Error>,
    ) -> Result<X, Error> {
        let reads = self
            .policy
            .permissions(self.auth, &Op::query(), self.facts)?;
        let past = self.facts.base().past(basis);
        let schema = self.policy.schema().for_past(&past)?;
        let told = self.budget.unbounded();
        let since = Since { facts: self.facts };
        look(&View::new(reads, schema, &past, self.now_ms, &told).with_history(&since))
    }
}

/// The time since, with what is staged and not yet in the snapshot.
pub(super) struct Since<'a> {
    pub(super) facts: &'a Overlay<Snapshot>,
}

impl History for Since<'_> {
    fn now(&self) -> &dyn Facts {
        self.facts
    }

    fn before_it_went(&self, s: SubjectId) -> Result<Option<Box<dyn Facts + '_>>, model::Error> {
        let snapshot = self.facts.base();
        if snapshot.exists(s)? {
            return Ok(Some(Box::new(snapshot)));
        }
        let went = snapshot.went(s)?;
        Ok(went.map(|t| Box::new(snapshot.past(T(t.0.saturating_sub(1)))) as Box<dyn Facts>))
    }
}
