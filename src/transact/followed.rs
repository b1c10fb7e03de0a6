//! What follows from a rename or from a change of type, in the same commit.
//!
//! 1. Rules are bound to what they name (law 6): a rename of a collection, a predicate or a function writes anew
//!    the rules, restrictions, tags and functions whose texts name it, so that they say what they said.
//! 2. Texts of the request itself name things as the schema before the transaction does, and are written anew too;
//!    a name that this schema does not know is one that the transaction makes.
//! 3. A change of type writes the predicate's facts anew. It stands in a transaction of schema alone.
//! 4. What follows is judged by nobody: the rename or the change is. Why it cannot be done depends on facts that
//!    the author may not see, and is told after the permissions are judged.

use std::sync::Arc;

use super::error::Error;
use super::ground::Ground;
use super::rename::Renames;
use super::retype::retyped;
use super::rewrite::{Followed, Rewriter, Said};
use super::staged::Staged;

/// Adds what follows from what is staged.
pub(super) fn followed(staged: Staged, said: Said, ground: &Ground<'_>) -> Result<Followed, Error> {
    let schema = Arc::clone(ground.policy.schema());
    let renames = Renames::of(&staged, said, &schema, ground)?;
    let retyped = retyped(&staged, &schema, ground)?;
    let mut rewriter = Rewriter::new(staged, said, ground.before);
    renames.follow(&mut rewriter, &schema, ground)?;
    for change in &retyped {
        change.follow(&mut rewriter, ground)?;
    }
    Ok(rewriter.finish())
}
