//! What each variable is bound to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::cell::Cell;
use super::relation::{Relation, Var};

/// The columns of some relations, each sorted once.
pub(super) struct Columns<'r> {
    of: Vec<&'r Relation>,
    known: RefCell<BTreeMap<Var, Rc<[Cell]>>>,
}

impl<'r> Columns<'r> {
    /// Those of one relation.
    pub(super) fn of(relation: &'r Relation) -> Self {
        Self {
            of: vec![relation],
            known: RefCell::default(),
        }
    }

    /// Those of two relations that are to be joined; what both have is what the second has.
    pub(super) fn of_both(first: &'r Relation, second: &'r Relation) -> Self {
        Self {
            of: vec![second, first],
            known: RefCell::default(),
        }
    }

    /// How many rows the shortest has.
    pub(super) fn rows(&self) -> usize {
        let lengths = self.of.iter().map(|relation| relation.len());
        lengths.min().unwrap_or(0)
    }

    /// Whether nothing is bound yet.
    pub(super) fn is_bare(&self) -> bool {
        self.of.iter().all(|relation| relation.vars().is_empty())
    }

    /// Whether a variable is bound.
    pub(super) fn has(&self, var: Var) -> bool {
        self.of.iter().any(|relation| relation.has(var))
    }

    /// What a variable is bound to, each once, ascending, nulls left out; none if it is not bound.
    pub(super) fn column(&self, var: Var) -> Option<Rc<[Cell]>> {
        let relation = self.of.iter().find(|relation| relation.has(var))?;
        let mut known = self.known.borrow_mut();
        let column = known.entry(var);
        let column = column.or_insert_with(|| relation.column(var).into());
        Some(Rc::clone(column))
    }
}
