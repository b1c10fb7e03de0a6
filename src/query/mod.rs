//! Queries: JSON in, a plan over facts, JSON out. Also the JSON tree itself, which transactions share.
//!
//! Knows neither permissions nor disk: it is handed a `&dyn Facts` and cannot tell a snapshot from a permitted view,
//! so that the filter cannot be forgotten. What it does not see may exist elsewhere; it never says that it does not.

mod analytical;
mod any_query;
mod asked;
mod basic;
mod block_query;
mod call;
mod cell;
mod changes;
mod clause;
mod columns;
mod compute;
mod crawl;
mod edn;
mod error;
mod expand;
mod expression;
mod filter;
mod find;
mod geojson;
mod group;
mod hash;
mod history_query;
mod in_function;
mod input;
mod json;
mod memory;
mod multi_query;
mod number;
mod options;
mod output;
mod path;
mod place;
mod pointer;
mod question;
mod reader;
mod relation;
mod request;
mod run;
mod seek;
mod select;
mod solve;
mod span;
mod star;
mod survey;
#[cfg(test)]
mod tests;
mod when;

pub use any_query::AnyQuery;
pub use asked::Asked;
pub use block_query::BlockQuery;
pub use changes::{Changes, text_bytes};
pub use error::Error;
pub use history_query::{FlakePattern, HistoryQuery, Named};
pub use in_function::{json_of, queries_of};
pub use input::{Misfit, identity, tag_named, value_of};
pub use json::Json;
pub use multi_query::{MultiQuery, NamedQuery};
pub use output::{flake_json, to_json};
pub use pointer::Pointer;
pub use question::Query;
pub use request::Request;
pub use span::{Last, Span};
pub use when::When;
