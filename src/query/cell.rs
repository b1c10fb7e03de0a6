//! The values that clauses join by, each as one word.
//!
//! 1. Two cells are equal exactly if they are the same term: of the same kind and value. Ids, instants and whole
//!    numbers of 64 bits are one kind; doubles and exact numbers are two others; booleans are another; everything else
//!    is the text it has in JSON, a tag by its short name.
//! 2. So `1` and `1.0` do not join, although neither comes before the other in an order.
//! 3. A small whole number stands in the word itself; what does not fit is kept once, and the word says where.

use std::cmp::Ordering;

use super::error::Error;
use super::hash::{self, Table};
use super::input::value_of;
use super::json::Json;
use super::number::told;
use super::output::plain;
use super::pointer::Pointer;
use super::reader::TOLD_BYTES_OF_A_STEP;
use super::select::invalid;
use crate::base::Budget;
use crate::model::{Decimal, Value, ValueRef, ValueType};

/// One term. Only [`Cells`] that made it can tell what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell(i64);

/// How many bits of the word say what the others are.
const KIND_BITS: u32 = 2;
const WHOLE: i64 = 0;
const KEPT: i64 = 1;
const BOOLEAN: i64 = 2;
const NOTHING: i64 = 3;

/// What the cells of one query stand for.
#[derive(Debug, Default)]
pub(super) struct Cells {
    kept: Vec<Value>,
    places: Table,
}

impl Cell {
    /// No term: what an optional did not find. It joins nothing.
    pub(super) const NULL: Self = Self(NOTHING);

    /// The word itself, to be hashed.
    pub(super) const fn word(self) -> u64 {
        self.0.cast_unsigned()
    }

    /// How far this whole number is above another; nothing of what is none, or is below it.
    pub(super) fn places_behind(self, first: Self) -> Option<u64> {
        let are_whole = self.kind() == WHOLE && first.kind() == WHOLE;
        let places = self.rest().checked_sub(first.rest())?;
        u64::try_from(places).ok().filter(|_| are_whole)
    }

    /// Whether it is no term.
    pub(super) const fn is_null(self) -> bool {
        self.0 == NOTHING
    }

    /// The whole number that it is, if that stands in the word: of two of these the lesser comes first. None is as
    /// small as the least of 64 bits, nor as large as the greatest.
    pub(super) fn small(self) -> Option<i64> {
        (self.kind() == WHOLE).then(|| self.rest())
    }

    fn new(kind: i64, rest: i64) -> Option<Self> {
        let word = rest.checked_mul(1 << KIND_BITS)?;
        word.checked_add(kind).map(Self)
    }

    fn kind(self) -> i64 {
        self.0 & ((1 << KIND_BITS) - 1)
    }

    fn rest(self) -> i64 {
        self.0 >> KIND_BITS
    }
}

impl Cells {
    /// The cell of a whole number, such as a subject's id.
    pub(super) fn whole(&mut self, number: i64) -> Cell {
        Cell::new(WHOLE, number).unwrap_or_else(|| self.keep(ValueRef::Int(number)))
    }

    /// The cell of a text.
    ///
    /// # Errors
    /// As the budget is spent: what is kept is paid by its length.
    pub(super) fn text(&mut self, text: &str, budget: &Budget) -> Result<Cell, Error> {
        let steps = u64::try_from(text.len() / TOLD_BYTES_OF_A_STEP).unwrap_or(u64::MAX);
        budget.spend(steps)?;
        Ok(self.keep(ValueRef::String(text)))
    }

    /// The cell of a value that is no tag.
    ///
    /// # Errors
    /// As [`Cells::text`].
    pub(super) fn value(&mut self, value: ValueRef<'_>, budget: &Budget) -> Result<Cell, Error> {
        match value {
            ValueRef::Boolean(it) => Ok(Cell(BOOLEAN + (i64::from(it) << KIND_BITS))),
            ValueRef::Int(it) | ValueRef::Instant(it) => Ok(self.whole(it)),
            ValueRef::Ref(it) => Ok(self.whole(it.raw())),
            ValueRef::Double(_) | ValueRef::Decimal(_) => Ok(self.keep(value)),
            ValueRef::String(it) | ValueRef::Json(it) => self.text(it, budget),
            ValueRef::Uuid(_) | ValueRef::Bytes(_) => {
                let json = plain(value);
                self.text(json.as_str().unwrap_or_default(), budget)
            }
        }
    }

    /// The cell of a value as JSON has it, whatever predicate it may be of.
    ///
    /// # Errors
    /// `InvalidQuery` for what is no scalar; as [`Cells::text`].
    pub(super) fn scalar(
        &mut self,
        json: &Json,
        at: &Pointer,
        budget: &Budget,
    ) -> Result<Cell, Error> {
        let misfit = || invalid(at, "a value is a boolean, a number or a text");
        let value_type = match json {
            Json::Bool(_) => ValueType::Boolean,
            Json::Int(_) => ValueType::Long,
            Json::UInt(_) => ValueType::Bigint,
            Json::String(text) => return self.text(text, budget),
            Json::Double(_) => ValueType::Double,
            Json::Decimal(_) => ValueType::Bigdec,
            Json::Null | Json::Array(_) | Json::Object(_) => return Err(misfit()),
        };
        let value = value_of(json, value_type).map_err(|_| misfit())?;
        self.value(value.borrow(), budget)
    }

    /// The cell of a value that is no tag, if it stands for anything yet: nothing is kept.
    pub(super) fn known(&self, value: ValueRef<'_>) -> Option<Cell> {
        match value {
            ValueRef::Boolean(it) => Some(Cell(BOOLEAN + (i64::from(it) << KIND_BITS))),
            ValueRef::Int(it) | ValueRef::Instant(it) => self.known_whole(it),
            ValueRef::Ref(it) => self.known_whole(it.raw()),
            ValueRef::Double(_) | ValueRef::Decimal(_) => self.find(value),
            ValueRef::String(it) | ValueRef::Json(it) => self.find(ValueRef::String(it)),
            ValueRef::Uuid(_) | ValueRef::Bytes(_) => {
                let json = plain(value);
                self.find(ValueRef::String(json.as_str().unwrap_or_default()))
            }
        }
    }

    fn known_whole(&self, number: i64) -> Option<Cell> {
        let cell = Cell::new(WHOLE, number);
        cell.or_else(|| self.find(ValueRef::Int(number)))
    }

    fn find(&self, value: ValueRef<'_>) -> Option<Cell> {
        let mut places = self.places.chain(hash::of_value(value));
        let place = places.find(|place| {
            let kept = self.kept.get(*place).map(Value::borrow);
            kept == Some(value)
        })?;
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        // So many do not fit any memory.
        Some(Cell::new(KEPT, place).unwrap_or(Cell(KEPT)))
    }

    fn keep(&mut self, value: ValueRef<'_>) -> Cell {
        if let Some(cell) = self.find(value) {
            return cell;
        }
        let place = i64::try_from(self.kept.len()).unwrap_or(i64::MAX);
        self.places.add(Some(hash::of_value(value)));
        self.kept.push(value.to_value());
        Cell::new(KEPT, place).unwrap_or(Cell(KEPT))
    }

    /// What a cell stands for: a boolean, a whole number, a double, an exact number or a text; nothing for a null.
    pub(super) fn told(&self, cell: Cell) -> Option<Value> {
        match cell.kind() {
            WHOLE => Some(Value::Int(cell.rest())),
            BOOLEAN => Some(Value::Boolean(cell.rest() != 0)),
            KEPT => {
                let place = usize::try_from(cell.rest()).unwrap_or(usize::MAX);
                self.kept.get(place).cloned()
            }
            _ => None,
        }
    }

    /// The cell as JSON.
    pub(super) fn json(&self, cell: Cell) -> Json {
        let told = self.told(cell);
        told.map_or(Json::Null, |value| plain(value.borrow()))
    }

    /// The whole number that a cell is.
    pub(super) fn as_whole(&self, cell: Cell) -> Option<i64> {
        match self.told(cell) {
            Some(Value::Int(it)) => Some(it),
            _ => None,
        }
    }

    /// Which of two comes first: nulls, then booleans, then numbers by what they are worth, then texts by their bytes.
    ///
    /// Of numbers worth the same, whole ones come first, then doubles.
    pub(super) fn compare(&self, a: Cell, b: Cell) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        if a.kind() == WHOLE && b.kind() == WHOLE {
            return a.rest().cmp(&b.rest());
        }
        Standing::of(self.told(a)).cmp(&Standing::of(self.told(b)))
    }

    /// The cells in that order. No number is read twice, and no two terms are compared more than once, however often
    /// they are among the cells: a text may be long.
    pub(super) fn ascending(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        cells.sort_unstable();
        if cells.iter().all(|cell| cell.kind() == WHOLE) {
            return cells;
        }
        let mut runs: Vec<&[Cell]> = cells.chunk_by(|a, b| a == b).collect();
        let standing = |run: &&[Cell]| Standing::of(run.first().and_then(|cell| self.told(*cell)));
        runs.sort_by_cached_key(standing);
        runs.concat()
    }
}

/// Where a term stands among all.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Null,
    Boolean(bool),
    Number(Decimal, u8),
    Other(Value),
}

impl Standing {
    fn of(told: Option<Value>) -> Self {
        match told {
            None => Self::Null,
            Some(Value::Boolean(it)) => Self::Boolean(it),
            Some(value) => match exact(&value) {
                Some((number, kind)) => Self::Number(number, kind),
                None => Self::Other(value),
            },
        }
    }
}

/// A number without any rounding, and which kind it is.
fn exact(value: &Value) -> Option<(Decimal, u8)> {
    match value {
        Value::Int(it) => Some((Decimal::from(*it), 0)),
        // The shortest text that tells the double apart from all others: what is shown of it.
        Value::Double(it) => Some((Decimal::parse(&told(it.number())).ok()?, 1)),
        Value::Decimal(it) => Some((it.clone(), 2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Real;

    fn cells(cells: &mut Cells, values: &[Value]) -> Vec<Cell> {
        let budget = Budget::new(1_000, None);
        let cell = |value: &Value| cells.value(value.borrow(), &budget).unwrap();
        values.iter().map(cell).collect()
    }

    #[test]
    fn a_cell_stands_for_one_term_and_tells_it() {
        let values = [
            Value::Boolean(false),
            Value::Boolean(true),
            Value::Int(0),
            Value::Int(-1),
            Value::Int(i64::MAX),
            Value::Int(i64::MIN),
            Value::Double(Real::new(1.0).unwrap()),
            Value::Decimal(Decimal::from(1)),
            Value::string(""),
            Value::string("1"),
        ];
        let mut all = Cells::default();
        let first = cells(&mut all, &values);
        let again = cells(&mut all, &values);
        assert_eq!(first, again);
        for (i, (cell, value)) in first.iter().zip(&values).enumerate() {
            assert_eq!(all.told(*cell).as_ref(), Some(value));
            assert!(first.iter().skip(i + 1).all(|other| other != cell));
        }
    }

    #[test]
    fn ids_instants_and_whole_numbers_are_one_kind() {
        let mut all = Cells::default();
        let same = cells(&mut all, &[Value::Int(7), Value::Instant(7)]);
        assert_eq!(same.first(), same.last());
    }

    #[test]
    fn numbers_are_ordered_by_worth_and_kinds_one_after_the_other() {
        let ascending = [
            Value::Boolean(false),
            Value::Boolean(true),
            Value::Int(i64::MIN),
            Value::Double(Real::new(-0.5).unwrap()),
            Value::Int(1),
            Value::Double(Real::new(1.0).unwrap()),
            Value::Decimal(Decimal::from(1)),
            Value::Decimal(Decimal::parse("1.5").unwrap()),
            Value::Int(9_007_199_254_740_993),
            Value::Double(Real::new(1e300).unwrap()),
            Value::string("1"),
            Value::string("a"),
        ];
        let mut all = Cells::default();
        let mut cells = cells(&mut all, &ascending);
        cells.insert(0, Cell::NULL);
        for (i, a) in cells.iter().enumerate() {
            for (j, b) in cells.iter().enumerate() {
                assert_eq!(all.compare(*a, *b), i.cmp(&j), "{i} {j}");
            }
        }
    }

    #[test]
    fn a_long_text_is_paid_by_its_length() {
        let budget = Budget::new(4, None);
        let mut all = Cells::default();
        assert!(all.text(&"a".repeat(64), &budget).is_ok());
        assert!(all.text(&"b".repeat(16), &budget).is_err());
    }
}
