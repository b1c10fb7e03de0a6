//! An expression of a filter or a bind: a text of the rule language whose parameters are variables.

use super::clause::{Variables, is_variable};
use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;
use crate::lang::{Expr, Kind, parse};

/// An expression, read.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) at: Pointer,
    pub(super) tree: Expr,
    /// Its variables, each once, in the order they stand.
    pub(super) vars: Vec<Var>,
    /// Those that have their value from `vars`.
    pub(super) given: Vec<(String, Json)>,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// `InvalidQuery` for what is none.
    pub(super) fn read(text: &str, at: &Pointer, variables: &mut Variables) -> Result<Self, Error> {
        let tree = parse(text).map_err(|error| invalid(at, &error.to_string()))?;
        let mut expression = Self {
            at: at.clone(),
            tree,
            vars: Vec::new(),
            given: Vec::new(),
        };
        let mut names = Vec::new();
        symbols(&expression.tree, &mut names);
        for name in names {
            if let Some(value) = variables.value(&name) {
                expression.given.push((name, value.clone()));
                continue;
            }
            let var = variables.named(&name);
            if !expression.vars.contains(&var) {
                expression.vars.push(var);
            }
        }
        Ok(expression)
    }
}

/// The variables in a tree.
fn symbols(tree: &Expr, found: &mut Vec<String>) {
    match &tree.kind {
        Kind::Symbol(name) if is_variable(name) => found.push(name.clone()),
        Kind::List(items) | Kind::Vector(items) => {
            for item in items {
                symbols(item, found);
            }
        }
        _ => {}
    }
}
