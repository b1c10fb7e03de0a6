//! Filters and binds, over the rows of a relation.
//!
//! 1. What an expression says depends on its variables alone, so it is asked once for each combination of their values,
//!    however many rows have it.
//! 2. A fault of a filter drops the row; a fault of a bind is a null.

use std::collections::HashMap;

use super::cell::{Cell, Cells};
use super::error::Error;
use super::expression::Expression;
use super::group::Filter;
use super::memory::{Held, Memory};
use super::reader::Reader;
use super::relation::{Relation, Var};
use crate::base::Budget;
use crate::lang::Val;
use crate::model::Value;

/// Keeps the rows that a filter says yes to.
///
/// # Errors
/// As the budget is spent; `Limit` past the memory of a query.
pub(super) fn keep(
    filter: &Filter,
    solved: &mut Relation,
    reader: &Reader<'_>,
    cells: &Cells,
) -> Result<(), Error> {
    let expression = &filter.expression;
    let mut answers = Answers::new(expression, solved, &reader.memory);
    solved.retain(|row| {
        reader.budget.spend(1)?;
        answers.of(row, |key| {
            if filter.is_optional && key.iter().any(|cell| cell.is_null()) {
                return Ok(true);
            }
            let value = evaluate(expression, key, reader, cells)?;
            Ok(matches!(value, Some(Val::Bool(true))))
        })
    })
}

/// Applies those filters of which all variables are bound, and takes them out of those that wait.
///
/// # Errors
/// As [`keep`].
pub(super) fn keep_ready(
    waiting: &mut Vec<&Filter>,
    solved: &mut Relation,
    reader: &Reader<'_>,
    cells: &Cells,
) -> Result<(), Error> {
    let is_ready = |it: &&Filter| it.expression.vars.iter().all(|var| solved.has(*var));
    let (ready, rest): (Vec<&Filter>, Vec<&Filter>) = waiting.iter().copied().partition(is_ready);
    *waiting = rest;
    for filter in ready {
        keep(filter, solved, reader, cells)?;
    }
    Ok(())
}

/// The rows with the value of an expression in a variable; where the variable is bound, those where it is that value.
///
/// # Errors
/// As [`keep`].
pub(super) fn bind(
    var: Var,
    expression: &Expression,
    mut solved: Relation,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let mut answers = Answers::new(expression, &solved, &reader.memory);
    let mut value = |row: &[Cell]| {
        reader.budget.spend(1)?;
        answers.of(row, |key| {
            let value = evaluate(expression, key, reader, cells)?;
            value.map_or(Ok(Cell::NULL), |it| told(&it, cells, reader.budget))
        })
    };
    let Some(place) = solved.place(var) else {
        return solved.with(var, reader.budget, value);
    };
    solved.retain(|row| {
        let value = value(row)?;
        Ok(!value.is_null() && row.get(place) == Some(&value))
    })?;
    Ok(solved)
}

/// A cell as the rule language has it.
pub(super) fn val(cell: Cell, cells: &Cells) -> Val {
    match cells.told(cell) {
        None => Val::Nil,
        Some(Value::String(it)) => Val::String(it),
        Some(it) => Val::of(it.borrow()),
    }
}

/// A value of the rule language as a cell; a null of what is no scalar.
///
/// # Errors
/// As the budget is spent: what is kept is paid by its length.
pub(super) fn told(value: &Val, cells: &mut Cells, budget: &Budget) -> Result<Cell, Error> {
    match value {
        Val::Bool(it) => cells.value(Value::Boolean(*it).borrow(), budget),
        Val::Int(it) => Ok(cells.whole(*it)),
        Val::Double(it) => cells.value(Value::Double(*it).borrow(), budget),
        Val::Decimal(it) => cells.value(Value::Decimal(it.clone()).borrow(), budget),
        Val::String(it) => cells.text(it, budget),
        Val::Nil | Val::Set(_) | Val::List(_) | Val::Map(_) => Ok(Cell::NULL),
    }
}

fn evaluate(
    expression: &Expression,
    key: &[Cell],
    reader: &Reader<'_>,
    cells: &Cells,
) -> Result<Option<Val>, Error> {
    let arguments: Vec<Val> = key.iter().map(|cell| val(*cell, cells)).collect();
    expression.value(&arguments, reader.asked, reader.budget)
}

/// What a remembered answer takes beside the cells that it is found by.
const ANSWER_BYTES: usize = 96;

/// What an expression says of rows.
struct Answers<A> {
    /// Where its variables stand in a row.
    places: Vec<Option<usize>>,
    /// What was said already; nothing, where no two rows have the same values.
    known: Option<HashMap<Vec<Cell>, A>>,
    key: Vec<Cell>,
    held: Held,
}

impl<A: Copy> Answers<A> {
    fn new(expression: &Expression, solved: &Relation, memory: &Memory) -> Self {
        let vars = expression.vars.iter();
        let places: Vec<Option<usize>> = vars.map(|var| solved.place(*var)).collect();
        let is_whole = places.iter().flatten().count() >= solved.vars().len();
        Self {
            places,
            known: (!is_whole).then(HashMap::new),
            key: Vec::new(),
            held: memory.hold_nothing(),
        }
    }

    fn of(
        &mut self,
        row: &[Cell],
        ask: impl FnOnce(&[Cell]) -> Result<A, Error>,
    ) -> Result<A, Error> {
        self.key.clear();
        let cell = |at: &Option<usize>| at.and_then(|at| row.get(at)).copied();
        let cells = self.places.iter().map(|at| cell(at).unwrap_or(Cell::NULL));
        self.key.extend(cells);
        let Some(known) = &mut self.known else {
            return ask(&self.key);
        };
        if let Some(answer) = known.get(self.key.as_slice()) {
            return Ok(*answer);
        }
        let cells = self.key.len().saturating_mul(size_of::<Cell>());
        self.held.add(ANSWER_BYTES.saturating_add(cells))?;
        let answer = ask(&self.key)?;
        known.insert(self.key.clone(), answer);
        Ok(answer)
    }
}
