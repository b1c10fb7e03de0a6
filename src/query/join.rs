//! Bodies of patterns and calls as joins over tables of small numbers.
//!
//! 1. Every term has a number, and stands in tables by it. The facts of a predicate are a table too, of subjects and
//!    objects.
//! 2. Facts are read as they are come to: those of one subject, or of one object, once each; all of a predicate only
//!    where nothing is bound.
//! 3. A body goes row by row through one atom, and for each row through the next that what is bound leads into.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use super::cell::{Cell, Cells};
use super::error::Error;
use super::memory::{Held, Memory};
use super::output::tag_name;
use super::place::{Place, can_be_found, stored};
use super::reader::{Reader, Row, values};
use super::table::{Table, size};
use crate::model::{SubjectId, Value, ValueType};
use crate::schema::Predicate;

/// What a term that has a number is held with, about.
const BYTES_OF_A_TERM: usize = 48;

/// What an atom in its turn takes, about.
const BYTES_OF_A_STEP: usize = 256;

/// What a tuple costs beside its places, as a row does.
const STEPS_OF_A_TUPLE: u64 = 4;

/// The terms of tables, by their numbers.
#[derive(Debug)]
pub(super) struct Terms {
    numbers: HashMap<Cell, u32>,
    cells: Vec<Cell>,
    held: Held,
}

impl Terms {
    fn new(memory: &Memory) -> Self {
        Self {
            numbers: HashMap::new(),
            cells: Vec::new(),
            held: memory.hold_nothing(),
        }
    }

    /// The number of a term.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn number(&mut self, cell: Cell) -> Result<u32, Error> {
        if let Some(number) = self.numbers.get(&cell) {
            return Ok(*number);
        }
        self.held.add(BYTES_OF_A_TERM)?;
        // More terms do not fit the memory of a query.
        let number = u32::try_from(self.cells.len()).unwrap_or(u32::MAX);
        self.cells.push(cell);
        self.numbers.insert(cell, number);
        Ok(number)
    }

    /// The number of a term, if anything has it.
    pub(super) fn known(&self, cell: Cell) -> Option<u32> {
        self.numbers.get(&cell).copied()
    }

    /// The term of a number.
    pub(super) fn cell(&self, number: u32) -> Cell {
        self.cells.get(size(number)).copied().unwrap_or(Cell::NULL)
    }
}

/// A place of an atom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Any,
    Number(u32),
    /// A variable of the rule, by its place among the names.
    Var(usize),
}

/// One thing that a body joins: tuples of a table.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) table: usize,
    pub(super) slots: Vec<Slot>,
}

/// How the rows of an atom are come to.
#[derive(Clone, Copy, Debug)]
enum Access {
    /// There is one tuple to look for.
    Is,
    /// Those with what this place must be.
    Key(usize),
    /// All, or those of a range.
    All,
}

/// One atom in its turn.
#[derive(Debug)]
struct Step {
    atom: Atom,
    /// Whose facts its table has.
    base: Option<usize>,
    access: Access,
    /// Places that are bound already, and what they must be.
    checks: Vec<(usize, Slot)>,
    /// Places that bind a variable.
    binds: Vec<(usize, usize)>,
}

/// A body in the order in which it is gone through, and what it adds.
#[derive(Debug)]
pub(super) struct Plan {
    table: usize,
    head: Vec<Slot>,
    steps: Vec<Step>,
    width: usize,
}

/// A predicate's facts as a table, as far as they have been read.
#[derive(Debug)]
struct Base<'e> {
    table: usize,
    of: &'e Predicate,
    is_whole: bool,
    /// For subjects and for objects: whether those of a number have been read.
    asked: [Vec<bool>; 2],
}

/// All tables of an evaluation.
pub(super) struct Tables<'e> {
    pub(super) terms: Terms,
    all: Vec<Table>,
    bases: Vec<Base<'e>>,
    reader: &'e Reader<'e>,
}

impl<'e> Tables<'e> {
    /// Tables of these widths, without tuples.
    pub(super) fn new(widths: impl Iterator<Item = usize>, reader: &'e Reader<'e>) -> Self {
        Self {
            terms: Terms::new(&reader.memory),
            all: widths.map(|it| Table::new(it, &reader.memory)).collect(),
            bases: Vec::new(),
            reader,
        }
    }

    /// The table of a number.
    pub(super) fn table(&self, number: usize) -> Option<&Table> {
        self.all.get(number)
    }

    /// How many tuples a table has.
    pub(super) fn len(&self, number: usize) -> u32 {
        self.table(number).map_or(0, Table::len)
    }

    /// One of the tables, taken out of the others.
    pub(super) fn into_one(mut self, number: usize) -> (Table, Terms) {
        let memory = &self.reader.memory;
        let is_there = number < self.all.len();
        let table = is_there.then(|| self.all.swap_remove(number));
        (table.unwrap_or_else(|| Table::new(0, memory)), self.terms)
    }

    /// From now on, tuples of a table are found by any of their places.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn index_all(&mut self, number: usize, width: usize) -> Result<(), Error> {
        (0..width).try_for_each(|place| self.index(number, place))
    }

    fn index(&mut self, number: usize, place: usize) -> Result<(), Error> {
        let table = self.all.get_mut(number);
        table.map_or(Ok(()), |table| table.index(place))
    }

    /// Adds a tuple, which is paid if it is new.
    ///
    /// # Errors
    /// As the budget is spent, and `Limit` past the memory of a query.
    pub(super) fn add(&mut self, number: usize, tuple: &[u32]) -> Result<(), Error> {
        if let Some(table) = self.all.get_mut(number)
            && table.add(tuple)?
        {
            let width = u64::try_from(tuple.len()).unwrap_or(u64::MAX);
            self.reader
                .budget
                .spend(width.saturating_add(STEPS_OF_A_TUPLE))?;
        }
        Ok(())
    }

    /// The table of a predicate's facts.
    pub(super) fn base(&mut self, of: &'e Predicate) -> usize {
        if let Some(base) = self.bases.iter().find(|it| it.of.id == of.id) {
            return base.table;
        }
        let table = self.all.len();
        self.all.push(Table::new(2, &self.reader.memory));
        self.bases.push(Base {
            table,
            of,
            is_whole: false,
            asked: [Vec::new(), Vec::new()],
        });
        table
    }

    /// The slot of a place; none, if nothing is it.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn slot(&mut self, place: Place) -> Result<Option<Slot>, Error> {
        Ok(match place {
            Place::Var(var) => Some(Slot::Var(var.0)),
            Place::Any => Some(Slot::Any),
            Place::Cell(cell) => Some(Slot::Number(self.terms.number(cell)?)),
            Place::Nothing => None,
        })
    }

    /// Puts atoms in order: `first` first, then each that what is bound leads into.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn plan(
        &mut self,
        table: usize,
        head: &[Slot],
        atoms: &[Atom],
        first: Option<usize>,
    ) -> Result<Plan, Error> {
        // Each is looked at for each place that it may have.
        let looks = atoms.len().saturating_mul(atoms.len());
        self.reader
            .budget
            .spend(u64::try_from(looks).unwrap_or(u64::MAX))?;
        self.terms
            .held
            .add(atoms.len().saturating_mul(BYTES_OF_A_STEP))?;
        let mut bound = BTreeSet::new();
        let mut left: Vec<usize> = (0..atoms.len()).collect();
        let mut steps = Vec::new();
        let mut first = first;
        while !left.is_empty() {
            let rank = |at: &usize| match (first, atoms.get(*at)) {
                (Some(first), _) => usize::from(first != *at),
                (None, Some(atom)) => self.rank(atom, &bound),
                (None, None) => usize::MAX,
            };
            let next = left.iter().enumerate().min_by_key(|(_, at)| rank(at));
            let Some(at) = next.map(|(place, _)| place) else {
                break;
            };
            let Some(atom) = atoms.get(left.remove(at)) else {
                continue;
            };
            let access = if first.take().is_some() {
                Access::All
            } else {
                atom.access(&bound)
            };
            if let Access::Key(place) = access {
                self.index(atom.table, place)?;
            }
            let base = self.base_of(atom.table);
            steps.push(Step::of(atom, base, access, &mut bound));
        }
        let vars = head.iter().chain(atoms.iter().flat_map(|it| &it.slots));
        let vars = vars.filter_map(|slot| match slot {
            Slot::Var(var) => Some(var.saturating_add(1)),
            Slot::Any | Slot::Number(_) => None,
        });
        Ok(Plan {
            table,
            head: head.to_vec(),
            steps,
            width: vars.max().unwrap_or(0),
        })
    }

    fn rank(&self, atom: &Atom, bound: &BTreeSet<usize>) -> usize {
        let is_base = self.base_of(atom.table).is_some();
        match atom.access(bound) {
            Access::Is => 0,
            Access::Key(_) => 1,
            Access::All if is_base => 3,
            Access::All => 2,
        }
    }

    fn base_of(&self, table: usize) -> Option<usize> {
        self.bases.iter().position(|it| it.table == table)
    }

    /// Goes through a body: through the rows from one to another of its first atom.
    ///
    /// # Errors
    /// As facts are read and tuples are added.
    pub(super) fn run(
        &mut self,
        plan: &Plan,
        range: Option<(u32, u32)>,
        cells: &mut Cells,
    ) -> Result<(), Error> {
        let mut bound = vec![0; plan.width];
        let mut tuple = Vec::new();
        let mut walk = Walk {
            tables: self,
            plan,
            range,
            bound: &mut bound,
            tuple: &mut tuple,
            cells,
        };
        walk.step(0)
    }

    /// Reads the facts of a predicate by one subject or object, if they have not been read.
    fn ask(
        &mut self,
        base: usize,
        place: usize,
        number: u32,
        cells: &mut Cells,
    ) -> Result<(), Error> {
        let Some(it) = self.bases.get_mut(base) else {
            return Ok(());
        };
        if it.is_whole {
            return Ok(());
        }
        let (table, of) = (it.table, it.of);
        if place == 1 && !can_be_found(of) {
            return self.ask_all(base, cells);
        }
        let Some(asked) = it.asked.get_mut(place) else {
            return Ok(());
        };
        if asked.len() <= size(number) {
            asked.resize(
                self.terms.cells.len().max(size(number).saturating_add(1)),
                false,
            );
        }
        if asked.get(size(number)) == Some(&true) {
            return Ok(());
        }
        if let Some(asked) = asked.get_mut(size(number)) {
            *asked = true;
        }
        let cell = self.terms.cell(number);
        if place == 0 {
            let s = cells.as_whole(cell).and_then(SubjectId::from_raw);
            let row = match s {
                Some(s) => self.reader.row_among(s, &[of.id])?,
                None => None,
            };
            for object in objects(&row.unwrap_or_default(), of, self.reader, cells)? {
                let object = self.terms.number(object)?;
                self.add(table, &[number, object])?;
            }
        } else if let Some(value) = stored(cell, of, self.reader, cells)? {
            for s in self.reader.subjects(of.id, value.borrow())? {
                let subject = self.terms.number(cells.whole(s.raw()))?;
                self.add(table, &[subject, number])?;
            }
        }
        Ok(())
    }

    /// Reads all facts of a predicate, if they have not been read.
    fn ask_all(&mut self, base: usize, cells: &mut Cells) -> Result<(), Error> {
        let Some(it) = self.bases.get_mut(base) else {
            return Ok(());
        };
        if std::mem::replace(&mut it.is_whole, true) {
            return Ok(());
        }
        let (table, of, reader) = (it.table, it.of, self.reader);
        reader.scan_among(of.collection, &[of.id], &mut |s, row| {
            let subject = self.terms.number(cells.whole(s.raw()))?;
            for object in objects(&row, of, reader, cells)? {
                let object = self.terms.number(object)?;
                self.add(table, &[subject, object])?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}

impl Atom {
    fn access(&self, bound: &BTreeSet<usize>) -> Access {
        let is_known = |slot: &Slot| is_known(*slot, bound);
        if self.slots.iter().all(is_known) {
            return Access::Is;
        }
        match self.slots.iter().position(is_known) {
            Some(place) => Access::Key(place),
            None => Access::All,
        }
    }
}

fn is_known(slot: Slot, bound: &BTreeSet<usize>) -> bool {
    match slot {
        Slot::Any => false,
        Slot::Number(_) => true,
        Slot::Var(var) => bound.contains(&var),
    }
}

/// What a subject has under a predicate.
fn objects(
    row: &Row,
    of: &Predicate,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Vec<Cell>, Error> {
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

impl Step {
    fn of(atom: &Atom, base: Option<usize>, access: Access, bound: &mut BTreeSet<usize>) -> Self {
        let mut step = Self {
            atom: atom.clone(),
            base,
            access,
            checks: Vec::new(),
            binds: Vec::new(),
        };
        let mut own = BTreeSet::new();
        for (place, slot) in atom.slots.iter().enumerate() {
            match *slot {
                Slot::Var(var) if !bound.contains(&var) && own.insert(var) => {
                    step.binds.push((place, var));
                }
                Slot::Any => {}
                // What rows are come to by is as it must be.
                _ if matches!(access, Access::Key(key) if key == place) => {}
                slot => step.checks.push((place, slot)),
            }
        }
        bound.extend(own);
        step
    }
}

/// A body that is being gone through.
struct Walk<'w, 'e> {
    tables: &'w mut Tables<'e>,
    plan: &'w Plan,
    range: Option<(u32, u32)>,
    bound: &'w mut Vec<u32>,
    tuple: &'w mut Vec<u32>,
    cells: &'w mut Cells,
}

impl Walk<'_, '_> {
    fn step(&mut self, depth: usize) -> Result<(), Error> {
        let plan = self.plan;
        let Some(step) = plan.steps.get(depth) else {
            self.fill(&plan.head);
            return self.tables.add(plan.table, self.tuple);
        };
        let table = step.atom.table;
        let base = step.base;
        match step.access {
            Access::Is => {
                let subject = step.atom.slots.first().map(|slot| self.value(*slot));
                if let (Some(base), Some(subject)) = (base, subject) {
                    self.tables.ask(base, 0, subject, self.cells)?;
                }
                self.tables.reader.budget.spend(1)?;
                self.fill(&step.atom.slots);
                let is_there = self
                    .tables
                    .table(table)
                    .is_some_and(|it| it.contains(self.tuple));
                if is_there {
                    self.step(depth.saturating_add(1))
                } else {
                    Ok(())
                }
            }
            Access::Key(place) => {
                let slot = step.atom.slots.get(place).copied().unwrap_or(Slot::Any);
                let number = self.value(slot);
                if let Some(base) = base {
                    self.tables.ask(base, place, number, self.cells)?;
                }
                let found = self.tables.table(table);
                let mut row = found.and_then(|it| it.newest(place, number));
                while let Some(at) = row {
                    if self.row(step, at, depth)? && step.binds.is_empty() {
                        break;
                    }
                    let found = self.tables.table(table);
                    row = found.and_then(|it| it.before(place, at));
                }
                Ok(())
            }
            Access::All => {
                if let Some(base) = base {
                    self.tables.ask_all(base, self.cells)?;
                }
                let all = (0, self.tables.len(table));
                let (from, to) = self.range.filter(|_| depth == 0).unwrap_or(all);
                for at in from..to {
                    if self.row(step, at, depth)? && step.binds.is_empty() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }

    /// Goes on from one row, if it is as it must be; whether it is.
    fn row(&mut self, step: &Step, at: u32, depth: usize) -> Result<bool, Error> {
        self.tables.reader.budget.spend(1)?;
        let table = self.tables.all.get(step.atom.table);
        let tuple = table.map_or(&[][..], |it| it.tuple(at));
        for (place, var) in &step.binds {
            if let (Some(number), Some(bound)) = (tuple.get(*place), self.bound.get_mut(*var)) {
                *bound = *number;
            }
        }
        for (place, slot) in &step.checks {
            if tuple.get(*place).copied() != Some(self.value(*slot)) {
                return Ok(false);
            }
        }
        self.step(depth.saturating_add(1))?;
        Ok(true)
    }

    fn value(&self, slot: Slot) -> u32 {
        match slot {
            Slot::Any => u32::MAX,
            Slot::Number(number) => number,
            Slot::Var(var) => self.bound.get(var).copied().unwrap_or(u32::MAX),
        }
    }

    fn fill(&mut self, slots: &[Slot]) {
        self.tuple.clear();
        for slot in slots {
            let number = self.value(*slot);
            self.tuple.push(number);
        }
    }
}
