//! The ground floor: every limit with its reason, the clock, and the budget a request spends.
//!
//! Knows nothing of the rest of the house.

mod budget;
mod clock;
pub mod limits;

pub use budget::{Budget, Exceeded};
pub use clock::{Clock, Deadline, ManualClock, SystemClock};
