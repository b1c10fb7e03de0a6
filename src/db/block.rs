//! What changed in some blocks, as far as a bearer may see it.
//!
//! Shape: an array of `{"block", "t", "hash"?, "prevHash"?, "instant"?, "id"?, "auth"?, "flakes"}`, the oldest block
//! first; with `prettyPrint` `asserted` and `retracted` in place of `flakes`, each an array of subjects.
//!
//! 1. An assertion is judged on the facts of its block and a retraction on those just before it, by the rules of now, and
//!    on the facts of now too (law 12). So a block is told as the receipt of its transaction is when it is asked for
//!    again.
//! 2. What the header says is told as members and is no flake, as in a receipt: each where the fact of `_tx` or `_block`
//!    that says it is visible.
//! 3. A block of which nothing is visible is told as one without flakes: that there is a block is no secret.

use super::error::Error;
use super::sight::{Sight, judged_at, shows};
use super::state::name_of;
use crate::model::system::predicate;
use crate::model::{Flake, Op, PredicateId, SubjectId, T, Value};
use crate::policy::View;
use crate::query::{BlockQuery, Changes, Json};
use crate::store::{Sealed, header_flakes};

type Members = Vec<(String, Json)>;

/// What is told of a header, under which names.
const HEADER: [(PredicateId, &str); 5] = [
    (predicate::BLOCK_HASH, "hash"),
    (predicate::BLOCK_PREV_HASH, "prevHash"),
    (predicate::BLOCK_INSTANT, "instant"),
    (predicate::TX_ID, "id"),
    (predicate::TX_AUTH, "auth"),
];

/// Answers a block query. Tells the last of its blocks too.
///
/// # Errors
/// `Invalid` for blocks that there are not; `Limit` past a bound on the answer or the work.
pub(super) fn answer(query: &BlockQuery, sight: &Sight<'_>) -> Result<(Json, T), Error> {
    let (first, last) = sight.blocks(&query.span)?;
    let changes = Changes::new(sight.budget());
    let count = last.0.saturating_sub(first.0).saturating_add(1);
    // Before any is read.
    changes.count(count)?;
    sight.budget().spend(count)?;
    let mut told = Vec::new();
    for number in first.0..=last.0 {
        let block = Block {
            sight,
            changes: &changes,
            is_pretty: query.is_pretty,
        };
        told.push(block.told(T(number))?);
    }
    Ok((Json::Array(told), last))
}

struct Block<'a> {
    sight: &'a Sight<'a>,
    changes: &'a Changes<'a>,
    is_pretty: bool,
}

impl Block<'_> {
    fn told(&self, t: T) -> Result<Json, Error> {
        let missing = || Error::internal("a block that was found is not in the log");
        let sealed = self.sight.state().snapshot.log(t)?.ok_or_else(missing)?;
        let count = u64::try_from(sealed.commit.flakes.len()).unwrap_or(u64::MAX);
        self.sight.work().spend(count)?;
        let mut members = begin(t);
        let (mut flakes, asserted) = self.sight.at(t, |view, schema| {
            self.header(&sealed, view, &mut members)?;
            let flakes = self.visible(&sealed, Op::Assert, view)?;
            let told = if self.is_pretty {
                self.changes.subjects(flakes.iter(), view, schema)?
            } else {
                Json::Null
            };
            Ok((flakes, told))
        })?;
        let before = judged_at(t, Op::Retract);
        let (retractions, retracted) = self.sight.at(before, |view, schema| {
            let flakes = self.visible(&sealed, Op::Retract, view)?;
            let told = if self.is_pretty {
                self.changes.subjects(flakes.iter(), view, schema)?
            } else {
                Json::Null
            };
            Ok((flakes, told))
        })?;
        if self.is_pretty {
            members.push(("asserted".to_owned(), asserted));
            members.push(("retracted".to_owned(), retracted));
        } else {
            flakes.extend(retractions);
            flakes.sort();
            members.push(("flakes".to_owned(), self.changes.flakes(flakes.iter(), t)));
        }
        Ok(Json::Object(members))
    }

    fn visible(&self, sealed: &Sealed, op: Op, view: &View<'_>) -> Result<Vec<Flake>, Error> {
        let commit = &sealed.commit;
        let mut visible = Vec::new();
        for flake in commit.flakes.iter().filter(|flake| flake.op == op) {
            if shows(view, flake, commit.t)? {
                self.changes.count(1)?;
                self.changes.pay_for(flake)?;
                visible.push(flake.clone());
            }
        }
        Ok(visible)
    }

    fn header(&self, sealed: &Sealed, view: &View<'_>, members: &mut Members) -> Result<(), Error> {
        let flakes = header_flakes(sealed);
        for (p, name) in HEADER {
            let Some(flake) = flakes.iter().find(|flake| flake.p == p) else {
                continue;
            };
            if !shows(view, flake, sealed.commit.t)? {
                continue;
            }
            let told = match &flake.o {
                Value::String(text) => self.changes.text(text.to_string())?,
                Value::Instant(ms) => Json::Int(*ms),
                Value::Ref(auth) => self.changes.text(name_of(*auth, view)?)?,
                _ => continue,
            };
            members.push((name.to_owned(), told));
        }
        Ok(())
    }
}

/// What every block is told with.
pub(super) fn begin(t: T) -> Members {
    vec![
        (
            "block".to_owned(),
            i64::try_from(t.0).map_or(Json::UInt(t.0), Json::Int),
        ),
        ("t".to_owned(), Json::Int(SubjectId::of_block(t).raw())),
    ]
}
