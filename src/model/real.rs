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

    /// How many digits stand behind the point when it is written out exactly.
    pub fn decimal_places(self) -> usize {
        let bits = self.0.abs().to_bits();
        let power = i64::try_from(bits >> 52).unwrap_or(0).max(1) - 1_075;
        let fraction = (bits & ((1 << 52) - 1)) | if bits >> 52 == 0 { 0 } else { 1 << 52 };
        if fraction == 0 {
            return 0;
        }
        // The last digit of 2^-n stands for 10^-n.
        let places = (-power).saturating_sub(i64::from(fraction.trailing_zeros()));
        usize::try_from(places.max(0)).unwrap_or(0)
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
    fn a_double_is_written_out_with_so_many_places() {
        for (double, places) in [
            (0.0, 0),
            (1.0, 0),
            (-0.5, 1),
            (0.75, 2),
            (1e300, 0),
            (0.1, 55),
            (5e-324, 1_074),
        ] {
            let real = Real::new(double).unwrap();
            assert_eq!(real.decimal_places(), places, "{double}");
        }
    }

    #[test]
    fn there_is_one_zero_and_nothing_that_is_not_finite() {
        assert_eq!(Real::new(-0.0), Real::new(0.0));
        assert_eq!(Real::new(f64::NAN), None);
        assert_eq!(Real::new(f64::INFINITY), None);
    }
}
