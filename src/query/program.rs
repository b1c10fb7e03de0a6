//! The rules that a query can call: its own, and stored ones.
//!
//! 1. A name is looked up among the query's own rules, and then among the functions that the facts show whose language
//!    is `datalog`: whoever does not see one does not have it.
//! 2. A call is answered for what is bound where it stands. What must be known whole is found once and kept.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::arms::spread;
use super::call::Call;
use super::cell::{Cell, Cells};
use super::demand::rewrite;
use super::error::Error;
use super::fixpoint::{Answer, answer};
use super::group::{Group, Vars};
use super::place::Place;
use super::pointer::Pointer;
use super::rehearse::rehearse;
use super::relation::{Relation, Var};
use super::rule::{Asks, Rule, asks, check_arguments};
use super::run::{Calls, Run};
use super::select::invalid;
use super::stored::{stored, told_of};
use super::stratum::Rules;
use crate::base::limits::{QUERY_EXPRESSION_NODES_MAX, QUERY_RULE_ITEMS_MAX, QUERY_RULES_MAX};

/// Rules, and what of them has been found.
#[derive(Default)]
pub(super) struct Program {
    rules: Rules,
    whole: RefCell<BTreeMap<String, Rc<Answer>>>,
}

impl Program {
    /// The rules that a group and a query's own rules ask for.
    ///
    /// # Errors
    /// `InvalidQuery` for a call of a rule that is not there or has other arguments, and for rules that go in a circle
    /// or name what the schema does not have.
    pub(super) fn new(
        own: &[Rule],
        group: &Group,
        run: Run<'_>,
        cells: &mut Cells,
    ) -> Result<Self, Error> {
        let mut asked = Vec::new();
        asks(group, Asks::Joins, &mut asked);
        if own.is_empty() && asked.is_empty() {
            return Ok(Self::default());
        }
        let mut all = own.to_vec();
        let mut widths: BTreeMap<String, usize> = BTreeMap::new();
        for rule in own {
            widths.insert(rule.name.clone(), rule.head.len());
        }
        let mut calls: VecDeque<(Pointer, Call)> = asked
            .into_iter()
            .chain(own.iter().flat_map(Rule::asks))
            .map(|(call, _)| (call.at.clone(), call.clone()))
            .collect();
        let read = |rules: &[Rule]| rules.last().map_or(0, |it| it.variables.node_count());
        let mut nodes = run.variables.node_count().saturating_add(read(own));
        while let Some((at, call)) = calls.pop_front() {
            if !widths.contains_key(&call.name) {
                let found = stored(&call.name, &at, run.reader)?;
                nodes = nodes.saturating_add(read(&found));
                for rule in &found {
                    widths.insert(rule.name.clone(), rule.head.len());
                    let asks = rule.asks().into_iter();
                    calls.extend(asks.map(|(call, _)| (at.clone(), call.clone())));
                }
                all.extend(found);
            }
            check_so_many(&all, nodes, &at)?;
            let Some(width) = widths.get(&call.name) else {
                let why = format!("there is no rule `{}`", call.name);
                return Err(invalid(&at, &why));
            };
            check_arguments(&call.name, call.arguments.len(), *width, &at)?;
        }
        Rules::new(all.clone())?;
        for rule in &all {
            // A rule begins by itself: what is bound where it is called depends on what comes first there.
            let of_rule = Run {
                variables: &rule.variables,
                ..run
            };
            let checked = rehearse(&rule.body, &Vars::new(), of_rule, cells);
            checked.map_err(|error| match &rule.stored {
                Some(at) => told_of(error, &rule.name, at),
                None => error,
            })?;
        }
        let rules = Rules::new(all.into_iter().flat_map(spread).collect())?;
        Ok(Self {
            rules,
            whole: RefCell::default(),
        })
    }

    /// All that a name holds for.
    fn whole(
        &self,
        name: &str,
        width: usize,
        run: Run<'_>,
        cells: &mut Cells,
    ) -> Result<Rc<Answer>, Error> {
        if let Some(known) = self.whole.borrow().get(name) {
            return Ok(Rc::clone(known));
        }
        let rewritten = rewrite(&self.rules, name, &vec![false; width], run.reader)?;
        let mut found = answer(&rewritten, &[], &Whole(self), run, cells)?;
        // Many may ask for it.
        found.index()?;
        let found = Rc::new(found);
        self.whole
            .borrow_mut()
            .insert(name.to_owned(), Rc::clone(&found));
        Ok(found)
    }

    fn width(&self, name: &str) -> usize {
        self.rules
            .of(name)
            .first()
            .map_or(0, |rule| rule.head.len())
    }
}

impl Calls for Program {
    fn rows(
        &self,
        call: &Call,
        solved: &Relation,
        run: Run<'_>,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let places = call.places(run.reader, cells)?;
        if solved.is_empty() || places.contains(&Place::Nothing) {
            return Ok(Relation::of(distinct_vars(&places), &run.reader.memory));
        }
        for name in self.rules.whole_below(&call.name) {
            self.whole(&name, self.width(&name), run, cells)?;
        }
        let is_bound = |place: &Place| match place {
            Place::Cell(_) => true,
            Place::Var(var) => solved.has(*var),
            Place::Any | Place::Nothing => false,
        };
        let bound: Vec<bool> = places.iter().map(is_bound).collect();
        let is_known = self.whole.borrow().contains_key(&call.name);
        if is_known || !bound.contains(&true) {
            let found = self.whole(&call.name, places.len(), run, cells)?;
            return found.rows(&places, solved, run);
        }
        let demanded = demanded(&places, &bound, solved, run)?;
        let rewritten = rewrite(&self.rules, &call.name, &bound, run.reader)?;
        let found = answer(&rewritten, &demanded, &Whole(self), run, cells)?;
        found.rows(&places, solved, run)
    }
}

/// Rules of which a call is answered by all that they hold for.
struct Whole<'p>(&'p Program);

impl Calls for Whole<'_> {
    fn rows(
        &self,
        call: &Call,
        solved: &Relation,
        run: Run<'_>,
        cells: &mut Cells,
    ) -> Result<Relation, Error> {
        let places = call.places(run.reader, cells)?;
        let found = self.0.whole(&call.name, places.len(), run, cells)?;
        found.rows(&places, solved, run)
    }
}

/// What is bound at the places that are, each tuple once.
fn demanded(
    places: &[Place],
    bound: &[bool],
    solved: &Relation,
    run: Run<'_>,
) -> Result<Vec<Vec<Cell>>, Error> {
    let chosen = places.iter().zip(bound).filter(|(_, is)| **is);
    let chosen: Vec<Place> = chosen.map(|(place, _)| *place).collect();
    let vars = distinct_vars(&chosen);
    let seeds = solved.project(&vars, run.reader.budget)?;
    let mut tuples = Vec::new();
    for row in seeds.rows() {
        let cell = |place: &Place| match place {
            Place::Cell(cell) => Some(*cell),
            Place::Var(var) => seeds.place(*var).and_then(|at| row.get(at)).copied(),
            Place::Any | Place::Nothing => None,
        };
        let tuple: Vec<Cell> = chosen.iter().filter_map(cell).collect();
        // A null joins nothing.
        if !tuple.iter().any(|cell| cell.is_null()) {
            tuples.push(tuple);
        }
    }
    Ok(tuples)
}

fn distinct_vars(places: &[Place]) -> Vec<Var> {
    let mut seen = BTreeSet::new();
    let vars = places.iter().filter_map(|place| place.var());
    vars.filter(|var| seen.insert(*var)).collect()
}

/// That stored rules do not come to more than a query may have of its own.
fn check_so_many(rules: &[Rule], nodes: usize, at: &Pointer) -> Result<(), Error> {
    let items = rules.iter().map(|rule| rule.items).sum::<usize>();
    for (count, what, max) in [
        (rules.len(), "the rules of a query", QUERY_RULES_MAX),
        (items, "the items of all rules", QUERY_RULE_ITEMS_MAX),
        (
            nodes,
            "the nodes of a query's expressions",
            QUERY_EXPRESSION_NODES_MAX,
        ),
    ] {
        if count > max {
            let at = at.clone();
            return Err(Error::Limit { at, what, max });
        }
    }
    Ok(())
}
