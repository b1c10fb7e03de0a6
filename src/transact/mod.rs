//! JSON transaction → named → resolved → staged flakes that passed every check.
//!
//! Each stage has a type of its own, so that none can be skipped, and runs over the whole request before the next
//! begins; so the first error of the documented order is the one that is told:
//! JSON → shape → names → coarse permission → identities, refs and upserts → functions → types → schema →
//! permissions → unique.
//!
//! It is handed facts and what the author may do, and knows no disk. Identities and refs are resolved through the
//! author's own view: what is hidden reads as what is absent.

mod check;
mod error;
mod named;
mod parsed;
mod resolved;
mod staged;

use std::sync::Arc;

pub use check::Checked;
pub use error::{Error, Problem};
pub use parsed::{Parsed, parse};
pub use staged::Tempid;

use crate::base::Budget;
use crate::model::{Facts, T};
use crate::policy::{Permissions, Policy, View};

/// The state a transaction stands on, and who makes it.
#[expect(
    missing_debug_implementations,
    reason = "facts cannot be told in one line"
)]
pub struct Ground<'a> {
    /// What holds, unfiltered.
    pub before: &'a dyn Facts,
    /// The policy and schema of that state.
    pub policy: &'a Policy,
    /// What the author may write.
    pub writes: &'a Permissions,
    /// What the author may see of the state.
    pub sight: &'a View<'a>,
    /// The block's instant, Unix milliseconds.
    pub now_ms: i64,
    /// The steps the transaction may take.
    pub budget: &'a Budget,
}

/// Makes flakes out of a parsed transaction, and checks them.
///
/// # Errors
/// The first of the documented order, with the place in the request.
pub fn transact(parsed: &Parsed, ground: &Ground<'_>) -> Result<Checked, Error> {
    let schema = Arc::clone(ground.policy.schema());
    let named = named::named(parsed, &schema)?;
    check::coarse(&named, ground.writes, &schema)?;
    let resolved = resolved::resolved(named, ground.before, ground.sight, &schema)?;
    let staged = staged::staged(&resolved, ground.before)?;
    let t: T = ground.before.basis().next();
    check::checked(staged, t, ground)
}
