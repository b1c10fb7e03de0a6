//! The order of rows.
//!
//! 1. Nulls come before everything where values ascend, and behind everything where they descend.
//! 2. No two terms are compared more than once, however often they stand in the rows: each column is ranked, and rows
//!    are ordered by ranks.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::cell::{Cell, Cells};
use super::clause::Variables;
use super::error::Error;
use super::json::Json;
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
    by_name.sort_by_key(|var| variables.name(*var));
    let mut done = HashSet::new();
    let rest = then.iter().chain(&by_name).copied();
    let rest = rest.filter(|var| solved.has(*var) && done.insert(*var));
    let all: Vec<Key> = keys.iter().copied().chain(rest.map(Key::up)).collect();
    let mut columns: Vec<(usize, Ranks)> = Vec::new();
    let mut held = reader.memory.hold_nothing();
    held.add(solved.len().saturating_mul(size_of::<usize>()))?;
    for key in &all {
        let By::Row(var) = key.by else {
            continue;
        };
        let Some(place) = solved.place(var) else {
            continue;
        };
        reader
            .budget
            .spend(u64::try_from(solved.len()).unwrap_or(u64::MAX))?;
        held.add(solved.len().saturating_mul(size_of::<usize>()))?;
        columns.push((place, Ranks::of(solved.column(var), key, cells)));
    }
    let mut ranks: Vec<usize> = Vec::with_capacity(solved.len().saturating_mul(columns.len()));
    for row in solved.rows() {
        ranks.extend(columns.iter().map(|(place, of)| of.rank(row.get(*place))));
    }
    let of = |number: &usize| {
        let from = number.saturating_mul(columns.len());
        ranks.get(from..from.saturating_add(columns.len()))
    };
    let mut numbers: Vec<usize> = (0..solved.len()).collect();
    numbers.sort_by(|a, b| of(a).cmp(&of(b)));
    Ok(numbers)
}

/// Which of two comes first by a key.
pub(super) fn compare(a: Cell, b: Cell, key: &Key, cells: &Cells) -> Ordering {
    let ascending = match (folded(a, key, cells), folded(b, key, cells)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => cells.compare(a, b),
    };
    match key.way {
        Way::Up => ascending,
        Way::Down => ascending.reverse(),
    }
}

/// A text in lower case, if case does not count.
fn folded(cell: Cell, key: &Key, cells: &Cells) -> Option<String> {
    let json = key.folds_case.then(|| cells.json(cell));
    json.and_then(|json| json.as_str().map(str::to_lowercase))
}

/// Where each cell of a column stands in an order.
struct Ranks {
    ranks: HashMap<Cell, usize>,
    null: usize,
}

impl Ranks {
    fn of(column: Vec<Cell>, key: &Key, cells: &Cells) -> Self {
        // Those alike stand side by side, with one rank; nulls are left out.
        let mut classes: Vec<Vec<Cell>> = Vec::new();
        if key.folds_case {
            let mut others = Vec::new();
            let mut texts: Vec<(String, Cell)> = Vec::new();
            for cell in column {
                match folded(cell, key, cells) {
                    Some(text) => texts.push((text, cell)),
                    None => others.push(cell),
                }
            }
            texts.sort_by(|a, b| a.0.cmp(&b.0));
            classes.extend(cells.ascending(others).into_iter().map(|cell| vec![cell]));
            let alike = texts.chunk_by(|a, b| a.0 == b.0);
            classes.extend(alike.map(|them| them.iter().map(|it| it.1).collect()));
        } else {
            classes.extend(cells.ascending(column).into_iter().map(|cell| vec![cell]));
        }
        let count = classes.len();
        let place = |class: usize| match key.way {
            Way::Up => class.saturating_add(1),
            Way::Down => count.saturating_sub(class),
        };
        let mut ranks = HashMap::new();
        for (class, them) in classes.into_iter().enumerate() {
            ranks.extend(them.into_iter().map(|cell| (cell, place(class))));
        }
        let null = match key.way {
            Way::Up => 0,
            Way::Down => count.saturating_add(1),
        };
        Self { ranks, null }
    }

    fn rank(&self, cell: Option<&Cell>) -> usize {
        let rank = cell.and_then(|cell| self.ranks.get(cell));
        rank.copied().unwrap_or(self.null)
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
