//! What a query of clauses runs with.

use super::call::Call;
use super::cell::Cells;
use super::clause::Variables;
use super::error::Error;
use super::reader::Reader;
use super::relation::Relation;
use super::survey::Allowance;

/// What a group is solved with.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The facts that clauses without a time of their own are about.
    pub(super) reader: &'a Reader<'a>,
    /// The names of the variables of the query, or of the rule, that the group is of.
    pub(super) variables: &'a Variables,
    /// What may be counted to choose an order.
    pub(super) allowance: &'a Allowance,
    /// What answers calls of rules.
    pub(super) calls: &'a dyn Calls,
}

/// Rules that can be called.
pub(super) trait Calls {
    /// The rows of a call's variables that a rule holds for: all of those that join what is solved already.
    ///
    /// # Errors
    /// As a group is solved.
    fn rows(
        &self,
        call: &Call,
        solved: &Relation,
        run: Run<'_>,
        cells: &mut Cells,
    ) -> Result<Relation, Error>;
}
