//! What a query of clauses runs with.

use super::call::Call;
use super::cell::Cells;
use super::clause::{Clause, Variables};
use super::error::Error;
use super::reader::Reader;
use super::relation::Relation;
use super::select::invalid;
use super::survey::Allowance;
use super::trace::Trace;
use super::when::When;

/// What a group is solved with.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The facts that clauses without a time of their own are about.
    pub(super) reader: &'a Reader<'a>,
    /// Those of the times that clauses have of their own.
    pub(super) moments: &'a [(When, Reader<'a>)],
    /// The names of the variables of the query, or of the rule, that the group is of.
    pub(super) variables: &'a Variables,
    /// What may be counted to choose an order.
    pub(super) allowance: &'a Allowance,
    /// What is written down of the plan.
    pub(super) trace: &'a Trace,
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

impl<'a> Run<'a> {
    /// The facts that a clause is about.
    ///
    /// # Errors
    /// `InvalidQuery` if the clause has a time of its own and those of that time were not handed in.
    pub(super) fn reader_of(&self, clause: &Clause) -> Result<&'a Reader<'a>, Error> {
        let Some(moment) = clause.moment() else {
            return Ok(self.reader);
        };
        let mut known = self.moments.iter();
        let found = known.find(|(when, _)| *when == moment.when);
        found
            .map(|(_, reader)| reader)
            .ok_or_else(|| invalid(&moment.at, "no other time can be asked about here"))
    }
}
