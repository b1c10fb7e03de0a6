//! A call of a rule: `(under ?x "sales")`.

use super::clause::{Term, Variables, is_variable};
use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
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
        let tree = parse(text).map_err(|error| invalid(at, &error.to_string()))?;
        let Kind::List(items) = &tree.kind else {
            return Err(invalid(at, "a call is a list: `(name ?a \"b\")`"));
        };
        let mut items = items.iter();
        let name = match items.next().map(|it| &it.kind) {
            Some(Kind::Symbol(name)) if !is_variable(name) => name.clone(),
            _ => return Err(invalid(at, "a call begins with the name of a rule")),
        };
        let arguments: Result<Vec<Term>, Error> =
            items.map(|it| argument(it, at, variables)).collect();
        Ok(Self {
            at: at.clone(),
            name,
            arguments: arguments?,
        })
    }
}

/// An argument of a call, or of the head of a rule.
fn argument(tree: &Expr, at: &Pointer, variables: &mut Variables) -> Result<Term, Error> {
    Ok(match &tree.kind {
        Kind::Nil => Term::Any,
        Kind::Bool(it) => Term::Literal(Json::Bool(*it)),
        Kind::Int(it) => Term::Literal(Json::Int(*it)),
        Kind::Double(it) => Term::Literal(Json::Double(it.number())),
        Kind::Decimal(it) => Term::Literal(Json::Decimal(it.to_string())),
        Kind::String(it) => Term::Literal(Json::string(it)),
        Kind::Symbol(name) if is_variable(name) => match variables.value(name) {
            Some(value) => Term::Literal(value.clone()),
            None => Term::Var(variables.named(name)),
        },
        Kind::Symbol(_) | Kind::Vector(_) | Kind::List(_) => {
            let why = "an argument is a variable, a boolean, a number, a text or `nil`";
            return Err(invalid(at, why));
        }
    })
}
