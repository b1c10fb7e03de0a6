//! What a query of clauses runs with.

use super::clause::Variables;
use super::reader::Reader;
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
}
