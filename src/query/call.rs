//! A call of a rule: `(under ?x "sales")`.

use std::sync::Arc;

use super::cell::Cells;
use super::clause::{Term, Variables, is_variable};
use super::error::Error;
use super::json::Json;
use super::place::{Place, named};
use super::pointer::Pointer;
use super::reader::Reader;
use super::relation::Var;
use super::select::invalid;
use crate::lang::{Expr, Kind, parse};

/// A call of a rule, as written.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) at: Pointer,
    pub(super) name: String,
    pub(super) arguments: Vec<Term>,
}

impl Call {
    /// Reads a call.
    ///
    /// # Errors
    /// `InvalidQuery` for what is none.
    pub(super) fn read(text: &str, at: &Pointer, variables: &mut Variables) -> Result<Self, Error> {
        let (name, items) = read_list(text, at)?;
        let items = items.iter();
        let arguments: Result<Vec<Term>, Error> =
            items.map(|it| argument(it, at, variables)).collect();
        Ok(Self {
            at: at.clone(),
            name,
            arguments: arguments?,
        })
    }

    /// Its variables, as often as they stand.
    pub(super) fn vars(&self) -> impl Iterator<Item = Var> {
        self.arguments.iter().filter_map(Term::var)
    }

    /// What its arguments are.
    ///
    /// # Errors
    /// As [`value`].
    pub(super) fn places(
        &self,
        reader: &Reader<'_>,
        cells: &mut Cells,
    ) -> Result<Vec<Place>, Error> {
        let all = self.arguments.iter();
        all.map(|it| value(it, &self.at, reader, cells)).collect()
    }
}

/// The name that a list begins with, and what stands behind it.
///
/// # Errors
/// `InvalidQuery` for what is no such list.
pub(super) fn read_list(text: &str, at: &Pointer) -> Result<(String, Vec<Expr>), Error> {
    let tree = parse(text).map_err(|error| invalid(at, &error.to_string()))?;
    let Kind::List(items) = tree.kind else {
        return Err(invalid(at, "a call is a list: `(name ?a \"b\")`"));
    };
    let mut items = items.into_iter();
    match items.next().map(|it| it.kind) {
        Some(Kind::Symbol(name)) if !is_variable(&name) => Ok((name, items.collect())),
        _ => Err(invalid(at, "a call begins with the name of a rule")),
    }
}

/// What an argument is: a two-tuple, which only `vars` can give, is a subject.
///
/// # Errors
/// `InvalidQuery` and `InvalidIdentity` for what is no value; as the budget is spent.
pub(super) fn value(
    term: &Term,
    at: &Pointer,
    reader: &Reader<'_>,
    cells: &mut Cells,
) -> Result<Place, Error> {
    match term {
        Term::Var(var) => Ok(Place::Var(*var)),
        Term::Any => Ok(Place::Any),
        Term::Literal(json) => match &**json {
            Json::Array(_) => named(json, at, reader, cells),
            json => Ok(Place::Cell(cells.scalar(json, at, reader.budget)?)),
        },
    }
}

/// An argument of a call, or of the head of a rule.
///
/// # Errors
/// `InvalidQuery` for what is none.
pub(super) fn argument(
    tree: &Expr,
    at: &Pointer,
    variables: &mut Variables,
) -> Result<Term, Error> {
    let json = match &tree.kind {
        Kind::Nil => return Ok(Term::Any),
        Kind::Bool(it) => Json::Bool(*it),
        Kind::Int(it) => Json::Int(*it),
        Kind::Double(it) => Json::Double(it.number()),
        Kind::Decimal(it) => Json::Decimal(it.to_string()),
        Kind::String(it) => Json::string(it),
        Kind::Symbol(name) if is_variable(name) => {
            return Ok(match variables.value(name) {
                Some(value) => Term::Literal(Arc::clone(value)),
                None => Term::Var(variables.named(name)),
            });
        }
        Kind::Symbol(_) | Kind::Vector(_) | Kind::List(_) => {
            let why = "an argument is a variable, a boolean, a number, a text or `nil`";
            return Err(invalid(at, why));
        }
    };
    Ok(Term::Literal(Arc::new(json)))
}
