//! What a group binds: a set of rows.
//!
//! 1. What joins is joined first: each star, bind and union is the whole set of what satisfies it, as far as what is
//!    bound already reaches, and sets are joined. So the rows are the same whatever comes first.
//! 2. The next is the one that is found most cheaply, of those that share a variable with what is bound, so that nothing
//!    is multiplied that need not be.
//! 3. A nested group is solved for the distinct values of what it shares with what is around it, all at once.
//! 4. A group is rehearsed before it is solved, so that which error there is depends on the query, the schema and what
//!    is named alone.

use super::cell::Cells;
use super::columns::Columns;
use super::compute;
use super::error::Error;
use super::fold::{Folded, Folding};
use super::group::{Bind, Filter, Group, Part, Test, Total, Union, Vars, What};
use super::json::Json;
use super::order::ordered;
use super::pending::{Offer, Pending, closing, components, stuck};
use super::place::{Place, named};
use super::pointer::Pointer;
use super::rehearse::pending;
use super::relation::{Nulls, Relation, Var};
use super::run::Run;
use super::seek::{Way, race};
use super::select::invalid;
use super::star::Star;
use super::survey::Allowance;

/// The rows that satisfy a group, of the rows that are given.
///
/// # Errors
/// `InvalidQuery` and `InvalidIdentity` for names that the schema does not have or that cannot be used so, and for a
/// clause that names nothing to begin at; `Limit`; `Facts`.
pub(super) fn solve(
    group: &Group,
    given: Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    solve_for(None, group, given, run, cells)
}

/// The same, of which only these variables are asked for; the others may be left out.
fn solve_for(
    wanted: Option<&Vars>,
    group: &Group,
    given: Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let mut solved = given;
    // What follows an intermediate aggregate counts the rows of all variables.
    let wanted = wanted.filter(|_| group.parts.len() == 1);
    for part in &group.parts {
        if part.joins_nothing() && !part.optionals.is_empty() && solved.vars().is_empty() {
            let why = "an optional needs clauses beside it that it adds to";
            return Err(invalid(&group.at, why));
        }
        let mut join = Join {
            filters: part.filters.iter().collect(),
            will_be: part.joinable(),
            wanted: wanted.map(|wanted| part.wanted_of_join(wanted)),
            run,
        };
        solved = join.part(part, solved, cells)?;
        let seeds = solved.vars().to_vec();
        for optional in &part.optionals {
            solved = left_join(optional, &seeds, &solved, run, cells)?;
        }
        for bind in &part.late_binds {
            solved = bind.join(solved, run, cells)?;
        }
        for filter in join.filters {
            compute::keep(filter, &mut solved, run.reader, cells)?;
            filter.trace(&solved, run);
        }
        for test in &part.tests {
            keep(test, &mut solved, run, cells)?;
        }
        if let Some(total) = &part.total {
            solved = total.join(&solved, run, cells)?;
            run.trace.step("aggregate", &[], Vec::new, solved.len());
        }
    }
    Ok(solved)
}

/// The joining of one part.
struct Join<'p, 'a> {
    /// Filters that wait for their variables. They are applied, and taken out, as soon as these are bound: nothing
    /// that follows changes what they say.
    filters: Vec<&'p Filter>,
    /// What the part can bind.
    will_be: Vars,
    /// What is asked for of its rows; everything, if it is not said.
    wanted: Option<Vars>,
    run: Run<'a>,
}

impl<'p> Join<'p, '_> {
    fn part(
        &mut self,
        part: &'p Part,
        given: Relation,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let run = self.run;
        let pending = pending(part, run, cells)?;
        let (connected, apart) = components(pending, &given);
        let mut solved = self.component(connected, given, cells)?;
        // Those that share nothing are solved each alone, and multiplied when nothing else is left to do.
        let mut factors: Vec<Relation> = Vec::new();
        for component in apart {
            let is_over = solved.is_empty() || factors.iter().any(Relation::is_empty);
            let memory = &run.reader.memory;
            let unit = if is_over {
                Relation::of(Vec::new(), memory)
            } else {
                Relation::unit(memory)
            };
            factors.push(self.component(component, unit, cells)?);
        }
        factors.sort_by_key(Relation::len);
        for factor in factors {
            solved = if solved.is_unit() {
                factor
            } else {
                let product = solved.join(&factor, Nulls::JoinNothing, run.reader.budget)?;
                run.trace.step("product", &[], Vec::new, product.len());
                product
            };
            self.filter(&mut solved, cells)?;
        }
        Ok(solved)
    }

    /// Joins everything of one component, always what is cheapest next.
    fn component(
        &mut self,
        mut pending: Vec<Pending<'_, '_>>,
        given: Relation,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let run = self.run;
        if given.is_unit() {
            let stars: Vec<&Star<'_>> = pending.iter().filter_map(Pending::star).collect();
            race(&stars, run.allowance, cells)?;
        }
        let mut solved = given;
        self.filter(&mut solved, cells)?;
        while !pending.is_empty() {
            let before = run.reader.budget.spent();
            let columns = Columns::of(&solved);
            let (next, offer) = self.next(&mut pending, &columns, cells)?;
            solved = match next {
                Pending::Star(star) => {
                    let found = star.find(offer.way, &columns, cells)?;
                    let rows = u64::try_from(solved.len()).unwrap_or(u64::MAX);
                    let closing = (offer.rows > rows)
                        .then(|| closing(&star, &mut pending, &columns))
                        .flatten();
                    if let Some(other) = closing {
                        star.trace(offer.way, &found, run);
                        close(&other, &found, &solved, cells, run)?
                    } else {
                        let joined = solved.joined(found, run.reader.budget)?;
                        star.trace(offer.way, &joined, run);
                        joined
                    }
                }
                Pending::Path(path) => {
                    let found = path.find(&solved, cells)?;
                    let joined = solved.joined(found, run.reader.budget)?;
                    run.trace.step("path", &[&path.at], Vec::new, joined.len());
                    joined
                }
                Pending::Call(call) => {
                    let found = run.calls.rows(call, &solved, run, cells)?;
                    let joined = solved.joined(found, run.reader.budget)?;
                    run.trace.step("rule", &[&call.at], Vec::new, joined.len());
                    joined
                }
                Pending::Bind(bind) => bind.join(solved, run, cells)?,
                Pending::Union(it) => join_union(it.union, &solved, run, cells)?,
            };
            self.filter(&mut solved, cells)?;
            if let Some(mut wanted) = self.wanted.clone() {
                wanted.extend(pending.iter().flat_map(Pending::mentioned));
                wanted.extend(self.filters.iter().flat_map(|it| &it.expression.vars));
                solved = solved.only(&wanted, run.reader.budget)?;
            }
            let spent = run.reader.budget.spent().saturating_sub(before);
            run.allowance.earns(spent);
        }
        Ok(solved)
    }

    /// Takes out what is cheapest to join next, and how that is done.
    fn next<'i, 's>(
        &self,
        pending: &mut Vec<Pending<'i, 's>>,
        columns: &Columns<'_>,
        cells: &Cells,
    ) -> Result<(Pending<'i, 's>, Offer), Error> {
        // What shares nothing with what is bound is not even looked at, as long as anything does.
        let shares = |it: &Pending<'_, '_>| it.mentioned().iter().any(|var| columns.has(*var));
        let is_bound = |var: Var| columns.has(var);
        let is_next = |it: &Pending<'_, '_>| it.is_ready(&is_bound, &self.will_be);
        let near: Vec<usize> = numbers(pending, |it| shares(it) && is_next(it));
        let next = if columns.is_bare() || near.is_empty() {
            numbers(pending, is_next)
        } else {
            near
        };
        // Where there is no choice, nothing is counted.
        let none = Allowance::none();
        let allowance = match next.as_slice() {
            [_] => &none,
            _ => self.run.allowance,
        };
        let mut best: Option<(Offer, usize)> = None;
        for index in next {
            let Some(it) = pending.get(index) else {
                continue;
            };
            let offer = it.offer(columns, self.run, allowance, cells)?;
            if best
                .as_ref()
                .is_none_or(|(least, _)| offer.work < least.work)
            {
                best = Some((offer, index));
            }
        }
        match best {
            Some((offer, index)) => Ok((pending.remove(index), offer)),
            None => Err(stuck(pending, &is_bound, self.run.variables)),
        }
    }

    fn filter(&mut self, solved: &mut Relation, cells: &Cells) -> Result<(), Error> {
        let waiting = self.filters.clone();
        compute::keep_ready(&mut self.filters, solved, self.run.reader, cells)?;
        for filter in waiting {
            if !self.filters.iter().any(|it| std::ptr::eq(*it, filter)) {
                filter.trace(solved, self.run);
            }
        }
        Ok(())
    }
}

/// The numbers of those that pass.
fn numbers<X>(of: &[X], passes: impl Fn(&X) -> bool) -> Vec<usize> {
    let all = of.iter().enumerate().filter(|(_, it)| passes(it));
    all.map(|(number, _)| number).collect()
}

/// Joins a star that was found and another that binds the same variables anew, both at a time: of each row only what
/// satisfies both is made.
fn close(
    other: &Star<'_>,
    found: &Relation,
    solved: &Relation,
    cells: &mut Cells,
    run: Run<'_>,
) -> Result<Relation, Error> {
    let columns = Columns::of_both(solved, found);
    let way = other.choose(&columns, run.allowance, cells)?.way;
    let of_other = other.find(way, &columns, cells)?;
    other.trace(way, &of_other, run);
    let closed = solved.join_both(found, &of_other, run.reader.budget)?;
    run.trace.step("both", &[], Vec::new, closed.len());
    Ok(closed)
}

impl Star<'_> {
    fn trace(&self, way: Way, found: &Relation, run: Run<'_>) {
        let clauses: Vec<&Pointer> = self.legs.iter().map(|leg| &leg.at).collect();
        let how = || self.how(way, run.reader.schema);
        run.trace.step("star", &clauses, how, found.len());
    }
}

impl Filter {
    fn trace(&self, solved: &Relation, run: Run<'_>) {
        run.trace
            .step("filter", &[&self.at], Vec::new, solved.len());
    }
}

impl Part {
    /// What is asked for of the rows that join, if these variables are of all.
    fn wanted_of_join(&self, wanted: &Vars) -> Vars {
        let mut vars = wanted.clone();
        for group in &self.optionals {
            vars.extend(&group.scope.mentioned);
        }
        for bind in &self.late_binds {
            vars.extend(bind.vars());
            vars.insert(bind.var);
        }
        for filter in &self.filters {
            vars.extend(&filter.expression.vars);
        }
        for test in &self.tests {
            vars.extend(&test.group.scope.mentioned);
        }
        vars
    }
}

impl Bind {
    fn join(&self, solved: Relation, run: Run<'_>, cells: &mut Cells) -> Result<Relation, Error> {
        let joined = self.bound(solved, run, cells)?;
        run.trace.step("bind", &[&self.at], Vec::new, joined.len());
        Ok(joined)
    }

    fn bound(&self, solved: Relation, run: Run<'_>, cells: &mut Cells) -> Result<Relation, Error> {
        let value = match &self.what {
            What::Value(value) => value,
            What::Expression(it) => {
                return compute::bind(self.var, it, solved, run.reader, cells);
            }
        };
        let cell = match &**value {
            Json::Array(_) => match named(value, &self.at, run.reader, cells)? {
                Place::Cell(cell) => Some(cell),
                _ => None,
            },
            value => Some(cells.scalar(value, &self.at, run.reader.budget)?),
        };
        let mut found = Relation::of(vec![self.var], &run.reader.memory);
        if let Some(cell) = cell {
            found.push(&[cell], run.reader.budget)?;
        }
        solved.joined(found, run.reader.budget)
    }
}

impl Total {
    /// The rows with what all of them come to.
    fn join(&self, solved: &Relation, run: Run<'_>, cells: &mut Cells) -> Result<Relation, Error> {
        let (aggregate, reader, variables) = (&self.aggregate, run.reader, run.variables);
        let numbers = if aggregate.fold.sees_order() {
            ordered(solved, &[], &[], variables, reader, cells)?
        } else {
            (0..solved.len()).collect()
        };
        let place = solved.place(aggregate.var);
        let cell = |number: &usize| place.and_then(|at| solved.row(*number).get(at)).copied();
        let column = numbers.iter().filter_map(cell);
        let folding = Folding { reader, variables };
        let folded = aggregate.fold(column, &aggregate.seed(reader), &folding, cells)?;
        let mut found = Relation::of(vec![self.var], &reader.memory);
        if let Folded::One(cell) = folded {
            found.push(&[cell], reader.budget)?;
        }
        solved.join(&found, Nulls::JoinNothing, reader.budget)
    }
}

/// Each group of a union is solved for what it takes from around it; its rows are made as wide as those of all and
/// joined, and what is joined is one set.
fn join_union(
    union: &Union,
    solved: &Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let budget = run.reader.budget;
    let mut all: Option<Relation> = None;
    let mut plans = Vec::new();
    let mut own = union.scope.possible.clone();
    for var in union.inputs() {
        if solved.has(var) {
            own.remove(&var);
        }
    }
    for arm in &union.arms {
        let mut inputs = union.inputs_of(arm);
        inputs.retain(|var| solved.has(*var));
        let seeds: Vec<Var> = inputs.union(&arm.scope.certain).copied().collect();
        let given = solved.project(&seeds, budget)?;
        let (found, steps) = run.trace.nested(|| solve(arm, given, run, cells));
        plans.push(steps);
        // Of what is taken from around it, a group says nothing where it does not stand in it.
        let found = found?;
        let vars: Vars = own.union(&inputs).copied().collect();
        let vars: Vec<Var> = vars.into_iter().collect();
        let joined = solved.join(
            &found.padded(&vars, budget)?,
            Nulls::AreAlikeIn(&inputs),
            budget,
        )?;
        match &mut all {
            None => all = Some(joined),
            Some(all) => {
                for row in joined.rows() {
                    all.push(row, budget)?;
                }
            }
        }
    }
    let Some(mut all) = all else {
        return Err(invalid(&union.at, "a `union` has two groups or more"));
    };
    all.distinct();
    let groups = || vec![("groups", Json::Array(plans))];
    run.trace.step("union", &[&union.at], groups, all.len());
    Ok(all)
}

fn left_join(
    optional: &Group,
    seeds: &[Var],
    solved: &Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let shared = shared(optional, seeds);
    let given = solved.project(&shared, run.reader.budget)?;
    let (found, steps) = run.trace.nested(|| solve(optional, given, run, cells));
    let shared: Vars = shared.into_iter().collect();
    let joined = solved.left_join(&found?, Nulls::AreAlikeIn(&shared), run.reader.budget)?;
    let steps = || vec![("steps", steps)];
    run.trace
        .step("optional", &[&optional.at], steps, joined.len());
    Ok(joined)
}

fn keep(test: &Test, solved: &mut Relation, run: Run<'_>, cells: &mut Cells) -> Result<(), Error> {
    let shared = shared(&test.group, solved.vars());
    let given = solved.project(&shared, run.reader.budget)?;
    let shared: Vars = shared.into_iter().collect();
    let (found, steps) = run
        .trace
        .nested(|| solve_for(Some(&shared), &test.group, given, run, cells));
    let nulls = Nulls::AreAlikeIn(&shared);
    solved.semi_join(&found?, test.is_wanted, nulls, run.reader.budget)?;
    let is = if test.is_wanted { "exists" } else { "not" };
    let steps = || vec![("steps", steps)];
    run.trace.step(is, &[&test.group.at], steps, solved.len());
    Ok(())
}

/// The variables that a nested group shares with what is around it.
fn shared(group: &Group, seeds: &[Var]) -> Vec<Var> {
    let mentioned = |var: &&Var| group.scope.mentioned.contains(*var);
    seeds.iter().filter(mentioned).copied().collect()
}
