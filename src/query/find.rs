//! Which subjects a basic query is about: `from`, `where`, `orderBy`, `limit` and `offset`.
//!
//! 1. Where an index serves, it only proposes subjects. Each is then judged on its own row, so that an answer does
//!    not depend on which term was chosen.
//! 2. The choice: of terms joined by AND the first of the cheapest kind; of terms joined by OR all of them. Kinds,
//!    cheapest first: `=` on a unique predicate, any other `=`, a range, `not=`. `from` a collection is walked where
//!    there is nothing cheaper than `not=`.
//! 3. Nothing is kept of what the answer cannot hold: a walk in the answer's own order ends at the limit, and one in
//!    another order drops what is behind it.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use super::error::Error;
use super::filter::{Comparison, Filter, Junction, Term};
use super::input::{identity, tag_named, value_of};
use super::json::Json;
use super::output::tag_name;
use super::pointer::Pointer;
use super::reader::{Reader, Row, is_posted_scalar, newest_first, predicate_in, values};
use super::select::{Order, Way, invalid};
use super::trace::Trace;
use crate::base::limits::QUERY_ROWS_MAX;
use crate::model::system::collection;
use crate::model::{Bounds, CollectionId, SubjectId, Value, ValueType};
use crate::schema::Predicate;

/// Where a query begins, as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// At what `where` finds.
    Everything,
    /// A collection, or a predicate: all subjects that have it.
    Named(String),
    /// One id or two-tuple.
    One(Json),
    /// Several.
    Many(Vec<Json>),
}

/// Which subjects, as written.
#[derive(Debug)]
pub(super) struct Find<'q> {
    pub(super) from: &'q Origin,
    pub(super) filter: Option<&'q Filter>,
    pub(super) order: Option<&'q Order>,
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

/// A subject that was found, with its facts and what it is ordered by.
pub(super) struct Found {
    pub(super) s: SubjectId,
    pub(super) row: Row,
    key: Option<Value>,
}

/// The subjects, in the answer's order.
///
/// # Errors
/// `InvalidCollection`, `InvalidIdentity`, `InvalidQuery` for names that the schema does not have or that cannot be
/// used so; `Limit` past [`QUERY_ROWS_MAX`]; `Facts`.
pub(super) fn find(
    find: &Find<'_>,
    reader: &Reader<'_>,
    trace: &Trace,
) -> Result<Vec<Found>, Error> {
    let source = Source::of(find.from, reader)?;
    let collection = match source {
        Source::Collection(c) => Some(c),
        _ => None,
    };
    if let Some(order) = find.order {
        order.check(collection, reader.schema)?;
    }
    let tests = match find.filter {
        Some(filter) => Some(Tests::of(filter, collection, reader)?),
        None => None,
    };
    let mut picks = Picks {
        find,
        reader,
        skipped: 0,
        kept: Vec::new(),
    };
    if find.limit != Some(0) {
        propose(&source, tests.as_ref(), reader, &mut |s, row| {
            if tests.as_ref().is_some_and(|tests| !tests.hold(&row)) {
                return Ok(ControlFlow::Continue(()));
            }
            picks.offer(s, row)
        })?;
    }
    let found = picks.finish()?;
    let how = || how(&source, tests.as_ref(), reader);
    trace.step("find", &[], how, found.len());
    Ok(found)
}

/// How subjects are proposed, for a plan: what is walked, which order serves, and the predicates of the terms.
fn how(
    source: &Source<'_>,
    tests: Option<&Tests<'_>>,
    reader: &Reader<'_>,
) -> Vec<(&'static str, Json)> {
    let (proposers, cost) = tests.map_or((Vec::new(), Cost::Everything), Tests::proposers);
    let order_of = |of: &Predicate| if of.is_ref() { "opst" } else { "post" };
    let by_terms = match cost {
        Cost::Unique => "unique value",
        Cost::Equal => "value",
        Cost::Range => "range",
        Cost::Everything => "predicate",
    };
    let of_terms = |by: &'static str| {
        let names = proposers.iter().map(|test| Json::string(&test.of.name));
        let order = proposers.first().map_or("spot", |test| order_of(test.of));
        vec![
            ("by", Json::string(by)),
            ("order", Json::string(order)),
            ("predicates", Json::Array(names.collect())),
        ]
    };
    let by = |by: &str, order: &str| vec![("by", Json::string(by)), ("order", Json::string(order))];
    match source {
        Source::Subjects(_) => by("named", "spot"),
        Source::Collection(c) if cost == Cost::Everything => {
            let mut members = by("collection", "spot");
            if let Some(of) = reader.schema.collection(*c) {
                members.push(("collection", Json::string(&of.name)));
            }
            members
        }
        Source::Having(of) if cost == Cost::Everything => {
            let order = if is_posted_scalar(of) { "post" } else { "spot" };
            let mut members = by("predicate", order);
            members.push(("predicates", Json::Array(vec![Json::string(&of.name)])));
            members
        }
        Source::Everything | Source::Collection(_) | Source::Having(_) => of_terms(by_terms),
    }
}

/// What a subject is ordered by: the value that comes first in the order asked for; none if it has none.
pub(super) fn order_key(
    s: SubjectId,
    row: &Row,
    order: &Order,
    reader: &Reader<'_>,
) -> Result<Option<Value>, Error> {
    if order.name == "_id" {
        return Ok(Some(Value::Int(s.raw())));
    }
    let schema = reader.schema;
    let Some(of) = predicate_in(s.collection(), &order.name, schema) else {
        return Ok(None);
    };
    let mut keys = Vec::new();
    for value in values(row, of.id) {
        match (of.value_type, value) {
            // The id of a tag tells nothing; its name does.
            (ValueType::Tag, Value::Ref(tag)) => {
                reader.budget.spend(1)?;
                keys.extend(tag_name(*tag, reader.facts)?.map(|name| Value::string(&name)));
            }
            (_, value) => keys.push(value.clone()),
        }
    }
    Ok(match order.way {
        Way::Up => keys.into_iter().min(),
        Way::Down => keys.into_iter().max(),
    })
}

/// Which of two subjects comes first: by their keys, those without one last, those alike newest first.
pub(super) fn by_key(
    a: (Option<&Value>, SubjectId),
    b: (Option<&Value>, SubjectId),
    way: Way,
) -> Ordering {
    let by_value = match (a.0, b.0) {
        (Some(a), Some(b)) if way == Way::Up => a.cmp(b),
        (Some(a), Some(b)) => b.cmp(a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    };
    by_value.then_with(|| newest_first(a.1, b.1))
}

/// Where subjects come from.
enum Source<'s> {
    Everything,
    Collection(CollectionId),
    Having(&'s Predicate),
    /// The newest first, each once.
    Subjects(Vec<SubjectId>),
}

impl<'s> Source<'s> {
    fn of(from: &Origin, reader: &Reader<'s>) -> Result<Self, Error> {
        let at = Pointer::root().key("from");
        let schema = reader.schema;
        match from {
            Origin::Everything => Ok(Self::Everything),
            Origin::Named(name) if name.contains('/') => schema
                .predicate_named(name)
                .filter(|of| !of.sealed)
                .map(Self::Having)
                .ok_or_else(|| invalid(&at, &format!("there is no predicate `{name}`"))),
            Origin::Named(name) => match schema.collection_named(name) {
                // An empty answer would say that nothing happened.
                Some(found) if found.id == collection::LOG => {
                    let why = "`_log` is no collection of facts: the audit trail is read by `logs`";
                    Err(invalid(&at, why))
                }
                Some(collection) => Ok(Self::Collection(collection.id)),
                None => Err(Error::InvalidCollection {
                    at,
                    name: name.clone(),
                }),
            },
            Origin::One(json) => {
                let found = identity(json, &at, schema, reader.facts)?;
                Ok(Self::Subjects(found.into_iter().collect()))
            }
            Origin::Many(list) => {
                let mut subjects = Vec::new();
                for (index, json) in list.iter().enumerate() {
                    reader.budget.spend(1)?;
                    subjects.extend(identity(json, &at.index(index), schema, reader.facts)?);
                }
                subjects.sort_by(|a, b| newest_first(*a, *b));
                subjects.dedup();
                Ok(Self::Subjects(subjects))
            }
        }
    }
}

/// A term whose names are resolved.
struct Test<'s> {
    of: &'s Predicate,
    comparison: Comparison,
    /// None if it is a tag that there is not: nothing equals it.
    value: Option<Value>,
}

/// The terms of a `where`.
struct Tests<'s> {
    junction: Junction,
    tests: Vec<Test<'s>>,
}

/// What it takes to list the subjects that satisfy a term; the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cost {
    Unique,
    Equal,
    Range,
    Everything,
}

impl<'s> Tests<'s> {
    fn of(
        filter: &Filter,
        collection: Option<CollectionId>,
        reader: &Reader<'s>,
    ) -> Result<Self, Error> {
        let tests = filter
            .terms
            .iter()
            .map(|term| Test::of(term, collection, reader))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            junction: filter.junction,
            tests,
        })
    }

    fn hold(&self, row: &Row) -> bool {
        match self.junction {
            Junction::And => self.tests.iter().all(|test| test.holds(row)),
            Junction::Or => self.tests.iter().any(|test| test.holds(row)),
        }
    }

    /// The terms that together propose every subject that can satisfy all of it, and what the dearest costs.
    fn proposers(&self) -> (Vec<&Test<'s>>, Cost) {
        match self.junction {
            Junction::And => {
                let cheapest = self.tests.iter().min_by_key(|test| test.cost());
                let cost = cheapest.map_or(Cost::Everything, Test::cost);
                (cheapest.into_iter().collect(), cost)
            }
            Junction::Or => {
                let cost = self.tests.iter().map(Test::cost).max();
                let cost = cost.unwrap_or(Cost::Everything);
                (self.tests.iter().collect(), cost)
            }
        }
    }
}

impl<'s> Test<'s> {
    fn of(
        term: &Term,
        collection: Option<CollectionId>,
        reader: &Reader<'s>,
    ) -> Result<Self, Error> {
        let at = Pointer::root().key("where");
        let Term {
            name, comparison, ..
        } = term;
        let of = match collection {
            Some(c) => predicate_in(c, name, reader.schema),
            None if name.contains('/') => reader.schema.predicate_named(name),
            None => {
                let why = format!("`{name}` needs its collection's name, as `from` is none");
                return Err(invalid(&at, &why));
            }
        };
        let of = of
            .filter(|of| !of.sealed)
            .ok_or_else(|| invalid(&at, &format!("there is no predicate `{name}`")))?;
        if !of.is_indexed() || !(is_posted_scalar(of) || of.is_ref()) {
            let why = format!("`{name}` is not indexed, so a `where` cannot use it");
            return Err(invalid(&at, &why));
        }
        let is_equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        if of.is_ref() && !is_equality {
            let why = format!("`{name}` is a ref or a tag; it has no order, only `=` and `not=`");
            return Err(invalid(&at, &why));
        }
        Ok(Self {
            of,
            comparison: *comparison,
            value: term_value(of, &term.value, &at, reader)?,
        })
    }

    fn holds(&self, row: &Row) -> bool {
        values(row, self.of.id).any(|value| {
            let order = self.value.as_ref().map(|it| value.cmp(it));
            match self.comparison {
                Comparison::Equal => order.is_some_and(Ordering::is_eq),
                Comparison::NotEqual => !order.is_some_and(Ordering::is_eq),
                Comparison::Less => order.is_some_and(Ordering::is_lt),
                Comparison::LessOrEqual => order.is_some_and(Ordering::is_le),
                Comparison::Greater => order.is_some_and(Ordering::is_gt),
                Comparison::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            }
        })
    }

    fn cost(&self) -> Cost {
        match self.comparison {
            Comparison::Equal if self.of.unique => Cost::Unique,
            Comparison::Equal => Cost::Equal,
            Comparison::NotEqual => Cost::Everything,
            _ => Cost::Range,
        }
    }

    /// Subjects among which are all that satisfy this.
    fn propose(&self, reader: &Reader<'_>) -> Result<Vec<SubjectId>, Error> {
        let Some(value) = &self.value else {
            return match self.comparison {
                Comparison::NotEqual => reader.having(self.of),
                _ => Ok(Vec::new()),
            };
        };
        let from = |from| Bounds {
            from,
            to: Bound::Unbounded,
        };
        let to = |to| Bounds {
            from: Bound::Unbounded,
            to,
        };
        let value = value.clone();
        let bounds = match self.comparison {
            Comparison::Equal => return reader.subjects(self.of.id, value.borrow()),
            Comparison::NotEqual => return reader.having(self.of),
            Comparison::Less => to(Bound::Excluded(value)),
            Comparison::LessOrEqual => to(Bound::Included(value)),
            Comparison::Greater => from(Bound::Excluded(value)),
            Comparison::GreaterOrEqual => from(Bound::Included(value)),
        };
        reader.range(self.of.id, &bounds)
    }
}

/// The value a term compares with.
fn term_value(
    of: &Predicate,
    json: &Json,
    at: &Pointer,
    reader: &Reader<'_>,
) -> Result<Option<Value>, Error> {
    let misfit = |why: &str| invalid(at, &format!("the value of `{}`: {why}", of.name));
    match (of.value_type, json) {
        (ValueType::Tag, Json::String(text)) => {
            Ok(tag_named(text, of, reader.facts)?.map(Value::Ref))
        }
        (ValueType::Ref, Json::Int(raw)) => Ok(SubjectId::from_raw(*raw).map(Value::Ref)),
        (value_type, json) => match value_of(json, value_type) {
            Ok(value) => Ok(Some(value)),
            Err(why) => Err(misfit(&why.to_string())),
        },
    }
}

type Offer<'o> = dyn FnMut(SubjectId, Row) -> Result<ControlFlow<()>, Error> + 'o;

/// Offers subjects with their facts, the newest first, each once; among them all that satisfy the tests.
fn propose(
    source: &Source<'_>,
    tests: Option<&Tests<'_>>,
    reader: &Reader<'_>,
    offer: &mut Offer<'_>,
) -> Result<(), Error> {
    let (proposers, cost) = tests.map_or((Vec::new(), Cost::Everything), Tests::proposers);
    let indexed = || -> Result<Vec<SubjectId>, Error> {
        let mut subjects = Vec::new();
        for test in &proposers {
            subjects.extend(test.propose(reader)?);
        }
        Ok(subjects)
    };
    match source {
        Source::Subjects(subjects) => offer_each(subjects.clone(), reader, offer),
        Source::Everything => offer_each(indexed()?, reader, offer),
        Source::Collection(c) if cost == Cost::Everything => reader.scan(*c, offer),
        Source::Collection(c) => {
            let mut subjects = indexed()?;
            subjects.retain(|s| s.collection() == *c);
            offer_each(subjects, reader, offer)
        }
        Source::Having(of) => {
            let subjects = match cost {
                Cost::Everything => reader.having(of)?,
                _ => indexed()?,
            };
            offer_each(subjects, reader, &mut |s, row| {
                if values(&row, of.id).next().is_none() {
                    return Ok(ControlFlow::Continue(()));
                }
                offer(s, row)
            })
        }
    }
}

/// Offers each of some subjects that has facts.
fn offer_each(
    subjects: Vec<SubjectId>,
    reader: &Reader<'_>,
    offer: &mut Offer<'_>,
) -> Result<(), Error> {
    let mut subjects: Vec<_> = subjects
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    subjects.sort_by(|a, b| newest_first(*a, *b));
    for s in subjects {
        let row = reader.row(s)?;
        if !row.is_empty() && offer(s, row)?.is_break() {
            break;
        }
    }
    Ok(())
}

/// What is kept of what is offered.
struct Picks<'f, 'r> {
    find: &'f Find<'f>,
    reader: &'f Reader<'r>,
    skipped: usize,
    kept: Vec<Found>,
}

impl Picks<'_, '_> {
    fn offer(&mut self, s: SubjectId, row: Row) -> Result<ControlFlow<()>, Error> {
        let Some(order) = self.find.order else {
            return Ok(self.take(s, row));
        };
        let key = order_key(s, &row, order, self.reader)?;
        self.kept.push(Found { s, row, key });
        // Sorting only now and then keeps the work near that of one sort.
        if self.kept.len() > self.reach().saturating_mul(2).saturating_add(1_024) {
            self.sort(order);
            self.kept.truncate(self.reach());
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Subjects come in the answer's order: the first are skipped, then enough are taken.
    fn take(&mut self, s: SubjectId, row: Row) -> ControlFlow<()> {
        if self.skipped < self.find.offset {
            self.skipped += 1;
            return ControlFlow::Continue(());
        }
        self.kept.push(Found { s, row, key: None });
        if self.kept.len() >= self.most() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The rows that can be answered, and one more to tell that there are too many.
    fn most(&self) -> usize {
        let too_many = QUERY_ROWS_MAX.saturating_add(1);
        self.find.limit.unwrap_or(too_many).min(too_many)
    }

    /// The rows that need to be known for that.
    fn reach(&self) -> usize {
        self.most().saturating_add(self.find.offset)
    }

    fn sort(&mut self, order: &Order) {
        self.kept
            .sort_by(|a, b| by_key((a.key.as_ref(), a.s), (b.key.as_ref(), b.s), order.way));
    }

    fn finish(mut self) -> Result<Vec<Found>, Error> {
        if let Some(order) = self.find.order {
            self.sort(order);
            self.kept.truncate(self.reach());
            self.kept.drain(..self.find.offset.min(self.kept.len()));
        }
        if self.kept.len() > QUERY_ROWS_MAX {
            return Err(too_many_rows());
        }
        Ok(self.kept)
    }
}

/// The answer would have too many rows, or objects in them.
pub(super) fn too_many_rows() -> Error {
    Error::Limit {
        at: Pointer::root(),
        what: "the rows of an answer and the objects in them",
        max: QUERY_ROWS_MAX,
    }
}
