//! Which blocks a block query or a history query asks about: its `block`.
//!
//! Shape: one moment, which is one block; `[first]`, from there to the newest; `[first, last]`, both included. A moment
//! is what it is in any query: a number, the `t` of a block, an instant or a duration.

use super::error::Error;
use super::json::Json;
use super::pointer::Pointer;
use super::select::invalid;
use super::when::When;

/// Blocks that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first block.
    pub first: When,
    /// The last one.
    pub last: Last,
}

/// Where a [`Span`] ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Where it begins.
    First,
    /// At the newest block.
    Newest,
    /// At this moment.
    At(When),
}

impl Span {
    /// Reads a `block`.
    ///
    /// # Errors
    /// `InvalidQuery` if it is none.
    pub fn read(json: &Json, at: &Pointer) -> Result<Self, Error> {
        let Json::Array(ends) = json else {
            let first = When::read(json, at)?;
            let last = Last::First;
            return Ok(Self { first, last });
        };
        let (first, last) = match ends.as_slice() {
            [first] => (first, Last::Newest),
            [first, last] => (first, Last::At(When::read(last, &at.index(1))?)),
            _ => return Err(invalid(at, "blocks are `[first]` or `[first, last]`")),
        };
        let first = When::read(first, &at.index(0))?;
        Ok(Self { first, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::T;

    #[test]
    fn blocks_are_one_moment_or_a_first_and_perhaps_a_last_one() {
        let block = |t| When::Block(T(t));
        for (json, first, last) in [
            ("4", block(4), Last::First),
            (r#""PT1H""#, When::AgoMs(3_600_000), Last::First),
            ("[-4]", block(4), Last::Newest),
            ("[2, 9]", block(2), Last::At(block(9))),
        ] {
            let read = Span::read(&Json::read(json).unwrap(), &Pointer::root());
            assert_eq!(read, Ok(Span { first, last }), "{json}");
        }
        for (json, at) in [
            ("[]", ""),
            ("[1, 2, 3]", ""),
            ("[1, null]", "/1"),
            ("[[1]]", "/0"),
        ] {
            let error = Span::read(&Json::read(json).unwrap(), &Pointer::root()).unwrap_err();
            assert_eq!(error.at().unwrap().as_str(), at, "{json}");
        }
    }
}
