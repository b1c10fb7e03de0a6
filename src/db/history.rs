//! What changed of a subject, of a predicate or of a value, as far as a bearer may see it.
//!
//! Shape: an array of `{"block", "t", "flakes", "auth"?}`, the newest block first, of the blocks that have a visible flake
//! of those; with `prettyPrint` `asserted` and `retracted` in place of `flakes`. `auth` is `[id, name]`, and `null` where it
//! is not to be seen.
//!
//! 1. It tells the flakes that block queries tell, those that are asked for.
//! 2. What is paid is paid for visible flakes, and for numbers that are no secret. All of it is paid before it is said
//!    that there are too many rows: in which order flakes are found may depend on hidden ones, and so must not decide
//!    which of two bounds is told (law 14).
//! 3. Where blocks are looked through, or all that a collection ever had, it is the lesser of the two: by the number of the
//!    blocks, and of the ids that the collection has used.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::block::begin;
use super::error::Error;
use super::sight::{Sight, judged_at, shows};
use super::state::name_of;
use crate::model::{CollectionId, Facts, Flake, Op, PredicateId, SubjectId, T, Value};
use crate::query::{Changes, FlakePattern, HistoryQuery, Json, text_bytes};
use crate::store::Life;

/// Flakes that are judged through one view.
const RUN_FLAKES_MAX: usize = 1_024;

/// Text of such flakes, bytes; one more may be as long as a string is.
const RUN_BYTES_MAX: usize = 1024 * 1024;

/// What was found is as much work as one step of a rule, so many times.
const FOUND_OF_A_STEP: u64 = 16;

/// Answers a history query. Tells the last of its blocks too.
///
/// # Errors
/// `Invalid` for names and blocks that there are not; `Limit` past a bound on the answer or the work.
pub(super) fn answer(query: &HistoryQuery, sight: &Sight<'_>) -> Result<(Json, T), Error> {
    let (first, last) = match &query.span {
        Some(span) => sight.blocks(span)?,
        None => (T(1), sight.newest()),
    };
    let named = |p, o: &Value| named(sight, p, o, last);
    let (pattern, auths) = sight.at(last, |view, _| {
        let schema = sight.schema();
        let pattern = query.pattern(schema, view, &named)?;
        let auths = query.auths(schema, view, &named)?;
        Ok((pattern, auths))
    })?;
    let Some(pattern) = pattern else {
        return Ok((Json::Array(Vec::new()), last));
    };
    let changes = Changes::new(sight.budget());
    let mut gather = Gather {
        sight,
        pattern: &pattern,
        first,
        last,
        auths: auths.map(|it| it.into_iter().collect()),
        changes: &changes,
        run: None,
        found: 0,
        kept: Ok(BTreeMap::new()),
    };
    gather.all()?;
    let kept = gather.kept?;
    let mut told = Vec::new();
    for (t, mut flakes) in kept.into_iter().rev() {
        flakes.sort();
        told.push(tell(query, sight, &changes, t, &flakes)?);
    }
    Ok((Json::Array(told), last))
}

/// The subject that has a unique value at a basis, or had it last.
fn named(
    sight: &Sight<'_>,
    p: PredicateId,
    o: &Value,
    last: T,
) -> Result<Option<SubjectId>, Error> {
    let has = sight.at(last, |view, _| {
        Ok(view.subject_list(p, o.borrow())?.into_iter().next())
    })?;
    if has.is_some() {
        return Ok(has);
    }
    let mut newest: Option<(T, Op, SubjectId)> = None;
    let pattern = |s| FlakePattern {
        s: Some(s),
        p: Some(p),
        o: Some(o.clone()),
    };
    let snapshot = &sight.state().snapshot;
    let mut look = |s: SubjectId| -> Result<(), Error> {
        let pattern = pattern(s);
        let mut seen = |t: T, flake: &Flake| -> Result<(), Error> {
            // All are judged, whichever comes first, so that what is paid does not tell.
            if sight.at(judged_at(t, flake.op), |view, _| shows(view, flake, t))? {
                newest = newest.max(Some((t, flake.op, s)));
            }
            Ok(())
        };
        each_life(sight, s, |life| {
            for (t, flake) in flakes_of(life, &pattern, T(1), last) {
                seen(t, &flake)?;
            }
            Ok(())
        })
    };
    let mut failed = None;
    snapshot.ever_had(p, o.borrow(), &mut |s| match look(s) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), Err)?;
    Ok(newest.map(|(_, _, s)| s))
}

/// Visits all that a subject has and had.
fn each_life(
    sight: &Sight<'_>,
    s: SubjectId,
    mut visit: impl FnMut(Life) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut failed = None;
    sight.state().snapshot.lives(s, &mut |life| {
        let paid = sight.work().spend(1).map_err(Error::from);
        match paid.and_then(|()| visit(life)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// The flakes in which a life begins and ends, those that are asked for.
fn flakes_of(
    life: Life,
    pattern: &FlakePattern,
    first: T,
    last: T,
) -> impl Iterator<Item = (T, Flake)> + use<> {
    let Life {
        s,
        p,
        o,
        since,
        until,
    } = life;
    let is_meant = pattern.s.is_none_or(|it| it == s)
        && pattern.p.is_none_or(|it| it == p)
        && pattern.o.as_ref().is_none_or(|it| *it == o);
    let flake = move |(t, op)| {
        let o = o.clone();
        (t, Flake { s, p, o, op })
    };
    let ends = [
        Some((since, Op::Assert)),
        until.map(|until| (until, Op::Retract)),
    ];
    ends.into_iter()
        .flatten()
        .filter(move |(t, _)| is_meant && (first..=last).contains(t))
        .map(flake)
}

/// Flakes of one block and one op that were found one after the other.
struct Run {
    t: T,
    op: Op,
    flakes: Vec<Flake>,
    /// Of their texts.
    bytes: usize,
}

/// The gathering of what is visible.
struct Gather<'a> {
    sight: &'a Sight<'a>,
    pattern: &'a FlakePattern,
    first: T,
    last: T,
    auths: Option<BTreeSet<SubjectId>>,
    changes: &'a Changes<'a>,
    run: Option<Run>,
    /// How much was found, visible or not.
    found: u64,
    /// What is told, unless that is too much.
    kept: Result<BTreeMap<T, Vec<Flake>>, Error>,
}

impl Gather<'_> {
    fn all(&mut self) -> Result<(), Error> {
        let sight = self.sight;
        match (self.pattern.s, self.pattern.p, &self.pattern.o) {
            (Some(s), ..) => each_life(sight, s, |life| self.life(life))?,
            (None, Some(p), Some(o)) if o.borrow().is_posted() => self.by_value(p, o)?,
            (None, Some(p), _) => self.by_predicate(p)?,
            (None, None, _) => {}
        }
        self.judge()
    }

    fn by_value(&mut self, p: PredicateId, o: &Value) -> Result<(), Error> {
        let sight = self.sight;
        let mut failed = None;
        sight.state().snapshot.ever_had(
            p,
            o.borrow(),
            &mut |s| match each_life(sight, s, |life| self.life(life)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        failed.map_or(Ok(()), Err)
    }

    fn by_predicate(&mut self, p: PredicateId) -> Result<(), Error> {
        let sight = self.sight;
        let snapshot = &sight.state().snapshot;
        let Some(of) = sight.schema().predicate(p) else {
            return Ok(());
        };
        let blocks = self.last.0.saturating_sub(self.first.0).saturating_add(1);
        let ids = snapshot.next_number(of.collection)?;
        if of.collection == CollectionId::TX || blocks <= ids {
            sight.budget().spend(blocks)?;
            return self.by_blocks();
        }
        sight.budget().spend(ids)?;
        let mut failed = None;
        snapshot.lives_of(of.collection, &mut |life| {
            let paid = sight.work().spend(1).map_err(Error::from);
            match paid.and_then(|()| self.life(life)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn by_blocks(&mut self) -> Result<(), Error> {
        let FlakePattern { p, o, .. } = self.pattern;
        for number in self.first.0..=self.last.0 {
            let t = T(number);
            let Some(sealed) = self.sight.state().snapshot.log(t)? else {
                continue;
            };
            let flakes = sealed.commit.flakes;
            let count = u64::try_from(flakes.len()).unwrap_or(u64::MAX);
            self.sight.work().spend(count)?;
            for op in [Op::Retract, Op::Assert] {
                let is_meant = |flake: &&Flake| {
                    flake.op == op
                        && p.is_none_or(|p| p == flake.p)
                        && o.as_ref().is_none_or(|o| *o == flake.o)
                };
                for flake in flakes.iter().filter(is_meant) {
                    self.flake(t, flake.clone())?;
                }
            }
        }
        Ok(())
    }

    fn life(&mut self, life: Life) -> Result<(), Error> {
        self.found = self.found.saturating_add(1);
        for (t, flake) in flakes_of(life, self.pattern, self.first, self.last) {
            self.flake(t, flake)?;
        }
        Ok(())
    }

    fn flake(&mut self, t: T, flake: Flake) -> Result<(), Error> {
        if let Some(run) = &mut self.run
            && (run.t, run.op) == (t, flake.op)
            && run.flakes.len() < RUN_FLAKES_MAX
            && run.bytes < RUN_BYTES_MAX
        {
            run.bytes = run.bytes.saturating_add(text_bytes(flake.o.borrow()));
            run.flakes.push(flake);
            return Ok(());
        }
        self.judge()?;
        self.run = Some(Run {
            t,
            op: flake.op,
            bytes: text_bytes(flake.o.borrow()),
            flakes: vec![flake],
        });
        Ok(())
    }

    /// Keeps what is visible of the run.
    fn judge(&mut self) -> Result<(), Error> {
        let Some(Run { t, op, flakes, .. }) = self.run.take() else {
            return Ok(());
        };
        let sight = self.sight;
        // What a subject had is read again for each state that it is judged on.
        sight.work().spend(self.found / FOUND_OF_A_STEP)?;
        let visible = sight.at(judged_at(t, op), |view, _| {
            let mut visible = Vec::new();
            for flake in flakes {
                if shows(view, &flake, t)? {
                    visible.push(flake);
                }
            }
            Ok(visible)
        })?;
        if visible.is_empty() {
            return Ok(());
        }
        if let Some(auths) = &self.auths {
            let count = u64::try_from(visible.len()).unwrap_or(u64::MAX);
            sight.budget().spend(count)?;
            if !sight.author(t)?.is_some_and(|auth| auths.contains(&auth)) {
                return Ok(());
            }
        }
        for flake in &visible {
            self.changes.pay_for(flake)?;
        }
        self.keep(t, visible);
        Ok(())
    }

    fn keep(&mut self, t: T, visible: Vec<Flake>) {
        let Ok(kept) = &mut self.kept else {
            return;
        };
        let of_block = kept.entry(t).or_default();
        let block = usize::from(of_block.is_empty());
        let count = visible.len().saturating_add(block);
        of_block.extend(visible);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if let Err(error) = self.changes.count(count) {
            self.kept = Err(error.into());
        }
    }
}

fn tell(
    query: &HistoryQuery,
    sight: &Sight<'_>,
    changes: &Changes<'_>,
    t: T,
    flakes: &[Flake],
) -> Result<Json, Error> {
    let mut members = begin(t);
    if query.is_pretty {
        for (op, name) in [(Op::Assert, "asserted"), (Op::Retract, "retracted")] {
            let of = flakes.iter().filter(|flake| flake.op == op);
            let told = sight.at(judged_at(t, op), |view, schema| {
                Ok(changes.subjects(of, view, schema)?)
            })?;
            members.push((name.to_owned(), told));
        }
    } else {
        members.push(("flakes".to_owned(), changes.flakes(flakes.iter(), t)));
    }
    if query.shows_auth {
        let auth = match sight.author(t)? {
            None => Json::Null,
            Some(auth) => {
                let name = sight.free(t, |view, _| name_of(auth, view))?;
                Json::Array(vec![Json::Int(auth.raw()), changes.text(name)?])
            }
        };
        members.push(("auth".to_owned(), auth));
    }
    Ok(Json::Object(members))
}
