//! Queries: JSON in, a plan over facts, JSON out. Also the JSON tree itself, which transactions share.
//!
//! Knows neither permissions nor disk: it is handed a `&dyn Facts` and cannot tell a snapshot from a permitted view,
//! so that the filter cannot be forgotten. What it does not see may exist elsewhere; it never says that it does not.

mod analytical;
mod basic;
mod call;
mod cell;
mod clause;
mod crawl;
mod error;
mod expression;
mod filter;
mod find;
mod geojson;
mod group;
mod input;
mod json;
mod memory;
mod number;
mod output;
mod place;
mod pointer;
mod question;
mod reader;
mod relation;
mod run;
mod select;
mod solve;
mod star;
#[cfg(test)]
mod tests;
mod when;

pub use error::Error;
pub use input::{Misfit, identity, tag_named, value_of};
pub use json::Json;
pub use output::{flake_json, to_json};
pub use pointer::Pointer;
pub use question::Query;
pub use when::When;
