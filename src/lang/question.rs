//! Queries in the text of a function: what the language asks of whoever knows what a query is.
//!
//! 1. A text is read once, where the function is compiled, and is kept as a [`Question`].
//! 2. What a question is given are context functions, each by its name: a query says `?sid` for what `(?sid)` gives.
//! 3. How much work it may do is for the language to say; it is handed a budget.

use std::fmt;
use std::sync::Arc;

use super::error::Stop;
use super::value::Val;
use crate::base::Budget;
use crate::model::Facts;

/// The variables that a query in a function need not bind: what the context functions of these names give.
pub const GIVEN: [&str; 6] = ["?sid", "?pid", "?o", "?auth_id", "?user_id", "?now"];

/// Reads queries.
pub trait Queries: fmt::Debug + Send + Sync {
    /// Reads a query.
    ///
    /// # Errors
    /// Why it is none, on one line.
    fn read(&self, text: &QueryText) -> Result<Arc<dyn Question>, String>;
}

/// The text of a query, as it stands in a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryText {
    /// JSON.
    Whole(String),
    /// The texts under its keys; none for `nil`.
    Parts {
        /// `select`
        select: Option<String>,
        /// `from`
        from: Option<String>,
        /// `where`
        clauses: Option<String>,
        /// `block`
        block: Option<String>,
        /// `limit`
        limit: Option<String>,
    },
}

/// A query that was read.
pub trait Question: fmt::Debug + Send + Sync {
    /// Sees that the names in it are there, and that it can be answered.
    ///
    /// # Errors
    /// Why it cannot, on one line.
    fn check(&self) -> Result<(), String>;

    /// Which of [`GIVEN`] it uses, each once.
    fn given(&self) -> &[&'static str];

    /// Whether it may say the name of this predicate or collection, in full or by the predicate's own name, or may
    /// come upon it without that: whether, under another name, its answer might be another. More than its answer
    /// depends on is told so, and never less.
    fn may_name(&self, name: &str) -> bool;

    /// The answer, with a value for each of [`Question::given`], at this moment.
    ///
    /// # Errors
    /// `Fault` if it cannot be asked with these values; `Error` for what is no decision.
    fn answer(
        &self,
        given: &[Val],
        now_ms: i64,
        facts: &dyn Facts,
        budget: &Budget,
    ) -> Result<Val, Stop>;
}

/// Where no query is read: `query` is refused by its name.
#[derive(Clone, Copy, Debug)]
pub struct NoQueries;

impl Queries for NoQueries {
    fn read(&self, _: &QueryText) -> Result<Arc<dyn Question>, String> {
        Err("none is asked here".to_owned())
    }
}

impl QueryText {
    /// How long it is, bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(text) => text.len(),
            Self::Parts {
                select,
                from,
                clauses,
                block,
                limit,
            } => [select, from, clauses, block, limit]
                .into_iter()
                .flatten()
                .map(String::len)
                .fold(0, usize::saturating_add),
        }
    }
}
