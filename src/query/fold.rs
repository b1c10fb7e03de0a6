//! Aggregates, computed: many cells to one, or to some.
//!
//! 1. Whole numbers are summed exactly, whatever they come to, and exact numbers too. With an exact number among them
//!    all is exact. Else, with a double among them, the result is a double; doubles are added in ascending order, so
//!    that the sum is the same in any order of the rows.
//! 2. A mean is whole or exact where it comes out so, else a double. A variance, of all there are and not of a sample of
//!    them, is a double.
//! 3. Of no values, a count and a sum are 0, a list is empty, and all else is null.
//! 4. Chance is drawn by the aggregate's text, its place in the query, and the basis: asked again, it is the same.

use std::collections::HashSet;

use super::aggregate::{Aggregate, Fold};
use super::cell::{Cell, Cells};
use super::clause::Variables;
use super::compute::{told, val};
use super::error::Error;
use super::json::Json;
use super::reader::{Reader, TOLD_BYTES_OF_A_STEP};
use super::select::invalid;
use crate::base::limits::STRING_BYTES_MAX;
use crate::lang::{DIGITS_A_STEP, Fault, Seed, Val, add, digit_count, divide, nearest};
use crate::model::{Decimal, Real};

/// What an aggregate comes to.
#[derive(Clone, Debug)]
pub(super) enum Folded {
    One(Cell),
    Many(Vec<Cell>),
}

/// Steps of one number by chance.
const STEPS_OF_A_CHANCE: u64 = 4;

/// Bytes that a value takes while it is folded.
const BYTES_OF_A_VALUE: usize = 64;

/// What values come to, added.
enum Total {
    Whole(i128),
    Double(f64),
    Exact(Decimal),
}

/// Where aggregates are computed.
pub(super) struct Folding<'f> {
    pub(super) reader: &'f Reader<'f>,
    pub(super) variables: &'f Variables,
}

impl Aggregate {
    /// Folds what its variable is bound to, in the order of the rows.
    ///
    /// # Errors
    /// `InvalidQuery` for numbers that are none, or that come to what no double is; `Limit` past [`STRING_BYTES_MAX`]
    /// and the memory of a query; as the budget is spent.
    pub(super) fn fold(
        &self,
        column: impl Iterator<Item = Cell>,
        seed: &Seed,
        folding: &Folding<'_>,
        cells: &mut Cells,
    ) -> Result<Folded, Error> {
        let reader = folding.reader;
        let mut held = reader.memory.hold_nothing();
        let mut values = Vec::new();
        let mut count: i64 = 0;
        let mut seen = HashSet::new();
        for cell in column {
            reader.budget.spend(1)?;
            if cell.is_null() {
                continue;
            }
            if self.is_distinct {
                if !seen.insert(cell) {
                    continue;
                }
                held.add(BYTES_OF_A_VALUE)?;
            }
            count = count.saturating_add(1);
            if self.fold != Fold::Count {
                held.add(BYTES_OF_A_VALUE)?;
                values.push(cell);
            }
        }
        drop(seen);
        let one = match &self.fold {
            Fold::Count => cells.whole(count),
            Fold::Min | Fold::Max | Fold::Rand | Fold::Sample => {
                return self.pick(values, seed, reader, cells);
            }
            Fold::GroupConcat(between) => self.concat(&values, between, reader, cells)?,
            Fold::Sum => {
                let numbers = self.numbers(&values, folding, cells)?;
                let total = self.total(&numbers, folding)?;
                self.tell(total, folding, cells)?
            }
            Fold::Avg => {
                let numbers = self.numbers(&values, folding, cells)?;
                self.mean(&numbers, folding, cells)?
            }
            Fold::Median => self.median(&mut values, folding, cells)?,
            Fold::Variance | Fold::Stddev => {
                let numbers = self.numbers(&values, folding, cells)?;
                match self.variance(&numbers, folding)? {
                    Some(it) if self.fold == Fold::Stddev => {
                        self.tell(Total::Double(it.sqrt()), folding, cells)?
                    }
                    Some(it) => self.tell(Total::Double(it), folding, cells)?,
                    None => Cell::NULL,
                }
            }
        };
        Ok(Folded::One(one))
    }

    /// Where the chance of this aggregate comes from.
    pub(super) fn seed(&self, reader: &Reader<'_>) -> Seed {
        let basis = reader.facts.basis().0.to_be_bytes();
        Seed::of(&[self.text.as_bytes(), self.at.as_str().as_bytes(), &basis])
    }

    /// The least, the greatest, or any of the values.
    fn pick(
        &self,
        mut values: Vec<Cell>,
        seed: &Seed,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<Folded, Error> {
        let wanted = self.most.unwrap_or(1);
        let wanted = match self.fold {
            Fold::Rand if values.is_empty() => 0,
            Fold::Rand => wanted,
            _ => wanted.min(values.len()),
        };
        let place = |below: usize| {
            reader.budget.spend(STEPS_OF_A_CHANCE)?;
            let below = u64::try_from(below).unwrap_or(u64::MAX);
            Ok::<_, Error>(usize::try_from(seed.number(below)).unwrap_or(0))
        };
        let picked: Vec<Cell> = match self.fold {
            Fold::Rand => {
                let mut picked = Vec::new();
                for _ in 0..wanted {
                    picked.extend(values.get(place(values.len())?));
                }
                picked
            }
            Fold::Sample => {
                for done in 0..wanted {
                    let rest = values.len().saturating_sub(done);
                    let other = done.saturating_add(place(rest)?);
                    values.swap(done, other);
                }
                values.truncate(wanted);
                values
            }
            _ if self.most.is_none() => {
                // Each term is looked at once, however often it is there: a text may be long.
                values.sort_unstable();
                values.dedup();
                let values = values.into_iter();
                let one = if self.fold == Fold::Max {
                    values.max_by(|a, b| cells.compare(*a, *b))
                } else {
                    values.min_by(|a, b| cells.compare(*a, *b))
                };
                one.into_iter().collect()
            }
            _ => {
                let mut values = cells.ascending(values);
                if self.fold == Fold::Max {
                    values.reverse();
                }
                values.truncate(wanted);
                values
            }
        };
        Ok(if self.most.is_some() {
            Folded::Many(picked)
        } else {
            Folded::One(picked.first().copied().unwrap_or(Cell::NULL))
        })
    }

    fn concat(
        &self,
        values: &[Cell],
        between: &str,
        reader: &Reader<'_>,
        cells: &mut Cells,
    ) -> Result<Cell, Error> {
        if values.is_empty() {
            return Ok(Cell::NULL);
        }
        let mut text = String::new();
        for (index, cell) in values.iter().enumerate() {
            let value = match cells.json(*cell) {
                Json::String(it) => it,
                json => json.write(),
            };
            let between = if index == 0 { "" } else { between };
            let bytes = value.len().saturating_add(between.len());
            if text.len().saturating_add(bytes) > STRING_BYTES_MAX {
                return Err(Error::Limit {
                    at: self.at.clone(),
                    what: "the bytes of what `groupconcat` makes",
                    max: STRING_BYTES_MAX,
                });
            }
            let steps = u64::try_from(bytes / TOLD_BYTES_OF_A_STEP).unwrap_or(u64::MAX);
            reader.budget.spend(steps)?;
            text.push_str(between);
            text.push_str(&value);
        }
        cells.text(&text, reader.budget)
    }

    fn numbers(
        &self,
        values: &[Cell],
        folding: &Folding<'_>,
        cells: &Cells,
    ) -> Result<Vec<Val>, Error> {
        let number = |cell: &Cell| match val(*cell, cells) {
            it @ (Val::Int(_) | Val::Double(_) | Val::Decimal(_)) => Ok(it),
            other => {
                let kind = if matches!(other, Val::Bool(_)) {
                    "boolean"
                } else {
                    "text"
                };
                let (fold, name) = (self.fold.name(), folding.variables.name(self.var));
                let why = format!("`{fold}` takes numbers, and `{name}` is bound to a {kind}");
                Err(invalid(&self.at, &why))
            }
        };
        values.iter().map(number).collect()
    }

    fn total(&self, numbers: &[Val], folding: &Folding<'_>) -> Result<Total, Error> {
        let mut whole: i128 = 0;
        let mut doubles: Vec<Real> = Vec::new();
        let mut exact: Option<Val> = None;
        let add = |sum: Val, next: &Val| {
            let digits = digit_count(&sum).saturating_add(digit_count(next));
            let steps = u64::try_from(digits / DIGITS_A_STEP).unwrap_or(u64::MAX);
            folding.reader.budget.spend(steps)?;
            add(&sum, next).map_err(|_| self.overflow(folding))
        };
        for number in numbers {
            match number {
                Val::Int(it) => whole = whole.saturating_add(i128::from(*it)),
                Val::Double(it) => doubles.push(*it),
                other => {
                    exact = Some(match exact {
                        None => other.clone(),
                        Some(sum) => add(sum, other)?,
                    });
                }
            }
        }
        doubles.sort_unstable();
        if let Some(mut sum) = exact {
            sum = add(sum, &Val::Decimal(exactly(whole)))?;
            for double in doubles {
                sum = add(sum, &Val::Double(double))?;
            }
            if let Val::Decimal(it) = sum {
                return Ok(Total::Exact(it));
            }
        } else if !doubles.is_empty() {
            let sum: f64 = doubles.iter().map(|it| it.number()).sum();
            return Ok(Total::Double(sum + rounded(whole)));
        }
        Ok(Total::Whole(whole))
    }

    fn mean(
        &self,
        numbers: &[Val],
        folding: &Folding<'_>,
        cells: &mut Cells,
    ) -> Result<Cell, Error> {
        let Some(count) = u32::try_from(numbers.len()).ok().filter(|it| *it > 0) else {
            return Ok(Cell::NULL);
        };
        let total = self.total(numbers, folding)?;
        let mean = match total {
            Total::Whole(it) if it.checked_rem(i128::from(count)) == Some(0) => {
                Total::Whole(it.checked_div(i128::from(count)).unwrap_or(0))
            }
            Total::Whole(it) => Total::Double(rounded(it) / f64::from(count)),
            Total::Double(it) => Total::Double(it / f64::from(count)),
            Total::Exact(it) => {
                let (total, count_exactly) = (Val::Decimal(it), Val::Int(i64::from(count)));
                match divide(&total, &count_exactly) {
                    Ok(Val::Decimal(it)) => Total::Exact(it),
                    Err(Fault::Inexact { .. }) | Ok(_) => {
                        let near = nearest(&total).map_or(f64::INFINITY, Real::number);
                        Total::Double(near / f64::from(count))
                    }
                    Err(_) => return Err(self.overflow(folding)),
                }
            }
        };
        self.tell(mean, folding, cells)
    }

    fn median(
        &self,
        values: &mut Vec<Cell>,
        folding: &Folding<'_>,
        cells: &mut Cells,
    ) -> Result<Cell, Error> {
        let _all_are_numbers = self.numbers(values, folding, cells)?;
        let values = cells.ascending(std::mem::take(values));
        let middle = values.len() / 2;
        let upper = values.get(middle).copied();
        let lower = middle.checked_sub(1).and_then(|it| values.get(it)).copied();
        match (lower, upper) {
            (Some(lower), Some(upper)) if values.len().is_multiple_of(2) => {
                let two = self.numbers(&[lower, upper], folding, cells)?;
                self.mean(&two, folding, cells)
            }
            (_, upper) => Ok(upper.unwrap_or(Cell::NULL)),
        }
    }

    fn variance(&self, numbers: &[Val], folding: &Folding<'_>) -> Result<Option<f64>, Error> {
        let Some(count) = u32::try_from(numbers.len()).ok().filter(|it| *it > 0) else {
            return Ok(None);
        };
        let near = |it: &Val| {
            let number = nearest(it).map(Real::number);
            number.ok_or_else(|| self.overflow(folding))
        };
        let mut near = numbers
            .iter()
            .map(near)
            .collect::<Result<Vec<f64>, Error>>()?;
        near.sort_unstable_by(f64::total_cmp);
        let mean = near.iter().sum::<f64>() / f64::from(count);
        let squares: f64 = near.iter().map(|it| (it - mean) * (it - mean)).sum();
        Ok(Some(squares / f64::from(count)))
    }

    fn tell(&self, total: Total, folding: &Folding<'_>, cells: &mut Cells) -> Result<Cell, Error> {
        let value = match total {
            Total::Whole(it) => match i64::try_from(it) {
                Ok(it) => Val::Int(it),
                Err(_) => Val::Decimal(exactly(it)),
            },
            Total::Exact(it) => Val::Decimal(it),
            Total::Double(it) => Val::Double(Real::new(it).ok_or_else(|| self.overflow(folding))?),
        };
        told(&value, cells, folding.reader.budget)
    }

    /// There is no such number.
    fn overflow(&self, folding: &Folding<'_>) -> Error {
        let (fold, name) = (self.fold.name(), folding.variables.name(self.var));
        let why = format!("`{fold}` of `{name}` comes to more than a number may be");
        invalid(&self.at, &why)
    }
}

/// The whole number as an exact one. It has fewer digits than one may have.
fn exactly(whole: i128) -> Decimal {
    Decimal::parse(&whole.to_string()).unwrap_or_else(|_| Decimal::from(0))
}

/// The double nearest to a whole number.
fn rounded(whole: i128) -> f64 {
    whole.to_string().parse().unwrap_or(f64::INFINITY)
}
