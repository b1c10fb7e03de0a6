//! The work a request may do, counted in steps.
//!
//! 1. Steps are counted, not timed, so that the same request gets the same answer on a busy day.
//! 2. The deadline is looked at every `DEADLINE_STEPS` steps and is only ever an error, never a decision.
//! 3. Work on what a bearer may not see is measured by a [`Budget::unbounded`] of its own: it is bounded by
//!    the deadline alone and charged to nobody (law 14), so that a hidden row changes no answer.

use std::cell::Cell;

use super::clock::Deadline;

/// How many steps pass between two looks at the clock.
const DEADLINE_STEPS: u64 = 1_024;

/// What is left of the steps a request may take.
#[derive(Debug)]
pub struct Budget {
    spent: Cell<u64>,
    max: u64,
    deadline: Option<Deadline>,
    look_at: Cell<u64>,
}

/// A request's work passed a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// More steps than the request may take.
    #[error("the request needs more than {max} steps")]
    Steps {
        /// The bound, in steps.
        max: u64,
    },
    /// More than a query that a function asks may take or hold.
    #[error("{what} may be at most {max}")]
    Query {
        /// What is bounded, with its unit.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// The request's deadline passed.
    #[error("the request's deadline passed")]
    Deadline,
}

impl Budget {
    /// A budget of `max` steps, given up at `deadline` if there is one.
    pub fn new(max: u64, deadline: Option<Deadline>) -> Self {
        Self {
            spent: Cell::new(0),
            max,
            deadline,
            look_at: Cell::new(DEADLINE_STEPS),
        }
    }

    /// A budget with this one's deadline and no bound on its steps.
    #[must_use]
    pub fn unbounded(&self) -> Self {
        Self::new(u64::MAX, self.deadline.clone())
    }

    /// A budget with this one's deadline and a bound of its own.
    #[must_use]
    pub fn bounded(&self, max: u64) -> Self {
        Self::new(max, self.deadline.clone())
    }

    /// A budget with this one's deadline, of `max` steps, or of those that are left here if they are fewer.
    #[must_use]
    pub fn within(&self, max: u64) -> Self {
        let left = self.max.saturating_sub(self.spent.get());
        self.bounded(max.min(left))
    }

    /// Takes `steps`.
    ///
    /// # Errors
    /// `Steps` if the bound is passed, `Deadline` if the deadline is past when the clock is looked at.
    pub fn spend(&self, steps: u64) -> Result<(), Exceeded> {
        let spent = self.spent.get().saturating_add(steps);
        self.spent.set(spent);
        if spent > self.max {
            return Err(Exceeded::Steps { max: self.max });
        }
        if spent >= self.look_at.get() {
            self.look_at.set(spent.saturating_add(DEADLINE_STEPS));
            if self.deadline.as_ref().is_some_and(Deadline::is_past) {
                return Err(Exceeded::Deadline);
            }
        }
        Ok(())
    }

    /// The steps taken so far.
    pub fn spent(&self) -> u64 {
        self.spent.get()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::base::clock::{Clock, ManualClock};

    #[test]
    fn the_last_step_of_the_bound_is_allowed_and_the_next_is_not() {
        let budget = Budget::new(10, None);
        assert_eq!(budget.spend(10), Ok(()));
        assert_eq!(budget.spend(1), Err(Exceeded::Steps { max: 10 }));
    }

    #[test]
    fn a_budget_within_another_has_no_more_than_what_is_left_there() {
        let budget = Budget::new(10, None);
        assert_eq!(budget.within(3).spend(4), Err(Exceeded::Steps { max: 3 }));
        assert_eq!(budget.spend(8), Ok(()));
        assert_eq!(budget.within(3).spend(2), Ok(()));
        assert_eq!(budget.within(3).spend(3), Err(Exceeded::Steps { max: 2 }));
    }

    #[test]
    fn a_past_deadline_ends_even_unbounded_work() {
        let manual = Arc::new(ManualClock::at(0));
        let clock: Arc<dyn Clock> = Arc::clone(&manual) as Arc<dyn Clock>;
        let budget = Budget::new(10, Some(Deadline::after(&clock, Duration::from_millis(1))));
        let work = budget.unbounded();
        manual.advance(Duration::from_millis(2));
        let ended = (0..=DEADLINE_STEPS).find_map(|_| work.spend(1).err());
        assert_eq!(ended, Some(Exceeded::Deadline));
        assert_eq!(budget.spent(), 0);
    }
}
