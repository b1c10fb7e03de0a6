//! Bindings of variables: a set of rows, and joining two of them.
//!
//! 1. No row stands twice; whoever could make one twice calls [`Relation::distinct`].
//! 2. A row costs a step for each of its cells and some for itself, and is held against the [`Memory`] of its query
//!    until it is dropped.
//! 3. A null joins nothing, not even a null. Only where rows are brought back to those that they were made of
//!    ([`Nulls::AreAlikeIn`]) two of them are the same.
//! 4. Rows stand one behind the other in one list of cells: what is read in order lies in order.

use std::collections::BTreeSet;

use super::cell::Cell;
use super::error::Error;
use super::hash::{self, Table};
use super::memory::{Held, Memory};
use crate::base::Budget;

/// A variable: its place among the names of the query's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Var(pub(super) usize);

/// What a row costs beside its cells: with what finds it in a join.
const STEPS_OF_A_ROW: u64 = 4;

/// How many bytes a cell takes.
const CELL_BYTES: usize = size_of::<Cell>();

/// Rows of cells, one cell for each variable.
#[derive(Debug)]
pub(super) struct Relation {
    vars: Vec<Var>,
    cells: Vec<Cell>,
    len: usize,
    held: Held,
}

/// Whether two nulls are taken for the same.
#[derive(Clone, Copy, Debug)]
pub(super) enum Nulls<'v> {
    /// No: a null is no term.
    JoinNothing,
    /// In these variables, with which the rows of one side were made out of the other.
    AreAlikeIn(&'v BTreeSet<Var>),
}

impl Relation {
    /// One row that binds nothing: what every join begins with.
    pub(super) fn unit(memory: &Memory) -> Self {
        Self {
            len: 1,
            ..Self::of(Vec::new(), memory)
        }
    }

    /// No rows yet, of these variables.
    pub(super) fn of(vars: Vec<Var>, memory: &Memory) -> Self {
        Self {
            vars,
            cells: Vec::new(),
            len: 0,
            held: memory.hold_nothing(),
        }
    }

    /// Its variables, in the order of the cells of each row.
    pub(super) fn vars(&self) -> &[Var] {
        &self.vars
    }

    /// How many rows it has.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no row.
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it is the one row that binds nothing.
    pub(super) fn is_unit(&self) -> bool {
        self.vars.is_empty() && self.len == 1
    }

    /// A row by its number.
    pub(super) fn row(&self, number: usize) -> &[Cell] {
        let width = self.vars.len();
        let from = number.saturating_mul(width);
        let row = self.cells.get(from..from.saturating_add(width));
        row.unwrap_or_default()
    }

    /// Its rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        (0..self.len).map(|number| self.row(number))
    }

    /// Adds a row, which is paid and held.
    ///
    /// # Errors
    /// As the budget is spent, and `Limit` past the memory of a query.
    pub(super) fn push(&mut self, row: &[Cell], budget: &Budget) -> Result<(), Error> {
        let cells = u64::try_from(row.len()).unwrap_or(u64::MAX);
        budget.spend(cells.saturating_add(STEPS_OF_A_ROW))?;
        self.make_room(row.len())?;
        self.cells.extend_from_slice(row);
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    fn make_room(&mut self, more: usize) -> Result<(), Error> {
        let room = self.cells.capacity().saturating_sub(self.cells.len());
        if room < more {
            let add = self.cells.capacity().max(more).max(16);
            self.held.add(add.saturating_mul(CELL_BYTES))?;
            self.cells.reserve_exact(add.saturating_add(room));
        }
        Ok(())
    }

    /// Where a variable stands in each row.
    pub(super) fn place(&self, var: Var) -> Option<usize> {
        self.vars.iter().position(|it| *it == var)
    }

    /// Whether a variable is one of its.
    pub(super) fn has(&self, var: Var) -> bool {
        self.place(var).is_some()
    }

    /// What a variable is bound to, each once, ascending as cells, nulls left out.
    pub(super) fn column(&self, var: Var) -> Vec<Cell> {
        let Some(place) = self.place(var) else {
            return Vec::new();
        };
        let all = self.rows().filter_map(|it| it.get(place).copied());
        let mut cells: Vec<Cell> = all.filter(|it| !it.is_null()).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// The rows with only these variables, of those that it has; each once.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn project(&self, vars: &[Var], budget: &Budget) -> Result<Self, Error> {
        let places: Vec<(Var, usize)> = vars
            .iter()
            .filter_map(|var| Some((*var, self.place(*var)?)))
            .collect();
        let vars = places.iter().map(|(var, _)| *var).collect();
        let mut projected = Self::of(vars, &self.held.memory());
        let mut row = Vec::new();
        let mut last = Vec::new();
        for whole in self.rows() {
            row.clear();
            row.extend(places.iter().filter_map(|(_, at)| whole.get(*at).copied()));
            if projected.len == 0 || row != last {
                projected.push(&row, budget)?;
                last.clone_from(&row);
            }
        }
        // With all variables, rows that differed still do.
        if projected.vars.len() < self.vars.len() {
            projected.distinct();
        }
        Ok(projected)
    }

    /// The same rows, of more variables that are null in all of them.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn padded(&self, vars: &[Var], budget: &Budget) -> Result<Self, Error> {
        let mut padded = Self::of(vars.to_vec(), &self.held.memory());
        let places: Vec<Option<usize>> = vars.iter().map(|var| self.place(*var)).collect();
        let mut row = Vec::new();
        for whole in self.rows() {
            row.clear();
            let cell = |at: &Option<usize>| at.and_then(|at| whole.get(at)).copied();
            row.extend(places.iter().map(|at| cell(at).unwrap_or(Cell::NULL)));
            padded.push(&row, budget)?;
        }
        Ok(padded)
    }

    /// Each row once.
    pub(super) fn distinct(&mut self) {
        let width = self.vars.len();
        if width < 2 {
            self.cells.sort_unstable();
            self.cells.dedup();
            self.len = if width == 0 {
                self.len.min(1)
            } else {
                self.cells.len()
            };
            return;
        }
        let mut table = Table::for_entries(self.len);
        let mut kept: usize = 0;
        for number in 0..self.len {
            let row = self.row(number);
            let hash = hash::of_words(row.iter().map(|cell| cell.word()));
            if table.chain(hash).any(|other| self.row(other) == row) {
                continue;
            }
            let from = number.saturating_mul(width);
            let to = kept.saturating_mul(width);
            self.cells.copy_within(from..from.saturating_add(width), to);
            table.add(Some(hash));
            kept = kept.saturating_add(1);
        }
        self.cells.truncate(kept.saturating_mul(width));
        self.len = kept;
    }

    /// The rows that `keep` says yes to.
    ///
    /// # Errors
    /// Those of `keep`.
    pub(super) fn retain(
        &mut self,
        mut keep: impl FnMut(&[Cell]) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let width = self.vars.len();
        let mut kept: usize = 0;
        for number in 0..self.len {
            if keep(self.row(number))? {
                let from = number.saturating_mul(width);
                let to = kept.saturating_mul(width);
                self.cells.copy_within(from..from.saturating_add(width), to);
                kept = kept.saturating_add(1);
            }
        }
        self.cells.truncate(kept.saturating_mul(width));
        self.len = kept;
        Ok(())
    }

    /// The rows, each with one more cell.
    ///
    /// # Errors
    /// Those of `cell`, and as [`Relation::push`].
    pub(super) fn with(
        &self,
        var: Var,
        budget: &Budget,
        mut cell: impl FnMut(&[Cell]) -> Result<Cell, Error>,
    ) -> Result<Self, Error> {
        let mut vars = self.vars.clone();
        vars.push(var);
        let mut longer = Self::of(vars, &self.held.memory());
        let mut row = Vec::new();
        for short in self.rows() {
            row.clear();
            row.extend_from_slice(short);
            row.push(cell(short)?);
            longer.push(&row, budget)?;
        }
        Ok(longer)
    }

    /// The rows of both that match in the variables they share; every pair, where they share none.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn join(
        &self,
        other: &Self,
        nulls: Nulls<'_>,
        budget: &Budget,
    ) -> Result<Self, Error> {
        self.pair(other, nulls, false, budget)
    }

    /// The same of rows that are not used any more.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn joined(self, other: Self, budget: &Budget) -> Result<Self, Error> {
        if self.is_unit() {
            return Ok(other);
        }
        if other.is_unit() {
            return Ok(self);
        }
        // The table is of the smaller side.
        if self.len < other.len {
            return other.join(&self, Nulls::JoinNothing, budget);
        }
        self.join(&other, Nulls::JoinNothing, budget)
    }

    /// The rows with only these variables, each once; the same rows, if they have no others.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn only(self, vars: &BTreeSet<Var>, budget: &Budget) -> Result<Self, Error> {
        if self.vars.iter().all(|var| vars.contains(var)) {
            return Ok(self);
        }
        let kept = self.vars.iter().filter(|var| vars.contains(var));
        self.project(&kept.copied().collect::<Vec<_>>(), budget)
    }

    /// The same, and the rows without a match once, with nulls.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn left_join(
        &self,
        other: &Self,
        nulls: Nulls<'_>,
        budget: &Budget,
    ) -> Result<Self, Error> {
        self.pair(other, nulls, true, budget)
    }

    fn pair(
        &self,
        other: &Self,
        nulls: Nulls<'_>,
        keeps_all: bool,
        budget: &Budget,
    ) -> Result<Self, Error> {
        let shared = self.shared(other, nulls);
        let added: Vec<usize> = (0..)
            .zip(&other.vars)
            .filter(|(_, var)| !self.has(**var))
            .map(|(place, _)| place)
            .collect();
        let mut vars = self.vars.clone();
        vars.extend(added.iter().filter_map(|at| other.vars.get(*at)));
        let mut joined = Self::of(vars, &self.held.memory());
        let mut held = self.held.memory().hold_nothing();
        let index = other.index(shared, &mut held)?;
        let mut whole = Vec::new();
        for row in self.rows() {
            whole.clear();
            whole.extend_from_slice(row);
            let mut is_alone = true;
            for more in index.matches(row) {
                is_alone = false;
                whole.truncate(row.len());
                whole.extend(added.iter().filter_map(|at| more.get(*at)));
                joined.push(&whole, budget)?;
            }
            if is_alone && keeps_all {
                whole.resize(row.len().saturating_add(added.len()), Cell::NULL);
                joined.push(&whole, budget)?;
            }
        }
        Ok(joined)
    }

    /// The rows of this and two others that match, where both of these add the same variables.
    ///
    /// For each row the shorter of its two lists is gone through, and the other only asked: so a row is not made before
    /// it is known to match both.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn join_both(
        &self,
        one: &Self,
        other: &Self,
        budget: &Budget,
    ) -> Result<Self, Error> {
        let mut vars = self.vars.clone();
        vars.extend(one.vars.iter().filter(|var| !self.has(**var)));
        let mut joined = Self::of(vars, &self.held.memory());
        let mut held = self.held.memory().hold_nothing();
        let sides = [
            Side::of(self, one, &joined, &mut held)?,
            Side::of(self, other, &joined, &mut held)?,
        ];
        let [first, second] = &sides;
        let mut whole = Vec::new();
        for row in self.rows() {
            let (list, asked) = if first.is_shorter(second, row, budget)? {
                (first, second)
            } else {
                (second, first)
            };
            for more in list.by_shared.matches(row) {
                budget.spend(1)?;
                whole.clear();
                whole.extend_from_slice(row);
                whole.extend(list.added.iter().filter_map(|at| more.get(*at)));
                if asked.by_all.matches(&whole).next().is_some() {
                    joined.push(&whole, budget)?;
                }
            }
        }
        Ok(joined)
    }

    /// The rows that have a match, or those that have none.
    ///
    /// # Errors
    /// As the budget is spent.
    pub(super) fn semi_join(
        &mut self,
        other: &Self,
        is_wanted: bool,
        nulls: Nulls<'_>,
        budget: &Budget,
    ) -> Result<(), Error> {
        let shared = self.shared(other, nulls);
        let mut held = self.held.memory().hold_nothing();
        let index = other.index(shared, &mut held)?;
        self.retain(|row| {
            budget.spend(1)?;
            Ok(index.matches(row).next().is_some() == is_wanted)
        })
    }

    fn shared(&self, other: &Self, nulls: Nulls<'_>) -> Shared {
        let mut shared = Shared::default();
        for (here, var) in (0..).zip(&self.vars) {
            let Some(there) = other.place(*var) else {
                continue;
            };
            shared.ours.push(here);
            shared.theirs.push(there);
            if !matches!(nulls, Nulls::AreAlikeIn(vars) if vars.contains(var)) {
                shared.strict.push(there);
            }
        }
        shared
    }

    /// These rows, to be found by what they share with rows of another relation.
    fn index(&self, shared: Shared, held: &mut Held) -> Result<Index<'_>, Error> {
        held.add(self.len.saturating_mul(hash::BYTES_OF_AN_ENTRY))?;
        let mut table = Table::for_entries(self.len);
        for row in self.rows() {
            let is_found = !has_null(row, &shared.strict);
            table.add(is_found.then(|| hash_at(row, &shared.theirs)));
        }
        Ok(Index {
            of: self,
            shared,
            table,
        })
    }
}

/// One of two relations that are joined to a third at a time.
struct Side<'r> {
    by_shared: Index<'r>,
    by_all: Index<'r>,
    /// Where what it adds stands in its rows, in the order in which it is added.
    added: Vec<usize>,
}

impl<'r> Side<'r> {
    fn of(
        third: &Relation,
        side: &'r Relation,
        joined: &Relation,
        held: &mut Held,
    ) -> Result<Self, Error> {
        let added = joined.vars.iter().filter(|var| !third.has(**var));
        Ok(Self {
            by_shared: side.index(third.shared(side, Nulls::JoinNothing), held)?,
            by_all: side.index(joined.shared(side, Nulls::JoinNothing), held)?,
            added: added.filter_map(|var| side.place(*var)).collect(),
        })
    }

    /// Whether this has no more matches for a row than another: both are gone through until one ends.
    fn is_shorter(&self, other: &Side<'_>, row: &[Cell], budget: &Budget) -> Result<bool, Error> {
        let mut mine = self.by_shared.matches(row);
        let mut others = other.by_shared.matches(row);
        loop {
            budget.spend(1)?;
            if mine.next().is_none() {
                return Ok(true);
            }
            if others.next().is_none() {
                return Ok(false);
            }
        }
    }
}

/// The places of what two relations share.
#[derive(Default)]
struct Shared {
    ours: Vec<usize>,
    theirs: Vec<usize>,
    /// Those of theirs where a null joins nothing.
    strict: Vec<usize>,
}

fn has_null(row: &[Cell], key: &[usize]) -> bool {
    let mut cells = key.iter().filter_map(|at| row.get(*at));
    cells.any(|cell| cell.is_null())
}

fn hash_at(row: &[Cell], key: &[usize]) -> u64 {
    hash::of_words(
        key.iter()
            .filter_map(|at| row.get(*at))
            .map(|cell| cell.word()),
    )
}

/// The rows of a relation by what they share with another.
struct Index<'r> {
    of: &'r Relation,
    shared: Shared,
    table: Table,
}

impl Index<'_> {
    fn matches<'i>(&'i self, row: &'i [Cell]) -> impl Iterator<Item = &'i [Cell]> {
        let chain = self.table.chain(hash_at(row, &self.shared.ours));
        chain.map(|number| self.of.row(number)).filter(|there| {
            let mut pairs = self.shared.ours.iter().zip(&self.shared.theirs);
            pairs.all(|(here, at)| row.get(*here) == there.get(*at))
        })
    }
}
