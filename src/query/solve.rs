//! What a group binds: a set of rows.
//!
//! 1. What joins is joined first: each star, bind and union is the whole set of what satisfies it, as far as what is
//!    bound already reaches, and sets are joined. So the rows are the same whatever comes first.
//! 2. The next is the one that is found most cheaply, of those that share a variable with what is bound, so that nothing
//!    is multiplied that need not be.
//! 3. A nested group is solved for the distinct values of what it shares with what is around it, all at once.
//! 4. Every name is looked up and every group is solved, also where there is nothing left to join: which error there is
//!    depends on the query and the schema alone.

use super::call::Call;
use super::cell::Cells;
use super::clause::{Clause, Term, Verb};
use super::columns::Columns;
use super::compute;
use super::error::Error;
use super::fold::{Folded, Folding};
use super::group::{Bind, Filter, Group, Part, Test, Total, Union, Vars, What};
use super::json::Json;
use super::order::ordered;
use super::path::{Ends, Path, paths};
use super::place::{can_be_found, named};
use super::reader::Reader;
use super::relation::{Nulls, Relation, Var};
use super::run::Run;
use super::seek::{Ground, Way, race};
use super::select::invalid;
use super::star::{Star, stars};

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
        let mut filters: Vec<&Filter> = part.filters.iter().collect();
        solved = join(part, solved, &mut filters, run, cells)?;
        let seeds = solved.vars().to_vec();
        for optional in &part.optionals {
            solved = left_join(optional, &seeds, &solved, run, cells)?;
        }
        for bind in &part.late_binds {
            solved = bind.join(solved, run, cells)?;
        }
        for filter in filters {
            compute::keep(filter, &mut solved, run.reader, cells)?;
        }
        for test in &part.tests {
            keep(test, &mut solved, run, cells)?;
        }
        if let Some(total) = &part.total {
            solved = total.join(&solved, run, cells)?;
        }
    }
    Ok(solved)
}

/// Something that joins and is not joined yet.
enum Pending<'p, 's> {
    Star(Star<'s>),
    Path(Path<'s>),
    Call(&'p Call),
    Union(&'p Union),
    Bind(&'p Bind),
}

/// What is taken to be reached by refs from one end.
const STEPS_OF_A_PATH: u64 = 64;

/// How soon something is joined: the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Price {
    /// Whether it shares nothing with what is bound, so that rows are multiplied.
    is_apart: bool,
    /// What is read for it and the rows that it leaves, about.
    work: u64,
}

/// What joining something next would cost, and how it would be done.
struct Offer {
    price: Price,
    way: Option<Way>,
}

/// What joins. Filters are applied, and taken out, as soon as their variables are bound: nothing that follows changes
/// what they say.
fn join(
    part: &Part,
    given: Relation,
    filters: &mut Vec<&Filter>,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let stars = stars(&part.patterns, run.reader, cells)?;
    let mut pending: Vec<Pending<'_, '_>> = stars.into_iter().map(Pending::Star).collect();
    let paths = paths(&part.patterns, run.reader, cells)?;
    pending.extend(paths.into_iter().map(Pending::Path));
    pending.extend(part.calls.iter().map(Pending::Call));
    pending.extend(part.unions.iter().map(Pending::Union));
    pending.extend(part.binds.iter().map(Pending::Bind));
    let will_be = part.joinable();
    let (connected, apart) = components(pending, &given);
    let mut solved = join_all(connected, given, &will_be, filters, run, cells)?;
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
        factors.push(join_all(component, unit, &will_be, filters, run, cells)?);
    }
    factors.sort_by_key(Relation::len);
    for factor in &factors {
        solved = solved.join(factor, Nulls::JoinNothing, run.reader.budget)?;
        compute::keep_ready(filters, &mut solved, run.reader, cells)?;
    }
    Ok(solved)
}

/// What shares variables, directly or through others, is one component: that with what is given, and the others in the
/// order in which they are written.
fn components<'p, 's>(
    pending: Vec<Pending<'p, 's>>,
    given: &Relation,
) -> (Vec<Pending<'p, 's>>, Vec<Vec<Pending<'p, 's>>>) {
    type Component<'p, 's> = (Vars, Vec<Pending<'p, 's>>);
    let mut components: Vec<Component<'p, 's>> =
        vec![(given.vars().iter().copied().collect(), Vec::new())];
    for it in pending {
        let mut vars = it.mentioned();
        let mut items = Vec::new();
        let mut others = Vec::new();
        for (index, component) in components.into_iter().enumerate() {
            if component.0.is_disjoint(&vars) {
                others.push((index == 0, component));
            } else {
                vars.extend(component.0);
                items.push((index == 0, component.1));
            }
        }
        let has_given = items.iter().any(|(is_given, _)| *is_given);
        let mut items: Vec<Pending<'p, 's>> = items.into_iter().flat_map(|(_, it)| it).collect();
        items.push(it);
        components = others.into_iter().map(|(_, component)| component).collect();
        if has_given {
            components.insert(0, (vars, items));
        } else {
            components.push((vars, items));
        }
    }
    let mut components = components.into_iter().map(|(_, items)| items);
    let connected = components.next().unwrap_or_default();
    (connected, components.collect())
}

/// Joins everything of one component, always what is cheapest next.
fn join_all(
    mut pending: Vec<Pending<'_, '_>>,
    given: Relation,
    will_be: &Vars,
    filters: &mut Vec<&Filter>,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Relation, Error> {
    let ground = Ground {
        reader: run.reader,
        allowance: run.allowance,
    };
    if given.vars().is_empty() && !given.is_empty() {
        let stars: Vec<&Star<'_>> = pending.iter().filter_map(Pending::star).collect();
        race(&stars, ground, cells)?;
    }
    let mut solved = given;
    compute::keep_ready(filters, &mut solved, run.reader, cells)?;
    while !pending.is_empty() {
        let columns = Columns::of(&solved);
        let mut best: Option<(Offer, usize)> = None;
        for (index, it) in pending.iter().enumerate() {
            let Some(offer) = it.offer(&columns, will_be, ground, cells)? else {
                continue;
            };
            if best
                .as_ref()
                .is_none_or(|(least, _)| offer.price < least.price)
            {
                best = Some((offer, index));
            }
        }
        let Some((offer, index)) = best else {
            return Err(stuck(&pending, &solved, run));
        };
        let before = run.reader.budget.spent();
        let found = match (pending.remove(index), offer.way) {
            (Pending::Star(star), Some(way)) => star.find(way, &columns, run.reader, cells)?,
            (Pending::Star(star), None) => star.find(Way::Nothing, &columns, run.reader, cells)?,
            (Pending::Bind(bind), _) => {
                solved = bind.join(solved, run, cells)?;
                compute::keep_ready(filters, &mut solved, run.reader, cells)?;
                continue;
            }
            (Pending::Union(union), _) => {
                solved = join_union(union, &solved, run, cells)?;
                compute::keep_ready(filters, &mut solved, run.reader, cells)?;
                continue;
            }
            (Pending::Path(path), _) => path.find(&solved, run.reader, cells)?,
            (Pending::Call(call), _) => run.calls.rows(call, &solved, run, cells)?,
        };
        solved = if solved.vars().is_empty() && !solved.is_empty() {
            found
        } else {
            solved.join(&found, Nulls::JoinNothing, run.reader.budget)?
        };
        let spent = run.reader.budget.spent().saturating_sub(before);
        run.allowance.earns(spent);
        compute::keep_ready(filters, &mut solved, run.reader, cells)?;
    }
    Ok(solved)
}

impl<'s> Pending<'_, 's> {
    fn star(&self) -> Option<&Star<'s>> {
        match self {
            Self::Star(star) => Some(star),
            Self::Path(_) | Self::Call(_) | Self::Union(_) | Self::Bind(_) => None,
        }
    }

    /// The variables that stand in it.
    fn mentioned(&self) -> Vars {
        match self {
            Self::Star(star) => star.vars().into_iter().collect(),
            Self::Path(path) => path.vars().into_iter().collect(),
            Self::Call(call) => call.vars().collect(),
            Self::Union(union) => union.scope.mentioned.clone(),
            Self::Bind(bind) => bind.vars().chain([bind.var]).collect(),
        }
    }

    /// What joining this next would cost; none as long as it waits for what others bind.
    fn offer(
        &self,
        columns: &Columns<'_>,
        will_be: &Vars,
        ground: Ground<'_, '_>,
        cells: &Cells,
    ) -> Result<Option<Offer>, Error> {
        let mentioned = self.mentioned();
        let is_apart = !columns.is_bare() && !mentioned.iter().any(|var| columns.has(*var));
        let offer = |work: u64, way: Option<Way>| Offer {
            price: Price { is_apart, work },
            way,
        };
        Ok(match self {
            Self::Star(star) => {
                let choice = star.choose(columns, ground, cells)?;
                choice.map(|it| offer(it.reads.saturating_add(it.rows), Some(it.way)))
            }
            Self::Bind(bind) => {
                let mut vars = bind.vars();
                let is_ready = vars.all(|var| columns.has(var) || !will_be.contains(&var));
                is_ready.then(|| offer(0, None))
            }
            Self::Path(path) => {
                let work = match path.ends(|var| columns.has(var)) {
                    Ends::Named => STEPS_OF_A_PATH,
                    Ends::Bound => {
                        let bound = u64::try_from(columns.rows()).unwrap_or(u64::MAX);
                        bound.saturating_mul(STEPS_OF_A_PATH)
                    }
                    Ends::Free(c) => {
                        let all = ground.reader.facts.next_number(c)?;
                        all.saturating_mul(STEPS_OF_A_PATH)
                    }
                };
                Some(offer(work, None))
            }
            Self::Call(call) => {
                let is_named = |it: &Term| matches!(it, Term::Literal(_));
                let work = if call.vars().any(|var| columns.has(var)) {
                    let bound = u64::try_from(columns.rows()).unwrap_or(u64::MAX);
                    bound.saturating_mul(STEPS_OF_A_PATH)
                } else if call.arguments.iter().any(is_named) {
                    STEPS_OF_A_PATH
                } else {
                    // All that a rule holds for: behind whatever may bind some of it.
                    u64::MAX
                };
                Some(offer(work, None))
            }
            Self::Union(union) => {
                let mut inputs = union.inputs().into_iter();
                let waits = inputs.any(|var| will_be.contains(&var) && !columns.has(var));
                if waits {
                    return Ok(None);
                }
                Some(offer(union.work(columns, ground)?, None))
            }
        })
    }
}

/// Nothing that is left has anywhere to begin.
fn stuck(pending: &[Pending<'_, '_>], solved: &Relation, run: Run<'_>) -> Error {
    let (at, vars): (_, Vec<Var>) = match pending.first() {
        Some(Pending::Star(star)) => (star.at.clone(), star.vars()),
        Some(Pending::Path(path)) => (path.at.clone(), path.vars()),
        Some(Pending::Call(call)) => (call.at.clone(), call.vars().collect()),
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

impl Clause {
    /// What it is taken to cost to begin here, before any name is looked up.
    fn work(&self, reader: &Reader<'_>) -> Result<u64, Error> {
        let of = match &self.verb {
            _ if matches!(self.subject, Term::Literal(_)) => return Ok(1),
            Verb::Named(name) => reader.schema.predicate_named(name),
            Verb::Id | Verb::Type | Verb::Var(_) | Verb::Path(..) => None,
        };
        Ok(match (of, &self.object) {
            (Some(of), Term::Literal(_)) if of.unique => 1,
            (Some(of), Term::Literal(_)) if can_be_found(of) => 64,
            (Some(of), _) => reader.facts.next_number(of.collection)?,
            (None, _) => u64::MAX,
        })
    }
}

impl Bind {
    /// The variables that it needs.
    fn vars(&self) -> impl Iterator<Item = Var> {
        let vars = match &self.what {
            What::Value(_) => [].as_slice(),
            What::Expression(it) => &it.vars,
        };
        vars.iter().copied()
    }

    fn join(&self, solved: Relation, run: Run<'_>, cells: &mut Cells) -> Result<Relation, Error> {
        let value = match &self.what {
            What::Value(value) => value,
            What::Expression(it) => {
                return compute::bind(self.var, it, solved, run.reader, cells);
            }
        };
        let cell = match value {
            Json::Array(_) => match named(value, &self.at, run.reader, cells)? {
                super::place::Place::Cell(cell) => Some(cell),
                _ => None,
            },
            value => Some(cells.scalar(value, &self.at, run.reader.budget)?),
        };
        let mut found = Relation::of(vec![self.var], &run.reader.memory);
        if let Some(cell) = cell {
            found.push(&[cell], run.reader.budget)?;
        }
        solved.join(&found, Nulls::JoinNothing, run.reader.budget)
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

impl Union {
    /// What solving it is taken to cost: what each group of it would begin with.
    fn work(&self, columns: &Columns<'_>, ground: Ground<'_, '_>) -> Result<u64, Error> {
        let mut work: u64 = 0;
        for arm in &self.arms {
            let is_bound = |var: &Var| columns.has(*var);
            let mut least = if arm.scope.certain.iter().any(is_bound) {
                u64::try_from(columns.rows()).unwrap_or(u64::MAX)
            } else {
                u64::MAX
            };
            for clause in arm.parts.iter().flat_map(|part| &part.patterns) {
                least = least.min(clause.work(ground.reader)?);
            }
            work = work.saturating_add(least.saturating_mul(2));
        }
        Ok(work)
    }

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
