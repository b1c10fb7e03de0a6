//! Several queries, answered one after the other from one state and out of one budget.
//!
//! What is wrong with one is told under its name, and the others are answered all the same. They share the steps of one
//! request: when these are spent, those that come after fail as well.

use super::answer::MultiAnswer;
use super::asked::answer;
use super::error::Error;
use super::sight::Sight;
use crate::query::{MultiQuery, NamedQuery, Pointer};

/// Answers each query.
pub(super) fn answers(query: MultiQuery, sight: &Sight<'_>) -> MultiAnswer {
    let queries = query.into_queries().into_iter();
    MultiAnswer {
        answers: queries.map(|query| one(query, sight)).collect(),
        block: sight.newest().0,
        fuel: sight.fuel(),
    }
}

fn one(query: NamedQuery, sight: &Sight<'_>) -> (String, Result<String, Error>) {
    let paid = sight.budget().spend(query.steps()).map_err(Error::from);
    let request = paid.and_then(|()| query.request().map_err(Error::from));
    let NamedQuery {
        name,
        inherits_block,
        ..
    } = query;
    let answered = request.and_then(|request| answer(&request, sight));
    // A tree is larger than its text, and the others are still to come.
    let told = answered.map(|(json, _)| json.write()).map_err(|error| {
        let is_of_whole = inherits_block && error.at() == Some("/block");
        match error.at() {
            Some(at) if !is_of_whole => {
                let place = format!("{}{at}", Pointer::root().key(&name));
                error.with_at(place)
            }
            _ => error,
        }
    });
    (name, told)
}
