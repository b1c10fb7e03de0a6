//! `groupBy` and `having`: rows in groups, and which groups are told.
//!
//! ```json
//! {"select": ["?name", "(sum ?n)"], "groupBy": "?name", "having": "(> (count ?n) 2)", "where": [..]}
//! ```
//!
//! 1. Rows with the same terms in the variables that they are grouped by are one group; nulls are alike here.
//! 2. A group's key is the term as text, or, by an array of variables, the text of the terms as EDN: `["ann" 1]`. Terms
//!    whose texts are alike, as those of `1` and `"1"` are, are told as EDN too, so that no group hides another.
//! 3. `having` tells of aggregates, of what they are told `as`, and of what rows are grouped by. A fault is no.

use std::collections::{HashMap, HashSet};

use super::aggregate::{Aggregate, folded};
use super::cell::{Cell, Cells};
use super::clause::is_variable;
use super::compute::val;
use super::error::Error;
use super::expression::{Asks, Expression, read_tree, symbols};
use super::fold::Folded;
use super::json::Json;
use super::memory::Held;
use super::names::Names;
use super::options::Options;
use super::pointer::Pointer;
use super::reader::Reader;
use super::relation::{Relation, Var};
use super::select::invalid;
use super::selected::Selected;
use crate::base::limits::QUERY_SELECT_MAX;
use crate::lang::{Expr, Kind, Val, print};
use crate::model::Value;

/// How rows are grouped.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    pub(super) vars: Vec<Var>,
    /// Whether its variables stand in an array.
    is_list: bool,
    having: Vec<Having>,
}

/// What must be true of a group.
#[derive(Clone, Debug)]
struct Having {
    expression: Expression,
    /// What its variables are, one after the other.
    arguments: Vec<Argument>,
}

#[derive(Clone, Copy, Debug)]
enum Argument {
    /// The term of this place among those that rows are grouped by.
    Key(usize),
    /// What the aggregate of this number comes to.
    Fold(usize),
}

/// Rows of the same key.
#[derive(Debug)]
pub(super) struct Grouped {
    pub(super) key: Vec<Cell>,
    /// The numbers of its rows, in their order.
    pub(super) rows: Vec<usize>,
    /// What each aggregate comes to in it.
    pub(super) folds: Vec<Folded>,
}

/// What a group takes beside its rows and key.
const BYTES_OF_A_GROUP: usize = 192;

/// What one term of a key takes: it is kept with its group, and to find that by.
const BYTES_OF_A_KEY: usize = 2 * size_of::<Cell>();

impl Grouping {
    /// Reads `groupBy` and `having`.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong; `Limit` for what is too much.
    pub(super) fn read(
        options: &Options,
        columns: &mut Selected,
        names: &mut Names<'_>,
    ) -> Result<Option<Self>, Error> {
        let Some((at, json)) = &options.groups else {
            return match &options.having {
                None => Ok(None),
                Some((at, _)) => Err(invalid(at, "`having` is of groups: it needs a `groupBy`")),
            };
        };
        let (list, is_list) = match json {
            Json::Array(list) => (list.as_slice(), true),
            one => (std::slice::from_ref(one), false),
        };
        if list.len() > QUERY_SELECT_MAX {
            return Err(Error::Limit {
                at: at.clone(),
                what: "what the rows of a query are grouped by",
                max: QUERY_SELECT_MAX,
            });
        }
        let mut vars = Vec::new();
        for (index, json) in list.iter().enumerate() {
            let at = if is_list { at.index(index) } else { at.clone() };
            let Json::String(name) = json else {
                return Err(invalid(&at, "`groupBy` is a variable, or an array of them"));
            };
            vars.push(names.var(name, &at)?);
        }
        if vars.is_empty() {
            return Err(invalid(at, "`groupBy` is a variable, or an array of them"));
        }
        let mut grouping = Self {
            vars,
            is_list,
            having: Vec::new(),
        };
        if let Some((at, json)) = &options.having {
            grouping.read_having(json, at, columns, names)?;
        }
        Ok(Some(grouping))
    }

    fn read_having(
        &mut self,
        json: &Json,
        at: &Pointer,
        columns: &mut Selected,
        names: &mut Names<'_>,
    ) -> Result<(), Error> {
        let (list, is_list) = match json {
            Json::Array(list) => (list.as_slice(), true),
            one => (std::slice::from_ref(one), false),
        };
        for (index, json) in list.iter().enumerate() {
            let at = if is_list { at.index(index) } else { at.clone() };
            let Some(text) = json.as_str() else {
                let why = "`having` is a text such as `(> (count ?x) 2)`, or an array of them";
                return Err(invalid(&at, why));
            };
            let having = self.read_one(text, &at, columns, names)?;
            let nodes = having.expression.node_count();
            names.variables.count_nodes(nodes, &at)?;
            self.having.push(having);
        }
        Ok(())
    }

    fn read_one(
        &self,
        text: &str,
        at: &Pointer,
        columns: &mut Selected,
        names: &mut Names<'_>,
    ) -> Result<Having, Error> {
        let tree = read_tree(text, at)?;
        let mut taken = Vec::new();
        symbols(&tree, &mut taken);
        let mut reading = Reading {
            at,
            columns,
            taken,
            folds: Vec::new(),
        };
        let tree = reading.without_aggregates(&tree, names)?;
        let folds = reading.folds;
        let expression = Expression::of(&tree, text, Asks::Truth, at, names.variables)?;
        let mut arguments = Vec::new();
        for var in &expression.vars {
            let name = names.variables.name(*var);
            let made = folds.iter().find(|(it, _)| it == name);
            let fold = made.map(|(_, number)| *number).or(names.fold(name));
            let key = self.vars.iter().position(|it| it == var);
            let argument = match (fold, key) {
                (Some(number), _) => {
                    let fold = columns.folds.get(number);
                    if fold.is_some_and(|it| it.most.is_some()) {
                        let why = format!("`{name}` is a list, of which `having` cannot tell");
                        return Err(invalid(at, &why));
                    }
                    Argument::Fold(number)
                }
                (None, Some(place)) => Argument::Key(place),
                (None, None) => {
                    let why = format!(
                        "`{name}` is nothing that a group has: neither an aggregate nor what rows are grouped by"
                    );
                    return Err(invalid(at, &why));
                }
            };
            arguments.push(argument);
        }
        Ok(Having {
            expression,
            arguments,
        })
    }

    /// The rows in groups, which stand in the order of their first rows.
    ///
    /// # Errors
    /// `Limit` past the memory of a query; as the budget is spent.
    pub(super) fn groups(
        &self,
        solved: &Relation,
        order: Vec<usize>,
        reader: &Reader<'_>,
        held: &mut Held,
    ) -> Result<Vec<Grouped>, Error> {
        let places: Vec<Option<usize>> = self.vars.iter().map(|var| solved.place(*var)).collect();
        let mut places_of_keys: HashMap<Vec<Cell>, usize> = HashMap::new();
        let mut groups: Vec<Grouped> = Vec::new();
        let mut key = Vec::new();
        let steps = u64::try_from(places.len()).unwrap_or(u64::MAX);
        let bytes = places.len().saturating_mul(BYTES_OF_A_KEY);
        for number in order {
            reader.budget.spend(steps)?;
            let row = solved.row(number);
            key.clear();
            let cell = |at: &Option<usize>| at.and_then(|at| row.get(at)).copied();
            key.extend(places.iter().map(|at| cell(at).unwrap_or(Cell::NULL)));
            let known = places_of_keys.get(key.as_slice());
            if let Some(group) = known.and_then(|place| groups.get_mut(*place)) {
                group.rows.push(number);
                continue;
            }
            held.add(BYTES_OF_A_GROUP.saturating_add(bytes))?;
            places_of_keys.insert(key.clone(), groups.len());
            groups.push(Grouped {
                key: key.clone(),
                rows: vec![number],
                folds: Vec::new(),
            });
        }
        Ok(groups)
    }

    /// The keys of groups, one row a group.
    ///
    /// # Errors
    /// As [`Relation::push`].
    pub(super) fn keys_of(
        &self,
        groups: &[Grouped],
        reader: &Reader<'_>,
    ) -> Result<Relation, Error> {
        let mut vars = Vec::new();
        let mut places = Vec::new();
        for (place, var) in self.vars.iter().enumerate() {
            if !vars.contains(var) {
                vars.push(*var);
                places.push(place);
            }
        }
        let mut keys = Relation::of(vars, &reader.memory);
        for group in groups {
            let cells = places.iter().filter_map(|at| group.key.get(*at).copied());
            keys.push(&cells.collect::<Vec<Cell>>(), reader.budget)?;
        }
        Ok(keys)
    }

    /// Whether a group is told.
    ///
    /// # Errors
    /// As the budget is spent.
    pub(super) fn keeps(
        &self,
        group: &Grouped,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<bool, Error> {
        for having in &self.having {
            let arguments = having.arguments.iter().map(|argument| match argument {
                Argument::Key(place) => group.key.get(*place).copied(),
                Argument::Fold(number) => match group.folds.get(*number) {
                    Some(Folded::One(cell)) => Some(*cell),
                    Some(Folded::Many(_)) | None => None,
                },
            });
            let arguments: Vec<Val> = arguments
                .map(|cell| cell.map_or(Val::Nil, |cell| val(cell, cells)))
                .collect();
            let value = having
                .expression
                .value(&arguments, reader.asked, reader.budget)?;
            if !matches!(value, Some(Val::Bool(true))) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The texts that groups are told under, each another.
    ///
    /// # Errors
    /// As the budget is spent.
    pub(super) fn keys(
        &self,
        groups: &[Grouped],
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        for group in groups {
            // Before it is made: a text may stand in it many times.
            for cell in &group.key {
                reader.budget.spend(1)?;
                reader.pay_for(&cells.json(*cell))?;
            }
            keys.push(match (self.is_list, group.key.as_slice()) {
                (false, [one]) => match cells.json(*one) {
                    Json::String(text) => text,
                    json => json.write(),
                },
                (_, key) => edn_list(key, cells),
            });
        }
        if self.is_list {
            return Ok(keys);
        }
        // An EDN text may be alike to another's plain text in its turn, but no two of them are alike.
        loop {
            let mut seen = HashSet::new();
            let alike: HashSet<String> = keys
                .iter()
                .filter(|key| !seen.insert(key.as_str()))
                .cloned()
                .collect();
            if alike.is_empty() {
                return Ok(keys);
            }
            for (key, group) in keys.iter_mut().zip(groups) {
                reader.budget.spend(1)?;
                if alike.contains(key) {
                    let one = group.key.first().copied();
                    *key = print(&edn(one.unwrap_or(Cell::NULL), cells));
                }
            }
        }
    }
}

fn edn_list(key: &[Cell], cells: &Cells) -> String {
    let items = key.iter().map(|cell| edn(*cell, cells)).collect();
    print(&Expr {
        at: 0,
        kind: Kind::Vector(items),
    })
}

/// A term as EDN has it.
fn edn(cell: Cell, cells: &Cells) -> Expr {
    let kind = match cells.told(cell) {
        Some(Value::Boolean(it)) => Kind::Bool(it),
        Some(Value::Int(it)) => Kind::Int(it),
        Some(Value::Double(it)) => Kind::Double(it),
        Some(Value::Decimal(it)) => Kind::Decimal(it),
        Some(_) => Kind::String(cells.json(cell).as_str().unwrap_or_default().to_owned()),
        None => Kind::Nil,
    };
    Expr { at: 0, kind }
}

/// A `having` that is being read.
struct Reading<'r> {
    at: &'r Pointer,
    columns: &'r mut Selected,
    /// Variables that it has already.
    taken: Vec<String>,
    /// The variables that stand for aggregates.
    folds: Vec<(String, usize)>,
}

impl Reading<'_> {
    /// The tree with a variable for each aggregate in it.
    fn without_aggregates(&mut self, tree: &Expr, names: &Names<'_>) -> Result<Expr, Error> {
        let (Kind::List(items) | Kind::Vector(items)) = &tree.kind else {
            return Ok(tree.clone());
        };
        let is_of_rows =
            |name: &str| names.fold(name).is_none() && names.var(name, self.at).is_ok();
        if folded(tree).is_some_and(is_of_rows) {
            let aggregate = Aggregate::read(tree, self.at, |name| names.var(name, self.at))?;
            let number = self.columns.fold(aggregate)?;
            let kind = Kind::Symbol(self.variable(number));
            return Ok(Expr { at: tree.at, kind });
        }
        let items = items.iter().map(|it| self.without_aggregates(it, names));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let kind = match &tree.kind {
            Kind::Vector(_) => Kind::Vector(items),
            _ => Kind::List(items),
        };
        Ok(Expr { at: tree.at, kind })
    }

    /// A variable for an aggregate, that the text has nowhere.
    fn variable(&mut self, number: usize) -> String {
        if let Some((name, _)) = self.folds.iter().find(|(_, it)| *it == number) {
            return name.clone();
        }
        let mut name = format!("?.{number}");
        while self.taken.contains(&name) {
            name.push('.');
        }
        debug_assert!(is_variable(&name));
        self.folds.push((name.clone(), number));
        name
    }
}
