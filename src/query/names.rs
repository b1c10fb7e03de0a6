//! The variables that a row of the answer may have, by their names.

use super::clause::{Variables, is_variable};
use super::error::Error;
use super::group::Vars;
use super::pointer::Pointer;
use super::relation::Var;
use super::select::invalid;

/// What `select`, `orderBy` and `groupBy` may name.
pub(super) struct Names<'v> {
    pub(super) variables: &'v mut Variables,
    /// Those that a row has.
    pub(super) vars: Vars,
    /// Those that aggregates are told `as`, with the aggregates' numbers.
    pub(super) folds: Vec<(String, usize)>,
}

impl Names<'_> {
    /// A variable that each row has.
    ///
    /// # Errors
    /// `InvalidQuery` if there is none of this name.
    pub(super) fn var(&self, name: &str, at: &Pointer) -> Result<Var, Error> {
        if !is_variable(name) {
            let why = format!("`{name}` is no variable; one begins with `?`");
            return Err(invalid(at, &why));
        }
        if self.fold(name).is_some() {
            let why = format!("`{name}` is an aggregate, which no row has by itself");
            return Err(invalid(at, &why));
        }
        let found = self.variables.find(name);
        let found = found.filter(|var| self.vars.contains(var));
        found.ok_or_else(|| match self.variables.value(name) {
            Some(_) => invalid(at, &format!("`{name}` has its one value from `vars`")),
            None => invalid(at, &format!("`{name}` is in no clause")),
        })
    }

    /// The number of the aggregate that is told by this name.
    pub(super) fn fold(&self, name: &str) -> Option<usize> {
        let mut folds = self.folds.iter();
        folds.find(|(it, _)| it == name).map(|(_, number)| *number)
    }

    /// Sees that a name is free for what `select` makes.
    ///
    /// # Errors
    /// `InvalidQuery` if it is not.
    pub(super) fn free(&self, name: &str, at: &Pointer) -> Result<(), Error> {
        let is_bound = self
            .variables
            .find(name)
            .is_some_and(|var| self.vars.contains(&var));
        if is_bound || self.variables.value(name).is_some() || self.fold(name).is_some() {
            let why = format!("`{name}` has a value already, so nothing else can be told as it");
            return Err(invalid(at, &why));
        }
        Ok(())
    }
}
