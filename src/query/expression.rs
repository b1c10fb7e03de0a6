//! An expression of a filter or a bind: a text of the rule language whose parameters are variables.
//!
//! 1. Its value follows from its variables and the time of the request alone: whatever needs a bearer, a flake or facts
//!    is refused when the query is read, and so is what does not compile.
//! 2. A variable that `vars` gives a value is that value, also where a literal must stand, as a pattern does.
//! 3. Some things have a second spelling: `&&`, `||` and `!` are `and`, `or` and `not`, `if` is `if-else`, `(bound ?x)`
//!    is `(not (nil? ?x))`, and `(re-find (re-pattern "x") ?s)` is `(re-find "x" ?s)`.
//! 4. Where truth is asked, `re-find` says whether there is a match.

use std::borrow::Cow;

use super::asked::Asked;
use super::clause::{Variables, is_variable};
use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;
use crate::base::Budget;
use crate::lang::{Expr, Function, Kind, Stop, Val, parse};
use crate::model::{Decimal, Real};

/// An expression, compiled.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// Its variables, each once, in the order they stand.
    pub(super) vars: Vec<Var>,
    function: Function,
}

/// What is asked of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Truth,
    Value,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// `InvalidQuery` for what is none.
    pub(super) fn read(
        text: &str,
        asks: Asks,
        at: &Pointer,
        variables: &mut Variables,
    ) -> Result<Self, Error> {
        let tree = read_tree(text, at)?;
        Self::of(&tree, text, asks, at, variables)
    }

    /// Reads a tree that [`read_tree`] made of this text.
    ///
    /// # Errors
    /// `InvalidQuery` for what is no expression.
    pub(super) fn of(
        tree: &Expr,
        text: &str,
        asks: Asks,
        at: &Pointer,
        variables: &mut Variables,
    ) -> Result<Self, Error> {
        // Before any is written out: a text may be as long as a request, and stand here many times.
        let bytes = given_bytes(tree, variables);
        let is_much = |why: String| invalid(at, &why);
        variables.count_bytes(bytes).map_err(is_much)?;
        let tree = meant(tree, asks, variables).map_err(|why| invalid(at, &why))?;
        let mut names = Vec::new();
        symbols(&tree, &mut names);
        let function = Function::compile_expression(&tree, &spelled(text), &names)
            .map_err(|error| invalid(at, &error.to_string()))?;
        Ok(Self {
            vars: names.iter().map(|name| variables.named(name)).collect(),
            function,
        })
    }

    /// How many nodes it has: what it takes to compile and to hold.
    pub(super) fn node_count(&self) -> usize {
        self.function.node_count()
    }

    /// Its value for an argument for each of its variables; none of a fault.
    ///
    /// # Errors
    /// As the budget is spent.
    pub(super) fn value(
        &self,
        arguments: &[Val],
        asked: Asked,
        budget: &Budget,
    ) -> Result<Option<Val>, Error> {
        match self.function.value_of(arguments, asked.now_ms, budget) {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Fault(_)) => Ok(None),
            Err(Stop::Error(error)) => Err(error.into()),
        }
    }
}

/// The tree of an expression's text, as it is written.
///
/// # Errors
/// `InvalidQuery` for what is none.
pub(super) fn read_tree(text: &str, at: &Pointer) -> Result<Expr, Error> {
    parse(&spelled(text)).map_err(|error| invalid(at, &error.to_string()))
}

/// The text with words for `&&` and `||`, whose characters no symbol has.
fn spelled(text: &str) -> Cow<'_, str> {
    if !text.contains("&&") && !text.contains("||") {
        return Cow::Borrowed(text);
    }
    let mut spelled = String::new();
    let (mut is_string, mut is_escaped) = (false, false);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = match rest.get(..2) {
            Some("&&") if !is_string => Some("and"),
            Some("||") if !is_string => Some("or"),
            _ => None,
        };
        if let Some(word) = word {
            spelled.push_str(word);
            rest = rest.get(2..).unwrap_or_default();
            continue;
        }
        match c {
            '"' if !is_escaped => is_string = !is_string,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
        spelled.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    Cow::Owned(spelled)
}

/// What a tree means: in the language's own spelling, with values for the variables that are given one.
fn meant(tree: &Expr, asks: Asks, variables: &Variables) -> Result<Expr, String> {
    let here = |kind: Kind| Expr { at: tree.at, kind };
    let items = match &tree.kind {
        Kind::Symbol(name) => {
            return match variables.value(name) {
                Some(json) => literal(name, json).map(here),
                None => Ok(tree.clone()),
            };
        }
        Kind::Vector(items) => {
            let items = items.iter().map(|it| meant(it, Asks::Value, variables));
            return Ok(here(Kind::Vector(items.collect::<Result<_, _>>()?)));
        }
        Kind::List(items) => items,
        _ => return Ok(tree.clone()),
    };
    let Some((head, arguments)) = items.split_first() else {
        return Ok(tree.clone());
    };
    let written = match &head.kind {
        Kind::Symbol(name) => name.as_str(),
        _ => "",
    };
    let name = match written {
        "!" => "not",
        "if" => "if-else",
        name => name,
    };
    let mut list = vec![match &head.kind {
        Kind::Symbol(_) => symbol(head.at, name),
        _ => head.clone(),
    }];
    for (index, argument) in arguments.iter().enumerate() {
        let of_argument = match (name, index) {
            ("and" | "or" | "not", _) | ("if-else", 0) => Asks::Truth,
            ("if-else", _) => asks,
            _ => Asks::Value,
        };
        let argument = match (name, index) {
            ("re-find", 0) => pattern(argument),
            _ => argument,
        };
        list.push(meant(argument, of_argument, variables)?);
    }
    Ok(match name {
        "bound" => {
            if let Some(head) = list.first_mut() {
                *head = symbol(head.at, "nil?");
            }
            here(Kind::List(vec![
                symbol(tree.at, "not"),
                here(Kind::List(list)),
            ]))
        }
        "re-find" if asks == Asks::Truth => here(Kind::List(vec![
            symbol(tree.at, "boolean"),
            here(Kind::List(list)),
        ])),
        _ => here(Kind::List(list)),
    })
}

fn symbol(at: usize, name: &str) -> Expr {
    let kind = Kind::Symbol(name.to_owned());
    Expr { at, kind }
}

/// What stands in `(re-pattern ..)`; what is written otherwise as it is.
fn pattern(tree: &Expr) -> &Expr {
    let Kind::List(items) = &tree.kind else {
        return tree;
    };
    match items.as_slice() {
        [head, of] if matches!(&head.kind, Kind::Symbol(it) if it == "re-pattern") => of,
        _ => tree,
    }
}

/// Bytes of the texts that `vars` gives what stands in a tree, as often as it does.
fn given_bytes(tree: &Expr, variables: &Variables) -> usize {
    match &tree.kind {
        Kind::Symbol(name) => variables
            .value(name)
            .and_then(|json| json.as_str())
            .map_or(0, str::len),
        Kind::Vector(items) | Kind::List(items) => {
            let bytes = items.iter().map(|it| given_bytes(it, variables));
            bytes.fold(0, usize::saturating_add)
        }
        _ => 0,
    }
}

/// A value of `vars`, as the language writes it.
fn literal(name: &str, json: &Json) -> Result<Kind, String> {
    let exact = |text: &str| Decimal::parse(text).ok().map(Kind::Decimal);
    let kind = match json {
        Json::Bool(it) => Some(Kind::Bool(*it)),
        Json::Int(it) => Some(Kind::Int(*it)),
        Json::UInt(it) => exact(&it.to_string()),
        Json::Double(it) => Real::new(*it).map(Kind::Double),
        Json::Decimal(it) => exact(it),
        Json::String(it) => Some(Kind::String(it.clone())),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    kind.ok_or_else(|| {
        format!("`{name}` has a value from `vars` that no expression has: bind it by a clause")
    })
}

/// The variables in a tree, each once.
pub(super) fn symbols(tree: &Expr, found: &mut Vec<String>) {
    match &tree.kind {
        Kind::Symbol(name) if is_variable(name) && !found.contains(name) => {
            found.push(name.clone());
        }
        Kind::Vector(items) => {
            for item in items {
                symbols(item, found);
            }
        }
        // The head of a list is a function's name, as `?now` is one.
        Kind::List(items) => {
            for item in items.iter().skip(1) {
                symbols(item, found);
            }
        }
        _ => {}
    }
}
