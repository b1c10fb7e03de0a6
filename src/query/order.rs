//! The order of rows.
//!
//! 1. Nulls come before everything where values ascend, and behind everything where they descend.
//! 2. No two terms are compared more than once, however often they stand in the rows: each column is ranked, and rows
//!    are ordered by ranks.

use std::collections::{HashMap, HashSet};

use super::cell::{Cell, Cells};
use super::clause::Variables;
use super::error::Error;
use super::json::Json;
use super::memory::Held;
use super::names::Names;
use super::pointer::Pointer;
use super::reader::Reader;
use super::relation::{Relation, Var};
use super::select::{Way, invalid};
use crate::base::limits::QUERY_ORDERS_MAX;

/// One thing that rows are ordered by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) by: By,
    pub(super) way: Way,
    /// Whether texts that differ only in upper and lower case are alike.
    folds_case: bool,
}

/// What an order goes by.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    Row(Var),
    /// What the aggregate of this number comes to in a group.
    Fold(usize),
}

impl Key {
    /// The order of cells, the least first.
    fn up(var: Var) -> Self {
        Self {
            by: By::Row(var),
            way: Way::Up,
            folds_case: false,
        }
    }
}

/// The numbers of the rows in their order: by the keys that rows have, then by these variables, then by all in the
/// order of their names.
///
/// # Errors
/// As the budget is spent: a sort is paid by how much it goes by; `Limit` past the memory of a query.
pub(super) fn ordered(
    solved: &Relation,
    keys: &[Key],
    then: &[Var],
    variables: &Variables,
    reader: &Reader<'_>,
    cells: &Cells,
) -> Result<Vec<usize>, Error> {
    let mut by_name: Vec<Var> = solved.vars().to_vec();
    by_name.sort_by_key(|var| (variables.name(*var), *var));
    let mut done = HashSet::new();
    let rest = then.iter().chain(&by_name).copied();
    let rest = rest.filter(|var| solved.has(*var) && done.insert(*var));
    let all: Vec<Key> = keys.iter().copied().chain(rest.map(Key::up)).collect();
    let mut columns: Vec<(usize, Ranks)> = Vec::new();
    let mut held = reader.memory.hold_nothing();
    let bytes_of_a_column = solved.len().saturating_mul(size_of::<i64>());
    held.add(bytes_of_a_column)?;
    for key in &all {
        let By::Row(var) = key.by else {
            continue;
        };
        let Some(place) = solved.place(var) else {
            continue;
        };
        let steps = u64::try_from(solved.len()).unwrap_or(u64::MAX);
        reader.budget.spend(steps)?;
        held.add(bytes_of_a_column)?;
        let ranks = Ranks::of(solved.column(var), key, &mut held, cells)?;
        columns.push((place, ranks));
    }
    let mut ranks: Vec<i64> = Vec::with_capacity(solved.len().saturating_mul(columns.len()));
    for row in solved.rows() {
        let cells = columns.iter().map(|(place, of)| of.rank(row.get(*place)));
        ranks.extend(cells);
    }
    let of = |number: &usize| {
        let from = number.saturating_mul(columns.len());
        ranks.get(from..from.saturating_add(columns.len()))
    };
    let mut numbers: Vec<usize> = (0..solved.len()).collect();
    numbers.sort_by(|a, b| of(a).cmp(&of(b)));
    Ok(numbers)
}

/// What some cells are, each once, nulls left out.
pub(super) fn distinct(cells: impl Iterator<Item = Cell>) -> Vec<Cell> {
    let mut distinct: Vec<Cell> = cells.filter(|cell| !cell.is_null()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// A text in lower case, if case does not count.
fn folded(cell: Cell, key: &Key, cells: &Cells) -> Option<String> {
    let json = key.folds_case.then(|| cells.json(cell));
    json.and_then(|json| json.as_str().map(str::to_lowercase))
}

/// Where each cell of a column stands in an order.
pub(super) struct Ranks {
    way: Way,
    /// Those that are not their own rank; nothing, where all are.
    ranks: HashMap<Cell, i64>,
}

/// What a rank takes while rows are ordered.
const BYTES_OF_A_RANK: usize = 96;

impl Ranks {
    /// Ranks a column, each cell of it once and nulls left out.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn of(
        column: Vec<Cell>,
        key: &Key,
        held: &mut Held,
        cells: &Cells,
    ) -> Result<Self, Error> {
        let mut ranks = HashMap::new();
        if !column.iter().all(|cell| cell.small().is_some()) {
            held.add(column.len().saturating_mul(BYTES_OF_A_RANK))?;
            let mut rank: i64 = 0;
            let mut texts = Vec::new();
            let mut others = Vec::new();
            for cell in column {
                match folded(cell, key, cells) {
                    Some(text) => texts.push((text, cell)),
                    None => others.push(cell),
                }
            }
            for cell in cells.ascending(others) {
                ranks.insert(cell, rank);
                rank = rank.saturating_add(1);
            }
            // Those alike but for case, behind all that are no texts.
            texts.sort_by(|a, b| a.0.cmp(&b.0));
            for alike in texts.chunk_by(|a, b| a.0 == b.0) {
                ranks.extend(alike.iter().map(|(_, cell)| (*cell, rank)));
                rank = rank.saturating_add(1);
            }
        }
        let way = key.way;
        Ok(Self { way, ranks })
    }

    /// The place of a cell; of a null, before all others where they ascend and behind them where they descend.
    pub(super) fn rank(&self, cell: Option<&Cell>) -> i64 {
        let ranked = |cell: &Cell| self.ranks.get(cell).copied().or_else(|| cell.small());
        match (self.way, cell.and_then(ranked)) {
            (Way::Up, Some(rank)) => rank,
            // The complement turns the order around, and is in range for each.
            (Way::Down, Some(rank)) => !rank,
            (Way::Up, None) => i64::MIN,
            (Way::Down, None) => i64::MAX,
        }
    }
}

/// Reads one order, or several.
///
/// # Errors
/// `InvalidQuery` for what is none; `Limit` past [`QUERY_ORDERS_MAX`].
pub(super) fn read_order(json: &Json, at: &Pointer, names: &Names<'_>) -> Result<Vec<Key>, Error> {
    let one = [json.clone()];
    let (list, is_one) = match json {
        Json::Array(list) if !begins_with_way(list) => (list.as_slice(), false),
        _ => (one.as_slice(), true),
    };
    if list.len() > QUERY_ORDERS_MAX {
        return Err(Error::Limit {
            at: at.clone(),
            what: "what the rows of a query are ordered by",
            max: QUERY_ORDERS_MAX,
        });
    }
    let mut keys = Vec::new();
    for (index, json) in list.iter().enumerate() {
        let at = if is_one { at.clone() } else { at.index(index) };
        keys.extend(read_key(json, &at, names)?);
    }
    Ok(keys)
}

fn begins_with_way(list: &[Json]) -> bool {
    let first = list.first().and_then(Json::as_str);
    first.is_some_and(|it| !it.starts_with('?'))
}

/// What rows are ordered by; nothing for a variable that has one value, from `vars`.
fn read_key(json: &Json, at: &Pointer, names: &Names<'_>) -> Result<Option<Key>, Error> {
    let text = |json: &Json| json.as_str().map(str::to_owned);
    let parts: Option<Vec<String>> = match json {
        Json::String(name) => Some(vec!["ASC".to_owned(), name.clone()]),
        Json::Array(list) => list.iter().map(text).collect(),
        _ => None,
    };
    let parts = parts.unwrap_or_default();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (way, name, folds_case) = match parts.as_slice() {
        ["ASC", name] => (Way::Up, name, false),
        ["DESC", name] => (Way::Down, name, false),
        ["ASC", name, "NOCASE"] => (Way::Up, name, true),
        ["DESC", name, "NOCASE"] => (Way::Down, name, true),
        _ => {
            let why = "an order is `\"?variable\"`, `[\"ASC\" or \"DESC\", \"?variable\"]` with `\"NOCASE\"` behind \
                       it or not, or an array of these";
            return Err(invalid(at, why));
        }
    };
    if names.variables.value(name).is_some() {
        return Ok(None);
    }
    Ok(Some(Key {
        by: match names.fold(name) {
            Some(number) => By::Fold(number),
            None => By::Row(names.var(name, at)?),
        },
        way,
        folds_case,
    }))
}
