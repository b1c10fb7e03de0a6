//! Which flakes of the log a commit erases: those that a transaction asks for, and those that its own retractions
//! end, of predicates that keep no history.
//!
//! 1. What a transaction asks for is looked up in the store alone, so such a transaction is staged on nothing else.
//! 2. A signed command is kept as it was sent, with the values in it: so the text and the signature of a block go
//!    with the first flake of it that is erased, and a command that itself names what is erased is not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::error::{Error, ErrorKind, LimitKind};
use crate::base::limits::{COMMIT_ERASED_MAX, COMMIT_FLAKES_MAX};
use crate::model::system::predicate;
use crate::model::{
    CollectionId, Erased, Erasure, Facts, Flake, Op, Overlay, PredicateId, Reason, SubjectId, T,
    Value,
};
use crate::query::Json;
use crate::schema::{Predicate, Schema};
use crate::store::{ByBlock, Life, Sealed, Snapshot};
use crate::transact::Erases;

/// A signed command as it was sent, and what signs it.
const TEXTS: [PredicateId; 2] = [predicate::TX_TX, predicate::TX_SIG];

/// The state on which a commit stands, and the blocks of its group that are not in the log yet.
pub(super) struct Erasing<'a> {
    pub(super) facts: &'a Overlay<Snapshot>,
    pub(super) schema: &'a Schema,
    pub(super) blocks: &'a [Sealed],
    /// The commit's own number.
    pub(super) t: T,
}

impl Erasing<'_> {
    /// Puts the flakes of a commit in order, and tells what it erases. Texts of commands that go are retracted, and
    /// its own is not asserted.
    ///
    /// # Errors
    /// `Limit` if that is more than one commit may erase.
    pub(super) fn settle(&self, flakes: &mut Vec<Flake>, asked: &Erases) -> Result<Erasure, Error> {
        flakes.sort();
        let mut lives = self.superseded(flakes)?;
        lives.extend(self.asked(asked)?);
        if lives.is_empty() && asked.is_empty() {
            return Ok(Erasure::default());
        }
        if !asked.is_empty() || self.may_name_what_goes(flakes, &lives) {
            let own = SubjectId::of_block(self.t);
            flakes.retain(|flake| flake.s != own || !TEXTS.contains(&flake.p));
        }
        let texts = self.texts(&lives)?;
        for Life { s, p, o, .. } in &texts {
            let retraction = Flake {
                s: *s,
                p: *p,
                o: o.clone(),
                op: Op::Retract,
            };
            if let Err(at) = flakes.binary_search(&retraction) {
                flakes.insert(at, retraction);
            }
        }
        lives.extend(texts);
        if lives.is_empty() {
            return Ok(Erasure::default());
        }
        if lives.len() > COMMIT_ERASED_MAX / 2 {
            return Err(limit("erase at most", COMMIT_ERASED_MAX));
        }
        if flakes.len() > COMMIT_FLAKES_MAX {
            return Err(limit("have at most", COMMIT_FLAKES_MAX));
        }
        self.erasure(flakes, asked, lives)
    }

    fn erasure(
        &self,
        flakes: &[Flake],
        asked: &Erases,
        lives: Vec<Life>,
    ) -> Result<Erasure, Error> {
        let mut by_block = ByBlock::new();
        let mut subjects: BTreeSet<SubjectId> = BTreeSet::new();
        for Life {
            s,
            p,
            o,
            since,
            until,
        } in lives
        {
            subjects.insert(s);
            let mut add = |t, op| {
                let o = o.clone();
                by_block.entry(t).or_default().insert(Flake { s, p, o, op });
            };
            add(since, Op::Assert);
            add(until.unwrap_or(self.t), Op::Retract);
        }
        Ok(Erasure {
            reason: if asked.is_empty() {
                Reason::Superseded
            } else {
                Reason::Asked
            },
            flakes: self.places(flakes, by_block)?,
            next: self.next(flakes, &subjects)?,
        })
    }

    /// What the flakes end, of predicates that keep no history.
    fn superseded(&self, flakes: &[Flake]) -> Result<Vec<Life>, Error> {
        let mut lives = Vec::new();
        let forgets = |flake: &&Flake| {
            flake.op == Op::Retract
                && self
                    .schema
                    .predicate(flake.p)
                    .is_some_and(Predicate::forgets)
        };
        for Flake { s, p, o, .. } in flakes.iter().filter(forgets) {
            let mut since = None;
            self.facts.values(*s, *p, &mut |fact| {
                if fact.o != o.borrow() {
                    return ControlFlow::Continue(());
                }
                since = Some(fact.t);
                ControlFlow::Break(())
            })?;
            let none = || Error::internal("a fact that is retracted does not hold");
            lives.push(Life {
                s: *s,
                p: *p,
                o: o.clone(),
                since: since.ok_or_else(none)?,
                until: None,
            });
        }
        Ok(lives)
    }

    /// Whether the request itself may name a value that goes: one that is deleted, or that its text tells although
    /// another replaces it, as `cas` and a two-tuple do.
    fn may_name_what_goes(&self, flakes: &[Flake], lives: &[Life]) -> bool {
        let asserted = flakes.iter().filter(|it| it.op == Op::Assert);
        let replaced: BTreeSet<_> = asserted.map(|it| (it.s, it.p)).collect();
        let own = SubjectId::of_block(self.t);
        let text = flakes.iter().find_map(|it| match &it.o {
            Value::String(text) if it.s == own && it.p == predicate::TX_TX => Some(text),
            _ => None,
        });
        // No command, so that there is nothing to keep.
        let Some(text) = text else { return true };
        let Ok(text) = Json::read(text) else {
            return true;
        };
        lives.iter().any(|life| {
            let is_multi = self.schema.predicate(life.p).is_none_or(|it| it.multi);
            is_multi || !replaced.contains(&(life.s, life.p)) || may_tell(&text, &life.o)
        })
    }

    /// The signed commands of the blocks whose flakes go, as they are kept.
    fn texts(&self, lives: &[Life]) -> Result<Vec<Life>, Error> {
        let mut blocks: BTreeSet<T> = BTreeSet::new();
        for life in lives {
            blocks.insert(life.since);
            blocks.extend(life.until);
        }
        let mut texts = Vec::new();
        for t in blocks {
            for p in TEXTS {
                self.facts.values(SubjectId::of_block(t), p, &mut |fact| {
                    texts.push(Life {
                        s: fact.s,
                        p,
                        o: fact.o.to_value(),
                        since: fact.t,
                        until: None,
                    });
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(texts)
    }

    /// All that was ever said of what is asked for.
    fn asked(&self, asked: &Erases) -> Result<Vec<Life>, Error> {
        let mut lives = Vec::new();
        for s in asked.subjects() {
            self.facts.base().lives(s, &mut |life| {
                if asked.covers(life.s, life.p, &life.o) {
                    lives.push(life);
                }
                // Each has two flakes.
                if lives.len() > COMMIT_ERASED_MAX / 2 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            if lives.len() > COMMIT_ERASED_MAX / 2 {
                return Err(limit("erase at most", COMMIT_ERASED_MAX));
            }
        }
        Ok(lives)
    }

    /// Where the flakes stand: in the log, in the group, or in the commit itself.
    fn places(&self, own: &[Flake], mut by_block: ByBlock) -> Result<Vec<Erased>, Error> {
        let logged = self.facts.base().head().t;
        let mut staged = by_block.split_off(&logged.next());
        let mut places = self.facts.base().places(&by_block)?;
        let mine = staged.remove(&self.t).unwrap_or_default();
        for (t, wanted) in staged {
            let block = self.blocks.iter().find(|it| it.commit.t == t);
            let flakes = block.map_or(&[][..], |it| &it.commit.flakes);
            places.extend(places_in(t, flakes, &wanted)?);
        }
        places.extend(places_in(self.t, own, &mine)?);
        Ok(places)
    }

    /// How far the ids of the collections went, the commit's own included.
    fn next(
        &self,
        flakes: &[Flake],
        subjects: &BTreeSet<SubjectId>,
    ) -> Result<Vec<(CollectionId, u64)>, Error> {
        let mut next: BTreeMap<CollectionId, u64> = BTreeMap::new();
        for s in subjects.iter().filter(|s| s.block().is_none()) {
            let c = s.collection();
            if let std::collections::btree_map::Entry::Vacant(vacant) = next.entry(c) {
                vacant.insert(self.facts.next_number(c)?);
            }
        }
        for flake in flakes.iter().filter(|flake| flake.op == Op::Assert) {
            if let Some(number) = next.get_mut(&flake.s.collection()) {
                *number = (*number).max(flake.s.number().saturating_add(1));
            }
        }
        Ok(next.into_iter().collect())
    }
}

/// Whether a command may tell a value. Only a string is looked for, since all others can be written in several ways;
/// so can one in the text of a function, where there is a backslash.
fn may_tell(text: &Json, value: &Value) -> bool {
    match value {
        Value::String(value) => has(text, value),
        _ => true,
    }
}

fn has(json: &Json, value: &str) -> bool {
    let tells = |text: &str| text.contains(value) || text.contains('\\');
    match json {
        Json::String(text) => tells(text),
        Json::Array(list) => list.iter().any(|it| has(it, value)),
        Json::Object(members) => members.iter().any(|(key, it)| tells(key) || has(it, value)),
        Json::Null
        | Json::Bool(_)
        | Json::Int(_)
        | Json::UInt(_)
        | Json::Double(_)
        | Json::Decimal(_) => false,
    }
}

fn limit(what: &str, max: usize) -> Error {
    let why = format!("a transaction may {what} {max} flakes");
    Error::new(ErrorKind::Limit(LimitKind::Body), "db/limit", why)
}

/// The places of flakes in a block, in order.
fn places_in(t: T, flakes: &[Flake], wanted: &BTreeSet<Flake>) -> Result<Vec<Erased>, Error> {
    wanted
        .iter()
        .map(|flake| {
            let index = flakes.binary_search(flake).ok();
            let index = index.and_then(|index| u32::try_from(index).ok());
            index
                .map(|index| Erased { t, index })
                .ok_or_else(|| Error::internal("a flake that is erased is in no block"))
        })
        .collect()
}
