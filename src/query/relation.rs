//! Bindings of variables: a set of rows, and joining two of them.
//!
//! 1. No row stands twice; whoever could make one twice calls [`Relation::distinct`].
//! 2. A row costs a step for each of its cells and some for itself, so that the budget bounds the memory too.

use std::collections::{HashMap, HashSet};

use super::cell::Cell;
use super::error::Error;
use crate::base::Budget;

/// A variable: its place among the names of the query's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Var(pub(super) usize);

/// What a row costs beside its cells: with what finds it in a join, it takes some two hundred bytes.
const STEPS_OF_A_ROW: u64 = 4;

/// Rows of cells, one cell for each variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) vars: Vec<Var>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Relation {
    /// One row that binds nothing: what every join begins with.
    pub(super) fn unit() -> Self {
        Self {
            vars: Vec::new(),
            rows: vec![Vec::new()],
        }
    }

    /// No rows yet, of these variables.
    pub(super) fn of(vars: Vec<Var>) -> Self {
        Self {
            vars,
            rows: Vec::new(),
        }
    }

    /// Adds a row, which is paid.
    pub(super) fn push(&mut self, row: Vec<Cell>, budget: &Budget) -> Result<(), Error> {
        let cells = u64::try_from(row.len()).unwrap_or(u64::MAX);
        budget.spend(cells.saturating_add(STEPS_OF_A_ROW))?;
        self.rows.push(row);
        Ok(())
    }

    /// Where a variable stands in each row.
    pub(super) fn place(&self, var: Var) -> Option<usize> {
        self.vars.iter().position(|it| *it == var)
    }

    /// What a variable is bound to, each once, ascending as cells.
    pub(super) fn column(&self, var: Var) -> Vec<Cell> {
        let Some(place) = self.place(var) else {
            return Vec::new();
        };
        let mut cells: Vec<Cell> = self
            .rows
            .iter()
            .filter_map(|it| it.get(place).copied())
            .collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// Each row once.
    pub(super) fn distinct(&mut self) {
        let mut seen = HashSet::new();
        self.rows.retain(|row| seen.insert(row.clone()));
    }

    /// The rows of both that agree in the variables they share; every pair, where they share none.
    pub(super) fn join(&self, other: &Self, budget: &Budget) -> Result<Self, Error> {
        let shared: Vec<(usize, usize)> = (0..)
            .zip(&self.vars)
            .filter_map(|(place, var)| Some((place, other.place(*var)?)))
            .collect();
        let added: Vec<usize> = (0..)
            .zip(&other.vars)
            .filter(|(_, var)| self.place(**var).is_none())
            .map(|(place, _)| place)
            .collect();
        let mut by_key: HashMap<Vec<Cell>, Vec<&Vec<Cell>>> = HashMap::new();
        for row in &other.rows {
            let key = shared.iter().filter_map(|(_, at)| row.get(*at).copied());
            by_key.entry(key.collect()).or_default().push(row);
        }
        let mut vars = self.vars.clone();
        vars.extend(added.iter().filter_map(|at| other.vars.get(*at)));
        let mut joined = Self::of(vars);
        for row in &self.rows {
            let key: Vec<Cell> = shared
                .iter()
                .filter_map(|(at, _)| row.get(*at).copied())
                .collect();
            for more in by_key.get(&key).into_iter().flatten() {
                let mut whole = row.clone();
                whole.extend(added.iter().filter_map(|at| more.get(*at)));
                joined.push(whole, budget)?;
            }
        }
        Ok(joined)
    }
}
