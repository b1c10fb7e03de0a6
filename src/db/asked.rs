//! One request of any kind, answered.

use super::error::Error;
use super::sight::Sight;
use super::{block, history};
use crate::model::T;
use crate::query::{Asked, Json, Request};

/// Answers a request. Tells the newest block that the answer includes too.
///
/// # Errors
/// `Invalid` for what there is not; `Limit` past a bound on the answer or the work.
pub(super) fn answer(request: &Request, sight: &Sight<'_>) -> Result<(Json, T), Error> {
    match request {
        Request::Query(query) => {
            let basis = sight.basis(query.when())?;
            let asked = Asked {
                now_ms: sight.now_ms(),
                basis,
            };
            let json = sight.at(basis, |facts, schema| {
                Ok(query.run(facts, schema, asked, sight.budget())?)
            })?;
            Ok((json, basis))
        }
        Request::Block(query) => block::answer(query, sight),
        Request::History(query) => history::answer(query, sight),
    }
}
