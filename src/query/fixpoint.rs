//! Rewritten rules, gone through until they say nothing new.
//!
//! 1. Tables that wait for each other are filled at once, in rounds, those that they ask for before them. What is new
//!    since the last round is joined with all that there is, once for each place where it is asked for.
//! 2. A body of patterns and calls alone is a join over tables. Any other is solved like a query, beginning at what is
//!    new.
//! 3. Only what joins is asked for here: what must be known whole is asked for `beyond`.

use std::collections::BTreeMap;

use super::call::{Call, value};
use super::cell::{Cell, Cells};
use super::clause::Verb;
use super::demand::{BYTES_OF_AN_ITEM, Derived, Rewritten, items_of};
use super::error::Error;
use super::group::{Group, Part};
use super::join::{Atom, Plan, Slot, Tables, Terms};
use super::memory::Held;
use super::place::Place;
use super::pointer::Pointer;
use super::relation::{Relation, Var};
use super::run::{Calls, Run};
use super::solve::solve;
use super::stored::told_of;
use super::stratum::components;
use super::table::{Table, size};
use super::totals::folded;
use super::trace::Trace;
use crate::base::limits::QUERY_ROUNDS_MAX;

/// The tuples that rules hold for.
#[derive(Debug)]
pub(super) struct Answer {
    table: Table,
    terms: Terms,
}

impl Answer {
    /// From now on, what joins is found without going through all.
    ///
    /// # Errors
    /// `Limit` past the memory of a query.
    pub(super) fn index(&mut self) -> Result<(), Error> {
        (0..self.table.width()).try_for_each(|place| self.table.index(place))
    }

    /// The rows of the variables of a call.
    ///
    /// # Errors
    /// As rows are paid and held.
    pub(super) fn rows(
        &self,
        places: &[Place],
        solved: &Relation,
        run: Run<'_>,
    ) -> Result<Relation, Error> {
        rows(&self.table, &self.terms, places, Of::All(solved), run)
    }
}

/// Fills the tables of rewritten rules, of what is demanded.
///
/// # Errors
/// As groups are solved; `Limit` past [`QUERY_ROUNDS_MAX`] rounds.
pub(super) fn answer(
    rewritten: &Rewritten,
    demanded: &[Vec<Cell>],
    beyond: &dyn Calls,
    run: Run<'_>,
    cells: &mut Cells,
) -> Result<Answer, Error> {
    let names: BTreeMap<&str, usize> = (0..)
        .zip(&rewritten.tables)
        .map(|(number, sheet)| (sheet.name.as_str(), number))
        .collect();
    let mut filling = Filling {
        tables: Tables::new(rewritten.tables.iter().map(|it| it.width), run.reader),
        names,
        beyond,
        run,
        held: run.reader.memory.hold_nothing(),
    };
    if let Some(table) = rewritten.demand {
        for tuple in demanded {
            let numbers: Result<Vec<u32>, Error> = tuple
                .iter()
                .map(|cell| filling.tables.terms.number(*cell))
                .collect();
            filling.tables.add(table, &numbers?)?;
        }
    }
    let rules: Result<Vec<Ready<'_>>, Error> = rewritten
        .rules
        .iter()
        .map(|rule| filling.ready(rule, cells))
        .collect();
    let rules = rules?;
    let mut leads: Vec<Vec<usize>> = vec![Vec::new(); rewritten.tables.len()];
    for rule in &rules {
        if let Some(leads) = leads.get_mut(rule.of.table) {
            leads.extend(rule.asked());
        }
    }
    for to in &mut leads {
        to.sort_unstable();
        to.dedup();
    }
    let components = components(&leads);
    let mut place = vec![0; leads.len()];
    for (number, component) in components.iter().enumerate() {
        for table in component {
            if let Some(slot) = place.get_mut(*table) {
                *slot = number;
            }
        }
    }
    let mut own: Vec<Vec<&Ready<'_>>> = components.iter().map(|_| Vec::new()).collect();
    for rule in &rules {
        let number = place.get(rule.of.table);
        if let Some(own) = number.and_then(|number| own.get_mut(*number)) {
            own.push(rule);
        }
    }
    for (number, (component, own)) in components.iter().zip(&own).enumerate() {
        filling.fill(
            component,
            own,
            &|table| place.get(table) == Some(&number),
            cells,
        )?;
    }
    let (table, terms) = filling.tables.into_one(rewritten.answer);
    Ok(Answer { table, terms })
}

/// A rule that can be gone through.
struct Ready<'r> {
    of: &'r Derived,
    /// The tables of its calls, in their order; none for what is known whole.
    calls: Vec<Option<usize>>,
    /// The tables of calls inside unions.
    nested: Vec<usize>,
    how: How,
}

impl Ready<'_> {
    /// The tables that it asks for.
    fn asked(&self) -> impl Iterator<Item = usize> {
        self.calls.iter().flatten().chain(&self.nested).copied()
    }
}

enum How {
    /// It holds for nothing, as it names what there is not.
    Never,
    /// A join: as a whole, and from each of its calls.
    Join { whole: Plan, from: Vec<Plan> },
    /// A group, and what of the head is named: as a whole, and without each of its calls.
    Solve {
        head: Vec<Place>,
        without: Vec<Group>,
    },
}

/// Tables that are being filled.
struct Filling<'f> {
    tables: Tables<'f>,
    names: BTreeMap<&'f str, usize>,
    beyond: &'f dyn Calls,
    run: Run<'f>,
    held: Held,
}

impl Filling<'_> {
    fn ready<'r>(&mut self, rule: &'r Derived, cells: &mut Cells) -> Result<Ready<'r>, Error> {
        let part = rule.body.parts.first();
        let empty = Part::default();
        let part = part.unwrap_or(&empty);
        let table = |call: &Call| self.names.get(call.name.as_str()).copied();
        let calls: Vec<Option<usize>> = part.calls.iter().map(table).collect();
        let mut nested = Vec::new();
        for arm in part.unions.iter().flat_map(|it| &it.arms) {
            self.nested(arm, &mut nested);
        }
        let at = rule.at.index(0);
        let mut head = Vec::new();
        for term in &rule.head {
            head.push(value(term, &at, self.run.reader, cells)?);
        }
        let how = if head.contains(&Place::Nothing) {
            How::Never
        } else if rule.totals.is_empty() && !calls.contains(&None) && is_join(part) {
            self.joined(rule, part, &head, cells)?
        } else {
            for call in &part.calls {
                if let Some(table) = self.names.get(call.name.as_str()) {
                    self.tables.index_all(*table, call.arguments.len())?;
                }
            }
            let mut without = Vec::new();
            // A body for each call.
            let items = items_of(&rule.body).saturating_mul(part.calls.len());
            let reader = self.run.reader;
            reader
                .budget
                .spend(u64::try_from(items).unwrap_or(u64::MAX))?;
            self.held.add(items.saturating_mul(BYTES_OF_AN_ITEM))?;
            for at in 0..part.calls.len() {
                let mut body = rule.body.clone();
                if let Some(part) = body.parts.first_mut() {
                    part.calls.remove(at);
                }
                without.push(body);
            }
            How::Solve { head, without }
        };
        Ok(Ready {
            of: rule,
            calls,
            nested,
            how,
        })
    }

    fn nested(&self, group: &Group, tables: &mut Vec<usize>) {
        for part in &group.parts {
            let calls = part.calls.iter();
            tables.extend(calls.filter_map(|call| self.names.get(call.name.as_str())));
            for arm in part.unions.iter().flat_map(|it| &it.arms) {
                self.nested(arm, tables);
            }
        }
    }

    fn joined(
        &mut self,
        rule: &Derived,
        part: &Part,
        head: &[Place],
        cells: &mut Cells,
    ) -> Result<How, Error> {
        let reader = self.run.reader;
        let mut wanted: Vec<(usize, Vec<Place>)> = Vec::new();
        for call in &part.calls {
            let table = self.names.get(call.name.as_str()).copied();
            wanted.push((table.unwrap_or(usize::MAX), call.places(reader, cells)?));
        }
        for clause in &part.patterns {
            let Verb::Named(name) = &clause.verb else {
                continue;
            };
            // That it is there has been checked.
            let Some(of) = reader.schema.predicate_named(name).filter(|of| !of.sealed) else {
                return Ok(How::Never);
            };
            let subject = Place::of_subject(clause, reader, cells)?;
            let object = Place::of_object(clause, of, reader, cells)?;
            wanted.push((self.tables.base(of), vec![subject, object]));
        }
        let mut atoms = Vec::new();
        for (table, places) in wanted {
            let Some(slots) = self.slots(&places)? else {
                return Ok(How::Never);
            };
            atoms.push(Atom { table, slots });
        }
        let Some(head) = self.slots(head)? else {
            return Ok(How::Never);
        };
        let whole = self.tables.plan(rule.table, &head, &atoms, None)?;
        let mut from = Vec::new();
        for at in 0..part.calls.len() {
            from.push(self.tables.plan(rule.table, &head, &atoms, Some(at))?);
        }
        Ok(How::Join { whole, from })
    }

    fn slots(&mut self, places: &[Place]) -> Result<Option<Vec<Slot>>, Error> {
        places
            .iter()
            .map(|place| self.tables.slot(*place))
            .collect()
    }

    /// Fills the tables of one component by its rules.
    fn fill(
        &mut self,
        component: &[usize],
        rules: &[&Ready<'_>],
        is_inside: &dyn Fn(usize) -> bool,
        cells: &mut Cells,
    ) -> Result<(), Error> {
        // What a round looks at, also where nothing is new for it.
        let looks = component.len().saturating_add(rules.len());
        let looks = u64::try_from(looks).unwrap_or(u64::MAX);
        let (inner, outer): (Vec<&Ready<'_>>, Vec<&Ready<'_>>) =
            rules.iter().partition(|rule| rule.asked().any(is_inside));
        for rule in outer {
            self.go(rule, None, cells)?;
        }
        let mut done: BTreeMap<usize, u32> = component.iter().map(|table| (*table, 0)).collect();
        for round in 0.. {
            self.run.reader.budget.spend(looks)?;
            let news: BTreeMap<usize, (u32, u32)> = done
                .iter()
                .map(|(table, from)| (*table, (*from, self.tables.len(*table))))
                .collect();
            let is_any_new = news.values().any(|(from, to)| from < to);
            if inner.is_empty() || (round > 0 && !is_any_new) {
                return Ok(());
            }
            if round > QUERY_ROUNDS_MAX {
                return Err(Error::Limit {
                    at: Pointer::root(),
                    what: "the rounds of rules",
                    max: QUERY_ROUNDS_MAX,
                });
            }
            for rule in &inner {
                if rule.nested.iter().any(|table| is_inside(*table)) {
                    self.go(rule, None, cells)?;
                    continue;
                }
                for (at, table) in rule.calls.iter().enumerate() {
                    let range = table.as_ref().and_then(|table| news.get(table));
                    if let Some((from, to)) = range.filter(|(from, to)| from < to) {
                        self.go(rule, Some((at, (*from, *to))), cells)?;
                    }
                }
            }
            done = news
                .into_iter()
                .map(|(table, (_, to))| (table, to))
                .collect();
        }
        Ok(())
    }

    /// Adds what a rule says, of all there is or of one call's range of tuples.
    fn go(
        &mut self,
        rule: &Ready<'_>,
        from: Option<(usize, (u32, u32))>,
        cells: &mut Cells,
    ) -> Result<(), Error> {
        match &rule.how {
            How::Never => Ok(()),
            How::Join { whole, from: plans } => match from {
                None => self.tables.run(whole, None, cells),
                Some((at, range)) => match plans.get(at) {
                    Some(plan) => self.tables.run(plan, Some(range), cells),
                    None => Ok(()),
                },
            },
            How::Solve { head, without } => {
                let found = self.solved(rule, without, from, cells);
                let found = found.map_err(|error| match &rule.of.stored {
                    Some(at) => told_of(error, &rule.of.name, at),
                    None => error,
                })?;
                if rule.of.totals.is_empty() {
                    return self.add(rule.of.table, head, &found);
                }
                let run = Run {
                    variables: &rule.of.variables,
                    ..self.run
                };
                let (head, found) = folded(head, &rule.of.totals, &found, run, cells)?;
                self.add(rule.of.table, &head, &found)
            }
        }
    }

    /// The rows of a body, of all there is or of one call's range of tuples.
    fn solved(
        &self,
        rule: &Ready<'_>,
        without: &[Group],
        from: Option<(usize, (u32, u32))>,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        // The rounds of a rule are no steps of the plan.
        let untold = Trace::default();
        let run = Run {
            variables: &rule.of.variables,
            calls: self,
            trace: &untold,
            ..self.run
        };
        // What is demanded comes first, and is where to begin.
        let (at, range) = match from {
            Some((at, range)) => (at, Some(range)),
            None => (0, None),
        };
        let calls = rule.of.body.parts.first().map(|it| &it.calls);
        // One without variables binds nothing to begin at, and the body is not the same without it.
        let call = calls.and_then(|calls| calls.get(at));
        let call = call.filter(|call| call.vars().next().is_some());
        let table = rule.calls.get(at).copied().flatten();
        let table = table.and_then(|number| Some((number, self.tables.table(number)?)));
        let (Some(call), Some(body), Some((number, table))) = (call, without.get(at), table) else {
            let unit = Relation::unit(&run.reader.memory);
            return solve(&rule.of.body, unit, run, cells);
        };
        let range = range.unwrap_or((0, self.tables.len(number)));
        let places = call.places(run.reader, cells)?;
        let given = rows(table, &self.tables.terms, &places, Of::Range(range), run)?;
        if body.parts.first().is_none_or(is_nothing) {
            return Ok(given);
        }
        solve(body, given, run, cells)
    }

    fn add(&mut self, table: usize, head: &[Place], found: &Relation) -> Result<(), Error> {
        let at: Vec<Option<usize>> = head
            .iter()
            .map(|place| place.var().and_then(|var| found.place(var)))
            .collect();
        let mut tuple = Vec::new();
        for row in found.rows() {
            tuple.clear();
            for (place, at) in head.iter().zip(&at) {
                let cell = match place {
                    Place::Cell(cell) => *cell,
                    _ => at.and_then(|at| row.get(at)).copied().unwrap_or(Cell::NULL),
                };
                if !cell.is_null() {
                    tuple.push(self.tables.terms.number(cell)?);
                }
            }
            // One with a null is none.
            if tuple.len() == head.len() {
                self.tables.add(table, &tuple)?;
            }
        }
        Ok(())
    }
}

impl Calls for Filling<'_> {
    fn rows(
        &self,
        call: &Call,
        solved: &Relation,
        run: Run<'_>,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let number = self.names.get(call.name.as_str());
        let Some(table) = number.and_then(|number| self.tables.table(*number)) else {
            return self.beyond.rows(call, solved, run, cells);
        };
        let places = call.places(run.reader, cells)?;
        rows(table, &self.tables.terms, &places, Of::All(solved), run)
    }
}

/// Whether a body is calls alone and patterns of one time.
fn is_join(part: &Part) -> bool {
    let is_named =
        |it: &super::clause::Clause| matches!(it.verb, Verb::Named(_)) && it.moment().is_none();
    part.patterns.iter().all(is_named)
        && part.unions.is_empty()
        && part.binds.is_empty()
        && part.late_binds.is_empty()
        && part.optionals.is_empty()
        && part.filters.is_empty()
        && part.tests.is_empty()
}

fn is_nothing(part: &Part) -> bool {
    part.patterns.is_empty() && part.calls.is_empty() && is_join(part)
}

/// Which tuples.
#[derive(Clone, Copy)]
enum Of<'o> {
    /// Those of some rows.
    Range((u32, u32)),
    /// All that may join what is solved.
    All(&'o Relation),
}

/// The rows that tuples are of the variables of a call.
fn rows(
    table: &Table,
    terms: &Terms,
    places: &[Place],
    of: Of<'_>,
    run: Run<'_>,
) -> Result<Relation, Error> {
    let mut vars: Vec<Var> = Vec::new();
    for var in places.iter().filter_map(|it| it.var()) {
        if !vars.contains(&var) {
            vars.push(var);
        }
    }
    let is_all = vars.len() == places.len();
    let mut found = Relation::of(vars.clone(), &run.reader.memory);
    let mut row = Vec::new();
    let mut take = |tuple: &[u32]| -> Result<bool, Error> {
        run.reader.budget.spend(1)?;
        row.clear();
        row.resize(vars.len(), Cell::NULL);
        for (place, number) in places.iter().zip(tuple) {
            let cell = terms.cell(*number);
            match place {
                Place::Any => {}
                Place::Cell(named) if *named == cell => {}
                Place::Cell(_) | Place::Nothing => return Ok(false),
                Place::Var(var) => {
                    let at = vars.iter().position(|it| it == var);
                    let Some(slot) = at.and_then(|at| row.get_mut(at)) else {
                        return Ok(false);
                    };
                    if !slot.is_null() && *slot != cell {
                        return Ok(false);
                    }
                    *slot = cell;
                }
            }
        }
        found.push(&row, run.reader.budget)?;
        Ok(true)
    };
    let (from, to) = match of {
        Of::Range(range) => range,
        Of::All(solved) => match keys(table, terms, places, solved) {
            None => (0, table.len()),
            Some((place, numbers)) => {
                for number in numbers {
                    let mut row = table.newest(place, number);
                    while let Some(at) = row {
                        take(table.tuple(at))?;
                        row = table.before(place, at);
                    }
                }
                (0, 0)
            }
        },
    };
    for at in from..to {
        if take(table.tuple(at))? && vars.is_empty() {
            // It holds, and there is nothing more to it.
            break;
        }
    }
    if !is_all {
        found.distinct();
    }
    Ok(found)
}

/// By which place of a table, and which numbers there, what joins is found with less than going through all.
fn keys(
    table: &Table,
    terms: &Terms,
    places: &[Place],
    solved: &Relation,
) -> Option<(usize, Vec<u32>)> {
    let mut best: Option<(usize, Vec<u32>)> = None;
    for (at, place) in places
        .iter()
        .enumerate()
        .filter(|(at, _)| table.is_indexed(*at))
    {
        let cells = match place {
            Place::Cell(cell) => vec![*cell],
            Place::Var(var) if solved.has(*var) => solved.column(*var),
            _ => continue,
        };
        let numbers: Vec<u32> = cells.into_iter().filter_map(|it| terms.known(it)).collect();
        let is_less = best.as_ref().is_none_or(|(_, it)| numbers.len() < it.len());
        if is_less && numbers.len() < size(table.len()) {
            best = Some((at, numbers));
        }
    }
    best
}
