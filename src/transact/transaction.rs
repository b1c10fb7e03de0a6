//! The stages of a transaction, one after the other.

use std::sync::Arc;

use super::check::{Checked, checked, coarse};
use super::erase::erased;
use super::error::Error;
use super::followed::followed;
use super::ground::Ground;
use super::named::named;
use super::parsed::Parsed;
use super::resolved::resolved;
use super::rewrite::Said;
use super::staged::staged;
use super::warning::warnings;

/// Makes flakes out of a parsed transaction, and checks them.
///
/// # Errors
/// The first of the documented order, with the place in the request.
pub fn transact(parsed: Parsed, ground: &Ground<'_>) -> Result<Checked, Error> {
    let schema = Arc::clone(ground.policy.schema());
    let erases = parsed.erases();
    let Parsed { items, part } = parsed;
    let named = named(items, part.as_ref(), &schema)?;
    if erases {
        return erased(&named, ground);
    }
    coarse(&named, ground.writes, &schema)?;
    let warnings = warnings(&named);
    let resolved = resolved(named, ground, &schema)?;
    let staged = staged(&resolved, ground.before, &schema)?;
    let followed = followed(staged, Said::Before, ground)?;
    let checked = checked(followed, ground.before.basis().next(), ground)?;
    Ok(Checked {
        warnings,
        ..checked
    })
}
