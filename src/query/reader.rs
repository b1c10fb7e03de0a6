//! Facts as a query reads them: each one paid for, sealed ones left out.
//!
//! A permitted view leaves sealed facts out as well. Here they are dropped for those who are handed the facts
//! themselves.

use std::cmp::Ordering;
use std::ops::{Bound, ControlFlow};

use super::asked::Asked;
use super::error::Error;
use super::json::Json;
use super::memory::Memory;
use crate::base::limits::NAME_BYTES_MAX;
use crate::base::{Budget, Exceeded};
use crate::model::{
    Bounds, CollectionId, Direction, Fact, Facts, PredicateId, SubjectId, Value, ValueRef, Visit,
};
use crate::schema::{Predicate, Schema};

/// The facts of one subject: by predicate, then by value.
pub(super) type Row = Vec<(PredicateId, Value)>;

/// What is called with each subject and its facts; `Break` ends the visit.
type Rows<'v> = dyn FnMut(SubjectId, Row) -> Result<ControlFlow<()>, Error> + 'v;

/// What is called with each fact.
pub(super) type EachFact<'v> = dyn FnMut(Fact<'_>) -> Result<(), Error> + 'v;

/// How many bytes of a text that is told, or kept to be joined, are paid by one step.
pub(super) const TOLD_BYTES_OF_A_STEP: usize = 16;

/// Steps of a pattern that is compiled: a plain one takes some tens of microseconds.
pub(super) const PATTERN_STEPS: usize = 1_000;

/// What a query reads through.
pub(super) struct Reader<'a> {
    pub(super) facts: &'a dyn Facts,
    pub(super) schema: &'a Schema,
    pub(super) asked: Asked,
    pub(super) budget: &'a Budget,
    pub(super) memory: Memory,
}

/// Hands a fact over, and pays for it.
fn lend(
    fact: Fact<'_>,
    visit: &mut EachFact<'_>,
    ended: &mut Result<(), Error>,
    pay: &mut dyn FnMut(()) -> ControlFlow<()>,
) -> ControlFlow<()> {
    *ended = visit(fact);
    match ended {
        Ok(()) => pay(()),
        Err(_) => ControlFlow::Break(()),
    }
}

/// The values of one predicate in a row.
pub(super) fn values(row: &Row, p: PredicateId) -> impl Iterator<Item = &Value> {
    let start = row.partition_point(|(of, _)| *of < p);
    row.iter()
        .skip(start)
        .take_while(move |(of, _)| *of == p)
        .map(|(_, o)| o)
}

/// The newest subject first: the highest id, but the lowest among blocks, which count downwards.
pub(super) fn newest_first(a: SubjectId, b: SubjectId) -> Ordering {
    match (a.block(), b.block()) {
        (Some(a), Some(b)) => b.cmp(&a),
        _ => b.cmp(&a),
    }
}

/// The predicate that a name means in a collection, whose own name may be left out.
///
/// `_tx` and `_block` are two names of one collection, and predicates of either stand on it.
pub(super) fn predicate_in<'s>(
    c: CollectionId,
    name: &str,
    schema: &'s Schema,
) -> Option<&'s Predicate> {
    let collection = schema.collection(c)?;
    let of = schema.predicate_of(&collection.name, name);
    if of.is_none() && c == CollectionId::TX {
        return schema.predicate_of("_block", name);
    }
    of
}

impl Reader<'_> {
    /// Pays for a text that is told, by its length: one fact may be told very many times.
    pub(super) fn pay_for(&self, told: &Json) -> Result<(), Error> {
        let length = told.as_str().map_or(0, str::len);
        let steps = u64::try_from(length / TOLD_BYTES_OF_A_STEP).unwrap_or(u64::MAX);
        Ok(self.budget.spend(steps)?)
    }

    /// Pays for a key that is told, as far as it is longer than a name of the schema: a query may ask for a key of any
    /// length, under which very many values are told.
    pub(super) fn pay_for_key(&self, key: &str) -> Result<(), Error> {
        let length = key.len().saturating_sub(NAME_BYTES_MAX);
        let steps = u64::try_from(length / TOLD_BYTES_OF_A_STEP).unwrap_or(u64::MAX);
        Ok(self.budget.spend(steps)?)
    }

    /// The facts of one subject; none if it is not there or not seen.
    pub(super) fn row(&self, s: SubjectId) -> Result<Row, Error> {
        let mut row = Row::new();
        self.paid(|pay| {
            self.facts.subject(s, &mut |fact| {
                self.keep(&mut row, fact);
                pay(())
            })
        })?;
        Ok(row)
    }

    /// The subjects that have `o` under `p`, ascending.
    pub(super) fn subjects(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
    ) -> Result<Vec<SubjectId>, Error> {
        let mut subjects = Vec::new();
        self.paid(|pay| {
            self.facts.subjects(p, o, &mut |s| {
                subjects.push(s);
                pay(())
            })
        })?;
        Ok(subjects)
    }

    /// The subjects that have a value within `bounds` under a predicate whose values are posted scalars.
    pub(super) fn range(&self, p: PredicateId, bounds: &Bounds) -> Result<Vec<SubjectId>, Error> {
        let mut subjects = Vec::new();
        self.paid(|pay| {
            self.facts.range(p, bounds, &mut |fact| {
                subjects.push(fact.s);
                pay(())
            })
        })?;
        Ok(subjects)
    }

    /// The facts of one subject under some predicates, which ascend; none if none of them is there and seen.
    ///
    /// Without predicates: a row of nothing, if anything of the subject is seen.
    pub(super) fn row_among(
        &self,
        s: SubjectId,
        predicates: &[PredicateId],
    ) -> Result<Option<Row>, Error> {
        if predicates.is_empty() {
            return Ok(self.exists(s)?.then(Row::new));
        }
        let mut row = Row::new();
        self.paid(|pay| {
            self.facts.among(s, predicates, &mut |fact| {
                self.keep(&mut row, fact);
                pay(())
            })
        })?;
        Ok((!row.is_empty()).then_some(row))
    }

    /// Visits the facts of one subject; under some predicates, which ascend and are not sealed, if they are listed.
    pub(super) fn each(
        &self,
        s: SubjectId,
        predicates: Option<&[PredicateId]>,
        visit: &mut EachFact<'_>,
    ) -> Result<(), Error> {
        let mut ended = Ok(());
        self.paid(|pay| {
            let mut each = |fact: Fact<'_>| lend(fact, visit, &mut ended, pay);
            if let Some(predicates) = predicates {
                return self.facts.among(s, predicates, &mut each);
            }
            self.facts.subject(s, &mut self.unsealed(&mut each))
        })?;
        ended
    }

    /// Visits the facts of a collection's subjects, the newest first; under some predicates, which ascend, if they are
    /// listed.
    pub(super) fn each_in(
        &self,
        c: CollectionId,
        predicates: Option<&[PredicateId]>,
        visit: &mut EachFact<'_>,
    ) -> Result<(), Error> {
        let mut ended = Ok(());
        self.paid(|pay| {
            let mut each = |fact: Fact<'_>| lend(fact, visit, &mut ended, pay);
            let facts = self.facts;
            if let Some(predicates) = predicates {
                return facts.collection_among(c, newest(c), None, predicates, &mut each);
            }
            facts.collection(c, newest(c), None, &mut self.unsealed(&mut each))
        })?;
        ended
    }

    /// Leaves out what is sealed.
    fn unsealed<'v>(
        &'v self,
        each: &'v mut Visit<'v>,
    ) -> impl FnMut(Fact<'_>) -> ControlFlow<()> + 'v {
        |fact| {
            if self.is_sealed(fact.p) {
                ControlFlow::Continue(())
            } else {
                each(fact)
            }
        }
    }

    /// The subjects that have `o` under `p`, ascending: so many, and whether these are all.
    pub(super) fn subjects_up_to(
        &self,
        p: PredicateId,
        o: ValueRef<'_>,
        most: usize,
    ) -> Result<(Vec<SubjectId>, bool), Error> {
        let mut subjects = Vec::new();
        let mut is_all = true;
        self.paid(|pay| {
            self.facts.subjects(p, o, &mut |s| {
                if subjects.len() >= most {
                    is_all = false;
                    return ControlFlow::Break(());
                }
                subjects.push(s);
                pay(())
            })
        })?;
        Ok((subjects, is_all))
    }

    /// How many values a subject has under a predicate; no more than `most` are looked at.
    pub(super) fn how_many(
        &self,
        s: SubjectId,
        p: PredicateId,
        most: usize,
    ) -> Result<usize, Error> {
        let mut count = 0;
        self.paid(|pay| {
            self.facts.values(s, p, &mut |_| {
                count += 1;
                if count >= most {
                    return ControlFlow::Break(());
                }
                pay(())
            })
        })?;
        Ok(count)
    }

    /// The subjects that refer to `o`, each once, ascending.
    pub(super) fn referrers(&self, o: SubjectId) -> Result<Vec<SubjectId>, Error> {
        let mut subjects = Vec::new();
        self.paid(|pay| {
            self.facts.referrers(o, &mut |p, s| {
                if !self.is_sealed(p) {
                    subjects.push(s);
                }
                pay(())
            })
        })?;
        subjects.sort_unstable();
        subjects.dedup();
        Ok(subjects)
    }

    /// Whether anything of a subject is seen.
    pub(super) fn exists(&self, s: SubjectId) -> Result<bool, Error> {
        let mut is_seen = false;
        self.paid(|pay| {
            self.facts.subject(s, &mut |fact| {
                is_seen = !self.is_sealed(fact.p);
                if pay(()).is_break() || is_seen {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        })?;
        Ok(is_seen)
    }

    /// Visits the subjects of a collection with their facts, the newest first, until told to stop.
    pub(super) fn scan(&self, c: CollectionId, visit: &mut Rows<'_>) -> Result<(), Error> {
        let walk = |each: &mut Visit<'_>| self.facts.collection(c, newest(c), None, each);
        self.walk(walk, visit)
    }

    /// Visits the subjects of a collection that have any of some predicates, which ascend, with these facts: the
    /// newest first, until told to stop.
    ///
    /// Without predicates: all subjects of which anything is seen, with a row of nothing.
    pub(super) fn scan_among(
        &self,
        c: CollectionId,
        predicates: &[PredicateId],
        visit: &mut Rows<'_>,
    ) -> Result<(), Error> {
        if !predicates.is_empty() {
            let walk = |each: &mut Visit<'_>| {
                self.facts
                    .collection_among(c, newest(c), None, predicates, each)
            };
            return self.walk(walk, visit);
        }
        if self.has_sealed(c) {
            return self.scan(c, &mut |s, _| visit(s, Row::new()));
        }
        let mut ended = Ok(ControlFlow::Continue(()));
        self.paid(|pay| {
            self.facts.members(c, newest(c), &mut |s| {
                if pay(()).is_break() {
                    return ControlFlow::Break(());
                }
                ended = visit(s, Row::new());
                match ended {
                    Ok(flow) => flow,
                    Err(_) => ControlFlow::Break(()),
                }
            })
        })?;
        ended.map(|_| ())
    }

    /// Puts the facts of a walk together, subject by subject.
    fn walk(
        &self,
        facts: impl FnOnce(&mut Visit<'_>) -> Result<(), crate::model::Error>,
        visit: &mut Rows<'_>,
    ) -> Result<(), Error> {
        let mut current: Option<(SubjectId, Row)> = None;
        let mut ended = Ok(ControlFlow::Continue(()));
        self.paid(|pay| {
            facts(&mut |fact| {
                if current.as_ref().is_some_and(|(s, _)| *s != fact.s)
                    && let Some((s, row)) = current.take()
                    && !row.is_empty()
                {
                    ended = visit(s, row);
                    if !matches!(ended, Ok(ControlFlow::Continue(()))) {
                        return ControlFlow::Break(());
                    }
                }
                let (_, row) = current.get_or_insert_with(|| (fact.s, Row::new()));
                self.keep(row, fact);
                pay(())
            })
        })?;
        if ended?.is_continue()
            && let Some((s, row)) = current
            && !row.is_empty()
        {
            let _last = visit(s, row)?;
        }
        Ok(())
    }

    /// The subjects that have a predicate.
    pub(super) fn having(&self, of: &Predicate) -> Result<Vec<SubjectId>, Error> {
        if is_posted_scalar(of) {
            let all = Bounds {
                from: Bound::Unbounded,
                to: Bound::Unbounded,
            };
            return self.range(of.id, &all);
        }
        let mut subjects = Vec::new();
        self.scan_among(of.collection, &[of.id], &mut |s, _| {
            subjects.push(s);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(subjects)
    }

    fn keep(&self, row: &mut Row, fact: Fact<'_>) {
        if !self.is_sealed(fact.p) {
            row.push((fact.p, fact.o.to_value()));
        }
    }

    fn is_sealed(&self, p: PredicateId) -> bool {
        self.schema.predicate(p).is_some_and(|it| it.sealed)
    }

    /// Whether some subject of a collection might have nothing but what is sealed.
    fn has_sealed(&self, c: CollectionId) -> bool {
        let mut predicates = self.schema.predicates();
        predicates.any(|it| it.collection == c && it.sealed)
    }

    /// Makes a visit that pays a step for each fact and ends when none is left.
    fn paid(
        &self,
        visit: impl FnOnce(&mut dyn FnMut(()) -> ControlFlow<()>) -> Result<(), crate::model::Error>,
    ) -> Result<(), Error> {
        let mut exceeded: Option<Exceeded> = None;
        visit(&mut |()| match self.budget.spend(1) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                exceeded = Some(error);
                ControlFlow::Break(())
            }
        })?;
        exceeded.map_or(Ok(()), |exceeded| Err(exceeded.into()))
    }
}

/// The way in which a collection is walked from its newest subject.
fn newest(c: CollectionId) -> Direction {
    // Blocks have negative ids, so the lowest is the newest.
    if c == CollectionId::TX {
        Direction::Ascending
    } else {
        Direction::Descending
    }
}

/// Whether a predicate's values can be found in order, by themselves.
pub(super) fn is_posted_scalar(of: &Predicate) -> bool {
    of.value_type.is_posted() && !of.is_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::system::{collection, predicate};
    use crate::model::{Empty, Flake, Op, Overlay, T};
    use crate::schema::bootstrap;

    #[test]
    fn a_row_and_a_walk_are_of_what_is_asked_for_and_not_sealed() {
        let auth = |number| SubjectId::new(collection::AUTH, number).unwrap();
        let (named, nameless, gone) = (auth(2_001), auth(2_002), auth(2_003));
        let mut flakes = bootstrap().unwrap();
        for (s, p) in [
            (named, predicate::AUTH_ID),
            (named, predicate::AUTH_PASSWORD),
            (nameless, predicate::AUTH_PASSWORD),
        ] {
            flakes.push(Flake {
                s,
                p,
                o: Value::string("x"),
                op: Op::Assert,
            });
        }
        let mut facts = Overlay::new(Empty);
        facts.apply(T(1), &flakes);
        let schema = Schema::load(&facts).unwrap();
        let budget = Budget::new(u64::MAX, None);
        let reader = Reader {
            facts: &facts,
            schema: &schema,
            asked: Asked {
                now_ms: 0,
                counts: crate::query::Counts::Hidden,
            },
            budget: &budget,
            memory: Memory::default(),
        };
        let id = (predicate::AUTH_ID, Value::string("x"));
        for (predicates, of_named, of_nameless) in [
            (vec![], Some(vec![]), None),
            (vec![predicate::AUTH_ID], Some(vec![id.clone()]), None),
            (vec![predicate::AUTH_PASSWORD], None, None),
            (vec![predicate::AUTH_ROLES], None, None),
            (
                vec![predicate::AUTH_ID, predicate::AUTH_PASSWORD],
                Some(vec![id]),
                None,
            ),
        ] {
            let told = [named, nameless, gone].map(|s| reader.row_among(s, &predicates).unwrap());
            assert_eq!(
                told,
                [of_named.clone(), of_nameless, None],
                "{predicates:?}"
            );
            let mut walked = Vec::new();
            reader
                .scan_among(collection::AUTH, &predicates, &mut |s, row| {
                    walked.push((s, row));
                    Ok(ControlFlow::Continue(()))
                })
                .unwrap();
            walked.retain(|(s, _)| s.number() > 2_000);
            let expected: Vec<_> = of_named.into_iter().map(|row| (named, row)).collect();
            assert_eq!(walked, expected, "{predicates:?}");
        }
    }
}
