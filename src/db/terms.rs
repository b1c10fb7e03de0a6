//! The terms of a signed command: until when it is good, that it works once, and what must have been done before.
//!
//! They are judged at its turn, on the state that the transactions before it made, in this order: how far ahead the
//! end of a command of root may be, its end, its nonce, what it depends on.
//!
//! 1. The pair of auth and nonce works once. The hash of both stands in the commit itself, as the `_tx/key` of
//!    whatever is made once, so that one look finds it however many auths share the nonce.
//! 2. What it depends on are transactions that its auth may see; one that is hidden and one that is not there are
//!    refused alike. They are looked for before its turn, among all blocks and at the price of its sender's own
//!    time; at its turn only the blocks since are looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::command::Command;
use super::error::{Error, ErrorKind};
use super::signed::Signed;
use crate::base::Budget;
use crate::base::limits::ROOT_COMMAND_SECONDS_MAX;
use crate::model::system::predicate;
use crate::model::{Digest, Fact, Facts, PredicateId, SubjectId, T, Value, ValueRef};
use crate::policy::View;
use crate::query::Pointer;
use crate::store::Snapshot;

/// The terms of a command.
#[derive(Debug)]
pub(super) struct Terms {
    nonce: i64,
    expire_ms: Option<i64>,
    /// The steps it may take, if fewer than its auth may.
    pub(super) fuel: Option<u64>,
    dependencies: Vec<Dependency>,
    /// The newest block among which the dependencies were looked for.
    looked_through: T,
}

#[derive(Debug)]
struct Dependency {
    id: Arc<str>,
    found: Option<T>,
}

/// The state on which terms are judged.
pub(super) struct Turn<'a> {
    pub(super) facts: &'a dyn Facts,
    /// What the command's auth may see of it.
    pub(super) sight: &'a View<'a>,
    pub(super) auth: SubjectId,
    pub(super) is_root: bool,
    pub(super) now_ms: i64,
}

impl Terms {
    /// The terms of a command whose signature is verified.
    ///
    /// # Errors
    /// `Limit` past the deadline; `Corrupt` or `Unavailable` if the blocks cannot be read.
    pub(super) fn of(
        command: &Command,
        snapshot: &Snapshot,
        budget: &Budget,
    ) -> Result<Self, Error> {
        Ok(Self {
            nonce: command.nonce,
            expire_ms: command.expire_ms,
            fuel: command.fuel,
            dependencies: look(&command.dependencies, snapshot, budget)?,
            looked_through: snapshot.head().t,
        })
    }

    /// Whether the command is good at its turn.
    ///
    /// # Errors
    /// `Invalid` or `Conflict`, in the order above.
    pub(super) fn check(&self, turn: &Turn<'_>) -> Result<(), Error> {
        if turn.is_root {
            self.check_end_of_root(turn.now_ms)?;
        }
        if self.expire_ms.is_some_and(|end| end <= turn.now_ms) {
            let why = "the command's `expire` is past";
            return Err(refusal("db/expired-transaction", "expire", why));
        }
        let key = key(turn.auth, self.nonce).to_string();
        let made = turn
            .facts
            .subject_list(predicate::TX_KEY, ValueRef::String(&key))?;
        if !made.is_empty() {
            let why = "a command of this auth with this nonce was made before";
            let refusal = Error::new(ErrorKind::Conflict, "db/replay", why);
            return Err(refusal.with_place(Some(&place("nonce"))));
        }
        for dependency in &self.dependencies {
            if !self.is_met(dependency, turn)? {
                let why = "the command depends on a transaction that was not made";
                return Err(refusal("db/invalid-dependency", "deps", why));
            }
        }
        Ok(())
    }

    fn check_end_of_root(&self, now_ms: i64) -> Result<(), Error> {
        let ahead_ms = i64::try_from(ROOT_COMMAND_SECONDS_MAX)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
        let latest_ms = now_ms.saturating_add(ahead_ms);
        if self.expire_ms.is_some_and(|end| end <= latest_ms) {
            return Ok(());
        }
        let why = format!(
            "a command of an auth that holds root needs an `expire`, at most \
             {ROOT_COMMAND_SECONDS_MAX} seconds ahead"
        );
        Err(refusal("db/invalid-command", "expire", why))
    }

    fn is_met(&self, dependency: &Dependency, turn: &Turn<'_>) -> Result<bool, Error> {
        let id = &*dependency.id;
        let found = match dependency.found {
            Some(found) => Some(found),
            None => since(id, self.looked_through, turn.facts)?,
        };
        let Some(t) = found else { return Ok(false) };
        Ok(turn.sight.sees(Fact {
            s: SubjectId::of_block(t),
            p: predicate::TX_ID,
            o: ValueRef::String(id),
            t,
        })?)
    }
}

/// What a command leaves on its own block, beside what its transaction writes.
pub(super) fn said(command: &Command, signed: &Signed) -> Vec<(PredicateId, Value)> {
    let key = key(signed.auth(), command.nonce).to_string();
    let signature = command.signature.to_string();
    let mut said = vec![
        (predicate::TX_NONCE, Value::Int(command.nonce)),
        (predicate::TX_TX, Value::String(Arc::clone(&command.text))),
        (predicate::TX_SIG, Value::string(&signature)),
        (predicate::TX_KEY, Value::string(&key)),
    ];
    if let Some(authority) = signed.authority() {
        said.push((predicate::TX_AUTHORITY, Value::Ref(authority)));
    }
    said
}

/// Under which key the pair of auth and nonce works once.
fn key(auth: SubjectId, nonce: i64) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"solon/key/command/1");
    hasher.update(auth.raw().to_be_bytes());
    hasher.update(nonce.to_be_bytes());
    Digest(hasher.finalize().into())
}

/// Looks for ids among all blocks, in one walk from the newest.
fn look(ids: &[Arc<str>], snapshot: &Snapshot, budget: &Budget) -> Result<Vec<Dependency>, Error> {
    let mut missing: BTreeMap<&str, Option<T>> = ids.iter().map(|id| (&**id, None)).collect();
    let mut left = missing.len();
    let mut t = snapshot.head().t;
    // Blocks are walked whoever may see them, so this meets the deadline and no other bound.
    let work = budget.unbounded();
    while left > 0 && t > T(0) {
        work.spend(1)?;
        let id = snapshot.block(t)?.map(|block| block.id.to_string());
        if let Some(found) = id.as_deref().and_then(|id| missing.get_mut(id))
            && found.replace(t).is_none()
        {
            left = left.saturating_sub(1);
        }
        t = T(t.0.saturating_sub(1));
    }
    let found = |id: &Arc<str>| Dependency {
        id: Arc::clone(id),
        found: missing.get(&**id).copied().flatten(),
    };
    Ok(ids.iter().map(found).collect())
}

/// Looks for an id among the blocks behind one.
fn since(id: &str, behind: T, facts: &dyn Facts) -> Result<Option<T>, Error> {
    let mut t = facts.basis();
    while t > behind {
        let ids = facts.value_list(SubjectId::of_block(t), predicate::TX_ID)?;
        if ids.contains(&Value::string(id)) {
            return Ok(Some(t));
        }
        t = T(t.0.saturating_sub(1));
    }
    Ok(None)
}

fn place(key: &str) -> Pointer {
    Pointer::root().key("cmd").key(key)
}

fn refusal(code: &'static str, key: &str, why: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, code, why).with_place(Some(&place(key)))
}
