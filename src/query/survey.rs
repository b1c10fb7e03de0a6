//! What was counted of a clause, so that nothing is counted twice and nothing that was read is read again.

use std::cell::Cell;
use std::rc::Rc;

use crate::model::SubjectId;

/// How many keys of a column are looked up to tell how many subjects each leads to.
pub(super) const SAMPLES: usize = 32;

/// How many subjects, or values, of one sample are looked at.
pub(super) const SAMPLE_LENGTH: usize = 32;

/// What an average is counted in.
pub(super) const PARTS: u64 = 16;

/// What was counted of one clause.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    /// The subjects that have its value, ascending; so many at least, as long as they are not all known.
    pub(super) list: List,
    /// How many subjects one value of its object leads to, in parts.
    pub(super) fan_in: Option<u64>,
    /// How many values one subject has, in parts.
    pub(super) fan_out: Option<u64>,
}

/// Subjects that have a value.
#[derive(Clone, Debug)]
pub(super) enum List {
    MoreThan(usize),
    All(Rc<[SubjectId]>),
}

impl Default for List {
    fn default() -> Self {
        Self::MoreThan(0)
    }
}

/// The steps that may still be spent on counting: a constant and a share of what joining came to.
///
/// So counting costs little beside the work, whatever the query and the facts are.
#[derive(Debug)]
pub(super) struct Allowance(Cell<u64>);

/// What may be counted before anything is joined.
const FIRST_STEPS: u64 = 16_384;

/// One step of counting for so many of joining.
const STEPS_FOR_A_STEP: u64 = 4;

impl Default for Allowance {
    fn default() -> Self {
        Self(Cell::new(FIRST_STEPS))
    }
}

impl Allowance {
    /// Nothing may be counted.
    pub(super) const fn none() -> Self {
        Self(Cell::new(0))
    }

    /// Whether so many steps may be spent; then they are taken.
    pub(super) fn takes(&self, steps: usize) -> bool {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let left = self.0.get().checked_sub(steps);
        if let Some(left) = left {
            self.0.set(left);
        }
        left.is_some()
    }

    /// Gives back what was taken and not spent.
    pub(super) fn returns(&self, steps: usize) {
        let steps = u64::try_from(steps).unwrap_or_default();
        self.0.set(self.0.get().saturating_add(steps));
    }

    /// Grows by the share of what was joined.
    pub(super) fn earns(&self, steps: u64) {
        let share = steps / STEPS_FOR_A_STEP;
        self.0.set(self.0.get().saturating_add(share));
    }
}
