//! What a query of clauses runs with.

use super::clause::Variables;
use super::reader::Reader;

/// What a group is solved with.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    /// The facts that clauses without a time of their own are about.
    pub(super) reader: &'a Reader<'a>,
    /// The names of the variables of the query, or of the rule, that the group is of.
    pub(super) variables: &'a Variables,
}
