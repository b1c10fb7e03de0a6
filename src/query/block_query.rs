//! The block query: what changed in some blocks.
//!
//! Shape: `{"block": blocks, "prettyPrint"?: true or false}`, and nothing else.

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::select::{invalid, switch};
use super::span::Span;

/// A block query that has the right shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockQuery {
    /// Which blocks.
    pub span: Span,
    /// Whether what changed is told as subjects.
    pub is_pretty: bool,
}

impl BlockQuery {
    /// Reads a block query.
    ///
    /// # Errors
    /// `InvalidQuery` with the place of what is wrong.
    pub fn read(json: &Json) -> Result<Self, Error> {
        let root = Pointer::root();
        let Json::Object(members) = json else {
            return Err(invalid(&root, "a block query is an object"));
        };
        let mut span = None;
        let mut is_pretty = false;
        for (key, value) in members {
            let at = root.key(key);
            match key.as_str() {
                "block" => span = Some(Span::read(value, &at)?),
                "prettyPrint" => is_pretty = switch(value, &at)?,
                _ => {
                    let why =
                        format!("a block query has `block` and `prettyPrint`, and no `{key}`");
                    return Err(invalid(&at, &why));
                }
            }
        }
        let span = span.ok_or_else(|| invalid(&root, "a block query has `block`"))?;
        Ok(Self { span, is_pretty })
    }

    /// Whether this is what a query that may be of any kind is.
    pub(super) fn is(members: &[(String, Json)]) -> bool {
        let is_block = |key: &str| key == "block";
        members.iter().any(|(key, _)| is_block(key))
            && members
                .iter()
                .all(|(key, _)| is_block(key) || key == "prettyPrint")
    }
}
