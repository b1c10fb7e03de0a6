//! What the aggregates in a rule's head come to.
//!
//! The rows of the body are grouped by all else in the head. Where there is no row there is no group, and so nothing
//! holds, also where nothing else stands in the head.

use std::collections::BTreeMap;

use super::aggregate::Aggregate;
use super::cell::{Cell, Cells};
use super::error::Error;
use super::fold::{Folded, Folding};
use super::order::ordered;
use super::place::Place;
use super::relation::{Relation, Var};
use super::run::Run;

/// What a row is held with while it is grouped, about.
const BYTES_OF_A_ROW: usize = 64;

/// Each group once, and the head with a variable in place of each aggregate.
///
/// # Errors
/// As aggregates are folded, and rows are paid and held.
pub(super) fn folded(
    head: &[Place],
    totals: &[(usize, Aggregate)],
    found: &Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<(Vec<Place>, Relation), Error> {
    let (reader, variables) = (run.reader, run.variables);
    let mut held = reader.memory.hold_nothing();
    let keys: Vec<usize> = head
        .iter()
        .filter_map(|place| place.var().and_then(|var| found.place(var)))
        .collect();
    let numbers = if totals.iter().any(|(_, total)| total.fold.sees_order()) {
        ordered(found, &[], &[], variables, reader, cells)?
    } else {
        (0..found.len()).collect()
    };
    let mut groups: BTreeMap<Vec<Cell>, Vec<usize>> = BTreeMap::new();
    for number in numbers {
        reader.budget.spend(1)?;
        held.add(BYTES_OF_A_ROW)?;
        let row = found.row(number);
        let key = keys.iter().filter_map(|at| row.get(*at).copied()).collect();
        groups.entry(key).or_default().push(number);
    }
    // Its own numbers for variables, as none of the rule's is left.
    let mut next = 0..;
    let mut var = || Var(next.next().unwrap_or_default());
    let mut keyed = Vec::new();
    let mut folded_vars = Vec::new();
    let places: Vec<Place> = head
        .iter()
        .map(|place| match place {
            Place::Var(_) => {
                keyed.push(var());
                keyed.last().map_or(Place::Nothing, |it| Place::Var(*it))
            }
            Place::Any => {
                folded_vars.push(var());
                folded_vars
                    .last()
                    .map_or(Place::Nothing, |it| Place::Var(*it))
            }
            Place::Cell(_) | Place::Nothing => *place,
        })
        .collect();
    let vars = [keyed, folded_vars].concat();
    let mut all = Relation::of(vars, &reader.memory);
    let folding = Folding { reader, variables };
    for (mut row, numbers) in groups {
        for (_, total) in totals {
            let place = found.place(total.var);
            let cell = |number: &usize| place.and_then(|at| found.row(*number).get(at)).copied();
            let column = numbers.iter().filter_map(cell);
            let folded = total.fold(column, &total.seed(reader), &folding, cells)?;
            row.push(match folded {
                Folded::One(cell) => cell,
                Folded::Many(_) => Cell::NULL,
            });
        }
        all.push(&row, reader.budget)?;
    }
    Ok((places, all))
}
