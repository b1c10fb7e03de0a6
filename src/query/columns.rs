//! What each variable of a relation is bound to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::cell::Cell;
use super::relation::{Relation, Var};

/// The columns of a relation, each sorted once.
pub(super) struct Columns<'r> {
    of: &'r Relation,
    known: RefCell<BTreeMap<Var, Rc<[Cell]>>>,
}

impl<'r> Columns<'r> {
    pub(super) fn of(relation: &'r Relation) -> Self {
        Self {
            of: relation,
            known: RefCell::default(),
        }
    }

    /// How many rows the relation has.
    pub(super) fn rows(&self) -> usize {
        self.of.len()
    }

    /// Whether the relation binds nothing yet.
    pub(super) fn is_bare(&self) -> bool {
        self.of.vars().is_empty()
    }

    pub(super) fn has(&self, var: Var) -> bool {
        self.of.has(var)
    }

    /// What a variable is bound to, each once, ascending, nulls left out; none if it is not bound.
    pub(super) fn column(&self, var: Var) -> Option<Rc<[Cell]>> {
        if !self.of.has(var) {
            return None;
        }
        let mut known = self.known.borrow_mut();
        let column = known
            .entry(var)
            .or_insert_with(|| self.of.column(var).into());
        Some(Rc::clone(column))
    }
}
