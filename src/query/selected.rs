//! What is told of each row: the columns under `select`.
//!
//! ```text
//! select = column | [ column, .. ]
//! column = "?name" | { "?name": crawl } | "(sum ?n)" | "(abs ?n)" | "(as (sum ?n) ?total)"
//! ```
//!
//! `abs`, `ceil`, `floor` and `str` are of each row; the other functions are aggregates, of all rows or of a group.

use std::collections::HashSet;
use std::sync::Arc;

use super::aggregate::{Aggregate, symbol};
use super::clause::is_variable;
use super::error::Error;
use super::expression::{Asks, Expression, read_tree};
use super::json::Json;
use super::names::Names;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::{Select, invalid};
use crate::base::limits::QUERY_SELECT_MAX;
use crate::lang::{Expr, Kind};

/// What is told of each row.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    pub(super) all: Vec<Column>,
    /// Whether it is one thing alone, and no array.
    pub(super) is_alone: bool,
    /// The aggregates that columns, orders and `having` ask for.
    pub(super) folds: Vec<Aggregate>,
    /// What is computed of each row, each with the variable that it is from then on.
    pub(super) computed: Vec<(Var, Expression)>,
}

/// One thing told of each row.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its key with `prettyPrint`, unlike those before it.
    pub(super) key: String,
    pub(super) what: What,
    /// What to tell of the subject that it is.
    pub(super) crawl: Option<Select>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Bound(Var),
    /// What `vars` gives.
    Given(Arc<Json>),
    /// The aggregate of this number.
    Fold(usize),
}

impl Selected {
    /// Reads what stands under `select`.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong; `Limit` past [`QUERY_SELECT_MAX`].
    pub(super) fn read(json: &Json, at: &Pointer, names: &mut Names<'_>) -> Result<Self, Error> {
        let mut columns = Self {
            all: Vec::new(),
            is_alone: !matches!(json, Json::Array(_)),
            folds: Vec::new(),
            computed: Vec::new(),
        };
        let Json::Array(list) = json else {
            columns.column(json, at, names)?;
            return Ok(columns);
        };
        if list.is_empty() {
            return Err(invalid(at, "a query selects something"));
        }
        if list.len() > QUERY_SELECT_MAX {
            return Err(Error::Limit {
                at: at.clone(),
                what: "what a query selects of each row",
                max: QUERY_SELECT_MAX,
            });
        }
        for (index, json) in list.iter().enumerate() {
            columns.column(json, &at.index(index), names)?;
        }
        let mut taken = HashSet::new();
        for column in &mut columns.all {
            let name = column.key.clone();
            let mut times = 0;
            while !taken.insert(column.key.clone()) {
                times += 1;
                column.key = format!("{name}${times}");
            }
        }
        Ok(columns)
    }

    /// Whether nothing of any one row is told, but what all rows come to.
    pub(super) fn are_folded(&self) -> bool {
        let is_fold = |it: &Column| matches!(it.what, What::Fold(_));
        let mut all = self.all.iter();
        all.any(is_fold) && self.vars().next().is_none()
    }

    /// The variables that are told.
    pub(super) fn vars(&self) -> impl Iterator<Item = Var> {
        self.all.iter().filter_map(|column| match column.what {
            What::Bound(var) => Some(var),
            What::Given(_) | What::Fold(_) => None,
        })
    }

    /// The number of an aggregate, which is computed once however often it is asked for.
    ///
    /// # Errors
    /// `Limit` past [`QUERY_SELECT_MAX`] of them.
    pub(super) fn fold(&mut self, aggregate: Aggregate) -> Result<usize, Error> {
        let is_it = |it: &Aggregate| it.text == aggregate.text && !it.fold.sees_order();
        if let Some(number) = self.folds.iter().position(is_it) {
            return Ok(number);
        }
        if self.folds.len() >= QUERY_SELECT_MAX {
            return Err(Error::Limit {
                at: aggregate.at,
                what: "the aggregates of a query",
                max: QUERY_SELECT_MAX,
            });
        }
        self.folds.push(aggregate);
        Ok(self.folds.len().saturating_sub(1))
    }

    fn column(&mut self, json: &Json, at: &Pointer, names: &mut Names<'_>) -> Result<(), Error> {
        let column = match json {
            Json::String(text) if text.starts_with('(') => self.function(text, at, names)?,
            Json::String(name) => Column {
                key: key_of(name),
                what: bound(name, None, at, names)?,
                crawl: None,
            },
            Json::Object(members) => match members.as_slice() {
                [(name, select)] => {
                    let at = at.key(name);
                    let select = Select::read(select, &at)?;
                    Column {
                        key: key_of(name),
                        what: bound(name, Some(&select), &at, names)?,
                        crawl: Some(select),
                    }
                }
                _ => return Err(invalid(at, "expected one variable and what to tell of it")),
            },
            _ => return Err(invalid(at, "expected a variable, or an object of one")),
        };
        self.all.push(column);
        Ok(())
    }

    fn function(
        &mut self,
        text: &str,
        at: &Pointer,
        names: &mut Names<'_>,
    ) -> Result<Column, Error> {
        let tree = read_tree(text, at)?;
        let (of, name) = told_as(&tree, at)?;
        if let Some(name) = name {
            names.free(name, at)?;
        }
        let key = name.map_or_else(|| text.to_owned(), key_of);
        let what = if let Some((function, argument)) = of_each_row(of) {
            let expression = row_expression(function, argument, at, names)?;
            let var = match name {
                Some(name) => names.variables.named(name),
                None => names.variables.unnamed(),
            };
            names.vars.insert(var);
            self.computed.push((var, expression));
            What::Bound(var)
        } else {
            let aggregate = Aggregate::read(of, at, |name| names.var(name, at))?;
            let number = self.fold(aggregate)?;
            let named = name.map(|name| (name.to_owned(), number));
            names.folds.extend(named);
            What::Fold(number)
        };
        Ok(Column {
            key,
            what,
            crawl: None,
        })
    }
}

fn key_of(name: &str) -> String {
    name.strip_prefix('?').unwrap_or(name).to_owned()
}

fn bound(
    name: &str,
    crawl: Option<&Select>,
    at: &Pointer,
    names: &Names<'_>,
) -> Result<What, Error> {
    match names.variables.value(name) {
        Some(json) if crawl.is_none() && !matches!(**json, Json::Array(_)) => {
            Ok(What::Given(Arc::clone(json)))
        }
        Some(_) => {
            let why =
                format!("`{name}` is given by `vars`; bind a subject by a clause to tell of it");
            Err(invalid(at, &why))
        }
        None => match names.fold(name) {
            Some(number) if crawl.is_none() => Ok(What::Fold(number)),
            _ => names.var(name, at).map(What::Bound),
        },
    }
}

/// What stands in `(as .. ?name)`, and the name.
fn told_as<'t>(tree: &'t Expr, at: &Pointer) -> Result<(&'t Expr, Option<&'t str>), Error> {
    let Kind::List(items) = &tree.kind else {
        return Ok((tree, None));
    };
    match items.as_slice() {
        [head, of, name] if symbol(head) == Some("as") => match symbol(name) {
            Some(name) if is_variable(name) => Ok((of, Some(name))),
            _ => Err(invalid(at, "`as` takes an aggregate and a variable")),
        },
        [head, ..] if symbol(head) == Some("as") => {
            Err(invalid(at, "`as` takes an aggregate and a variable"))
        }
        _ => Ok((tree, None)),
    }
}

/// The function of each row that an expression is, and what it is of.
fn of_each_row(tree: &Expr) -> Option<(&str, &Expr)> {
    let Kind::List(items) = &tree.kind else {
        return None;
    };
    match items.as_slice() {
        [head, of] => {
            let name = symbol(head)?;
            matches!(name, "abs" | "ceil" | "floor" | "str").then_some((name, of))
        }
        _ => None,
    }
}

fn row_expression(
    function: &str,
    argument: &Expr,
    at: &Pointer,
    names: &mut Names<'_>,
) -> Result<Expression, Error> {
    let Some(name) = symbol(argument).filter(|it| is_variable(it)) else {
        return Err(invalid(at, &format!("`{function}` takes a variable")));
    };
    let _is_bound = names.var(name, at)?;
    let text = match function {
        "abs" => format!("(if-else (< {name} 0) (- {name}) {name})"),
        _ => format!("({function} {name})"),
    };
    Expression::read(&text, Asks::Value, at, names.variables)
}
