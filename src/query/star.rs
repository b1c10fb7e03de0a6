//! The clauses of one subject: a star.
//!
//! 1. One read of the subject's row answers all of its clauses.
//! 2. It is asked of the subjects that can satisfy it: those that are named or bound already, else those that an index
//!    finds by a value that is named or bound, else all of a collection.
//! 3. Which of these is chosen depends on the query, the schema and how many ids a collection has used, and on nothing
//!    that may be hidden. The rows are the same whichever is chosen.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::cell::{Cell, Cells};
use super::clause::{Clause, Term, Verb};
use super::error::Error;
use super::output::tag_name;
use super::place::{Place, can_be_found, collection_named, literal, named, stored};
use super::pointer::Pointer;
use super::reader::{Reader, Row, values};
use super::relation::{Relation, Var};
use super::select::invalid;
use crate::model::{CollectionId, SubjectId, Value, ValueType};
use crate::schema::Predicate;

/// One clause, about a subject that its star names.
pub(super) struct Leg<'s> {
    kind: Kind<'s>,
    object: Place,
}

pub(super) enum Kind<'s> {
    Named(&'s Predicate),
    Id,
    /// Of this collection, if it is named.
    Type(Option<CollectionId>),
}

/// The clauses of one subject.
pub(super) struct Star<'s> {
    pub(super) at: Pointer,
    subject: Place,
    legs: Vec<Leg<'s>>,
}

/// How the subjects of a star are found; the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
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

/// The patterns, each with those of the same subject.
///
/// # Errors
/// `InvalidQuery` and `InvalidIdentity` for names that the schema does not have or that cannot be used so; `Facts`.
pub(super) fn stars<'s>(
    clauses: &[Clause],
    reader: &Reader<'s>,
    cells: &mut Cells,
) -> Result<Vec<Star<'s>>, Error> {
    let mut stars: Vec<Star<'s>> = Vec::new();
    for clause in clauses {
        let subject = subject_of(clause, reader, cells)?;
        let leg = Leg::of(clause, reader, cells)?;
        let of_one = |it: &&mut Star<'s>| it.subject == subject && subject != Place::Any;
        match stars.iter_mut().find(of_one) {
            Some(star) => star.legs.push(leg),
            None => stars.push(Star {
                at: clause.at.clone(),
                subject,
                legs: vec![leg],
            }),
        }
    }
    Ok(stars)
}

fn subject_of(clause: &Clause, reader: &Reader<'_>, cells: &mut Cells) -> Result<Place, Error> {
    let at = clause.at.index(clause.first);
    match &clause.subject {
        Term::Var(var) => Ok(Place::Var(*var)),
        Term::Any => Ok(Place::Any),
        Term::Literal(json) => named(json, &at, reader, cells),
    }
}

impl Star<'_> {
    /// Its variables: the subject's first, each once.
    pub(super) fn vars(&self) -> Vec<Var> {
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

    pub(super) fn shares(&self, solved: &Relation) -> bool {
        self.vars().iter().any(|var| solved.has(*var))
    }

    pub(super) fn way(&self, solved: &Relation, reader: &Reader<'_>) -> Result<Way, Error> {
        let is_nothing = |leg: &Leg<'_>| leg.object == Place::Nothing;
        let mut best = match self.subject {
            Place::Cell(_) | Place::Nothing => return Ok(Way::Named),
            _ if self.legs.iter().any(is_nothing) => return Ok(Way::Named),
            Place::Var(var) if solved.has(var) => Way::Bound,
            Place::Var(_) | Place::Any => Way::Everything,
        };
        for (index, leg) in self.legs.iter().enumerate() {
            best = best.min(leg.way(index, solved, reader)?);
        }
        Ok(best)
    }

    /// The rows of this star, of all subjects that the way leads to.
    pub(super) fn find(
        &self,
        way: Way,
        solved: &Relation,
        reader: &Reader<'_>,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let mut found = Relation::of(self.vars(), &reader.memory);
        if solved.is_empty() {
            return Ok(found);
        }
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
            found.push(&row, reader.budget)?;
        }
        Ok(())
    }
}

impl Leg<'_> {
    fn way(&self, index: usize, solved: &Relation, reader: &Reader<'_>) -> Result<Way, Error> {
        let is_bound = match self.object {
            Place::Var(var) => solved.has(var),
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

impl<'s> Leg<'s> {
    fn of(clause: &Clause, reader: &Reader<'s>, cells: &mut Cells) -> Result<Self, Error> {
        let at = |index: usize| clause.at.index(clause.first.saturating_add(index));
        let kind = match &clause.verb {
            Verb::Path(..) | Verb::Var(_) => {
                return Err(invalid(&at(1), "that is not supported yet"));
            }
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
