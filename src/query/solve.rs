//! What the clauses of a query bind: a set of rows.
//!
//! 1. The clauses of one subject are a star, and one read of the subject's row answers all of them.
//! 2. A star is asked of the subjects that can satisfy it: those that are named or bound already, else those that an
//!    index finds by a value that is named or bound, else all of a collection.
//! 3. The next star is the one whose subjects are found most cheaply, of those that share a variable with what is
//!    bound, so that nothing is multiplied that need not be. What is chosen depends on the query, the schema and how
//!    many ids a collection has used, and on nothing that may be hidden.
//! 4. The rows are the same whichever is chosen: each star is the whole set of what satisfies its clauses, as far as
//!    the candidates reach, and sets are joined.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::cell::{Cell, Cells};
use super::clause::{Clause, Term, Variables, Verb};
use super::error::Error;
use super::input::{identity, tag_named, value_of};
use super::json::Json;
use super::output::tag_name;
use super::pointer::Pointer;
use super::reader::{Reader, Row, is_posted_scalar, values};
use super::relation::{Relation, Var};
use super::select::invalid;
use crate::model::system::collection;
use crate::model::{CollectionId, SubjectId, Value, ValueType};
use crate::schema::{Collection, Predicate};

/// A place of a leg: what a value of its subject must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Var(Var),
    Any,
    Cell(Cell),
    /// What there is not, such as a subject that is not seen: nothing is it.
    Nothing,
}

/// One clause, about a subject that its star names.
struct Leg<'s> {
    kind: Kind<'s>,
    object: Place,
}

enum Kind<'s> {
    Named(&'s Predicate),
    Id,
    /// Of this collection, if it is named.
    Type(Option<CollectionId>),
}

/// The clauses of one subject.
struct Star<'s> {
    at: Pointer,
    subject: Place,
    legs: Vec<Leg<'s>>,
}

/// How the subjects of a star are found; the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// It is named, or none can be.
    Named,
    /// By a unique value that is named, of the leg with this number.
    Unique(usize),
    /// They are bound.
    Bound,
    /// By any other value that is named.
    Value(usize),
    /// By the values that a leg's object is bound to.
    Values(usize),
    /// All of this collection, which has used so many ids.
    All(u64, CollectionId),
    /// All of every collection that there is.
    Everything,
}

/// The rows that satisfy all clauses.
///
/// # Errors
/// `InvalidQuery` and `InvalidIdentity` for names that the schema does not have or that cannot be used so, and for a
/// clause that names nothing to begin at; `Facts`.
pub(super) fn solve(
    clauses: &[Clause],
    variables: &Variables,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let mut stars: Vec<Star<'_>> = Vec::new();
    for clause in clauses {
        let subject = subject_of(clause, reader, cells)?;
        let leg = Leg::of(clause, reader, cells)?;
        let of_one = |it: &&mut Star<'_>| it.subject == subject && subject != Place::Any;
        match stars.iter_mut().find(of_one) {
            Some(star) => star.legs.push(leg),
            None => stars.push(Star {
                at: clause.at.clone(),
                subject,
                legs: vec![leg],
            }),
        }
    }
    let mut solved = Relation::unit();
    while !stars.is_empty() {
        let mut best: Option<((bool, bool, Way), usize)> = None;
        for (index, star) in stars.iter().enumerate() {
            let way = star.way(&solved, reader)?;
            let is_apart = !solved.vars.is_empty() && !star.shares(&solved);
            // One that has nowhere to begin waits for others to bind its variables.
            let rank = (way == Way::Everything, is_apart, way);
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, index));
            }
        }
        let Some(((_, _, way), index)) = best else {
            break;
        };
        let star = stars.swap_remove(index);
        if way == Way::Everything {
            let unbound = star.unbound(variables);
            let why =
                format!("{unbound} is bound by no other clause, so this one has nowhere to begin");
            return Err(invalid(&star.at, &why));
        }
        let found = star.find(way, &solved, reader, cells)?;
        solved = solved.join(&found, reader.budget)?;
    }
    Ok(solved)
}

fn subject_of(clause: &Clause, reader: &Reader<'_>, cells: &mut Cells) -> Result<Place, Error> {
    let at = clause.at.index(clause.first);
    match &clause.subject {
        Term::Var(var) => Ok(Place::Var(*var)),
        Term::Any => Ok(Place::Any),
        Term::Literal(json) => named(json, &at, reader, cells),
    }
}

/// A subject that is named by its id or a two-tuple.
fn named(
    json: &Json,
    at: &Pointer,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Place, Error> {
    reader.budget.spend(1)?;
    let found = identity(json, at, reader.schema, reader.facts)?;
    Ok(found.map_or(Place::Nothing, |s| Place::Cell(cells.whole(s.raw()))))
}

impl<'s> Leg<'s> {
    fn of(clause: &Clause, reader: &Reader<'s>, cells: &mut Cells) -> Result<Self, Error> {
        let at = |index: usize| clause.at.index(clause.first.saturating_add(index));
        let kind = match &clause.verb {
            Verb::Id => Kind::Id,
            Verb::Type => Kind::Type(match &clause.object {
                Term::Literal(json) => Some(collection_named(json, &at(2), reader)?.id),
                Term::Var(_) | Term::Any => None,
            }),
            Verb::Named(name) => {
                let of = reader.schema.predicate_named(name);
                let of = of
                    .filter(|of| !of.sealed)
                    .ok_or_else(|| invalid(&at(1), &format!("there is no predicate `{name}`")))?;
                Kind::Named(of)
            }
        };
        let object = match &clause.object {
            Term::Var(var) => Place::Var(*var),
            Term::Any => Place::Any,
            Term::Literal(json) => match &kind {
                Kind::Named(of) => literal(json, of, &at(2), reader, cells)?,
                Kind::Id => named(json, &at(2), reader, cells)?,
                Kind::Type(_) => {
                    let of = collection_named(json, &at(2), reader)?;
                    Place::Cell(cells.text(&of.name, reader.budget)?)
                }
            },
        };
        Ok(Self { kind, object })
    }
}

/// A value as a predicate has it.
fn literal(
    json: &Json,
    of: &Predicate,
    at: &Pointer,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Place, Error> {
    match (of.value_type, json) {
        (ValueType::Ref, Json::Int(_) | Json::UInt(_) | Json::Array(_)) => {
            named(json, at, reader, cells)
        }
        (ValueType::Tag, Json::String(text)) => {
            reader.budget.spend(1)?;
            match tag_named(text, of, reader.facts)? {
                Some(tag) => Ok(match tag_name(tag, reader.facts)? {
                    Some(name) => Place::Cell(cells.text(&name, reader.budget)?),
                    None => Place::Nothing,
                }),
                None => Ok(Place::Nothing),
            }
        }
        (value_type, json) => match value_of(json, value_type) {
            Ok(value) => Ok(Place::Cell(cells.value(value.borrow(), reader.budget)?)),
            Err(why) => Err(invalid(at, &format!("the value of `{}`: {why}", of.name))),
        },
    }
}

fn collection_named<'s>(
    json: &Json,
    at: &Pointer,
    reader: &Reader<'s>,
) -> Result<&'s Collection, Error> {
    let name = json.as_str().unwrap_or_default();
    let found = reader.schema.collection_named(name);
    if found.is_some_and(|of| of.id == collection::LOG) {
        let why = "`_log` is no collection of facts: the audit trail is read by `logs`";
        return Err(invalid(at, why));
    }
    found.ok_or_else(|| Error::InvalidCollection {
        at: at.clone(),
        name: name.to_owned(),
    })
}

impl Place {
    fn var(self) -> Option<Var> {
        match self {
            Self::Var(var) => Some(var),
            Self::Any | Self::Cell(_) | Self::Nothing => None,
        }
    }
}

impl Star<'_> {
    /// Its variables: the subject's first, each once.
    fn vars(&self) -> Vec<Var> {
        let mut vars = Vec::new();
        let objects = self.legs.iter().map(|leg| leg.object);
        for var in [self.subject]
            .into_iter()
            .chain(objects)
            .filter_map(Place::var)
        {
            if !vars.contains(&var) {
                vars.push(var);
            }
        }
        vars
    }

    fn shares(&self, solved: &Relation) -> bool {
        self.vars().iter().any(|var| solved.place(*var).is_some())
    }

    /// The variables that would have to be bound first, for a message.
    fn unbound(&self, variables: &Variables) -> String {
        let names: Vec<_> = self
            .vars()
            .iter()
            .map(|var| format!("`{}`", variables.name(*var)))
            .collect();
        if names.is_empty() {
            "nothing in it".to_owned()
        } else {
            names.join(" or ")
        }
    }

    fn way(&self, solved: &Relation, reader: &Reader<'_>) -> Result<Way, Error> {
        let is_nothing = |leg: &Leg<'_>| leg.object == Place::Nothing;
        let mut best = match self.subject {
            Place::Cell(_) | Place::Nothing => return Ok(Way::Named),
            _ if self.legs.iter().any(is_nothing) => return Ok(Way::Named),
            Place::Var(var) if solved.place(var).is_some() => Way::Bound,
            Place::Var(_) | Place::Any => Way::Everything,
        };
        for (index, leg) in self.legs.iter().enumerate() {
            best = best.min(leg.way(index, solved, reader)?);
        }
        Ok(best)
    }

    /// The rows of this star, of all subjects that the way leads to.
    fn find(
        &self,
        way: Way,
        solved: &Relation,
        reader: &Reader<'_>,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let mut found = Relation::of(self.vars());
        if let Way::All(_, c) = way {
            reader.scan(c, &mut |s, row| {
                self.expand(s, &row, reader, cells, &mut found)?;
                Ok(ControlFlow::Continue(()))
            })?;
        } else {
            for s in self.candidates(way, solved, reader, cells)? {
                let row = reader.row(s)?;
                if !row.is_empty() {
                    self.expand(s, &row, reader, cells, &mut found)?;
                }
            }
        }
        if self.subject == Place::Any {
            found.distinct();
        }
        Ok(found)
    }

    /// The subjects to ask, ascending: reads that go one way are the cheapest.
    fn candidates(
        &self,
        way: Way,
        solved: &Relation,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<BTreeSet<SubjectId>, Error> {
        let subject = |cell: Cell| cells.as_whole(cell).and_then(SubjectId::from_raw);
        let mut subjects = BTreeSet::new();
        match (way, self.subject) {
            (Way::Named, Place::Cell(cell)) => subjects.extend(subject(cell)),
            (Way::Bound, Place::Var(var)) => {
                subjects.extend(solved.column(var).into_iter().filter_map(subject));
            }
            (Way::Unique(index) | Way::Value(index) | Way::Values(index), _) => {
                let Some(leg) = self.legs.get(index) else {
                    return Ok(subjects);
                };
                let objects = match leg.object {
                    Place::Cell(cell) => vec![cell],
                    Place::Var(var) => solved.column(var),
                    Place::Any | Place::Nothing => Vec::new(),
                };
                for object in objects {
                    match &leg.kind {
                        Kind::Id => subjects.extend(subject(object)),
                        Kind::Named(of) => {
                            if let Some(value) = stored(object, of, reader, cells)? {
                                subjects.extend(reader.subjects(of.id, value.borrow())?);
                            }
                        }
                        Kind::Type(_) => {}
                    }
                }
            }
            _ => {}
        }
        Ok(subjects)
    }

    /// Adds what one subject's facts bind.
    fn expand(
        &self,
        s: SubjectId,
        row: &Row,
        reader: &Reader<'_>,
        cells: &mut Cells,
        found: &mut Relation,
    ) -> Result<(), Error> {
        let mut rows: Vec<Vec<Cell>> = vec![match self.subject {
            Place::Var(_) => vec![cells.whole(s.raw())],
            Place::Any | Place::Cell(_) | Place::Nothing => Vec::new(),
        }];
        for leg in &self.legs {
            let mut objects = leg.objects(s, row, reader, cells)?;
            objects.sort_unstable();
            reader
                .budget
                .spend(u64::try_from(rows.len()).unwrap_or(u64::MAX))?;
            let known = match leg.object {
                Place::Var(var) => found.place(var),
                Place::Any | Place::Cell(_) | Place::Nothing => None,
            };
            let mut next = Vec::new();
            for bound in &rows {
                match (leg.object, known.and_then(|place| bound.get(place))) {
                    (Place::Nothing, _) => {}
                    (Place::Any, _) => next.extend((!objects.is_empty()).then(|| bound.clone())),
                    (Place::Cell(cell), _) | (Place::Var(_), Some(&cell)) => {
                        next.extend(objects.binary_search(&cell).is_ok().then(|| bound.clone()));
                    }
                    (Place::Var(_), None) => {
                        for object in &objects {
                            reader.budget.spend(1)?;
                            let mut longer = bound.clone();
                            longer.push(*object);
                            next.push(longer);
                        }
                    }
                }
            }
            rows = next;
        }
        for row in rows {
            found.push(row, reader.budget)?;
        }
        Ok(())
    }
}

impl Leg<'_> {
    fn way(&self, index: usize, solved: &Relation, reader: &Reader<'_>) -> Result<Way, Error> {
        let is_bound = match self.object {
            Place::Var(var) => solved.place(var).is_some(),
            Place::Cell(_) => true,
            Place::Any | Place::Nothing => false,
        };
        Ok(match (&self.kind, self.object) {
            (Kind::Named(of), Place::Cell(_)) if can_be_found(of) && of.unique => {
                Way::Unique(index)
            }
            (Kind::Id, Place::Cell(_)) => Way::Unique(index),
            (Kind::Named(of), Place::Cell(_)) if can_be_found(of) => Way::Value(index),
            (Kind::Named(of), _) if is_bound && can_be_found(of) => Way::Values(index),
            (Kind::Id, _) if is_bound => Way::Values(index),
            (Kind::Named(of), _) => {
                Way::All(reader.facts.next_number(of.collection)?, of.collection)
            }
            (Kind::Type(Some(c)), _) => Way::All(reader.facts.next_number(*c)?, *c),
            (Kind::Id | Kind::Type(None), _) => Way::Everything,
        })
    }

    /// What a subject has under this leg.
    fn objects(
        &self,
        s: SubjectId,
        row: &Row,
        reader: &Reader<'_>,
        cells: &mut Cells,
    ) -> Result<Vec<Cell>, Error> {
        let of = match &self.kind {
            Kind::Id => return Ok(vec![cells.whole(s.raw())]),
            Kind::Type(_) => {
                return match reader.schema.collection(s.collection()) {
                    Some(of) => Ok(vec![cells.text(&of.name, reader.budget)?]),
                    None => Ok(Vec::new()),
                };
            }
            Kind::Named(of) => of,
        };
        let mut objects = Vec::new();
        for value in values(row, of.id) {
            match (of.value_type, value) {
                (ValueType::Tag, Value::Ref(tag)) => {
                    reader.budget.spend(1)?;
                    if let Some(name) = tag_name(*tag, reader.facts)? {
                        objects.push(cells.text(&name, reader.budget)?);
                    }
                }
                (_, value) => objects.push(cells.value(value.borrow(), reader.budget)?),
            }
        }
        Ok(objects)
    }
}

/// Whether the subjects that have a value can be found by it.
fn can_be_found(of: &Predicate) -> bool {
    of.is_ref() || is_posted_scalar(of)
}

/// A cell as a predicate would store it; none if it cannot.
fn stored(
    cell: Cell,
    of: &Predicate,
    reader: &Reader<'_>,
    cells: &Cells,
) -> Result<Option<Value>, Error> {
    let told = cells.told(cell);
    let value = match (of.value_type, &told) {
        (ValueType::Ref, Value::Int(raw)) => SubjectId::from_raw(*raw).map(Value::Ref),
        (ValueType::Tag, Value::String(name)) => {
            reader.budget.spend(1)?;
            tag_named(name, of, reader.facts)?.map(Value::Ref)
        }
        (ValueType::Int | ValueType::Long, Value::Int(_))
        | (ValueType::Boolean, Value::Boolean(_))
        | (ValueType::Float | ValueType::Double, Value::Double(_))
        | (ValueType::Bigint | ValueType::Bigdec, Value::Decimal(_))
        | (ValueType::String | ValueType::Uri, Value::String(_)) => Some(told.clone()),
        (ValueType::Instant, Value::Int(ms)) => Some(Value::Instant(*ms)),
        (ValueType::Uuid, Value::String(text)) => {
            value_of(&Json::string(text), ValueType::Uuid).ok()
        }
        _ => None,
    };
    Ok(value)
}
