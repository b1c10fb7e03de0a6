//! The multi-query: several queries under names of their own, answered from one state.
//!
//! Shape: `{NAME: query, .., "block"?: moment or blocks}`. `block` is that of each query that has none. A query that is
//! malformed is an error under its name; what is wrong with the names is one of the whole.

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::reader::PATTERN_STEPS;
use super::request::Request;
use super::select::invalid;
use super::span::Span;
use crate::base::limits::QUERY_MULTI_MAX;

/// Queries, in the order they were written.
#[derive(Clone, Debug)]
pub struct MultiQuery(Vec<NamedQuery>);

/// One of them, as it was written: it is read in its turn, as patterns take much more than their texts.
#[derive(Clone, Debug)]
pub struct NamedQuery {
    /// Its name.
    pub name: String,
    /// The query.
    json: Json,
    /// Whether its `block` is that of the whole.
    pub inherits_block: bool,
}

/// What no query may be called: an answer has `errors` of its own, and `opts` are of each query. `block` is none.
const NO_NAMES: [&str; 2] = ["errors", "opts"];

impl MultiQuery {
    /// Reads a multi-query.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong with the whole; `Limit` past [`QUERY_MULTI_MAX`].
    pub fn read(json: &Json) -> Result<Self, Error> {
        let root = Pointer::root();
        let Json::Object(members) = json else {
            return Err(invalid(&root, "a multi-query is an object"));
        };
        let block = json.member("block");
        if let Some(block) = block {
            Span::read(block, &root.key("block"))?;
        }
        let mut queries = Vec::new();
        for (name, query) in members.iter().filter(|(name, _)| name != "block") {
            let at = root.key(name);
            if NO_NAMES.contains(&name.as_str()) {
                let why = format!("no query of a multi-query may be called `{name}`");
                return Err(invalid(&at, &why));
            }
            if !matches!(query, Json::Object(_)) {
                return Err(invalid(&at, "each query of a multi-query is an object"));
            }
            queries.push((name, query));
        }
        if queries.is_empty() {
            return Err(invalid(&root, "a multi-query has a query"));
        }
        if queries.len() > QUERY_MULTI_MAX {
            return Err(Error::Limit {
                at: root,
                what: "the queries of a multi-query",
                max: QUERY_MULTI_MAX,
            });
        }
        let queries = queries.into_iter();
        Ok(Self(
            queries
                .map(|(name, query)| NamedQuery::new(name, query, block))
                .collect(),
        ))
    }

    /// Whether this is what a query that may be of any kind is: one of several objects, and something in one of them
    /// that queries have. So a query with a key that is misspelt is told of that key.
    pub(super) fn is(members: &[(String, Json)]) -> bool {
        let has_query = |json: &Json| match json {
            Json::Object(members) => members.iter().any(|(key, _)| OF_QUERIES.contains(&&**key)),
            _ => false,
        };
        let mut named = members.iter().filter(|(name, _)| name != "block");
        members.iter().any(|(_, json)| has_query(json))
            && named.all(|(_, json)| matches!(json, Json::Object(_)))
    }

    /// The queries.
    pub fn into_queries(self) -> Vec<NamedQuery> {
        self.0
    }
}

/// What begins a query of some kind.
const OF_QUERIES: [&str; 8] = [
    "select",
    "selectOne",
    "selectDistinct",
    "selectReduced",
    "from",
    "where",
    "history",
    "block",
];

impl NamedQuery {
    fn new(name: &str, query: &Json, block: Option<&Json>) -> Self {
        let inherited = block.filter(|_| query.member("block").is_none());
        let mut json = query.clone();
        if let (Json::Object(members), Some(block)) = (&mut json, inherited) {
            members.push(("block".to_owned(), block.clone()));
        }
        Self {
            name: name.to_owned(),
            json,
            inherits_block: inherited.is_some(),
        }
    }

    /// The steps that reading it takes: a query may have a hundred patterns, and a request a hundred times as many.
    pub fn steps(&self) -> u64 {
        let patterns = self.json.write().matches("re-find").count();
        u64::try_from(patterns.saturating_mul(PATTERN_STEPS)).unwrap_or(u64::MAX)
    }

    /// The query.
    ///
    /// # Errors
    /// Why it is none.
    pub fn request(&self) -> Result<Request, Error> {
        Request::read(&self.json)
    }
}
