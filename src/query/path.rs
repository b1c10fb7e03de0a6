//! A pattern that goes by refs of one predicate, any number of steps: `["?x", "person/boss+", "?y"]`.
//!
//! 1. It goes forwards by the refs of a subject, and backwards by who refers to one, from the ends that are named or
//!    bound; from every subject that has the predicate, if none is.
//! 2. Each subject is asked once, however many ends it is reached from, and none is asked that is not reached.
//! 3. What is reached is reached by its fewest steps, so cycles end, and a subject reaches itself only by one.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::cell::{Cell, Cells};
use super::clause::{Clause, Verb};
use super::error::Error;
use super::memory::Held;
use super::place::Place;
use super::pointer::Pointer;
use super::reader::{Reader, Row, values};
use super::relation::{Relation, Var};
use super::run::Run;
use super::select::invalid;
use crate::base::limits::QUERY_ROUNDS_MAX;
use crate::model::{CollectionId, SubjectId, Value, ValueRef, ValueType};
use crate::schema::Predicate;

/// One such pattern.
pub(super) struct Path<'s> {
    pub(super) at: Pointer,
    /// What it is asked of.
    pub(super) reader: &'s Reader<'s>,
    subject: Place,
    of: &'s Predicate,
    /// How many steps it has at most.
    most: Option<u32>,
    object: Place,
}

/// Where a path is begun at; the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ends {
    /// At one that is named.
    Named,
    /// At those that are bound.
    Bound,
    /// At all that have the predicate.
    Free(CollectionId),
}

/// The patterns that are paths.
///
/// # Errors
/// `InvalidQuery` and `InvalidIdentity` for names that the schema does not have or that cannot be used so; `Facts`.
pub(super) fn paths<'s>(
    clauses: &[Clause],
    run: Run<'s>,
    cells: &mut Cells,
) -> Result<Vec<Path<'s>>, Error> {
    let mut paths = Vec::new();
    for clause in clauses {
        if let Verb::Path(name, most) = &clause.verb {
            let reader = run.reader_of(clause)?;
            paths.push(Path::of(clause, name, *most, reader, cells)?);
        }
    }
    Ok(paths)
}

impl<'s> Path<'s> {
    fn of(
        clause: &Clause,
        name: &str,
        most: Option<u32>,
        reader: &'s Reader<'s>,
        cells: &mut Cells,
    ) -> Result<Self, Error> {
        let at = |index: usize| clause.at.index(clause.first.saturating_add(index));
        let of = reader.schema.predicate_named(name);
        let of = of
            .filter(|of| !of.sealed)
            .ok_or_else(|| invalid(&at(1), &format!("there is no predicate `{name}`")))?;
        if of.value_type != ValueType::Ref {
            let why = format!("`{name}` is no ref, and only by refs is there more than one step");
            return Err(invalid(&at(1), &why));
        }
        let subject = Place::of_subject(clause, reader, cells)?;
        let object = Place::of_object(clause, of, reader, cells)?;
        // What is reached from anything, or reaches anything, does so by one step.
        let is_open = subject == Place::Any || object == Place::Any;
        Ok(Self {
            at: clause.at.clone(),
            reader,
            subject,
            of,
            most: if is_open { Some(1) } else { most },
            object,
        })
    }
}

impl Path<'_> {
    /// Its variables, each once.
    pub(super) fn vars(&self) -> Vec<Var> {
        let mut vars: Vec<Var> = self.subject.var().into_iter().collect();
        vars.extend(self.object.var().filter(|var| !vars.contains(var)));
        vars
    }

    /// Where it would be begun.
    pub(super) fn ends(&self, is_bound: impl Fn(Var) -> bool) -> Ends {
        let end = |place: Place| match place {
            Place::Cell(_) | Place::Nothing => Ends::Named,
            Place::Var(var) if is_bound(var) => Ends::Bound,
            Place::Var(_) | Place::Any => Ends::Free(self.of.collection),
        };
        end(self.subject).min(end(self.object))
    }

    /// The ends that one leads to the other, of those that are named or bound.
    ///
    /// # Errors
    /// As the budget is spent; `Limit` past [`QUERY_ROUNDS_MAX`] steps of one path; `Facts`.
    pub(super) fn find(&self, solved: &Relation, cells: &mut Cells) -> Result<Relation, Error> {
        let reader = self.reader;
        let mut found = Relation::of(self.vars(), &reader.memory);
        if solved.is_empty() || self.subject == Place::Nothing || self.object == Place::Nothing {
            return Ok(found);
        }
        let subjects = begun(self.subject, solved, cells);
        let objects = begun(self.object, solved, cells);
        // From the fewer: a named end is one.
        let is_forward = match (&subjects, &objects) {
            (Some(from), Some(to)) => from.len() <= to.len(),
            (None, Some(_)) => false,
            (_, None) => true,
        };
        let (near, far, from, to) = if is_forward {
            (self.subject, self.object, subjects, objects)
        } else {
            (self.object, self.subject, objects, subjects)
        };
        let mut graph = Graph::new(self, is_forward, reader);
        let from = match from {
            Some(from) => from,
            None => graph.read_all()?,
        };
        let wanted: Option<Vec<u32>> = match to {
            Some(to) => {
                let numbers: Result<Vec<u32>, Error> =
                    to.into_iter().map(|s| graph.number(s)).collect();
                let mut numbers = numbers?;
                numbers.sort_unstable();
                Some(numbers)
            }
            None => None,
        };
        for start in from {
            let number = graph.number(start)?;
            for reached in graph.reach(number, self.most)? {
                let is_wanted = |all: &Vec<u32>| all.binary_search(&reached).is_ok();
                if !wanted.as_ref().is_none_or(is_wanted) {
                    continue;
                }
                let Some(end) = graph.subject(reached) else {
                    continue;
                };
                if near == far && start != end && near != Place::Any {
                    continue;
                }
                let row = self.row(is_forward, start, end, cells);
                found.push(&row, reader.budget)?;
            }
        }
        if self.vars().len() < 2 {
            found.distinct();
        }
        Ok(found)
    }

    fn row(
        &self,
        is_forward: bool,
        start: SubjectId,
        end: SubjectId,
        cells: &mut Cells,
    ) -> Vec<Cell> {
        let (subject, object) = if is_forward {
            (start, end)
        } else {
            (end, start)
        };
        let mut row = Vec::new();
        if self.subject.var().is_some() {
            row.push(cells.whole(subject.raw()));
        }
        if self.object.var().is_some() && self.object != self.subject {
            row.push(cells.whole(object.raw()));
        }
        row
    }
}

/// The subjects that an end is named or bound to, ascending; none if it is neither.
fn begun(place: Place, solved: &Relation, cells: &Cells) -> Option<Vec<SubjectId>> {
    let bound = match place {
        Place::Cell(cell) => vec![cell],
        Place::Var(var) if solved.has(var) => solved.column(var),
        Place::Var(_) | Place::Any | Place::Nothing => return None,
    };
    let subject = |cell: Cell| cells.as_whole(cell).and_then(SubjectId::from_raw);
    let mut subjects: Vec<SubjectId> = bound.into_iter().filter_map(subject).collect();
    subjects.sort_unstable();
    Some(subjects)
}

/// What a subject of a graph is held with, about: its number, its id, and the list of where it leads.
const BYTES_OF_A_SUBJECT: usize = 96;

/// What one step is held with.
const BYTES_OF_A_STEP: usize = size_of::<u32>();

/// Where each subject leads by one step, as far as it has been asked.
struct Graph<'p> {
    of: &'p Predicate,
    is_forward: bool,
    reader: &'p Reader<'p>,
    numbers: HashMap<SubjectId, u32>,
    subjects: Vec<SubjectId>,
    steps: Vec<Option<Vec<u32>>>,
    /// Whether all that lead anywhere have been asked.
    is_whole: bool,
    /// The last start that a subject was reached from.
    reached: Vec<u32>,
    starts: u32,
    held: Held,
}

impl<'p> Graph<'p> {
    fn new(path: &'p Path<'_>, is_forward: bool, reader: &'p Reader<'_>) -> Self {
        Self {
            of: path.of,
            is_forward,
            reader,
            numbers: HashMap::new(),
            subjects: Vec::new(),
            steps: Vec::new(),
            is_whole: false,
            reached: Vec::new(),
            starts: 0,
            held: reader.memory.hold_nothing(),
        }
    }

    fn number(&mut self, s: SubjectId) -> Result<u32, Error> {
        if let Some(number) = self.numbers.get(&s) {
            return Ok(*number);
        }
        self.held.add(BYTES_OF_A_SUBJECT)?;
        // So many are not held in any memory that a query has.
        let number = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
        self.numbers.insert(s, number);
        self.subjects.push(s);
        self.steps.push(None);
        self.reached.push(0);
        Ok(number)
    }

    fn subject(&self, number: u32) -> Option<SubjectId> {
        self.subjects.get(place(number)).copied()
    }

    /// Asks all that have the predicate, and gives them, ascending.
    fn read_all(&mut self) -> Result<Vec<SubjectId>, Error> {
        let mut starts = Vec::new();
        let (reader, of) = (self.reader, self.of);
        reader.scan_among(of.collection, &[of.id], &mut |s, row| {
            let number = self.number(s)?;
            let leads = self.leads(&row)?;
            self.keep(number, leads)?;
            starts.push(s);
            Ok(ControlFlow::Continue(()))
        })?;
        self.is_whole = true;
        starts.sort_unstable();
        Ok(starts)
    }

    fn leads(&mut self, row: &Row) -> Result<Vec<u32>, Error> {
        let mut leads = Vec::new();
        for value in values(row, self.of.id) {
            if let Value::Ref(to) = value {
                leads.push(self.number(*to)?);
            }
        }
        Ok(leads)
    }

    fn keep(&mut self, number: u32, leads: Vec<u32>) -> Result<(), Error> {
        self.held.add(leads.len().saturating_mul(BYTES_OF_A_STEP))?;
        if let Some(slot) = self.steps.get_mut(place(number)) {
            *slot = Some(leads);
        }
        Ok(())
    }

    /// Asks where a subject leads, if it has not been asked.
    fn ask(&mut self, number: u32) -> Result<(), Error> {
        let is_asked = self.steps.get(place(number)).is_some_and(Option::is_some);
        let (false, Some(s)) = (is_asked, self.subject(number)) else {
            return Ok(());
        };
        let mut leads = Vec::new();
        if self.is_forward {
            if !self.is_whole
                && let Some(row) = self.reader.row_among(s, &[self.of.id])?
            {
                leads = self.leads(&row)?;
            }
        } else {
            for from in self.reader.subjects(self.of.id, ValueRef::Ref(s))? {
                leads.push(self.number(from)?);
            }
        }
        self.keep(number, leads)
    }

    /// What is reached from a subject, in the order of its fewest steps.
    fn reach(&mut self, start: u32, most: Option<u32>) -> Result<Vec<u32>, Error> {
        self.starts = self.starts.saturating_add(1);
        let mut reached: Vec<u32> = Vec::new();
        let mut frontier = vec![start];
        let mut rounds: usize = 0;
        let most = most.and_then(|most| usize::try_from(most).ok());
        while !frontier.is_empty() && most.is_none_or(|most| rounds < most) {
            let mut next = Vec::new();
            for from in frontier {
                self.ask(from)?;
                let leads = self.steps.get(place(from)).and_then(Option::as_ref);
                let leads = leads.map_or(&[][..], Vec::as_slice);
                let steps = u64::try_from(leads.len()).unwrap_or(u64::MAX);
                self.reader.budget.spend(steps)?;
                for to in leads {
                    if let Some(last) = self.reached.get_mut(place(*to))
                        && *last != self.starts
                    {
                        *last = self.starts;
                        next.push(*to);
                    }
                }
            }
            rounds = rounds.saturating_add(1);
            if !next.is_empty() && rounds > QUERY_ROUNDS_MAX {
                return Err(Error::Limit {
                    at: Pointer::root(),
                    what: "the steps of a path",
                    max: QUERY_ROUNDS_MAX,
                });
            }
            reached.extend_from_slice(&next);
            frontier = next;
        }
        Ok(reached)
    }
}

/// Where a number stands in a list.
fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
