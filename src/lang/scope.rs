//! Where a symbol is looked up while a text is compiled, and what can be told of an expression before that.

use super::error::{Error, Problem};
use super::expression::{Expr, Kind};
use super::mention::Beside;

/// Where a symbol is looked up.
pub(super) struct Scope<'a> {
    /// The stored function whose text this is.
    pub(super) name: Option<&'a str>,
    pub(super) text: &'a str,
    pub(super) params: &'a [String],
    /// The arguments of the call, and the scope they were written in.
    pub(super) given: Option<(&'a [Expr], &'a Scope<'a>)>,
}

impl Scope<'_> {
    pub(super) fn error(&self, at: &Expr, problem: Problem) -> Error {
        Error {
            function: self.name.map(str::to_owned),
            ..Error::at(self.text, at.at, problem)
        }
    }

    pub(super) fn expected(&self, at: &Expr, expected: &'static str) -> Error {
        self.error(at, Problem::Expected { expected })
    }

    /// Whether this is the text that is compiled, and not one that it calls.
    pub(super) fn is_own(&self) -> bool {
        self.given.is_none()
    }

    /// The functions one is in, innermost first.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        let mut scope = Some(self);
        while let Some(it) = scope {
            names.extend(it.name);
            scope = it.given.map(|(_, outer)| outer);
        }
        names
    }
}

/// What the arguments of a comparison stand beside: `(?p)`, if it is compared with nothing but literals.
pub(super) fn compared(items: &[Expr], scope: &Scope<'_>) -> Beside {
    let items = || items.iter().map(|item| written(item, scope));
    let is_plain = |it: &Expr| matches!(it.kind, Kind::String(_) | Kind::Nil);
    if items().any(is_predicate_name) && items().all(|it| is_plain(it) || is_predicate_name(it)) {
        Beside::PredicateName
    } else {
        Beside::Values
    }
}

/// What the arguments of `contains?` stand beside: `(?p)`, if it is looked for among literals.
pub(super) fn looked_for(set: &Expr, of: &Expr, scope: &Scope<'_>) -> Beside {
    let set = written(set, scope);
    let items = match &set.kind {
        Kind::Vector(items) => items.as_slice(),
        Kind::List(items) => match items.split_first() {
            Some((head, items)) if is_symbol(head, "hash-set") => items,
            _ => return Beside::Values,
        },
        _ => return Beside::Values,
    };
    let is_string = |it: &Expr| matches!(it.kind, Kind::String(_));
    if is_predicate_name(written(of, scope)) && items.iter().all(is_string) {
        Beside::PredicateName
    } else {
        Beside::Values
    }
}

fn is_predicate_name(expression: &Expr) -> bool {
    matches!(&expression.kind, Kind::List(items) if matches!(items.as_slice(), [head] if is_symbol(head, "?p")))
}

fn is_symbol(expression: &Expr, name: &str) -> bool {
    matches!(&expression.kind, Kind::Symbol(symbol) if symbol == name)
}

/// What an expression is, once parameters are replaced by what was given for them; nothing is counted.
fn written<'e>(mut expression: &'e Expr, mut scope: &'e Scope<'e>) -> &'e Expr {
    while let (Kind::Symbol(name), Some((given, outer))) = (&expression.kind, scope.given) {
        let place = scope.params.iter().position(|param| param == name);
        let Some(argument) = place.and_then(|place| given.get(place)) else {
            break;
        };
        (expression, scope) = (argument, outer);
    }
    expression
}
