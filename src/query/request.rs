//! What one request may ask: a query of facts, of blocks or of history.
//!
//! Which it is, its keys tell: a `select` of any form is a query of facts, else `history` is one of history, and `block`
//! with `prettyPrint` at the most is one of blocks. What is none of these and no multi-query is read as a query of facts,
//! whose errors name what is missing.

use super::block_query::BlockQuery;
use super::error::Error;
use super::history_query::HistoryQuery;
use super::json::Json;
use super::question::Query;

/// A request that has the right shape.
#[derive(Clone, Debug)]
pub enum Request {
    /// Of facts.
    Query(Box<Query>),
    /// Of what changed in some blocks.
    Block(BlockQuery),
    /// Of what changed of a subject or a predicate.
    History(Box<HistoryQuery>),
}

/// The keys of a query of facts of which one must be there.
const SELECTS: [&str; 4] = ["select", "selectOne", "selectDistinct", "selectReduced"];

impl Request {
    /// Reads a request of any of these kinds.
    ///
    /// # Errors
    /// As [`Query::read`], [`BlockQuery::read`] and [`HistoryQuery::read`].
    pub fn read(json: &Json) -> Result<Self, Error> {
        match json {
            Json::Object(members) if Self::selects(members) => Self::query(json),
            Json::Object(_) if json.member("history").is_some() => {
                Ok(Self::History(Box::new(HistoryQuery::read(json)?)))
            }
            Json::Object(members) if BlockQuery::is(members) => {
                Ok(Self::Block(BlockQuery::read(json)?))
            }
            json => Self::query(json),
        }
    }

    fn query(json: &Json) -> Result<Self, Error> {
        Ok(Self::Query(Box::new(Query::read(json)?)))
    }

    /// Whether the keys are those of one request, and so not the names of several.
    pub(super) fn is_one(members: &[(String, Json)]) -> bool {
        let is_history = |(key, _): &(String, Json)| key == "history";
        Self::selects(members) || members.iter().any(is_history) || BlockQuery::is(members)
    }

    /// Whether the keys are those of a query of facts.
    fn selects(members: &[(String, Json)]) -> bool {
        members.iter().any(|(key, _)| SELECTS.contains(&&**key))
    }
}
