//! Whether a group can be solved at all: before any row is made.
//!
//! 1. Every name is looked up, and every clause has somewhere to begin once those beside it are joined. Which error
//!    there is follows from the query, the schema and what it names, and not from the order that rows make cheapest.
//! 2. A union whose groups can begin by themselves may be joined at any time; else it waits for all that others bind.

use super::cell::Cells;
use super::error::Error;
use super::group::{Bind, Group, Part, Union, Vars, What};
use super::json::Json;
use super::path::paths;
use super::pending::{Pending, Waiting, stuck};
use super::place::named;
use super::run::Run;
use super::star::stars;

/// Goes through a group, and those in it, as if these variables were bound around it.
///
/// # Errors
/// `InvalidQuery` and `InvalidIdentity` for names that the schema does not have or that cannot be used so, and for a
/// clause that names nothing to begin at; as the budget is spent; `Facts`.
pub(super) fn rehearse(
    group: &Group,
    given: &Vars,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<(), Error> {
    let mut bound = given.clone();
    for part in &group.parts {
        join(part, &mut bound, run, cells)?;
        let known = bound.clone();
        for optional in &part.optionals {
            rehearse(optional, &shared(optional, &known), run, cells)?;
            bound.extend(&optional.scope.possible);
        }
        for bind in &part.late_binds {
            bind.rehearse(run, cells)?;
            bound.insert(bind.var);
        }
        for test in &part.tests {
            rehearse(&test.group, &shared(&test.group, &bound), run, cells)?;
        }
        bound.extend(part.total.iter().map(|total| total.var));
    }
    Ok(())
}

/// What joins in a part, and is not joined yet.
///
/// # Errors
/// As [`rehearse`], but for what has nowhere to begin.
pub(super) fn pending<'p, 's>(
    part: &'p Part,
    run: Run<'s>,
    cells: &mut Cells,
) -> Result<Vec<Pending<'p, 's>>, Error> {
    let items = [
        part.patterns.len(),
        part.calls.len(),
        part.binds.len(),
        part.unions.len(),
    ];
    let items: usize = items.into_iter().sum();
    let steps = u64::try_from(items).unwrap_or(u64::MAX);
    run.reader.budget.spend(steps)?;
    let stars = stars(&part.patterns, run, cells)?;
    let mut pending: Vec<Pending<'p, 's>> = stars.into_iter().map(Pending::Star).collect();
    let paths = paths(&part.patterns, run, cells)?;
    pending.extend(paths.into_iter().map(Pending::Path));
    pending.extend(part.calls.iter().map(Pending::Call));
    pending.extend(part.binds.iter().map(Pending::Bind));
    let will_be = part.joinable();
    for (index, union) in part.unions.iter().enumerate() {
        let mut waits_for: Vars = union.inputs().intersection(&will_be).copied().collect();
        let begins = union.begins(run, cells);
        if !begins {
            let mut others: Vars = pending.iter().flat_map(Pending::possible).collect();
            let unions = part.unions.iter().enumerate();
            let unions = unions.filter(|(other, _)| *other != index);
            others.extend(unions.flat_map(|(_, union)| &union.scope.possible));
            waits_for.extend(union.scope.mentioned.intersection(&others));
        }
        pending.push(Pending::Union(Waiting {
            union,
            waits_for,
            begins,
        }));
    }
    Ok(pending)
}

/// Joins what joins, in any order.
fn join(part: &Part, bound: &mut Vars, run: Run<'_>, cells: &mut Cells) -> Result<(), Error> {
    let mut pending = pending(part, run, cells)?;
    let will_be = part.joinable();
    while !pending.is_empty() {
        let mut ready = pending.iter();
        let ready = ready.position(|it| it.is_ready(&|var| bound.contains(&var), &will_be));
        let Some(index) = ready else {
            return Err(stuck(&pending, &|var| bound.contains(&var), run.variables));
        };
        match pending.remove(index) {
            Pending::Union(Waiting { union, begins, .. }) => {
                // Those that begin by themselves were gone through to tell that.
                for arm in union.arms.iter().filter(|_| !begins) {
                    let inputs = union.inputs_of(arm);
                    let taken = inputs.union(&arm.scope.certain).copied().collect();
                    rehearse(
                        arm,
                        &bound.intersection(&taken).copied().collect(),
                        run,
                        cells,
                    )?;
                }
                bound.extend(&union.scope.possible);
            }
            Pending::Bind(bind) => {
                bind.rehearse(run, cells)?;
                bound.insert(bind.var);
            }
            it @ (Pending::Star(_) | Pending::Path(_) | Pending::Call(_)) => {
                bound.extend(it.mentioned());
            }
        }
    }
    Ok(())
}

impl Union {
    /// Whether each of its groups can begin with what it takes from around it alone.
    fn begins(&self, run: Run<'_>, cells: &mut Cells) -> bool {
        let mut arms = self.arms.iter();
        arms.all(|arm| rehearse(arm, &self.inputs_of(arm), run, cells).is_ok())
    }
}

impl Bind {
    fn rehearse(&self, run: Run<'_>, cells: &mut Cells) -> Result<(), Error> {
        if let What::Value(value) = &self.what
            && matches!(**value, Json::Array(_))
        {
            named(value, &self.at, run.reader, cells)?;
        }
        Ok(())
    }
}

fn shared(group: &Group, bound: &Vars) -> Vars {
    let mentioned = &group.scope.mentioned;
    mentioned.intersection(bound).copied().collect()
}
