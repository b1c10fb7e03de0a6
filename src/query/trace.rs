//! The plan of a query, written down while it is carried out.
//!
//! It says what was done in which order, and how subjects were found. How many rows there were after each step is told
//! only to who may count: a number of rows is a measure of what a query came to, which others are not told.

use std::cell::RefCell;

use super::json::Json;
use super::pointer::Pointer;

/// Whether a plan tells how many rows there were, and the steps that were taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// It does.
    Told,
    /// It does not.
    Hidden,
}

/// What is done, step by step; or nothing, if nobody asked.
#[derive(Debug, Default)]
pub(super) struct Trace(Option<Open>);

#[derive(Debug)]
struct Open {
    counts: Counts,
    /// The steps of each group that is being solved, the innermost last.
    groups: RefCell<Vec<Vec<Json>>>,
}

impl Trace {
    /// Nothing done yet, to be written down.
    pub(super) fn new(counts: Counts) -> Self {
        Self(Some(Open {
            counts,
            groups: RefCell::new(vec![Vec::new()]),
        }))
    }

    /// Writes a step down: what it is, of which clauses, what more there is to say, and the rows after it.
    pub(super) fn step(
        &self,
        is: &str,
        clauses: &[&Pointer],
        more: impl FnOnce() -> Vec<(&'static str, Json)>,
        rows: usize,
    ) {
        let Some(open) = &self.0 else {
            return;
        };
        let at = clauses.iter().map(|at| Json::string(&at.to_string()));
        let mut members = vec![("is".to_owned(), Json::string(is))];
        if !clauses.is_empty() {
            members.push(("clauses".to_owned(), Json::Array(at.collect())));
        }
        let more = more().into_iter();
        members.extend(more.map(|(key, json)| (key.to_owned(), json)));
        if open.counts == Counts::Told {
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            members.push(("rows".to_owned(), Json::Int(rows)));
        }
        if let Some(steps) = open.groups.borrow_mut().last_mut() {
            steps.push(Json::Object(members));
        }
    }

    /// Does something whose steps are a group of their own, and tells them.
    pub(super) fn nested<X>(&self, work: impl FnOnce() -> X) -> (X, Json) {
        if let Some(open) = &self.0 {
            open.groups.borrow_mut().push(Vec::new());
        }
        let done = work();
        let steps = self.0.as_ref().and_then(|it| it.groups.borrow_mut().pop());
        (done, Json::Array(steps.unwrap_or_default()))
    }

    /// The plan; `spent` steps were taken.
    pub(super) fn told(self, spent: u64) -> Json {
        let Some(open) = self.0 else {
            return Json::Null;
        };
        let steps = open.groups.into_inner().pop().unwrap_or_default();
        let mut members = vec![("steps".to_owned(), Json::Array(steps))];
        if open.counts == Counts::Told {
            let spent = i64::try_from(spent).unwrap_or(i64::MAX);
            members.push(("fuel".to_owned(), Json::Int(spent)));
        }
        Json::Object(members)
    }
}
