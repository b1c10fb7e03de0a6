//! What a group binds: a set of rows.
//!
//! 1. What joins is joined first: each star, bind and union is the whole set of what satisfies it, as far as what is
//!    bound already reaches, and sets are joined. So the rows are the same whatever comes first.
//! 2. The next is the one that is found most cheaply, of those that share a variable with what is bound, so that nothing
//!    is multiplied that need not be.
//! 3. A nested group is solved for the distinct values of what it shares with what is around it, all at once.
//! 4. Every name is looked up and every group is solved, also where there is nothing left to join: which error there is
//!    depends on the query and the schema alone.

use super::cell::Cells;
use super::error::Error;
use super::group::{Bind, Group, Part, Test, Union, Vars, What};
use super::json::Json;
use super::place::named;
use super::relation::{Nulls, Relation, Var};
use super::run::Run;
use super::select::invalid;
use super::star::{Star, Way, stars};

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
    let mut solved = given;
    for part in &group.parts {
        if part.joins_nothing() && !part.optionals.is_empty() && solved.vars().is_empty() {
            let why = "an optional needs clauses beside it that it adds to";
            return Err(invalid(&group.at, why));
        }
        solved = join(part, solved, run, cells)?;
        let seeds = solved.vars().to_vec();
        for optional in &part.optionals {
            solved = left_join(optional, &seeds, &solved, run, cells)?;
        }
        if let Some(filter) = part.filters.first() {
            return Err(invalid(
                &filter.expression.at,
                "a filter is not supported yet",
            ));
        }
        for test in &part.tests {
            keep(test, &mut solved, run, cells)?;
        }
    }
    Ok(solved)
}

/// Something that joins and is not joined yet.
enum Pending<'p, 's> {
    Star(Star<'s>),
    Union(&'p Union),
    Bind(&'p Bind),
}

/// How soon something is joined: the least first.
type Rank = (bool, bool, Way);

fn join(part: &Part, given: Relation, run: Run<'_>, cells: &mut Cells) -> Result<Relation, Error> {
    if let Some(call) = part.calls.first() {
        return Err(invalid(&call.at, "a call of a rule is not supported yet"));
    }
    let stars = stars(&part.patterns, run.reader, cells)?;
    let mut pending: Vec<Pending<'_, '_>> = stars.into_iter().map(Pending::Star).collect();
    pending.extend(part.unions.iter().map(Pending::Union));
    pending.extend(part.binds.iter().map(Pending::Bind));
    let will_be = part.joinable();
    let mut solved = given;
    while !pending.is_empty() {
        let mut best: Option<(Rank, usize)> = None;
        for (index, it) in pending.iter().enumerate() {
            let Some(rank) = it.rank(&solved, &will_be, run)? else {
                continue;
            };
            if best.is_none_or(|(least, _)| rank < least) {
                best = Some((rank, index));
            }
        }
        let Some((rank, index)) = best else {
            return Err(stuck(&pending, &solved, run));
        };
        if rank.2 == Way::Everything && matches!(pending.get(index), Some(Pending::Star(_))) {
            return Err(stuck(&pending, &solved, run));
        }
        solved = match pending.swap_remove(index) {
            Pending::Star(star) => {
                let found = star.find(rank.2, &solved, run.reader, cells)?;
                solved.join(&found, Nulls::JoinNothing, run.reader.budget)?
            }
            Pending::Bind(bind) => {
                let found = bind.find(run, cells)?;
                solved.join(&found, Nulls::JoinNothing, run.reader.budget)?
            }
            Pending::Union(union) => join_union(union, &solved, run, cells)?,
        };
    }
    Ok(solved)
}

impl Part {
    fn joins_nothing(&self) -> bool {
        self.patterns.is_empty()
            && self.calls.is_empty()
            && self.unions.is_empty()
            && self.binds.is_empty()
    }
}

impl Pending<'_, '_> {
    /// How soon this is joined; none as long as it waits for what others bind.
    fn rank(&self, solved: &Relation, will_be: &Vars, run: Run<'_>) -> Result<Option<Rank>, Error> {
        let is_apart = |shares: bool| !solved.vars().is_empty() && !shares;
        Ok(match self {
            Self::Star(star) => {
                let way = star.way(solved, run.reader)?;
                // One that has nowhere to begin waits for others to bind its variables.
                Some((way == Way::Everything, is_apart(star.shares(solved)), way))
            }
            Self::Bind(_) => Some((false, false, Way::Named)),
            Self::Union(union) => {
                let mut inputs = union.inputs().into_iter();
                let waits = inputs.any(|var| will_be.contains(&var) && !solved.has(var));
                let shares = union.scope.mentioned.iter().any(|var| solved.has(*var));
                (!waits).then_some((false, is_apart(shares), Way::Everything))
            }
        })
    }
}

/// Nothing that is left has anywhere to begin.
fn stuck(pending: &[Pending<'_, '_>], solved: &Relation, run: Run<'_>) -> Error {
    let (at, vars): (_, Vec<Var>) = match pending.first() {
        Some(Pending::Star(star)) => (star.at.clone(), star.vars()),
        Some(Pending::Union(union)) => (union.at.clone(), union.inputs().into_iter().collect()),
        Some(Pending::Bind(bind)) => (bind.at.clone(), vec![bind.var]),
        None => return invalid(&super::pointer::Pointer::root(), "nothing is left to join"),
    };
    let unbound: Vec<Var> = vars.into_iter().filter(|var| !solved.has(*var)).collect();
    let names = if unbound.is_empty() {
        "nothing in it".to_owned()
    } else {
        run.variables.names(&unbound)
    };
    let why = format!("{names} is bound by no other clause, so this one has nowhere to begin");
    invalid(&at, &why)
}

impl Bind {
    fn find(&self, run: Run<'_>, cells: &mut Cells) -> Result<Relation, Error> {
        let mut found = Relation::of(vec![self.var], &run.reader.memory);
        let value = match &self.what {
            What::Value(value) => value,
            What::Expression(it) => {
                return Err(invalid(&it.at, "an expression is not supported yet"));
            }
        };
        let cell = match value {
            Json::Array(_) => match named(value, &self.at, run.reader, cells)? {
                super::place::Place::Cell(cell) => cell,
                _ => return Ok(found),
            },
            value => cells.scalar(value, &self.at, run.reader.budget)?,
        };
        found.push(&[cell], run.reader.budget)?;
        Ok(found)
    }
}

impl Union {
    /// What any of its groups takes from around it.
    fn inputs(&self) -> Vars {
        self.arms
            .iter()
            .flat_map(|arm| arm.scope.inputs())
            .collect()
    }
}

fn join_union(
    union: &Union,
    solved: &Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let budget = run.reader.budget;
    let inputs: Vars = union
        .inputs()
        .into_iter()
        .filter(|it| solved.has(*it))
        .collect();
    let mut arms = Vec::new();
    let mut vars: Vec<Var> = Vec::new();
    for arm in &union.arms {
        let seeds: Vars = inputs.union(&arm.scope.certain).copied().collect();
        let seeds: Vec<Var> = seeds.into_iter().collect();
        let found = solve(arm, solved.project(&seeds, budget)?, run, cells)?;
        vars.extend(found.vars());
        arms.push(found);
    }
    vars.sort_unstable();
    vars.dedup();
    let mut all = Relation::of(vars.clone(), &run.reader.memory);
    for arm in &arms {
        for row in arm.padded(&vars, budget)?.rows() {
            all.push(row, budget)?;
        }
    }
    all.distinct();
    solved.join(&all, Nulls::AreAlikeIn(&inputs), budget)
}

fn left_join(
    optional: &Group,
    seeds: &[Var],
    solved: &Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let (found, shared) = nested(optional, seeds, solved, run, cells)?;
    solved.left_join(&found, Nulls::AreAlikeIn(&shared), run.reader.budget)
}

fn keep(test: &Test, solved: &mut Relation, run: Run<'_>, cells: &mut Cells) -> Result<(), Error> {
    let seeds = solved.vars().to_vec();
    let (found, shared) = nested(&test.group, &seeds, solved, run, cells)?;
    solved.semi_join(
        &found,
        test.is_wanted,
        Nulls::AreAlikeIn(&shared),
        run.reader.budget,
    )
}

/// The rows of a nested group, for each of what it shares.
fn nested(
    group: &Group,
    seeds: &[Var],
    solved: &Relation,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<(Relation, Vars), Error> {
    let mentioned = |var: &&Var| group.scope.mentioned.contains(*var);
    let shared: Vec<Var> = seeds.iter().filter(mentioned).copied().collect();
    let given = solved.project(&shared, run.reader.budget)?;
    let found = solve(group, given, run, cells)?;
    Ok((found, shared.into_iter().collect()))
}
