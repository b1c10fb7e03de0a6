//! The analytical query: what clauses bind, as rows.
//!
//! ```json
//! {"select": ["?name", {"?chat": ["message"]}],
//!  "where": [["?person", "person/handle", "?name"], ["?chat", "chat/person", "?person"]],
//!  "vars": {"?name": "ann"}, "opts": {"orderBy": ["DESC", "?name"], "limit": 10}}
//! ```
//!
//! 1. The clauses bind a set of rows, and none of them counts for its place: the answer is the same in any order.
//! 2. `select` tells each row: a variable alone as its value, an array as an array, with `prettyPrint` an object by the
//!    variables' names. `selectDistinct` tells equal ones once, `selectOne` the first, or null.
//! 3. Rows ascend by what is selected, then by all variables in the order of their names. `orderBy` goes before that.

use std::collections::{HashMap, HashSet};

use super::cell::{Cell, Cells};
use super::clause::{Variables, is_variable};
use super::crawl::{Crawl, Keys};
use super::error::Error;
use super::find::too_many_rows;
use super::group::{Group, GroupReader, Vars};
use super::json::Json;
use super::options::Options;
use super::pointer::Pointer;
use super::reader::Reader;
use super::relation::{Relation, Var};
use super::run::Run;
use super::select::{Select, Way, invalid};
use super::solve::solve;
use super::survey::Allowance;
use super::when::When;
use crate::base::limits::{QUERY_ORDERS_MAX, QUERY_ROWS_MAX, QUERY_SELECT_MAX};
use crate::model::SubjectId;

/// A query of clauses that has the right shape.
#[derive(Clone, Debug)]
pub(super) struct Analytical {
    variables: Variables,
    group: Group,
    rows: Rows,
    columns: Vec<Column>,
    is_alone: bool,
    order: Vec<Key>,
    when: Option<When>,
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    All,
    Distinct,
    First,
}

/// One thing told of each row.
#[derive(Clone, Debug)]
struct Column {
    /// Its key with `prettyPrint`: the variable's name, unlike those before it.
    key: String,
    what: What,
    /// What to tell of the subject that it is.
    crawl: Option<Select>,
}

#[derive(Clone, Debug)]
enum What {
    Bound(Var),
    /// What `vars` gives.
    Given(Json),
}

#[derive(Clone, Copy, Debug)]
struct Key {
    var: Var,
    way: Way,
    /// Whether texts that differ only in upper and lower case are alike.
    folds_case: bool,
}

impl Analytical {
    /// Reads a query whose `where` is an array.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong; `Limit` for what is too deep or too long.
    pub(super) fn read(members: &[(String, Json)]) -> Result<Self, Error> {
        let root = Pointer::root();
        let mut variables = Variables::default();
        let member = |key: &str| members.iter().find(|(name, _)| name == key);
        if let Some((key, given)) = member("vars") {
            variables.read_given(given, &root.key(key))?;
        }
        let mut draft = Draft::default();
        for (key, value) in members {
            draft.member(key, value, &root.key(key))?;
        }
        let (rows, at, select) = draft.select.ok_or_else(|| {
            let why = "a query has `select`, `selectOne` or `selectDistinct`";
            invalid(&root, why)
        })?;
        let Some((at_where, items)) = draft.items else {
            return Err(invalid(&root, "a query of clauses has a `where`"));
        };
        let reader = GroupReader::new(&mut variables);
        let group = reader.whole(&items, &at_where, &draft.more)?;
        if let Some(var) = group.scope.needed.iter().next() {
            let why = format!("`{}` is bound by nothing", variables.name(*var));
            return Err(invalid(&group.at, &why));
        }
        let names = Bound {
            variables: &variables,
            vars: &group.scope.possible,
        };
        let (is_alone, columns) = read_columns(&select, &at, &names)?;
        let options = draft.opts.over(draft.top);
        for (key, it) in [("groupBy", &options.groups), ("having", &options.having)] {
            if let Some((at, _)) = it {
                return Err(invalid(at, &format!("`{key}` is not supported yet")));
            }
        }
        let order = match &options.order {
            Some((at, json)) => read_order(json, at, &names)?,
            None => Vec::new(),
        };
        Ok(Self {
            variables,
            group,
            rows,
            columns,
            is_alone,
            order,
            when: draft.when,
            options,
        })
    }

    /// The moment it asks about.
    pub(super) fn when(&self) -> Option<When> {
        self.when
    }

    /// The answer.
    ///
    /// # Errors
    /// As [`solve`]; `Limit` past [`QUERY_ROWS_MAX`].
    pub(super) fn run(&self, reader: &Reader<'_>) -> Result<Json, Error> {
        for column in &self.columns {
            if let Some(select) = &column.crawl {
                select.check(reader.schema)?;
            }
        }
        let mut cells = Cells::default();
        let allowance = Allowance::default();
        let run = Run {
            reader,
            variables: &self.variables,
            allowance: &allowance,
        };
        let given = Relation::unit(&reader.memory);
        let solved = solve(&self.group, given, run, &mut cells)?;
        let rows = self.pick(solved, reader, &cells)?;
        let mut told = Vec::new();
        let crawl = Crawl::new(reader);
        for row in &rows {
            told.push(self.tell(row, &crawl, reader, &cells)?);
        }
        Ok(match self.rows {
            Rows::All | Rows::Distinct => Json::Array(told),
            Rows::First => told.pop().unwrap_or(Json::Null),
        })
    }

    /// The rows of the answer, in its order: what is selected of each.
    fn pick(
        &self,
        solved: Relation,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<Vec<Vec<Cell>>, Error> {
        let places = |vars: &mut dyn Iterator<Item = Var>| -> Vec<usize> {
            vars.filter_map(|var| solved.place(var)).collect()
        };
        let bound = self.columns.iter().filter_map(Column::var);
        let selected = places(&mut bound.into_iter());
        let mut by_name: Vec<Var> = solved.vars().to_vec();
        by_name.sort_by_key(|var| self.variables.name(*var));
        let rest = places(&mut by_name.into_iter());
        // What a sort does on top of what was paid for each row.
        let sorting = solved.len().saturating_mul(solved.vars().len());
        let steps = u64::try_from(sorting).unwrap_or(u64::MAX);
        reader.budget.spend(steps)?;
        let mut columns: Vec<(usize, Ranks)> = Vec::new();
        for key in &self.order {
            let ranks = Ranks::of(&solved.column(key.var), Some(key), cells);
            columns.extend(solved.place(key.var).map(|at| (at, ranks)));
        }
        let mut done = HashSet::new();
        for at in selected.iter().chain(&rest).filter(|at| done.insert(**at)) {
            let column = solved.vars().get(*at).map(|var| solved.column(*var));
            columns.push((*at, Ranks::of(&column.unwrap_or_default(), None, cells)));
        }
        let mut ordered: Vec<&[Cell]> = solved.rows().collect();
        ordered.sort_by_cached_key(|row| {
            let ranks = columns.iter().map(|(at, ranks)| ranks.rank(row.get(*at)));
            ranks.collect::<Vec<usize>>()
        });
        let offset = self.options.offset.unwrap_or(0);
        let limit = match self.rows {
            Rows::First => Some(self.options.limit.unwrap_or(1).min(1)),
            Rows::All | Rows::Distinct => self.options.limit,
        };
        let mut seen = HashSet::new();
        let mut picked = Vec::new();
        let mut skipped = 0;
        for row in ordered {
            if limit.is_some_and(|limit| picked.len() >= limit) {
                break;
            }
            let told: Vec<Cell> = selected
                .iter()
                .filter_map(|at| row.get(*at).copied())
                .collect();
            if self.rows == Rows::Distinct && !seen.insert(told.clone()) {
                continue;
            }
            if skipped < offset {
                skipped += 1;
                continue;
            }
            if picked.len() >= QUERY_ROWS_MAX {
                return Err(too_many_rows());
            }
            picked.push(told);
        }
        Ok(picked)
    }

    fn tell(
        &self,
        row: &[Cell],
        crawl: &Crawl<'_>,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<Json, Error> {
        let mut values = row.iter();
        let mut told = Vec::new();
        for column in &self.columns {
            reader.budget.spend(1)?;
            let json = match &column.what {
                What::Given(json) => json.clone(),
                What::Bound(_) => match (values.next(), &column.crawl) {
                    (None, _) => Json::Null,
                    (Some(cell), None) => cells.json(*cell),
                    (Some(cell), Some(select)) => {
                        self.crawl(*cell, select, crawl, reader, cells)?
                    }
                },
            };
            reader.pay_for(&json)?;
            told.push((column, json));
        }
        if self.options.pretty == Some(true) {
            let members = told.into_iter();
            return Ok(Json::Object(
                members
                    .map(|(column, json)| (column.key.clone(), json))
                    .collect(),
            ));
        }
        let mut told: Vec<Json> = told.into_iter().map(|(_, json)| json).collect();
        Ok(if self.is_alone {
            told.pop().unwrap_or(Json::Null)
        } else {
            Json::Array(told)
        })
    }

    /// What a column tells of a subject; null of what is none.
    fn crawl(
        &self,
        cell: Cell,
        select: &Select,
        crawl: &Crawl<'_>,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<Json, Error> {
        let Some(s) = cells.as_whole(cell).and_then(SubjectId::from_raw) else {
            return Ok(Json::Null);
        };
        let row = reader.row(s)?;
        if row.is_empty() {
            return Ok(Json::Null);
        }
        let keys = match self.options.compact {
            Some(true) => Keys::Compact,
            Some(false) | None => Keys::Written,
        };
        let components = self.options.component.unwrap_or(true);
        crawl.row(s, &row, select, keys, components)
    }
}

impl Column {
    fn var(&self) -> Option<Var> {
        match self.what {
            What::Bound(var) => Some(var),
            What::Given(_) => None,
        }
    }
}

/// Where each cell of a column stands in an order: so that no two are compared more than once, however often they
/// stand in the rows.
struct Ranks(HashMap<Cell, usize>);

impl Ranks {
    fn of(column: &[Cell], key: Option<&Key>, cells: &Cells) -> Self {
        let folded = |cell: Cell| {
            let json = key.filter(|it| it.folds_case).map(|_| cells.json(cell));
            json.and_then(|json| json.as_str().map(str::to_lowercase))
        };
        let mut all: Vec<(Cell, Option<String>)> =
            column.iter().map(|cell| (*cell, folded(*cell))).collect();
        let compare = |a: &(Cell, Option<String>), b: &(Cell, Option<String>)| match (&a.1, &b.1) {
            (Some(a), Some(b)) => a.cmp(b),
            _ => cells.compare(a.0, b.0),
        };
        all.sort_by(|a, b| match key.map(|it| it.way) {
            Some(Way::Down) => compare(b, a),
            Some(Way::Up) | None => compare(a, b),
        });
        let mut ranks = HashMap::new();
        let mut rank = 0;
        let mut last: Option<&(Cell, Option<String>)> = None;
        for it in &all {
            if last.is_some_and(|last| compare(last, it).is_ne()) {
                rank += 1;
            }
            ranks.insert(it.0, rank);
            last = Some(it);
        }
        Self(ranks)
    }

    fn rank(&self, cell: Option<&Cell>) -> usize {
        // A null comes first.
        let rank = cell.and_then(|cell| self.0.get(cell));
        rank.map_or(0, |rank| rank.saturating_add(1))
    }
}

/// A query that is being read.
#[derive(Default)]
struct Draft {
    select: Option<(Rows, Pointer, Json)>,
    items: Option<(Pointer, Vec<Json>)>,
    /// `optional` and `filter` beside the `where`, which are of it.
    more: Vec<(String, Json)>,
    when: Option<When>,
    top: Options,
    opts: Options,
}

impl Draft {
    fn member(&mut self, key: &str, value: &Json, at: &Pointer) -> Result<(), Error> {
        match key {
            "select" | "selectOne" | "selectDistinct" => {
                if self.select.is_some() {
                    let why = "a query has one of `select`, `selectOne` and `selectDistinct`";
                    return Err(invalid(at, why));
                }
                let rows = match key {
                    "selectOne" => Rows::First,
                    "selectDistinct" => Rows::Distinct,
                    _ => Rows::All,
                };
                self.select = Some((rows, at.clone(), value.clone()));
            }
            "where" => {
                let Json::Array(list) = value else {
                    return Err(invalid(at, "a `where` of clauses is an array"));
                };
                self.items = Some((at.clone(), list.clone()));
            }
            "from" => {
                return Err(invalid(
                    at,
                    "clauses say where they begin; there is no `from`",
                ));
            }
            "optional" | "filter" => self.more.push((key.to_owned(), value.clone())),
            "vars" => {}
            "block" => self.when = Some(When::read(value, at)?),
            "opts" => self.opts.read_all(value, at)?,
            _ => self.top.read(key, value, at)?,
        }
        Ok(())
    }
}

/// What is told of each row, and whether it is one thing alone.
fn read_columns(
    json: &Json,
    at: &Pointer,
    names: &Bound<'_>,
) -> Result<(bool, Vec<Column>), Error> {
    let Json::Array(list) = json else {
        let mut columns = Vec::new();
        read_column(json, at, names, &mut columns)?;
        return Ok((true, columns));
    };
    let mut columns = Vec::new();
    for (index, json) in list.iter().enumerate() {
        read_column(json, &at.index(index), names, &mut columns)?;
    }
    if columns.is_empty() {
        return Err(invalid(at, "a query selects something"));
    }
    let mut taken = HashSet::new();
    for column in &mut columns {
        let name = column.key.clone();
        let mut times = 0;
        while !taken.insert(column.key.clone()) {
            times += 1;
            column.key = format!("{name}${times}");
        }
    }
    if columns.len() > QUERY_SELECT_MAX {
        return Err(Error::Limit {
            at: at.clone(),
            what: "what a query selects of each row",
            max: QUERY_SELECT_MAX,
        });
    }
    Ok((false, columns))
}

fn read_column(
    json: &Json,
    at: &Pointer,
    names: &Bound<'_>,
    columns: &mut Vec<Column>,
) -> Result<(), Error> {
    match json {
        Json::String(name) if name.starts_with('(') => {
            Err(invalid(at, "an aggregate is not supported yet"))
        }
        Json::String(name) => {
            columns.push(Column::of(name, None, at, names)?);
            Ok(())
        }
        Json::Object(members) => match members.as_slice() {
            [(name, select)] => {
                let at = at.key(name);
                let select = Select::read(select, &at)?;
                columns.push(Column::of(name, Some(select), &at, names)?);
                Ok(())
            }
            _ => Err(invalid(at, "expected one variable and what to tell of it")),
        },
        _ => Err(invalid(at, "expected a variable, or an object of one")),
    }
}

impl Column {
    fn of(
        name: &str,
        crawl: Option<Select>,
        at: &Pointer,
        names: &Bound<'_>,
    ) -> Result<Self, Error> {
        let what = match (names.var(name, at), names.variables.value(name)) {
            (Ok(var), _) => What::Bound(var),
            (Err(_), Some(json)) if crawl.is_none() && !matches!(json, Json::Array(_)) => {
                What::Given(json.clone())
            }
            (Err(_), Some(_)) => {
                let why = format!(
                    "`{name}` is given by `vars`; bind a subject by a clause to tell of it"
                );
                return Err(invalid(at, &why));
            }
            (Err(error), None) => return Err(error),
        };
        Ok(Self {
            key: name.strip_prefix('?').unwrap_or(name).to_owned(),
            what,
            crawl,
        })
    }
}

/// The variables that a row of the answer may have.
struct Bound<'v> {
    variables: &'v Variables,
    vars: &'v Vars,
}

impl Bound<'_> {
    /// A variable that a clause binds.
    fn var(&self, name: &str, at: &Pointer) -> Result<Var, Error> {
        if !is_variable(name) {
            let why = format!("`{name}` is no variable; one begins with `?`");
            return Err(invalid(at, &why));
        }
        let found = self.variables.find(name);
        let found = found.filter(|var| self.vars.contains(var));
        found.ok_or_else(|| invalid(at, &format!("`{name}` is in no clause")))
    }
}

/// One order, or several.
fn read_order(json: &Json, at: &Pointer, names: &Bound<'_>) -> Result<Vec<Key>, Error> {
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
fn read_key(json: &Json, at: &Pointer, names: &Bound<'_>) -> Result<Option<Key>, Error> {
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
        var: names.var(name, at)?,
        way,
        folds_case,
    }))
}
