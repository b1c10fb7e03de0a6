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
//! 3. Aggregates fold the whole set of rows, or each group of `groupBy`; alone they are the one row of it.
//! 4. Rows ascend by what is selected, then by all variables in the order of their names. `orderBy` goes before that.

use std::collections::HashSet;

use super::cell::{Cell, Cells};
use super::clause::Variables;
use super::compute;
use super::crawl::{Crawl, Keys};
use super::error::Error;
use super::find::too_many_rows;
use super::fold::{Folded, Folding};
use super::group::{Group, Vars};
use super::group_reader::GroupReader;
use super::grouping::{Grouped, Grouping};
use super::json::Json;
use super::memory::Held;
use super::moments::moments;
use super::names::Names;
use super::options::Options;
use super::order::{By, Key, Ranks, distinct, ordered, read_order};
use super::pointer::Pointer;
use super::program::Program;
use super::reader::Reader;
use super::rehearse::rehearse;
use super::relation::{Relation, Var};
use super::rule::{Rule, read_rules};
use super::run::Run;
use super::select::{Select, invalid};
use super::selected::{Selected, What};
use super::solve::solve;
use super::survey::Allowance;
use super::trace::Trace;
use super::when::{Moment, When};
use crate::base::limits::QUERY_ROWS_MAX;
use crate::model::SubjectId;

/// A query of clauses that has the right shape.
#[derive(Clone, Debug)]
pub(super) struct Analytical {
    variables: Variables,
    group: Group,
    rules: Vec<Rule>,
    rows: Rows,
    columns: Selected,
    order: Vec<Key>,
    grouping: Option<Grouping>,
    when: Option<When>,
    moments: Vec<Moment>,
    options: Options,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    All,
    Distinct,
    First,
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
        let rules = match &draft.rules {
            Some((at, json)) => read_rules(json, at, &variables)?,
            None => Vec::new(),
        };
        let reader = GroupReader::new(&mut variables);
        let group = reader.whole(&items, &at_where, &draft.more)?;
        if let Some(var) = group.scope.needed.iter().next() {
            let why = format!("`{}` is bound by nothing", variables.name(*var));
            return Err(invalid(&group.at, &why));
        }
        let moments = moments(rules.iter().map(|rule| &rule.body).chain([&group]))?;
        let mut names = Names {
            vars: group.scope.possible.clone(),
            variables: &mut variables,
            folds: Vec::new(),
        };
        let mut columns = Selected::read(&select, &at, &mut names)?;
        let options = draft.opts.over(draft.top);
        let grouping = Grouping::read(&options, &mut columns, &mut names)?;
        let order = match &options.order {
            Some((at, json)) => read_order(json, at, &names)?,
            None => Vec::new(),
        };
        Ok(Self {
            variables,
            group,
            rules,
            rows,
            columns,
            order,
            grouping,
            when: draft.when,
            moments,
            options,
        })
    }

    /// The moment it asks about.
    pub(super) fn when(&self) -> Option<When> {
        self.when
    }

    /// The times that clauses have of their own, each once.
    pub(super) fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// The answer.
    ///
    /// # Errors
    /// As [`solve`]; `Limit` past [`QUERY_ROWS_MAX`].
    pub(super) fn run(
        &self,
        reader: &Reader<'_>,
        moments: &[(When, Reader<'_>)],
    ) -> Result<Json, Error> {
        for column in &self.columns.all {
            if let Some(select) = &column.crawl {
                select.check(reader.schema)?;
            }
        }
        let mut cells = Cells::default();
        let (allowance, nothing) = (Allowance::default(), Program::default());
        let is_explained = self.options.explain == Some(true);
        let trace = if is_explained {
            Trace::new(reader.asked.counts)
        } else {
            Trace::default()
        };
        let run = Run {
            reader,
            moments,
            variables: &self.variables,
            allowance: &allowance,
            trace: &trace,
            calls: &nothing,
        };
        let program = Program::new(&self.rules, &self.group, run, &mut cells)?;
        let run = Run {
            calls: &program,
            ..run
        };
        rehearse(&self.group, &Vars::new(), run, &mut cells)?;
        let given = Relation::unit(&reader.memory);
        let mut solved = solve(&self.group, given, run, &mut cells)?;
        for (var, expression) in &self.columns.computed {
            solved = compute::bind(*var, expression, solved, reader, &mut cells)?;
        }
        let mut held = reader.memory.hold_nothing();
        let groups = self.groups(&solved, reader, &mut held, &mut cells)?;
        let telling = Telling {
            query: self,
            solved: &solved,
            reader,
            cells: &cells,
            crawl: Crawl::new(reader),
            are_folded: self.columns.are_folded(),
            places: self.columns.vars().map(|var| solved.place(var)).collect(),
        };
        let answer = telling.answer(&groups)?;
        Ok(if is_explained {
            trace.told(reader.budget.spent())
        } else {
            answer
        })
    }

    /// The rows in their order and in their groups, with what the aggregates come to; one group, if there is no
    /// `groupBy`.
    fn groups(
        &self,
        solved: &Relation,
        reader: &Reader<'_>,
        held: &mut Held,
        cells: &mut Cells,
    ) -> Result<Vec<Grouped>, Error> {
        let variables = &self.variables;
        let mut then: Vec<Var> = Vec::new();
        then.extend(self.grouping.iter().flat_map(|it| &it.vars));
        then.extend(self.columns.vars());
        let order = if self.rows_need_no_order() {
            (0..solved.len()).collect()
        } else {
            ordered(solved, &self.order, &then, variables, reader, cells)?
        };
        let mut groups = match &self.grouping {
            Some(grouping) => grouping.groups(solved, order, reader, held)?,
            None => vec![Grouped {
                key: Vec::new(),
                rows: order,
                folds: Vec::new(),
            }],
        };
        if let Some(grouping) = self.grouping.as_ref().filter(|_| self.rows_need_no_order()) {
            let keys = grouping.keys_of(&groups, reader)?;
            let order = ordered(&keys, &self.order, &then, variables, reader, cells)?;
            let mut unordered: Vec<Option<Grouped>> = groups.into_iter().map(Some).collect();
            let next = |number: &usize| unordered.get_mut(*number).and_then(Option::take);
            groups = order.iter().filter_map(next).collect();
        }
        let folding = Folding { reader, variables };
        for aggregate in &self.columns.folds {
            let seed = aggregate.seed(reader);
            let place = solved.place(aggregate.var);
            for group in &mut groups {
                let rows = group.rows.iter().map(|number| solved.row(*number));
                let column = rows.filter_map(|row| place.and_then(|at| row.get(at)).copied());
                let folded = aggregate.fold(column, &seed, &folding, cells)?;
                held.add(size_of::<Folded>())?;
                group.folds.push(folded);
            }
        }
        if let Some(grouping) = &self.grouping {
            let mut kept = Vec::new();
            for group in groups {
                if grouping.keeps(&group, reader, cells)? {
                    kept.push(group);
                }
            }
            groups = kept;
            self.order_groups(&mut groups, solved, reader, cells)?;
        }
        Ok(groups)
    }

    /// Whether nothing that is told depends on the order of single rows: then groups are ordered, which are fewer.
    fn rows_need_no_order(&self) -> bool {
        let vars = self.grouping.iter().flat_map(|it| &it.vars);
        let is_of_groups = |key: &Key| match key.by {
            By::Row(var) => self.grouping.is_none() || vars.clone().any(|it| *it == var),
            By::Fold(_) => true,
        };
        self.columns.are_folded()
            && !self.columns.folds.iter().any(|it| it.fold.sees_order())
            && self.order.iter().all(is_of_groups)
    }

    /// Puts groups in the order of what their aggregates come to, where that is asked for.
    fn order_groups(
        &self,
        groups: &mut Vec<Grouped>,
        solved: &Relation,
        reader: &Reader<'_>,
        cells: &Cells,
    ) -> Result<(), Error> {
        if !self.order.iter().any(|key| matches!(key.by, By::Fold(_))) {
            return Ok(());
        }
        let steps = groups.len().saturating_mul(self.order.len());
        reader
            .budget
            .spend(u64::try_from(steps).unwrap_or(u64::MAX))?;
        let cell = |group: &Grouped, key: &Key| match key.by {
            By::Row(var) => {
                let row = group.rows.first().map(|number| solved.row(*number));
                let place = solved.place(var);
                row.zip(place).and_then(|(row, at)| row.get(at)).copied()
            }
            By::Fold(number) => match group.folds.get(number) {
                Some(Folded::One(cell)) => Some(*cell),
                Some(Folded::Many(_)) | None => None,
            },
        };
        let mut held = reader.memory.hold_nothing();
        held.add(steps.saturating_mul(BYTES_OF_AN_ORDERED_GROUP))?;
        let mut keyed: Vec<(Vec<i64>, Grouped)> = std::mem::take(groups)
            .into_iter()
            .map(|group| (Vec::new(), group))
            .collect();
        for key in &self.order {
            let column = keyed.iter().filter_map(|(_, group)| cell(group, key));
            let ranks = Ranks::of(distinct(column), key, &mut held, cells)?;
            for (ranked, group) in &mut keyed {
                ranked.push(ranks.rank(cell(group, key).as_ref()));
            }
        }
        keyed.sort_by(|a, b| a.0.cmp(&b.0));
        groups.extend(keyed.into_iter().map(|(_, group)| group));
        Ok(())
    }
}

/// The rows of an answer, being told.
struct Telling<'t> {
    query: &'t Analytical,
    solved: &'t Relation,
    reader: &'t Reader<'t>,
    cells: &'t Cells,
    crawl: Crawl<'t>,
    /// Whether nothing of any one row is told.
    are_folded: bool,
    /// Where the variables that are told stand in a row, one after the other.
    places: Vec<Option<usize>>,
}

/// What a group takes for each thing that groups are ordered by.
const BYTES_OF_AN_ORDERED_GROUP: usize = 32;

/// What a row that was told takes, to know it again, beside its cells.
const BYTES_OF_A_TOLD_ROW: usize = 64;

/// Which of the rows to come are told.
struct Page {
    skip: usize,
    left: Option<usize>,
    told: usize,
}

impl Page {
    fn is_over(&self) -> bool {
        self.left == Some(0)
    }

    /// Whether the next row is told.
    fn takes_next(&mut self) -> Result<bool, Error> {
        if self.is_over() {
            return Ok(false);
        }
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
            return Ok(false);
        }
        if self.told >= QUERY_ROWS_MAX {
            return Err(too_many_rows());
        }
        self.told = self.told.saturating_add(1);
        self.left = self.left.map(|left| left.saturating_sub(1));
        Ok(true)
    }
}

impl Telling<'_> {
    fn answer(&self, groups: &[Grouped]) -> Result<Json, Error> {
        let options = &self.query.options;
        let mut page = Page {
            skip: options.offset.unwrap_or(0),
            left: match self.query.rows {
                Rows::First => Some(options.limit.unwrap_or(1).min(1)),
                Rows::All | Rows::Distinct => options.limit,
            },
            told: 0,
        };
        let are_folded = self.are_folded;
        if let Some(grouping) = &self.query.grouping {
            let keys = grouping.keys(groups, self.reader, self.cells)?;
            let mut members = Vec::new();
            for (key, group) in keys.into_iter().zip(groups) {
                let mut rows = self.rows(group, &mut page)?;
                let told = match (are_folded, rows.is_empty()) {
                    (_, true) => continue,
                    (true, false) => rows.pop().unwrap_or(Json::Null),
                    (false, false) => Json::Array(rows),
                };
                members.push((key, told));
            }
            return Ok(Json::Object(members));
        }
        let mut told = Vec::new();
        for group in groups {
            told.extend(self.rows(group, &mut page)?);
        }
        let is_one = are_folded || self.query.rows == Rows::First;
        Ok(if is_one {
            told.pop().unwrap_or(Json::Null)
        } else {
            Json::Array(told)
        })
    }

    /// What is told of the rows of a group: one row, if it is what they come to.
    fn rows(&self, group: &Grouped, page: &mut Page) -> Result<Vec<Json>, Error> {
        let mut told = Vec::new();
        if self.are_folded {
            if page.takes_next()? {
                told.push(self.tell(&[], group)?);
            }
            return Ok(told);
        }
        let mut seen = HashSet::new();
        let mut held = self.reader.memory.hold_nothing();
        for number in &group.rows {
            if page.is_over() {
                break;
            }
            self.reader.budget.spend(1)?;
            let row = self.solved.row(*number);
            if self.query.rows == Rows::Distinct {
                // As wide as what is selected, and not only as the row is.
                let width = u64::try_from(self.places.len()).unwrap_or(u64::MAX);
                self.reader.budget.spend(width)?;
                let cells = self.places.iter().map(|at| at.and_then(|at| row.get(at)));
                if !seen.insert(cells.collect::<Vec<Option<&Cell>>>()) {
                    continue;
                }
                let bytes = self.places.len().saturating_mul(size_of::<Cell>());
                held.add(bytes.saturating_add(BYTES_OF_A_TOLD_ROW))?;
            }
            if page.takes_next()? {
                told.push(self.tell(row, group)?);
            }
        }
        Ok(told)
    }

    fn tell(&self, row: &[Cell], group: &Grouped) -> Result<Json, Error> {
        let columns = &self.query.columns;
        let mut told = Vec::new();
        let mut places = self.places.iter();
        for column in &columns.all {
            self.reader.budget.spend(1)?;
            let json = match &column.what {
                What::Given(json) => {
                    self.reader.pay_for(json)?;
                    Json::clone(json)
                }
                What::Fold(number) => match group.folds.get(*number) {
                    Some(Folded::One(cell)) => self.paid(self.cells.json(*cell))?,
                    Some(Folded::Many(many)) => {
                        let mut list = Vec::new();
                        for cell in many {
                            self.reader.budget.spend(2)?;
                            list.push(self.paid(self.cells.json(*cell))?);
                        }
                        Json::Array(list)
                    }
                    None => Json::Null,
                },
                What::Bound(_) => {
                    let place = places.next().copied().flatten();
                    let cell = place.and_then(|at| row.get(at));
                    let cell = cell.copied().unwrap_or(Cell::NULL);
                    match &column.crawl {
                        None => self.paid(self.cells.json(cell))?,
                        Some(select) => self.crawl(cell, select)?,
                    }
                }
            };
            told.push((column, json));
        }
        if self.query.options.pretty == Some(true) {
            for (column, _) in &told {
                self.reader.pay_for_key(&column.key)?;
            }
            let members = told.into_iter();
            let members = members.map(|(column, json)| (column.key.clone(), json));
            return Ok(Json::Object(members.collect()));
        }
        let mut told: Vec<Json> = told.into_iter().map(|(_, json)| json).collect();
        Ok(if columns.is_alone {
            told.pop().unwrap_or(Json::Null)
        } else {
            Json::Array(told)
        })
    }

    fn paid(&self, json: Json) -> Result<Json, Error> {
        self.reader.pay_for(&json)?;
        Ok(json)
    }

    /// What a column tells of a subject; null of what is none.
    fn crawl(&self, cell: Cell, select: &Select) -> Result<Json, Error> {
        let Some(s) = self.cells.as_whole(cell).and_then(SubjectId::from_raw) else {
            return Ok(Json::Null);
        };
        let row = self.reader.row(s)?;
        if row.is_empty() {
            return Ok(Json::Null);
        }
        let options = &self.query.options;
        let keys = match options.compact {
            Some(true) => Keys::Compact,
            Some(false) | None => Keys::Written,
        };
        let components = options.component.unwrap_or(true);
        self.crawl.row(s, &row, select, keys, components)
    }
}

/// A query that is being read.
#[derive(Default)]
struct Draft {
    select: Option<(Rows, Pointer, Json)>,
    rules: Option<(Pointer, Json)>,
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
            "rules" => self.rules = Some((at.clone(), value.clone())),
            "block" => self.when = Some(When::read(value, at)?),
            "opts" => self.opts.read_all(value, at)?,
            _ => self.top.read(key, value, at)?,
        }
        Ok(())
    }
}
