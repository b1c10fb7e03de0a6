//! A finite double, with one zero.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// A finite double, with one zero.
#[derive(Clone, Copy, Debug)]
pub struct Real(f64);

impl Real {
    /// The number, unless it is not finite.
    pub fn new(number: f64) -> Option<Self> {
        // Adding zero turns −0 into 0.
        number.is_finite().then_some(Self(number + 0.0))
    }

    /// The number.
    pub const fn number(self) -> f64 {
        self.0
    }
}

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Real {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_zero_and_nothing_that_is_not_finite() {
        assert_eq!(Real::new(-0.0), Real::new(0.0));
        assert_eq!(Real::new(f64::NAN), None);
        assert_eq!(Real::new(f64::INFINITY), None);
    }
}
